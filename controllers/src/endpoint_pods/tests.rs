use serde_json::json;

use super::*;
use crate::endpoint_fixture::{World, pod, service, terminating, unready};

fn held(value: &serde_json::Value) -> Held<Pod> {
    let world = World { pods: vec![value.clone()], ..World::default() };
    (**world.view().of::<Pod>().iter().next().unwrap()).clone()
}

#[test]
fn a_service_selects_pods_by_all_of_its_labels() {
    let labels = |labels: serde_json::Value| json!({ "metadata": { "labels": labels } });
    let pods = vec![
        pod(1, labels(json!({ "tier": "front" }))),
        pod(2, json!({})),
        pod(3, labels(json!({ "tier": "back" }))),
        pod(4, json!({ "metadata": { "namespace": "other", "labels": { "tier": "front" } } })),
        pod(5, labels(json!({ "app": "api", "tier": "front" }))),
    ];
    let world = World::new(service(json!({ "spec": { "selector": { "tier": "front" } } })), pods);
    let view = world.view();
    let service = view.of::<Service>().get("shop", "web").unwrap();
    let names: Vec<_> = selected(service, &view).iter().map(|pod| pod.meta.name.clone()).collect();
    assert_eq!(names, ["web-1"]);
}

#[test]
fn a_change_wakes_the_services_that_selected_and_that_select() {
    let other = service(json!({
        "metadata": { "name": "api" },
        "spec": { "selector": { "app": "api" } },
    }));
    let third = service(json!({
        "metadata": { "name": "all", "namespace": "elsewhere" },
        "spec": { "selector": { "app": "web" } },
    }));
    let world = World { services: vec![service(json!({})), other, third], ..World::default() };
    let woken = |old: Option<&Held<Pod>>, new: Option<&Held<Pod>>| {
        let mut keys = Vec::new();
        services_of(&Change { old, new }, &world.view(), &mut |key| keys.push(key.to_string()));
        keys
    };
    let before = held(&pod(1, json!({})));
    let moved = held(&pod(1, json!({ "metadata": { "labels": { "app": "api" } } })));
    assert_eq!(woken(None, Some(&before)), ["shop/web"]);
    assert_eq!(woken(Some(&before), Some(&moved)), ["shop/web", "shop/api"]);
    assert_eq!(woken(Some(&before), None), ["shop/web"]);
    let heartbeat = held(&pod(1, json!({ "metadata": { "annotations": { "seen": "again" } } })));
    assert_eq!(woken(Some(&before), Some(&heartbeat)), Vec::<String>::new());
    for change in [unready(), terminating(), json!({ "status": { "podIPs": [{ "ip": "10.1.9.9" }] } })] {
        assert_eq!(woken(Some(&before), Some(&held(&pod(1, change)))).len(), 2, "both versions count");
    }
}

#[test]
fn named_ports_are_the_pods_to_number() {
    let port = |target: serde_json::Value, protocol: &str| {
        let port = json!({ "name": "http", "port": 80, "protocol": protocol, "targetPort": target });
        serde_json::from_value::<service::Port>(port).unwrap()
    };
    let containers = json!({ "spec": {
        "containers": [{ "ports": [
            { "name": "dns", "containerPort": 53, "protocol": "UDP" },
            { "name": "dns", "containerPort": 5353, "protocol": "TCP" },
        ] }],
        "initContainers": [
            { "ports": [{ "name": "once", "containerPort": 1 }] },
            { "restartPolicy": "Always", "ports": [{ "name": "proxy", "containerPort": 15001 }] },
        ],
    } });
    let pod = held(&pod(1, containers));
    for (target, protocol, expected) in [
        (json!(9090), "TCP", Some(9090)),
        (json!("dns"), "UDP", Some(53)),
        (json!("dns"), "TCP", Some(5353)),
        (json!("proxy"), "TCP", Some(15001)),
        (json!("once"), "TCP", None),
        (json!("nothing"), "TCP", None),
    ] {
        assert_eq!(port_number(&pod, &port(target.clone(), protocol)), expected, "{target} {protocol}");
    }
}

#[test]
fn only_living_pods_with_an_address_may_serve() {
    let phase = |phase: &str| json!({ "status": { "phase": phase } });
    let nowhere = json!({ "status": { "podIP": null, "podIPs": null } });
    for (change, otherwise, even_if_terminating) in [
        (json!({}), true, true),
        (unready(), true, true),
        (terminating(), false, true),
        (phase("Succeeded"), false, false),
        (phase("Failed"), false, false),
        (nowhere, false, false),
    ] {
        let pod = held(&pod(1, change.clone()));
        assert_eq!(
            (may_serve(&pod, false), may_serve(&pod, true)),
            (otherwise, even_if_terminating),
            "{change}"
        );
    }
}
