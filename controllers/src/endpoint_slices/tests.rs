use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::{ApiError, DeleteOptions};
use crate::digests::endpoint_slice::{MANAGED_BY, SERVICE_NAME};
use crate::endpoint_fixture::{CREATED, World, changed, lay_out, node, pod, service, terminating, unready};
use crate::fake::{Fault, Harness};
use crate::plan::Action;

fn planned(world: &World) -> Vec<Action> {
    world.planned(plan)
}

/// The slices that would be created.
fn created(world: &World) -> Vec<Value> {
    world.created(plan)
}

/// One endpoint of the only slice.
fn only_endpoint(service: Value, pod: Value) -> Value {
    created(&World::new(service, vec![pod])).remove(0)["endpoints"][0].clone()
}

#[test]
fn a_pod_says_what_it_can_do() {
    let publish = json!({ "spec": { "publishNotReadyAddresses": true } });
    let leaving_unready = changed(terminating(), &unready());
    for (service_change, pod_change, ready, serving, terminating) in [
        (json!({}), json!({}), true, true, false),
        (json!({}), unready(), false, false, false),
        (json!({}), terminating(), false, true, true),
        (json!({}), leaving_unready.clone(), false, false, true),
        (publish.clone(), unready(), true, false, false),
        (publish.clone(), terminating(), true, true, true),
        (publish, leaving_unready, true, false, true),
    ] {
        let endpoint = only_endpoint(service(service_change.clone()), pod(1, pod_change.clone()));
        let expected = json!({ "ready": ready, "serving": serving, "terminating": terminating });
        assert_eq!(endpoint["conditions"], expected, "{service_change} {pod_change}");
    }
}

#[test]
fn a_time_that_is_not_set_hides_no_pod() {
    let conditions = json!([{ "type": "Ready", "status": "True", "lastTransitionTime": null }]);
    let endpoint =
        only_endpoint(service(json!({})), pod(1, json!({ "status": { "conditions": conditions } })));
    assert_eq!(endpoint["conditions"]["ready"], true);
}

#[test]
fn an_endpoint_says_what_is_behind_it_and_where() {
    let named = json!({ "spec": { "hostname": "one", "subdomain": "web" } });
    let endpoint = only_endpoint(service(json!({})), pod(1, named));
    let expected = json!({
        "addresses": ["10.1.0.1"],
        "conditions": { "ready": true, "serving": true, "terminating": false },
        "hostname": "one",
        "targetRef": { "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "pod-1" },
        "nodeName": "n1",
        "zone": "east",
    });
    assert_eq!(endpoint, expected);
}

#[test]
fn hints_keep_traffic_near_where_the_service_asks_for_it() {
    let hints = |distribution: &str, pod_change: Value| {
        let asked = json!({ "spec": { "trafficDistribution": distribution } });
        only_endpoint(service(asked), pod(1, pod_change))["hints"].clone()
    };
    let east = json!([{ "name": "east" }]);
    for distribution in ["PreferClose", "PreferSameZone"] {
        assert_eq!(hints(distribution, json!({})), json!({ "forZones": east }));
    }
    let both = json!({ "forZones": east, "forNodes": [{ "name": "n1" }] });
    assert_eq!(hints("PreferSameNode", json!({})), both);
    assert_eq!(hints("PreferSameZone", unready()), Value::Null);
    assert_eq!(hints("", json!({})), Value::Null);
}

#[test]
fn endpoints_are_divided_among_zones_where_that_is_asked_for() {
    let annotation = |mode: &str| {
        let annotations = json!({ "service.kubernetes.io/topology-mode": mode });
        json!({ "metadata": { "annotations": annotations }, "spec": { "trafficDistribution": "PreferSameZone" } })
    };
    let sized = |zone: &str, name: &str| {
        let status = json!({
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "2" },
        });
        changed(node(zone), &json!({ "metadata": { "name": name }, "status": status }))
    };
    let hinted = |mode: &str, nodes: &[Value]| {
        let mut world = World::new(service(annotation(mode)), vec![pod(1, json!({})), pod(2, json!({}))]);
        world.nodes = nodes.to_vec();
        let endpoints = created(&world).remove(0)["endpoints"].clone();
        let zone = |endpoint: &Value| endpoint["hints"]["forZones"][0]["name"].clone();
        endpoints.as_array().unwrap().iter().map(zone).collect::<Vec<Value>>()
    };
    let both = [sized("east", "n1"), sized("west", "n2")];
    assert_eq!(hinted("Auto", &both), ["east", "west"]);
    assert_eq!(hinted("Disabled", &both), ["east", "east"]);
    assert_eq!(hinted("Auto", &both[..1]), [Value::Null, Value::Null], "there is one zone");
}

#[test]
fn a_slice_says_whose_it_is() {
    let labels = json!({ "metadata": { "labels": { "team": "a", HEADLESS: "no", MANAGED_BY: "me" } } });
    let slice = created(&World::new(service(labels), vec![pod(1, json!({}))])).remove(0);
    let metadata = &slice["metadata"];
    assert_eq!(metadata["generateName"], "web-");
    assert_eq!(metadata["labels"], json!({ "team": "a", SERVICE_NAME: "web", MANAGED_BY: MANAGER }));
    assert_eq!(metadata["annotations"][pods::TRIGGER_TIME], CREATED);
    let owner = json!([{
        "apiVersion": "v1",
        "kind": "Service",
        "name": "web",
        "uid": "service-1",
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    assert_eq!(metadata["ownerReferences"], owner);
    assert_eq!(slice["ports"], json!([{ "name": "http", "port": 8080, "protocol": "TCP" }]));
    let headless = json!({ "spec": { "clusterIP": "None", "ports": null } });
    let slice = created(&World::new(service(headless), vec![pod(1, json!({}))])).remove(0);
    assert_eq!(slice["metadata"]["labels"][HEADLESS], "");
    assert_eq!((slice["ports"].clone(), slice["endpoints"].as_array().unwrap().len()), (json!([]), 1));
}

#[test]
fn families_and_ports_have_slices_of_their_own() {
    let dual = json!({ "spec": { "ipFamilies": ["IPv4", "IPv6"] } });
    let named = json!({ "spec": { "ports": [{ "name": "http", "protocol": "TCP", "targetPort": "web" }] } });
    let other_port =
        json!({ "spec": { "containers": [{ "ports": [{ "name": "web", "containerPort": 9 }] }] } });
    let two_addresses = json!({ "status": { "podIPs": [{ "ip": "10.1.0.1" }, { "ip": "fd00::1" }] } });
    let world = World::new(
        service(changed(dual, &named)),
        vec![pod(1, two_addresses), pod(2, json!({})), pod(3, other_port)],
    );
    let line = |slice: Value| {
        let endpoints = slice["endpoints"].as_array().unwrap().iter();
        let endpoints: Vec<&str> = endpoints.map(|it| it["addresses"][0].as_str().unwrap()).collect();
        format!(
            "{} {} {}",
            slice["addressType"].as_str().unwrap(),
            slice["ports"][0]["port"],
            endpoints.join(" ")
        )
    };
    let lines: Vec<String> = created(&world).into_iter().map(line).collect();
    assert_eq!(lines, ["IPv4 8080 10.1.0.1 10.1.0.2", "IPv6 8080 fd00::1", "IPv4 9 10.1.0.3"]);
}

#[test]
fn pods_of_a_node_that_is_gone_serve_nobody_unless_published() {
    let mut world = World::new(service(json!({})), vec![pod(1, json!({}))]);
    world.nodes.clear();
    assert_eq!(created(&world)[0]["endpoints"], json!([]));
    world.services = vec![service(json!({ "spec": { "publishNotReadyAddresses": true } }))];
    assert_eq!(created(&world)[0]["endpoints"].as_array().unwrap().len(), 1);
}

#[test]
fn a_service_on_its_way_out_gets_no_new_slices() {
    let leaving =
        json!({ "metadata": { "deletionTimestamp": CREATED, "finalizers": ["foregroundDeletion"] } });
    assert_eq!(planned(&World::new(service(leaving), vec![pod(1, json!({}))])), []);
}

#[test]
fn other_services_are_left_alone() {
    for spec in [json!({ "selector": null }), json!({ "type": "ExternalName" })] {
        let world = World::new(service(json!({ "spec": spec })), vec![pod(1, json!({}))]);
        assert_eq!(planned(&world), []);
    }
}

async fn running(world: &World) -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    lay_out(&harness, world);
    harness.start();
    harness.settle().await;
    harness
}

/// The endpoints of every slice: addresses, with `-` when not ready and `!` when terminating.
fn stored(harness: &Harness) -> Vec<Vec<String>> {
    let names = harness.api.names(EndpointSlice::RESOURCE, "shop");
    let slice = |name: &String| {
        let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", name).unwrap();
        let endpoint = |it: &Value| {
            let mark = match (&it["conditions"]["ready"], &it["conditions"]["terminating"]) {
                (Value::Bool(false), Value::Bool(false)) => "-",
                (_, Value::Bool(true)) => "!",
                _ => "",
            };
            format!("{}{mark}", it["addresses"][0].as_str().unwrap())
        };
        slice["endpoints"].as_array().unwrap().iter().map(endpoint).collect()
    };
    names.iter().map(slice).collect()
}

#[tokio::test]
async fn a_pod_comes_turns_unready_terminates_and_goes() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    harness.api.put(Pod::RESOURCE, pod(2, json!({})));
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1", "10.1.0.2"]]);
    harness.api.put(Pod::RESOURCE, pod(1, unready()));
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1-", "10.1.0.2"]]);
    harness.api.user_deletes(Pod::RESOURCE, "shop", "web-2", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1-", "10.1.0.2!"]]);
    harness.api.remove(Pod::RESOURCE, "shop", "web-2");
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1-"]]);
}

#[tokio::test]
async fn a_service_without_pods_has_an_empty_slice_that_is_written_once() {
    let mut harness = running(&World::new(service(json!({})), vec![])).await;
    assert_eq!(harness.api.take_writes().len(), 1);
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    assert_eq!(stored(&harness), [Vec::<String>::new()]);
}

#[tokio::test]
async fn a_node_that_comes_or_moves_wakes_the_services_of_its_pods() {
    let mut world = World::new(service(json!({})), vec![pod(1, json!({}))]);
    world.nodes.clear();
    let harness = running(&world).await;
    assert_eq!(stored(&harness), [Vec::<String>::new()]);
    harness.api.put(Node::RESOURCE, node("east"));
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1"]]);
    harness.api.put(Node::RESOURCE, node("west"));
    harness.settle().await;
    let name = harness.api.names(EndpointSlice::RESOURCE, "shop").remove(0);
    let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", &name).unwrap();
    assert_eq!(slice["endpoints"][0]["zone"], "west");
    harness.api.take_writes();
    let heartbeat = changed(node("west"), &json!({ "status": { "conditions": [] } }));
    harness.api.put(Node::RESOURCE, heartbeat);
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn slices_that_somebody_changed_or_deleted_come_back() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    let name = harness.api.names(EndpointSlice::RESOURCE, "shop").remove(0);
    let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", &name).unwrap();
    harness.api.put(EndpointSlice::RESOURCE, changed(slice, &json!({ "endpoints": [] })));
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1"]]);
    harness.api.user_deletes(EndpointSlice::RESOURCE, "shop", &name, &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(stored(&harness), [["10.1.0.1"]]);
}

#[tokio::test]
async fn a_service_recreated_under_its_name_has_slices_of_its_own() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    let before = harness.api.names(EndpointSlice::RESOURCE, "shop");
    harness.api.hold_watches();
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.api.put(Service::RESOURCE, service(json!({})));
    harness.api.release_watches();
    harness.settle().await;
    let after = harness.api.names(EndpointSlice::RESOURCE, "shop");
    assert_eq!(after.len(), 1);
    assert_ne!(before, after);
    harness.api.remove(Service::RESOURCE, "shop", "web");
    harness.settle().await;
    assert_eq!(harness.api.names(EndpointSlice::RESOURCE, "shop"), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_answer_and_a_restart_make_no_second_slice() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    lay_out(&harness, &World::new(service(json!({})), vec![pod(1, json!({}))]));
    let error = ApiError { code: 504, reason: "Timeout".to_owned(), ..ApiError::default() };
    harness.api.fail(Fault { call: "create endpointslices", error, after: true });
    harness.start();
    harness.settle().await;
    harness.start();
    harness.pass(Duration::from_secs(5)).await;
    assert_eq!(stored(&harness), [["10.1.0.1"]]);
}

#[tokio::test]
async fn a_conflict_and_a_stale_view_end_in_the_same_state() {
    let harness = running(&World::new(service(json!({})), vec![pod(1, json!({}))])).await;
    harness.api.fail(Fault::conflict("update endpointslices"));
    harness.api.put(Pod::RESOURCE, pod(2, json!({})));
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(stored(&harness), [["10.1.0.1", "10.1.0.2"]]);
    harness.api.hold_watches();
    let name = harness.api.names(EndpointSlice::RESOURCE, "shop").remove(0);
    let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", &name).unwrap();
    let noted = json!({ "metadata": { "annotations": { "note": "x" } } });
    harness.api.put(EndpointSlice::RESOURCE, changed(slice, &noted));
    harness.api.put(Pod::RESOURCE, pod(3, json!({})));
    harness.api.release_watches();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(stored(&harness), [["10.1.0.1", "10.1.0.2", "10.1.0.3"]]);
    let slice = harness.api.object(EndpointSlice::RESOURCE, "shop", &name).unwrap();
    assert_eq!(slice["metadata"]["annotations"]["note"], "x");
}
