use super::*;
use crate::tree::List;

static KIND: Kind = Kind {
    names: crate::kind::Names {
        group: "",
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short: &[],
        scope: crate::kind::Scope::Namespaced,
    },
    ..Kind::DEFAULT
};

fn object(metadata: Map) -> Map {
    let mut metadata = metadata;
    metadata.set_default("name", "a");
    metadata.set_default("namespace", "default");
    Map::from([("metadata", metadata)])
}

fn texts<const N: usize>(texts: [&str; N]) -> Node {
    texts.into_iter().collect()
}

fn check_create(metadata: Map, expected: &str) {
    let mut errors = FieldErrors::new();
    validate(&KIND, &object(metadata), &mut errors);
    assert_eq!(errors.to_string(), if expected.is_empty() { "[]" } else { expected });
}

fn check_update(metadata: Map, old: Map, expected: &str) {
    let mut errors = FieldErrors::new();
    validate_update(&KIND, &object(metadata), &object(old), &mut errors);
    assert_eq!(errors.to_string(), if expected.is_empty() { "[]" } else { expected });
}

#[test]
fn create_names_each_fault() {
    check_create(Map::new(), "");
    check_create(
        Map::from([("name", "")]),
        "metadata.name: Required value: name or generateName is required",
    );
    check_create(Map::from([("namespace", "")]), "metadata.namespace: Required value");
    check_create(
        Map::from([("namespace", "a.b")]),
        "metadata.namespace: Invalid value: \"a.b\": must not contain dots",
    );
    check_create(
        Map::from([("annotations", Map::from([("k", "v".repeat(262_144))]))]),
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    );
    check_create(Map::from([("annotations", Map::from([("UPPER.case/K", "v")]))]), "");
    check_create(
        Map::from([("finalizers", texts(["plain"]))]),
        "metadata.finalizers[0]: Invalid value: \"plain\": name is neither a standard finalizer name nor is it fully qualified",
    );
    check_create(Map::from([("finalizers", texts(["orphan", "example.com/x"]))]), "");
}

#[test]
fn owners_are_whole_and_one_controls() {
    let owner = |name: &str| {
        Node::from(Map::from([
            ("apiVersion", Node::from("apps/v1")),
            ("kind", "ReplicaSet".into()),
            ("name", name.into()),
            ("uid", "u".into()),
            ("controller", true.into()),
        ]))
    };
    let mut partial = Map::from([("apiVersion", "a/b/c")]);
    partial.set("kind", "X");
    check_create(
        Map::from([("ownerReferences", List::from([partial.into()]))]),
        "[metadata.ownerReferences[0].apiVersion: Invalid value: \"a/b/c\": must be <group>/<version> or <version>, metadata.ownerReferences[0].name: Required value: must not be empty, metadata.ownerReferences[0].uid: Required value: must not be empty]",
    );
    let mut errors = FieldErrors::new();
    let both = List::from([owner("a"), owner("b")]);
    validate(&KIND, &object(Map::from([("ownerReferences", both)])), &mut errors);
    assert!(errors.to_string().ends_with(
        "Only one reference can have Controller set to true. Found \"true\" in references for ReplicaSet/a and ReplicaSet/b"
    ));
}

#[test]
fn update_keeps_what_is_immutable() {
    check_update(
        Map::from([("uid", "b")]),
        Map::from([("uid", "a")]),
        "metadata.uid: Invalid value: \"b\": field is immutable",
    );
    check_update(
        Map::from([("generation", 1_i64)]),
        Map::from([("generation", 2_i64)]),
        "metadata.generation: Invalid value: 1: must not be decremented",
    );
    let deleting = |finalizers| {
        Map::from([("deletionTimestamp", Node::from("2026-01-01T00:00:00Z")), ("finalizers", finalizers)])
    };
    check_update(
        deleting(texts(["a/b", "c/d", "e/f"])),
        deleting(texts(["c/d"])),
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"a/b\", \"e/f\"}",
    );
    check_update(deleting(texts([])), deleting(texts(["c/d"])), "");
}
