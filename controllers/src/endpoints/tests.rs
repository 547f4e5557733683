use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::api::ApiError;
use crate::endpoint_fixture::{
    CREATED, READY_SINCE, World, changed, lay_out, pod, service, terminating, unready,
};
use crate::fake::{Fault, Harness};

fn key() -> Key {
    Key::new("shop", "web")
}

fn planned(world: &World) -> Vec<Action> {
    plan(&key(), &world.view(), Timestamp::UNIX_EPOCH).actions
}

/// The object that would be written.
#[track_caller]
fn written(world: &World) -> Value {
    match planned(world).pop() {
        Some(Action::Create { object, .. } | Action::Update { object, .. }) => object,
        other => panic!("a write was expected: {other:?}"),
    }
}

/// Subsets in short: ports, ready addresses, others in brackets.
#[track_caller]
fn subsets_of(world: &World) -> Vec<String> {
    short(&written(world))
}

fn short(object: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |subset: &Value| {
        let ports = list(&subset["ports"]);
        let ports = ports.iter().map(|port| format!("{}:{}", text(&port["name"]), port["port"]));
        let ready = list(&subset["addresses"]).iter().map(|it| text(&it["ip"])).collect::<Vec<_>>();
        let others = list(&subset["notReadyAddresses"]).iter().map(|it| text(&it["ip"])).collect::<Vec<_>>();
        format!("{} {} ({})", ports.collect::<Vec<_>>().join(","), ready.join(" "), others.join(" "))
    };
    list(&object["subsets"]).iter().map(line).collect()
}

#[test]
fn pods_become_addresses() {
    let two = json!({ "spec": { "ports": [
        { "name": "http", "protocol": "TCP", "port": 80, "targetPort": "web" },
        { "name": "metrics", "protocol": "TCP", "port": 9090, "targetPort": 9090 },
    ] } });
    let headless = |ports: Value| json!({ "spec": { "clusterIP": "None", "ports": ports } });
    let unnamed =
        json!({ "spec": { "containers": [{ "ports": [{ "name": "web", "containerPort": 8081 }] }] } });
    let dual = json!({ "status": { "podIPs": [{ "ip": "10.1.0.1" }, { "ip": "fd00::1" }] } });
    let six = json!({ "spec": { "ipFamilies": ["IPv6", "IPv4"] } });
    let publish = json!({ "spec": { "publishNotReadyAddresses": true } });
    let done = json!({ "status": { "phase": "Succeeded" } });
    let none = json!({});
    let cases: Vec<(&str, &Value, Vec<Value>, Vec<&str>)> = vec![
        (
            "ready and not",
            &none,
            vec![pod(1, json!({})), pod(2, unready())],
            vec!["http:8080 10.1.0.1 (10.1.0.2)"],
        ),
        ("two ports", &two, vec![pod(1, json!({}))], vec!["http:8080,metrics:9090 10.1.0.1 ()"]),
        (
            "a name with two numbers",
            &two,
            vec![pod(1, json!({})), pod(2, unnamed)],
            vec!["http:8080,metrics:9090 10.1.0.1 ()", "http:8081,metrics:9090 10.1.0.2 ()"],
        ),
        ("terminating", &none, vec![pod(1, terminating()), pod(2, json!({}))], vec!["http:8080 10.1.0.2 ()"]),
        (
            "published",
            &publish,
            vec![pod(1, terminating()), pod(2, unready())],
            vec!["http:8080 10.1.0.1 10.1.0.2 ()"],
        ),
        ("ended", &publish, vec![pod(1, done)], vec![]),
        ("the main family", &six, vec![pod(1, dual), pod(2, json!({}))], vec!["http:8080 fd00::1 ()"]),
    ];
    for (what, change, pods, expected) in cases {
        assert_eq!(subsets_of(&World::new(service(change.clone()), pods)), expected, "{what}");
    }
    let without_ports = World::new(service(json!({ "spec": { "ports": null } })), vec![pod(1, json!({}))]);
    assert_eq!(subsets_of(&without_ports), Vec::<String>::new(), "only headless services need no port");
    let world = World::new(service(headless(Value::Null)), vec![pod(1, json!({}))]);
    assert_eq!(subsets_of(&world), [" 10.1.0.1 ()"]);
    assert_eq!(written(&world)["metadata"]["labels"][HEADLESS], "");
}

#[test]
fn an_address_says_what_is_behind_it() {
    let named = json!({ "spec": { "hostname": "one", "subdomain": "web" } });
    let world =
        World::new(service(json!({ "metadata": { "labels": { "team": "a" } } })), vec![pod(1, named)]);
    let object = written(&world);
    let expected = json!({
        "ip": "10.1.0.1",
        "hostname": "one",
        "nodeName": "n1",
        "targetRef": { "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "pod-1" },
    });
    assert_eq!(object["subsets"][0]["addresses"][0], expected);
    let labels = json!({ "team": "a", MANAGED_BY: "endpoint-controller" });
    assert_eq!(object["metadata"]["labels"], labels);
    assert_eq!(object["metadata"]["annotations"][pods::TRIGGER_TIME], CREATED);
}

#[test]
fn what_is_none_of_its_business_is_left_alone() {
    let custom = json!({ "metadata": { "namespace": "shop", "name": "web", "uid": "e" }, "subsets": [] });
    let mine = changed(custom.clone(), &json!({ "metadata": { "labels": { MANAGED_BY: CONTROLLER.name } } }));
    let leader = changed(mine.clone(), &json!({ "metadata": { "annotations": { LEADER: "{}" } } }));
    for spec in [json!({ "selector": null }), json!({ "type": "ExternalName" })] {
        let mut world = World::new(service(json!({ "spec": spec })), vec![pod(1, json!({}))]);
        world.endpoints = vec![custom.clone()];
        assert_eq!(planned(&world), []);
    }
    assert_eq!(planned(&World { endpoints: vec![leader], ..World::default() }), []);
    let orphan = World { endpoints: vec![mine], ..World::default() };
    assert!(matches!(&planned(&orphan)[..], [Action::Delete { .. }]));
}

#[test]
fn an_older_view_of_services_removes_nothing() {
    let endpoints = json!({ "metadata": {
        "namespace": "shop", "name": "web", "uid": "e", "resourceVersion": "2000",
        "labels": { MANAGED_BY: CONTROLLER.name },
    } });
    let world = World { endpoints: vec![endpoints], ..World::default() };
    let plan = plan(&key(), &world.view(), Timestamp::UNIX_EPOCH);
    assert_eq!(plan, Plan::after(pods::LOOK_AGAIN));
}

#[test]
fn beyond_its_capacity_ready_addresses_come_first() {
    let pods = (0..1200).map(|number| pod(number, if number < 300 { unready() } else { json!({}) }));
    let mut world = World::new(service(json!({})), pods.collect());
    let object = written(&world);
    let count = |field: &str| object["subsets"][0][field].as_array().unwrap().len();
    assert_eq!((count("addresses"), count("notReadyAddresses")), (900, 100));
    assert_eq!(object["metadata"]["annotations"][OVER_CAPACITY], "truncated");
    let stored = changed(object, &json!({ "metadata": { "uid": "e" } }));
    world.endpoints = vec![stored];
    assert_eq!(planned(&world), [], "it is not written again");
    world.pods.truncate(10);
    assert_eq!(written(&world)["metadata"]["annotations"][OVER_CAPACITY], Value::Null);
}

#[test]
fn the_trigger_time_is_that_of_the_pods_that_changed() {
    let mut world = World::new(service(json!({})), vec![pod(1, json!({})), pod(2, json!({}))]);
    world.endpoints = vec![changed(written(&world), &json!({ "metadata": { "uid": "e" } }))];
    assert_eq!(planned(&world), [], "nothing has changed");
    let time = |world: &World| written(world)["metadata"]["annotations"][pods::TRIGGER_TIME].clone();
    world.pods[0] = pod(1, unready());
    assert_eq!(time(&world), "2027-01-15T08:30:00Z");
    world.pods.push(pod(3, json!({})));
    assert_eq!(time(&world), READY_SINCE, "the earliest");
    world.pods = vec![pod(1, json!({}))];
    assert_eq!(time(&world), Value::Null, "a pod that is gone has none");
}

async fn running(world: &World) -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    lay_out(&harness, world);
    harness.start();
    harness.settle().await;
    harness
}

fn stored(harness: &Harness) -> Option<Vec<String>> {
    harness.api.object(Endpoints::RESOURCE, "shop", "web").map(|object| short(&object))
}

#[tokio::test]
async fn a_pod_leaves_when_its_deletion_begins() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({})), pod(2, json!({}))])).await;
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 10.1.0.2 ()"]);
    harness.api.take_writes();
    harness.api.user_deletes(Pod::RESOURCE, "shop", "web-2", &DeleteOptions::default());
    harness.settle().await;
    assert!(harness.api.object(Pod::RESOURCE, "shop", "web-2").is_some(), "it has its grace period");
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 ()"]);
    harness.api.remove(Pod::RESOURCE, "shop", "web-2");
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["update endpoints shop/web"]);
}

#[tokio::test]
async fn endpoints_that_somebody_changed_or_deleted_come_back() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    let object = harness.api.object(Endpoints::RESOURCE, "shop", "web").unwrap();
    harness.api.put(Endpoints::RESOURCE, changed(object, &json!({ "subsets": [] })));
    harness.settle().await;
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 ()"]);
    harness.api.user_deletes(Endpoints::RESOURCE, "shop", "web", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 ()"]);
}

#[tokio::test]
async fn they_go_with_their_service_also_while_nobody_looked() {
    let mut harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.settle().await;
    assert_eq!(stored(&harness), None);
    harness.api.put(Service::RESOURCE, service(json!({})));
    harness.settle().await;
    assert!(stored(&harness).is_some());
    harness.stop();
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.start();
    harness.settle().await;
    assert_eq!(stored(&harness), None);
}

#[tokio::test]
async fn a_service_recreated_under_its_name_has_its_own_pods() {
    let api = json!({ "metadata": { "labels": { "app": "api" } } });
    let world = World::new(service(json!({})), vec![pod(1, json!({})), pod(2, api)]);
    let harness = running(&world).await;
    harness.api.hold_watches();
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.api.put(Service::RESOURCE, service(json!({ "spec": { "selector": { "app": "api" } } })));
    harness.api.release_watches();
    harness.settle().await;
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.2 ()"]);
}

#[tokio::test]
async fn a_restart_in_the_middle_changes_nothing_and_finishes_the_rest() {
    let mut harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    harness.api.take_writes();
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    harness.stop();
    harness.api.put(Pod::RESOURCE, pod(2, json!({})));
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["update endpoints shop/web"]);
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 10.1.0.2 ()"]);
}

#[tokio::test]
async fn a_conflict_and_a_lost_answer_end_in_the_same_state() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    for after in [false, true] {
        let error = ApiError { code: 409, reason: "Conflict".to_owned(), ..ApiError::default() };
        harness.api.fail(Fault { call: "update endpoints", error, after });
    }
    harness.api.put(Pod::RESOURCE, pod(2, json!({})));
    harness.settle().await;
    for _ in 0..4 {
        harness.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 10.1.0.2 ()"]);
}

#[tokio::test]
async fn a_stale_view_overwrites_nothing() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    harness.api.hold_watches();
    let object = harness.api.object(Endpoints::RESOURCE, "shop", "web").unwrap();
    harness.api.put(
        Endpoints::RESOURCE,
        changed(object, &json!({ "metadata": { "annotations": { "note": "x" } } })),
    );
    harness.api.put(Pod::RESOURCE, pod(2, json!({})));
    harness.api.release_watches();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(stored(&harness).unwrap(), ["http:8080 10.1.0.1 10.1.0.2 ()"]);
    let object = harness.api.object(Endpoints::RESOURCE, "shop", "web").unwrap();
    assert_eq!(object["metadata"]["annotations"]["note"], "x");
}
