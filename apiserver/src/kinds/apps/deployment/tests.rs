use super::*;
use crate::codec::json;
use crate::tree::Map;

fn tree(text: &str) -> Map {
    match json::decode_untyped(text.as_bytes()).expect("JSON") {
        Node::Map(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// A Deployment with `spec` added to what it needs.
fn deployment(spec: &str) -> Map {
    let mut deployment = tree(
        r#"{"metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"app":"web"}},
        "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"nginx:1"},{"name":"d","image":"busybox:1"}]}}}}"#,
    );
    for (field, value) in tree(spec).iter() {
        deployment.map_mut("spec").set(field.clone(), value.clone());
    }
    set_defaults(&mut deployment);
    deployment
}

fn refusals(spec: &str) -> Vec<String> {
    let mut errors = FieldErrors::new();
    validate(&deployment(spec), &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn absent_fields_get_their_meaning() {
    let check = |spec: &str, path: &[&str], expected: &str| {
        let found = deployment(spec)
            .map("spec")
            .and_then(|spec| spec.at(path))
            .map_or("absent".into(), Node::to_string);
        assert_eq!(found, expected, "{spec} {path:?}");
    };
    check("{}", &["replicas"], "1");
    check(r#"{"replicas":0}"#, &["replicas"], "0");
    check(
        "{}",
        &["strategy"],
        r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}"#,
    );
    check(r#"{"strategy":{"type":"Recreate"}}"#, &["strategy"], r#"{"type":"Recreate"}"#);
    check("{}", &["revisionHistoryLimit"], "10");
    check("{}", &["progressDeadlineSeconds"], "600");
    check("{}", &["template", "spec", "restartPolicy"], r#""Always""#);
}

#[test]
fn broken_specs_are_refused_in_upstream_s_words() {
    let check = |spec: &str, expected: &[&str]| assert_eq!(refusals(spec), expected, "{spec}");
    check("{}", &[]);
    check(r#"{"replicas":-1}"#, &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]);
    check(
        r#"{"selector":{"matchLabels":{"app":"other"}}}"#,
        &[
            r#"spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`"#,
        ],
    );
    check(
        r#"{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":"0%"}}}"#,
        &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    );
    check(
        r#"{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"101%","maxSurge":1}}}"#,
        &[
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
        ],
    );
    check(
        r#"{"strategy":{"type":"Recreate","rollingUpdate":{}}}"#,
        &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    );
    check(
        r#"{"minReadySeconds":600}"#,
        &["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    );
}

#[test]
fn annotations_and_the_spec_count_as_change_and_labels_do_not() {
    let old = deployment("{}");
    let changed = |metadata: &str| {
        let mut new = old.clone();
        new.set("metadata", tree(metadata));
        counts_as_change(&new, &old)
    };
    assert!(!changed(r#"{"name":"web","labels":{"a":"b"}}"#));
    assert!(changed(r#"{"name":"web","annotations":{"a":"b"}}"#));
    assert!(counts_as_change(&deployment(r#"{"paused":true}"#), &old));
}

#[test]
fn the_row_tells_ready_of_desired_and_what_runs() {
    let mut deployment = deployment(r#"{"replicas":3}"#);
    deployment.set("status", tree(r#"{"readyReplicas":2,"updatedReplicas":1}"#));
    let row: Vec<String> =
        KIND.columns.iter().map(|column| column.cell(&deployment, 0).to_string()).collect();
    assert_eq!(
        row,
        [
            r#""web""#,
            r#""2/3""#,
            "1",
            "0",
            r#""<unknown>""#,
            r#""c,d""#,
            r#""nginx:1,busybox:1""#,
            r#""app=web""#
        ]
    );
}
