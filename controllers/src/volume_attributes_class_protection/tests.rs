use serde_json::{Value, json};

use super::{CONTROLLER, Claim, Class, FINALIZER, Volume};
use crate::api::{DeleteOptions, Resource};
use crate::digest::Digest;
use crate::fake::Harness;

/// A class that is deleted while an object uses it.
async fn deleted_in_use(resource: &'static Resource, user: Value) -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(Class::RESOURCE, json!({ "metadata": { "name": "gold" } }));
    harness.api.put(resource, user);
    harness.start();
    harness.settle().await;
    let protected = harness.api.object(Class::RESOURCE, "", "gold").unwrap();
    assert_eq!(protected["metadata"]["finalizers"], json!([FINALIZER]));
    harness.api.user_deletes(Class::RESOURCE, "", "gold", &DeleteOptions::default());
    harness.settle().await;
    harness
}

fn claim(spec: Value, status: Value) -> Value {
    json!({ "metadata": { "namespace": "a", "name": "c" }, "spec": spec, "status": status })
}

fn exists(harness: &Harness) -> bool {
    harness.api.object(Class::RESOURCE, "", "gold").is_some()
}

#[tokio::test]
async fn a_class_goes_with_the_last_volume_that_has_it() {
    let volume = json!({ "metadata": { "name": "v" }, "spec": { "volumeAttributesClassName": "gold" } });
    let harness = deleted_in_use(Volume::RESOURCE, volume).await;
    assert!(exists(&harness));
    harness.api.remove(Volume::RESOURCE, "", "v");
    harness.settle().await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_class_goes_when_the_claim_has_turned_to_another() {
    for (spec, status) in [
        (json!({ "volumeAttributesClassName": "gold" }), json!({})),
        (json!({}), json!({ "currentVolumeAttributesClassName": "gold" })),
        (json!({}), json!({ "modifyVolumeStatus": { "targetVolumeAttributesClassName": "gold" } })),
    ] {
        let harness = deleted_in_use(Claim::RESOURCE, claim(spec.clone(), status.clone())).await;
        assert!(exists(&harness), "{spec} {status}");
        harness.api.put(Claim::RESOURCE, claim(json!({ "volumeAttributesClassName": "silver" }), json!({})));
        harness.settle().await;
        assert!(!exists(&harness), "{spec} {status}");
    }
}

#[tokio::test]
async fn a_class_that_nobody_uses_goes_at_once() {
    let harness = deleted_in_use(Claim::RESOURCE, claim(json!({}), json!({}))).await;
    assert!(!exists(&harness));
}
