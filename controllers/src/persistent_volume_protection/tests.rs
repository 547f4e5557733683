use serde_json::{Value, json};

use super::{CONTROLLER, FINALIZER, Volume};
use crate::api::DeleteOptions;
use crate::digest::Digest;
use crate::fake::{Fault, Harness};

async fn started(phase: &str) -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(Volume::RESOURCE, volume(phase));
    harness.start();
    harness.settle().await;
    harness
}

fn volume(phase: &str) -> Value {
    json!({ "metadata": { "name": "v" }, "status": { "phase": phase } })
}

#[tokio::test]
async fn a_bound_volume_stays_until_it_is_released() {
    let mut harness = started("Bound").await;
    let protected = harness.api.object(Volume::RESOURCE, "", "v").unwrap();
    assert_eq!(protected["metadata"]["finalizers"], json!([FINALIZER]));
    harness.api.user_deletes(Volume::RESOURCE, "", "v", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(harness.api.names(Volume::RESOURCE, ""), ["v"]);
    harness.stop();
    let mut released = harness.api.object(Volume::RESOURCE, "", "v").unwrap();
    released["status"]["phase"] = json!("Released");
    harness.api.put(Volume::RESOURCE, released);
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.names(Volume::RESOURCE, ""), Vec::<String>::new());
}

#[tokio::test]
async fn a_volume_that_nobody_uses_goes_at_once() {
    let harness = started("Available").await;
    harness.api.user_deletes(Volume::RESOURCE, "", "v", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(harness.api.names(Volume::RESOURCE, ""), Vec::<String>::new());
}

#[tokio::test]
async fn a_conflict_and_a_restart_end_the_same() {
    let mut harness = started("Available").await;
    harness.api.fail(Fault::conflict("update persistentvolumes"));
    harness.api.user_deletes(Volume::RESOURCE, "", "v", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(harness.api.names(Volume::RESOURCE, ""), ["v"]);
    harness.start();
    harness.pass(std::time::Duration::from_secs(1)).await;
    assert!(harness.api.names(Volume::RESOURCE, "").is_empty());
}

#[tokio::test]
async fn a_volume_recreated_behind_a_stale_view_is_protected_like_any_other() {
    let harness = started("Bound").await;
    harness.api.hold_watches();
    harness.api.remove(Volume::RESOURCE, "", "v");
    harness.api.put(Volume::RESOURCE, volume("Bound"));
    harness.api.release_watches();
    harness.settle().await;
    let protected = harness.api.object(Volume::RESOURCE, "", "v").unwrap();
    assert_eq!(protected["metadata"]["finalizers"], json!([FINALIZER]));
}
