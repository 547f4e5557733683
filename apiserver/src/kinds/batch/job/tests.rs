use super::*;
use crate::user::User;

/// A Job with one container, `spec` added to its spec.
fn job(spec: &[(&'static str, Node)]) -> Map {
    let container = Map::from([("name", "c"), ("image", "i")]);
    let pod = Map::from([
        ("restartPolicy", Node::from("Never")),
        ("containers", [container].into_iter().collect::<Node>()),
    ]);
    let mut job =
        Map::from([("metadata", Map::from([("name", "pi"), ("namespace", "default"), ("uid", "u-1")]))]);
    let mut of_spec = Map::from([("template", Map::from([("spec", pod)]))]);
    for (field, value) in spec {
        of_spec.set(*field, value.clone());
    }
    job.set("spec", of_spec);
    job
}

fn created(spec: &[(&'static str, Node)]) -> Map {
    let mut job = job(spec);
    set_defaults(&mut job);
    let user = User::default();
    prepare_for_create(&mut job, &Context { now: "2026-01-02T03:04:05Z", user: &user });
    job
}

/// The causes that a new Job with `spec` is refused for, as `field: message`.
fn refusals(spec: &[(&'static str, Node)]) -> Vec<String> {
    let mut errors = FieldErrors::new();
    let job = created(spec);
    validate(&job, &mut errors);
    validate_request(&KIND.versions[0], &job, None, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn absent_fields_get_their_meaning() {
    let check = |spec: &[(&'static str, Node)], field: &str, expected: Option<Node>| {
        assert_eq!(
            created(spec).map("spec").and_then(|spec| spec.get(field)),
            expected.as_ref(),
            "{spec:?} {field}"
        );
    };
    check(&[], "completions", Some(1i64.into()));
    check(&[], "parallelism", Some(1i64.into()));
    check(&[("parallelism", 3i64.into())], "completions", None);
    check(&[("completions", 3i64.into())], "parallelism", Some(1i64.into()));
    check(&[], "backoffLimit", Some(6i64.into()));
    check(&[("backoffLimitPerIndex", 1i64.into())], "backoffLimit", Some(2_147_483_647i64.into()));
    check(&[], "completionMode", Some("NonIndexed".into()));
    check(&[], "podReplacementPolicy", Some("TerminatingOrFailed".into()));
    check(&[("podFailurePolicy", Map::new().into())], "podReplacementPolicy", Some("Failed".into()));
    check(&[], "manualSelector", Some(false.into()));
}

#[test]
fn the_selector_is_the_uid_and_the_pods_carry_it() {
    let job = created(&[]);
    let selector = Map::from([("matchLabels", Map::from([("batch.kubernetes.io/controller-uid", "u-1")]))]);
    assert_eq!(job.map_at(&["spec", "selector"]), Some(&selector));
    let labels = Map::from([
        ("batch.kubernetes.io/controller-uid", "u-1"),
        ("batch.kubernetes.io/job-name", "pi"),
        ("controller-uid", "u-1"),
        ("job-name", "pi"),
    ]);
    assert_eq!(job.map_at(&["spec", "template", "metadata", "labels"]), Some(&labels));
    assert_eq!(refusals(&[]), Vec::<String>::new());
}

#[test]
fn a_manual_selector_is_left_alone() {
    let chosen = Map::from([("matchLabels", Map::from([("app", "x")]))]);
    let spec = [("manualSelector", Node::from(true)), ("selector", chosen.clone().into())];
    assert_eq!(created(&spec).map_at(&["spec", "selector"]), Some(&chosen));
    assert_eq!(
        refusals(&spec),
        ["spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"]
    );
}

#[test]
fn a_chosen_selector_without_manual_selector_is_refused() {
    let wrong = Map::from([("matchLabels", Map::from([("batch.kubernetes.io/controller-uid", "u-2")]))]);
    let refusals = refusals(&[("selector", wrong.into())]);
    assert!(
        refusals
            .iter()
            .any(|it| it.starts_with("spec.selector:") && it.ends_with("`selector` not auto-generated"))
    );
}

#[test]
fn a_stored_job_may_take_back_that_its_selector_was_chosen() {
    let chosen = Map::from([("matchLabels", Map::from([("a", "b")]))]);
    let job = created(&[("selector", chosen.into())]);
    let mut errors = FieldErrors::new();
    validate_request(&KIND.versions[0], &job, Some(&job), &mut errors);
    assert!(errors.is_empty(), "{errors}");
}

#[test]
fn what_depends_on_indexes_needs_the_indexed_mode() {
    let indexed = |more: &[(&'static str, Node)]| {
        let mut spec = vec![("completionMode", Node::from("Indexed"))];
        spec.extend(more.iter().cloned());
        refusals(&spec)
    };
    assert_eq!(
        refusals(&[("backoffLimitPerIndex", 1i64.into())]),
        ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"]
    );
    assert_eq!(
        indexed(&[("parallelism", 2i64.into())]),
        ["spec.completions: Required value: when completion mode is Indexed"]
    );
    assert_eq!(
        indexed(&[("completions", 5i64.into()), ("backoffLimitPerIndex", 1i64.into())]),
        Vec::<String>::new()
    );
}

#[test]
fn cells_tell_progress() {
    let mut job = created(&[]);
    assert_eq!(phase(&job), "Running");
    assert_eq!(completions(&job, 0), Node::from("0/1"));
    assert_eq!(duration(&job, 0), Node::from(""));
    let done = Map::from([("type", "Complete"), ("status", "True")]);
    job.set(
        "status",
        Map::from([
            ("succeeded", Node::Int(1)),
            ("startTime", "2026-01-02T03:04:05Z".into()),
            ("completionTime", "2026-01-02T03:06:35Z".into()),
            ("conditions", [done].into_iter().collect()),
        ]),
    );
    assert_eq!(phase(&job), "Complete");
    assert_eq!(completions(&job, 0), Node::from("1/1"));
    assert_eq!(duration(&job, 0), Node::from("2m30s"));
}

#[test]
fn a_running_job_keeps_its_template_and_a_suspended_one_may_move() {
    let check = |suspend: bool, expected: usize| {
        let old = created(&[("suspend", suspend.into())]);
        let mut job = old.clone();
        let pod = job.map_mut("spec").map_mut("template").map_mut("spec");
        pod.map_mut("nodeSelector").set("zone", "a");
        let mut errors = FieldErrors::new();
        update::validate(&job, &old, &mut errors);
        assert_eq!(errors.iter().count(), expected);
    };
    check(false, 1);
    check(true, 0);
}
