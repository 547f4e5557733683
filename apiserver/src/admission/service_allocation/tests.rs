use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, object, resource, user};
use crate::tree::Node;
use crate::user::User;

fn masters() -> User {
    user("root", &["system:masters"])
}

fn service(name: &str, spec: &Value) -> Map {
    let json = json!({ "metadata": { "namespace": "default", "name": name }, "spec": spec });
    object(resource("", "services"), &json)
}

fn port(number: u16) -> Value {
    json!({ "name": format!("p{number}"), "port": number, "protocol": "TCP" })
}

fn create(fixture: &Fixture, name: &str, spec: &Value) -> Result<Map, String> {
    let services = resource("", "services");
    let outcome = fixture.write(services, &masters(), None, Some(service(name, spec)));
    outcome.map(Option::unwrap).map_err(|error| error.to_string())
}

fn update(fixture: &Fixture, name: &str, change: impl FnOnce(&mut Map)) -> Result<Map, String> {
    let old = fixture.stored("", "services", "default", name).unwrap();
    let mut new = old.clone();
    change(new.map_mut("spec"));
    let outcome = fixture.write(resource("", "services"), &masters(), Some(&old), Some(new));
    outcome.map(Option::unwrap).map_err(|error| error.to_string())
}

fn is_held(fixture: &Fixture, address: &str) -> bool {
    fixture.stored("networking.k8s.io", "ipaddresses", "", address).is_some()
}

fn held_ports(fixture: &Fixture) -> Vec<String> {
    let view = fixture.view();
    let entries = view.state().range("/registry/pintle.servicenodeports/", None);
    entries.map(|entry| entry.key.as_str().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn services_get_an_address_that_is_held_until_they_are_gone() {
    let fixture = Fixture::bootstrapped();
    let created = create(&fixture, "s", &json!({ "type": "ClusterIP", "ports": [port(80)] })).unwrap();
    let address = created.str_at(&["spec", "clusterIP"]).to_owned();
    assert!(address.starts_with("10.") && is_held(&fixture, &address));
    let spec = created.map("spec").unwrap();
    assert_eq!(spec.list("clusterIPs"), [Node::from(address.as_str())]);
    assert_eq!(spec.list("ipFamilies"), [Node::from("IPv4")]);
    assert_eq!(spec.str("ipFamilyPolicy"), "SingleStack");
    fixture.write(resource("", "services"), &masters(), Some(&created), None).unwrap();
    assert!(!is_held(&fixture, &address));
}

#[test]
fn chosen_addresses_must_be_free_and_in_range() {
    let fixture = Fixture::bootstrapped();
    let with = |address: &str| json!({ "type": "ClusterIP", "clusterIP": address, "ports": [port(80)] });
    assert!(create(&fixture, "a", &with("10.96.0.77")).is_ok());
    for (address, cause) in [
        ("10.96.0.77", "provided IP is already allocated"),
        ("10.96.0.1", "provided IP is already allocated"),
        (
            "192.168.1.1",
            "the provided IP (192.168.1.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
        ),
    ] {
        let expected = format!(
            "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"{address}\"]: failed to allocate IP {address}: {cause}"
        );
        assert_eq!(create(&fixture, "b", &with(address)), Err(expected));
    }
}

#[test]
fn headless_and_external_services_have_no_address() {
    let fixture = Fixture::bootstrapped();
    let headless = create(&fixture, "h", &json!({ "clusterIP": "None", "selector": { "a": "b" } })).unwrap();
    let spec = headless.map("spec").unwrap();
    assert_eq!(spec.list("clusterIPs"), [Node::from("None")]);
    assert_eq!((spec.str("ipFamilyPolicy"), spec.list("ipFamilies").len()), ("SingleStack", 1));
    let bare = create(&fixture, "b", &json!({ "clusterIP": "None" })).unwrap();
    let spec = bare.map("spec").unwrap();
    assert_eq!((spec.str("ipFamilyPolicy"), spec.list("ipFamilies").len()), ("RequireDualStack", 2));
    let external = create(&fixture, "e", &json!({ "type": "ExternalName", "externalName": "x.y" })).unwrap();
    assert!(!external.map("spec").unwrap().contains("clusterIP"));
    assert_eq!(
        create(&fixture, "d", &json!({ "ipFamilyPolicy": "RequireDualStack", "ports": [port(80)] })),
        Err("Service \"d\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not \
             configured for dual-stack services"
            .to_owned())
    );
}

#[test]
fn dual_stack_clusters_give_both_families() {
    let mut fixture = Fixture::bootstrapped();
    fixture.cluster.service_networks.push("fd00:10:96::/112".parse().unwrap());
    let both =
        create(&fixture, "s", &json!({ "ipFamilyPolicy": "PreferDualStack", "ports": [port(80)] })).unwrap();
    let addresses: Vec<String> = both
        .map("spec")
        .unwrap()
        .list("clusterIPs")
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    assert!(addresses[0].starts_with("10.") && addresses[1].starts_with("fd00:10:96::"), "{addresses:?}");
    assert!(addresses.iter().all(|address| is_held(&fixture, address)));
    let single = update(&fixture, "s", |spec| {
        spec.set("ipFamilyPolicy", "SingleStack");
        for key in ["ipFamilies", "clusterIPs"] {
            spec.list_mut(key).truncate(1);
        }
    });
    assert!(single.is_ok(), "{single:?}");
    assert!(is_held(&fixture, &addresses[0]) && !is_held(&fixture, &addresses[1]));
}

#[test]
fn a_service_that_wants_one_family_again_keeps_the_first() {
    let mut fixture = Fixture::bootstrapped();
    fixture.cluster.service_networks.push("fd00::/108".parse().unwrap());
    let dual = json!({ "type": "ClusterIP", "ports": [port(80)], "ipFamilyPolicy": "RequireDualStack" });
    let created = create(&fixture, "s", &dual).unwrap();
    let addresses: Vec<String> = created
        .map("spec")
        .unwrap()
        .list("clusterIPs")
        .iter()
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    let single = update(&fixture, "s", |spec| spec.set("ipFamilyPolicy", "SingleStack")).unwrap();
    let spec = single.map("spec").unwrap();
    assert_eq!(spec.list("clusterIPs"), [Node::from(addresses[0].as_str())]);
    assert_eq!(spec.list("ipFamilies"), [Node::from("IPv4")]);
    assert_eq!([is_held(&fixture, &addresses[0]), is_held(&fixture, &addresses[1])], [true, false]);
}

#[test]
fn node_ports_are_given_kept_and_freed() {
    let fixture = Fixture::bootstrapped();
    let dns = json!({ "name": "udp", "port": 80, "protocol": "UDP" });
    let spec = json!({ "type": "NodePort", "ports": [port(80), dns, port(81)] });
    let created = create(&fixture, "n", &spec).unwrap();
    let ports = |service: &Map| -> Vec<i64> {
        service.map("spec").unwrap().maps("ports").map(|port| port.int("nodePort").unwrap_or(0)).collect()
    };
    let given = ports(&created);
    assert!(given.iter().all(|port| (30_000..32_768).contains(port)), "{given:?}");
    assert!(given[0] == given[1] && given[0] != given[2]);
    assert_eq!(held_ports(&fixture).len(), 2);

    let chosen = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": given[0] }] });
    assert_eq!(
        create(&fixture, "m", &chosen),
        Err(format!(
            "Service \"m\" is invalid: spec.ports[0].nodePort: Invalid value: {}: provided port is already allocated",
            given[0]
        ))
    );
    assert_eq!(
        create(&fixture, "m", &json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 80 }] })),
        Err("Service \"m\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid \
             range. The range of valid ports is 30000-32767"
            .to_owned())
    );

    // A client that leaves everything out that the server chose changes nothing.
    let same = update(&fixture, "n", |new| {
        *new = service("n", &spec).map("spec").unwrap().clone();
    });
    assert_eq!(ports(&same.unwrap()), given);
    // A client that sends everything back with another type means the type.
    let internal = update(&fixture, "n", |spec| spec.set("type", "ClusterIP")).unwrap();
    assert_eq!(ports(&internal), [0, 0, 0]);
    assert!(held_ports(&fixture).is_empty());
    let address = internal.str_at(&["spec", "clusterIP"]).to_owned();
    assert!(is_held(&fixture, &address));
    let external = update(&fixture, "n", |spec| {
        spec.set("type", "ExternalName");
        spec.set("externalName", "x.y");
    });
    assert!(!external.unwrap().map("spec").unwrap().contains("clusterIP"));
    assert!(!is_held(&fixture, &address));
    let back = update(&fixture, "n", |spec| spec.set("type", "ClusterIP")).unwrap();
    assert!(is_held(&fixture, back.str_at(&["spec", "clusterIP"])));
}

#[test]
fn health_checks_of_local_balancers_have_a_port() {
    let fixture = Fixture::bootstrapped();
    let spec = json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [port(80)] });
    let created = create(&fixture, "l", &spec).unwrap();
    assert!(created.at(&["spec", "healthCheckNodePort"]).is_some());
    assert_eq!(held_ports(&fixture).len(), 2);
    update(&fixture, "l", |spec| spec.set("externalTrafficPolicy", "Cluster")).unwrap();
    assert_eq!(held_ports(&fixture).len(), 1);
    fixture
        .write(
            resource("", "services"),
            &masters(),
            fixture.stored("", "services", "default", "l").as_ref(),
            None,
        )
        .unwrap();
    assert!(held_ports(&fixture).is_empty());
}

#[test]
fn a_port_of_the_service_cannot_check_its_health() {
    let fixture = Fixture::bootstrapped();
    let ports = json!([{ "port": 80, "nodePort": 30_100 }]);
    let spec = json!({
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": ports, "healthCheckNodePort": 30_100
    });
    let refusal = create(&fixture, "l", &spec).unwrap_err();
    assert!(refusal.to_string().ends_with("HealthCheck NodePort 30100: provided port is already allocated"));
    assert!(held_ports(&fixture).is_empty());
}

#[test]
fn a_full_range_says_so() {
    let mut fixture = Fixture::bootstrapped();
    fixture.cluster.service_networks = vec!["10.0.0.0/30".parse().unwrap()];
    let spec = json!({ "ports": [port(80)] });
    assert!(create(&fixture, "a", &spec).is_ok() && create(&fixture, "b", &spec).is_ok());
    assert_eq!(
        create(&fixture, "c", &spec),
        Err("Internal error occurred: failed to allocate a serviceIP: range is full".to_owned())
    );
}
