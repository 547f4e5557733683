use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::digests::endpoint_slice::{MANAGED_BY, SERVICE_NAME};
use crate::endpoint_fixture::{World, changed, lay_out, service};
use crate::fake::{Fault, Harness};
use crate::plan::Action;

fn without_selector() -> Value {
    service(json!({ "spec": { "selector": null } }))
}

fn endpoints(changes: Value) -> Value {
    let endpoints = json!({
        "metadata": { "namespace": "shop", "name": "web", "uid": "endpoints-1" },
        "subsets": [{
            "addresses": [{ "ip": "192.0.2.1", "hostname": "one" }, { "ip": "2001:db8::1" }],
            "notReadyAddresses": [{ "ip": "192.0.2.2", "nodeName": "n1" }],
            "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }],
        }],
    });
    changed(endpoints, &changes)
}

fn world(endpoints: Value) -> World {
    World { services: vec![without_selector()], endpoints: vec![endpoints], ..World::default() }
}

fn planned(world: &World) -> Vec<Action> {
    world.planned(plan)
}

fn created(world: &World) -> Vec<Value> {
    world.created(plan)
}

#[test]
fn addresses_are_mirrored_by_family() {
    let slices = created(&world(endpoints(json!({}))));
    assert_eq!(slices.len(), 2);
    assert_eq!(slices[0]["addressType"], "IPv4");
    let four = json!([
        { "addresses": ["192.0.2.1"], "conditions": { "ready": true }, "hostname": "one" },
        { "addresses": ["192.0.2.2"], "conditions": { "ready": false }, "nodeName": "n1" },
    ]);
    assert_eq!(slices[0]["endpoints"], four);
    assert_eq!(slices[0]["ports"], json!([{ "name": "http", "port": 80, "protocol": "TCP" }]));
    assert_eq!(slices[1]["addressType"], "IPv6");
    assert_eq!(slices[1]["endpoints"][0]["addresses"], json!(["2001:db8::1"]));
}

#[test]
fn labels_and_annotations_are_mirrored_but_for_what_is_about_the_endpoints_themselves() {
    let metadata = json!({ "metadata": {
        "labels": { "team": "a", MANAGED_BY: "me" },
        "annotations": { "note": "x", LAST_APPLIED: "{}", TRIGGER_TIME: "2027-01-01T00:00:00Z" },
    } });
    let slice = created(&world(endpoints(metadata))).remove(0);
    let metadata = &slice["metadata"];
    assert_eq!(metadata["labels"], json!({ "team": "a", SERVICE_NAME: "web", MANAGED_BY: MANAGER }));
    assert_eq!(metadata["annotations"], json!({ "note": "x", TRIGGER_TIME: "2027-01-01T00:00:00Z" }));
    assert_eq!(metadata["ownerReferences"][0]["kind"], "Endpoints");
    assert_eq!(metadata["ownerReferences"][0]["uid"], "endpoints-1");
}

#[test]
fn a_subset_is_mirrored_up_to_a_thousand_addresses() {
    let addresses: Vec<Value> =
        (0..1100).map(|at| json!({ "ip": format!("10.2.{}.{}", at / 250, at % 250) })).collect();
    let many =
        json!({ "subsets": [{ "addresses": addresses, "ports": [{ "port": 80, "protocol": "TCP" }] }] });
    let slices = created(&world(endpoints(many)));
    let counts: Vec<usize> =
        slices.iter().map(|slice| slice["endpoints"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1000]);
}

#[test]
fn some_endpoints_are_not_mirrored() {
    let label = json!({ "metadata": { "labels": { SKIP_MIRROR: "true" } } });
    let leader = json!({ "metadata": { "annotations": { LEADER: "{}" } } });
    for change in [label, leader] {
        assert_eq!(planned(&world(endpoints(change))), []);
    }
    let mut selected = world(endpoints(json!({})));
    selected.services = vec![service(json!({}))];
    assert_eq!(planned(&selected), []);
    selected.services.clear();
    assert_eq!(planned(&selected), [], "without a service they mean nothing");
    let unreadable = json!({ "subsets": [{ "addresses": [{ "ip": "example.com" }] }] });
    assert_eq!(planned(&world(endpoints(unreadable))), []);
}

async fn running() -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    lay_out(&harness, &world(endpoints(json!({}))));
    harness.start();
    harness.settle().await;
    harness
}

fn slices(harness: &Harness) -> usize {
    harness.api.names(EndpointSlice::RESOURCE, "shop").len()
}

#[tokio::test]
async fn slices_follow_their_endpoints_until_these_go() {
    let harness = running().await;
    assert_eq!(slices(&harness), 2);
    let four = json!({ "subsets": [{ "addresses": [{ "ip": "192.0.2.9" }] }] });
    harness.api.put(Endpoints::RESOURCE, endpoints(four));
    harness.settle().await;
    assert_eq!(slices(&harness), 1);
    harness.api.remove(Endpoints::RESOURCE, "shop", "web");
    harness.settle().await;
    assert_eq!(slices(&harness), 0);
}

#[tokio::test]
async fn a_service_that_gets_or_loses_its_selector_changes_hands() {
    let harness = running().await;
    harness.api.put(Service::RESOURCE, service(json!({})));
    harness.settle().await;
    assert_eq!(slices(&harness), 0);
    harness.api.put(Service::RESOURCE, without_selector());
    harness.settle().await;
    assert_eq!(slices(&harness), 2);
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.settle().await;
    assert_eq!(slices(&harness), 0);
}

#[tokio::test]
async fn endpoints_recreated_under_their_name_have_slices_of_their_own() {
    let harness = running().await;
    let before = harness.api.names(EndpointSlice::RESOURCE, "shop");
    harness.api.hold_watches();
    harness.api.remove(Endpoints::RESOURCE, "shop", "web");
    harness.api.put(Endpoints::RESOURCE, endpoints(json!({})));
    harness.api.release_watches();
    harness.settle().await;
    let after = harness.api.names(EndpointSlice::RESOURCE, "shop");
    assert_eq!(after.len(), 2);
    assert!(before.iter().all(|name| !after.contains(name)), "{before:?} {after:?}");
}

#[tokio::test]
async fn a_restart_writes_nothing_and_a_conflict_is_overcome() {
    let mut harness = running().await;
    harness.api.take_writes();
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    harness.api.fail(Fault::conflict("update endpointslices"));
    harness.api.put(Endpoints::RESOURCE, endpoints(json!({ "metadata": { "labels": { "a": "b" } } })));
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    for name in harness.api.names(EndpointSlice::RESOURCE, "shop") {
        let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", &name).unwrap();
        assert_eq!(slice["metadata"]["labels"]["a"], "b");
    }
}
