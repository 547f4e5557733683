use super::*;
use crate::codec::{json, yaml};
use crate::schema;

const POD: (&str, &str, &str) = ("", "v1", "Pod");
const SERVICE: (&str, &str, &str) = ("", "v1", "Service");
const DEPLOYMENT: (&str, &str, &str) = ("apps", "v1", "Deployment");

fn untyped(text: &str) -> Map {
    match json::decode_untyped(&yaml::to_json(text.as_bytes(), None).unwrap()).unwrap() {
        Node::Map(map) => map,
        other => panic!("{text} is {other}"),
    }
}

fn patched(kind: (&str, &str, &str), live: &str, patch: &str) -> std::result::Result<Map, PatchError> {
    let (schema, id) = (schema::builtin(), schema::kind(kind.0, kind.1, kind.2).unwrap());
    let mut document = json::typed(untyped(live), schema, id, None).unwrap();
    apply(&untyped(patch), &mut document, schema, id)?;
    Ok(json::typed(document, schema, id, None).unwrap())
}

#[track_caller]
fn check(kind: (&str, &str, &str), live: &str, patch: &str, expected: &str) {
    let (schema, id) = (schema::builtin(), schema::kind(kind.0, kind.1, kind.2).unwrap());
    let expected = json::typed(untyped(expected), schema, id, None).unwrap();
    assert_eq!(
        patched(kind, live, patch).map(|map| map.to_string()),
        Ok(expected.to_string()),
        "{live} + {patch}"
    );
}

#[track_caller]
fn check_error(kind: (&str, &str, &str), live: &str, patch: &str, expected: PatchError) {
    assert_eq!(patched(kind, live, patch).map(|map| map.to_string()), Err(expected), "{live} + {patch}");
}

#[test]
fn maps_merge_and_null_deletes() {
    check(
        POD,
        "metadata: {labels: {a: x, b: q}, annotations: {k: v}}",
        "metadata: {labels: {b: null, c: z}, annotations: null}",
        "metadata: {labels: {a: x, c: z}}",
    );
    check(POD, "{}", "metadata: {annotations: {a: b, c: null}}", "metadata: {annotations: {a: b}}");
    check(POD, "spec: {hostNetwork: true}", "spec: {unknown: {a: 1}, hostNetwork: null}", "{}");
    check(
        POD,
        "spec: {nodeSelector: {a: x}}",
        "spec: {nodeSelector: {$patch: replace, b: q}}",
        "spec: {nodeSelector: {b: q}}",
    );
    check(POD, "metadata: {labels: {a: x}}", "metadata: {labels: {$patch: delete}}", "{}");
}

#[test]
fn lists_of_objects_merge_by_their_key() {
    check(
        POD,
        "spec: {containers: [{name: a, image: x}, {name: b, image: x}]}",
        "spec: {containers: [{name: b, image: q}, {name: c, image: z, env: [{name: E, value: null}]}]}",
        "spec: {containers: [{name: a, image: x}, {name: b, image: q}, {name: c, image: z, env: [{name: E}]}]}",
    );
    check(
        SERVICE,
        "spec: {ports: [{port: 80, targetPort: 1}, {port: 443, targetPort: 2}]}",
        "spec: {ports: [{port: 443, targetPort: https}]}",
        "spec: {ports: [{port: 80, targetPort: 1}, {port: 443, targetPort: https}]}",
    );
    check(
        POD,
        "spec: {containers: [{name: a, ports: [{containerPort: 80}]}]}",
        "spec: {containers: [{name: a, ports: [{containerPort: 80, name: web}, {containerPort: 81}]}]}",
        "spec: {containers: [{name: a, ports: [{containerPort: 80, name: web}, {containerPort: 81}]}]}",
    );
}

#[test]
fn an_item_may_have_a_null_for_its_merge_key() {
    check(
        POD,
        "spec: {containers: [{name: a}]}",
        "spec: {containers: [{name: null, image: i}]}",
        "spec: {containers: [{image: i}, {name: a}]}",
    );
}

#[test]
fn additions_take_the_places_of_deleted_items() {
    check(
        POD,
        "spec: {containers: [{name: a}, {name: b}, {name: c}, {name: d}]}",
        "spec: {$setElementOrder/containers: [{name: x}, {name: d}], containers: [{name: c, $patch: delete}, {name: a, $patch: delete}, {name: x}]}",
        "spec: {containers: [{name: b}, {name: x}, {name: d}]}",
    );
}

#[test]
fn items_are_deleted_and_lists_replaced_by_directives() {
    check(
        POD,
        "spec: {containers: [{name: a}, {name: b}, {name: c}]}",
        "spec: {containers: [{name: b, $patch: delete}, {name: x, $patch: delete}]}",
        "spec: {containers: [{name: a}, {name: c}]}",
    );
    check(
        POD,
        "spec: {containers: [{name: a}, {name: b}]}",
        "spec: {containers: [{name: c}, {$patch: replace}]}",
        "spec: {containers: [{name: c}]}",
    );
}

#[test]
fn lists_without_strategy_are_replaced() {
    check(
        POD,
        "spec: {tolerations: [{key: a}, {key: b}]}",
        "spec: {tolerations: [{key: c}]}",
        "spec: {tolerations: [{key: c}]}",
    );
    check(
        POD,
        "spec: {containers: [{name: a, args: [x, q]}]}",
        "spec: {containers: [{name: a, args: [z]}]}",
        "spec: {containers: [{name: a, args: [z]}]}",
    );
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    check(
        POD,
        "metadata: {finalizers: [a/a, b/b]}",
        "metadata: {finalizers: [c/c, b/b]}",
        "metadata: {finalizers: [c/c, a/a, b/b]}",
    );
    check(
        POD,
        "metadata: {finalizers: [a/a, b/b, c/c]}",
        "metadata: {$deleteFromPrimitiveList/finalizers: [b/b]}",
        "metadata: {finalizers: [a/a, c/c]}",
    );
    check(
        POD,
        "metadata: {finalizers: [a/a, b/b, c/c]}",
        "metadata: {$setElementOrder/finalizers: [c/c, d/d, a/a], $deleteFromPrimitiveList/finalizers: [b/b], finalizers: [d/d]}",
        "metadata: {finalizers: [c/c, d/d, a/a]}",
    );
}

#[test]
fn the_stated_order_wins_and_others_stay_where_they_were() {
    let live = "spec: {containers: [{name: a}, {name: server}, {name: b}, {name: c}]}";
    check(
        POD,
        live,
        "spec: {$setElementOrder/containers: [{name: c}, {name: a}, {name: b}], containers: [{name: c, image: i}]}",
        "spec: {containers: [{name: server}, {name: c, image: i}, {name: a}, {name: b}]}",
    );
    check(
        POD,
        live,
        "spec: {$setElementOrder/containers: [{name: a}, {name: c}], containers: [{name: b, $patch: delete}]}",
        "spec: {containers: [{name: a}, {name: server}, {name: c}]}",
    );
    check(
        POD,
        live,
        "spec: {$setElementOrder/containers: [{name: b}, {name: a}]}",
        "spec: {containers: [{name: server}, {name: b}, {name: a}, {name: c}]}",
    );
    check(
        POD,
        "{}",
        "status: {$setElementOrder/conditions: [{type: Ready}], conditions: [{type: Ready}]}",
        "status: {conditions: [{type: Ready}]}",
    );
}

#[test]
fn union_structs_retain_only_the_stated_keys() {
    check(
        DEPLOYMENT,
        "spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}",
        "spec: {strategy: {$retainKeys: [type], type: Recreate}}",
        "spec: {strategy: {type: Recreate}}",
    );
    check(
        POD,
        "spec: {volumes: [{name: v, emptyDir: {}}]}",
        "spec: {volumes: [{name: v, $retainKeys: [name, configMap], configMap: {name: c}}]}",
        "spec: {volumes: [{name: v, configMap: {name: c}}]}",
    );
    check_error(
        DEPLOYMENT,
        "{}",
        "spec: {strategy: {$retainKeys: [type], rollingUpdate: {maxSurge: 1}}}",
        PatchError::Malformed("invalid patch format of retainKeys".into()),
    );
}

#[test]
fn directives_never_get_stored() {
    check(
        POD,
        "metadata: {labels: {a: b}}",
        "{metadata: {labels: {$patch: replace}}, spec: {securityContext: {$retainKeys: [runAsUser], runAsUser: 1}}}",
        "spec: {securityContext: {runAsUser: 1}}",
    );
    check(POD, "{}", "metadata: {annotations: {$patch: replace, a: b}}", "{}");
}

#[test]
fn what_does_not_fit_is_refused_in_upstreams_words() {
    let unfit = |text: &str| PatchError::Unfit(text.into());
    let live = "spec: {containers: [{name: a}]}";
    check_error(
        POD,
        live,
        "spec: {containers: [{image: x}]}",
        unfit("map: map[image:x] does not contain declared merge key: name"),
    );
    check_error(
        POD,
        live,
        "spec: {containers: [{$patch: delete}]}",
        unfit("map: map[$patch:delete] does not contain declared merge key: name"),
    );
    check_error(
        POD,
        live,
        "spec: {containers: [{name: a, $patch: merge}]}",
        unfit("merging lists cannot yet be specified in the patch"),
    );
    check_error(
        POD,
        live,
        "metadata: {$patch: other}",
        unfit("unknown patch type: other in map: map[$patch:other]"),
    );
    check_error(
        POD,
        live,
        "spec: {containers: [x]}",
        unfit("list element types are not identical: [[map[name:a]] [x]]"),
    );
    check_error(
        POD,
        live,
        "spec: {$setElementOrder: []}",
        PatchError::Malformed("invalid patch format of setElementOrder list".into()),
    );
    check_error(
        POD,
        live,
        "spec: {$setElementOrder/containers: 1}",
        unfit("expected a []interface {}, but received a int64"),
    );
    check_error(
        POD,
        live,
        "spec: {$setElementOrder/nothing: []}",
        unfit("unable to find api field in struct PodSpec for the json field \"nothing\""),
    );
    check_error(
        POD,
        live,
        "spec: {$setElementOrder/containers: [{name: b}, {name: a}], containers: [{name: a}, {name: b}]}",
        unfit(
            "The order in patch list:\n[map[name:a] map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:b] map[name:a]]\n",
        ),
    );
}

#[test]
fn what_the_patch_does_not_name_stays_shared() {
    let (schema, id) = (schema::builtin(), schema::kind("", "v1", "Pod").unwrap());
    let live = json::typed(
        untyped("{metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}"),
        schema,
        id,
        None,
    );
    let live = live.unwrap();
    let mut document = live.clone();
    apply(&untyped("metadata: {annotations: {x: q}}"), &mut document, schema, id).unwrap();
    let places = |map: &Map| {
        let place = |path: &[&str]| map.map_at(path).map(|map| map.entries().as_ptr());
        [place(&["spec"]), place(&["metadata", "labels"])]
    };
    assert_eq!(places(&document), places(&live));
}
