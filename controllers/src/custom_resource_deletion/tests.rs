use super::*;
use crate::fake::Harness;

const DEFINITIONS: &Resource = CustomResourceDefinition::RESOURCE;
const WIDGETS: &Resource = &Resource::namespaced("example.com", "v1", "widgets", "Widget");

fn definition(established: &str) -> Value {
    json!({
        "metadata": {
            "name": "widgets.example.com",
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": [FINALIZER, "example.com/other"],
        },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true }],
        },
        "status": {
            "acceptedNames": { "plural": "widgets", "kind": "Widget" },
            "conditions": [{ "type": "Established", "status": established }],
        },
    })
}

fn terminating(harness: &Harness) -> String {
    let object = harness.api.object(DEFINITIONS, "", "widgets.example.com").unwrap();
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|it| it["type"] == "Terminating").unwrap()["reason"].as_str().unwrap().to_owned()
}

fn finalizers(harness: &Harness) -> Value {
    harness.api.object(DEFINITIONS, "", "widgets.example.com").unwrap()["metadata"]["finalizers"].clone()
}

#[tokio::test]
async fn objects_of_all_namespaces_go_before_the_finalizer() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.serve(WIDGETS);
    for (namespace, name) in [("a", "x"), ("b", "y"), ("b", "z")] {
        harness.api.put(WIDGETS, json!({ "metadata": { "namespace": namespace, "name": name } }));
    }
    harness.api.put(DEFINITIONS, definition("True"));
    harness.start();
    harness.settle().await;
    assert!(harness.api.names(WIDGETS, "").is_empty());
    assert_eq!(terminating(&harness), "InstanceDeletionCompleted");
    assert_eq!(finalizers(&harness), json!(["example.com/other"]));
}

#[tokio::test]
async fn an_object_with_a_finalizer_holds_the_definition_until_it_goes() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.serve(WIDGETS);
    let held = json!({ "metadata": { "namespace": "a", "name": "x", "finalizers": ["example.com/f"] } });
    harness.api.put(WIDGETS, held);
    harness.api.put(DEFINITIONS, definition("True"));
    harness.start();
    harness.settle().await;
    assert_eq!(terminating(&harness), "InstanceDeletionInProgress");
    assert_eq!(finalizers(&harness), json!([FINALIZER, "example.com/other"]));
    harness.api.remove(WIDGETS, "a", "x");
    harness.pass(PATIENCE).await;
    assert_eq!(finalizers(&harness), json!(["example.com/other"]));
}

#[tokio::test]
async fn a_definition_that_was_never_established_has_no_objects() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(DEFINITIONS, definition("False"));
    harness.start();
    harness.settle().await;
    assert_eq!(terminating(&harness), "NeverEstablished");
    assert_eq!(finalizers(&harness), json!(["example.com/other"]));
}
