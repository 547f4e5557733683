use super::*;
use crate::tree::List;

fn texts(values: &[&str]) -> List {
    values.iter().map(|value| Node::from(*value)).collect()
}

fn service(kind: &str, ips: &[&str], port: Map) -> Map {
    let mut spec = Map::from([("type", Node::from(kind)), ("ports", List::from([port.into()]).into())]);
    if let Some(first) = ips.first() {
        spec.set("clusterIP", *first);
        spec.set("clusterIPs", texts(ips));
    }
    let mut service = Map::from([("spec", spec)]);
    set_defaults(&mut service);
    service
}

fn port(number: i64) -> Map {
    Map::from([("port", number)])
}

fn check(service: &Map, expected: &str) {
    let mut errors = FieldErrors::new();
    validate(service, &mut errors);
    assert_eq!(errors.to_string(), expected);
}

fn check_update(service: &Map, old: &Map, expected: &str) {
    let mut errors = FieldErrors::new();
    update::validate(service, old, &mut errors);
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn defaults_follow_the_type() {
    assert_eq!(
        service("", &[], port(80)).to_string(),
        r#"{"spec":{"type":"ClusterIP","ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","internalTrafficPolicy":"Cluster"}}"#
    );
    let balancer = service("LoadBalancer", &[], port(80));
    assert_eq!(balancer.str_at(&["spec", "externalTrafficPolicy"]), "Cluster");
    assert_eq!(balancer.at(&["spec", "allocateLoadBalancerNodePorts"]), Some(&Node::Bool(true)));
    assert_eq!(service("ExternalName", &[], port(80)).at(&["spec", "internalTrafficPolicy"]), None);
}

#[test]
fn fields_belong_to_types() {
    check(&service("ClusterIP", &["10.0.0.1"], port(80)), "[]");
    check(
        &service("NodePort", &["None"], port(80)),
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    );
    check(&service("ExternalName", &[], port(80)), "spec.externalName: Required value");
    let mut node_port = port(80);
    node_port.set("nodePort", 30_000_i64);
    check(
        &service("ClusterIP", &[], node_port),
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    );
    check(
        &service("ClusterIP", &[], port(0)),
        "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]",
    );
    let mut two = service("ClusterIP", &[], port(80));
    let mut other = port(80);
    other.set("name", "b");
    set_port_defaults(&mut other);
    two.map_mut("spec").list_mut("ports").push(other.into());
    check(
        &two,
        "[spec.ports[0].name: Required value, spec.ports[1]: Duplicate value: {\"protocol\":\"TCP\",\"port\":80}]",
    );
}

#[test]
fn the_first_address_stays() {
    let old = service("ClusterIP", &["10.0.0.1"], port(80));
    check_update(&old, &old, "[]");
    check_update(
        &service("ClusterIP", &["10.0.0.2"], port(80)),
        &old,
        "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set",
    );
    check_update(
        &service("ClusterIP", &[], port(80)),
        &old,
        "spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset",
    );
    check_update(&service("ExternalName", &[], port(80)), &old, "[]");
    check_update(
        &service("ClusterIP", &["None"], port(80)),
        &service("ClusterIP", &["None"], port(80)),
        "[]",
    );
}

#[test]
fn cells_show_where_the_service_is() {
    let mut balancer = service("LoadBalancer", &["10.0.0.1"], port(80));
    assert_eq!(columns::external_ip(&balancer), "<pending>");
    let ingress =
        List::from([Node::from(Map::from([("hostname", "b")])), Map::from([("ip", "1.2.3.4")]).into()]);
    balancer.set("status", Map::from([("loadBalancer", Map::from([("ingress", ingress)]))]));
    balancer.map_mut("spec").set("externalIPs", texts(&["9.9.9.9"]));
    assert_eq!(columns::external_ip(&balancer), "1.2.3.4,b,9.9.9.9");
    let mut exposed = port(80);
    exposed.set("nodePort", 30_080_i64);
    assert_eq!(columns::ports(&service("NodePort", &[], exposed)), "80:30080/TCP");
    assert_eq!(columns::cluster_ip(&service("ClusterIP", &[], port(80))), "<none>");
}
