//! API servers of others behind APIServices, as metrics-server and adapters for metrics are, through each kubectl.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use pintle_e2e::clients::Client;
use pintle_e2e::https::{HttpsServer, Received};
use pintle_e2e::kubelet_port::own_address;
use pintle_e2e::server::Server;
use serde_json::{Value, json};

macro_rules! with_each_kubectl {
    ($($module:ident $client:literal;)*) => {
        $(mod $module {
            #[test] fn a_group_of_another_server_is_used_like_any_other() {
                super::a_group_of_another_server_is_used_like_any_other($client);
            }
        })*
    };
}

with_each_kubectl! {
    kubectl_1_30 "kubectl-1.30";
    kubectl_1_34 "kubectl-1.34";
    kubectl_1_37 "kubectl-1.37";
}

const GROUP: &str = "/apis/example.org/v1";

fn kind() -> Value {
    json!({ "group": "example.org", "version": "v1", "kind": "Gadget" })
}

/// An API server of one kind, whose objects are called after who asks.
fn answer(received: &Received) -> (u16, Value) {
    let header = |name: &str| received.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let gadget = |name: &str| json!({ "apiVersion": "example.org/v1", "kind": "Gadget", "metadata": { "name": name, "namespace": "default" } });
    match received.path.split('?').next().unwrap() {
        GROUP => {
            let gadgets = json!({
                "name": "gadgets", "singularName": "gadget", "namespaced": true, "kind": "Gadget",
                "verbs": ["create", "get", "list"], "shortNames": ["gd"],
            });
            let list = json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "example.org/v1", "resources": [gadgets],
            });
            (200, list)
        }
        "/apis/example.org/v1/namespaces/default/gadgets" if received.body.is_empty() => {
            assert_eq!(header("authorization"), "");
            let items = [gadget(header("x-remote-user"))];
            (
                200,
                json!({ "kind": "GadgetList", "apiVersion": "example.org/v1", "metadata": {}, "items": items }),
            )
        }
        "/apis/example.org/v1/namespaces/default/gadgets" => {
            (201, serde_json::from_slice(&received.body).unwrap())
        }
        "/openapi/v3/apis/example.org/v1" => {
            let schema = json!({
                "type": "object", "description": "A thing of use.", "x-kubernetes-group-version-kind": [kind()],
            });
            let path = json!({ "get": { "x-kubernetes-group-version-kind": kind(), "x-kubernetes-action": "list", "responses": {} } });
            let document = json!({
                "openapi": "3.0.0", "info": { "title": "Gadgets", "version": "v1" },
                "paths": { "/apis/example.org/v1/namespaces/{namespace}/gadgets": path },
                "components": { "schemas": { "org.example.v1.Gadget": schema } },
            });
            (200, document)
        }
        _ => (
            404,
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404 }),
        ),
    }
}

/// The service that leads to an address.
fn service(address: IpAddr, port: u16) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "api" }, "spec": { "ports": [{ "port": 443 }] } },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "name": "api-1", "labels": { "kubernetes.io/service-name": "api" } },
            "ports": [{ "name": "", "port": port }], "endpoints": [{ "addresses": [address.to_string()] }],
        },
    ] })
}

fn wait(kubectl: &Client, status: &str) {
    let condition = format!("--for=condition=Available={status}");
    kubectl.ok(&["wait", &condition, "--timeout=30s", "apiservice/v1.example.org"]);
}

fn a_group_of_another_server_is_used_like_any_other(version: &str) {
    // The loopback cannot be an endpoint.
    let Some(address) = own_address() else {
        eprintln!("LEFT OUT: this machine has no address that an endpoint may have.");
        return;
    };
    let server = Server::start();
    let kubectl = server.client(version);
    // Where every such server looks for whom it may believe.
    let authority = kubectl.ok(&[
        "get",
        "configmap",
        "-n",
        "kube-system",
        "extension-apiserver-authentication",
        "-o",
        "jsonpath={.data.requestheader-client-ca-file}",
    ]);
    let other = HttpsServer::start(address, &["api.default.svc"], Some(&authority), |received| {
        let (code, document) = answer(&received);
        (code, document.to_string())
    });
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1.example.org" },
        "spec": {
            "group": "example.org", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": { "namespace": "default", "name": "api" }, "caBundle": other.bundle(),
        },
    });
    kubectl.ok_with_input(&["apply", "-f", "-"], &api_service.to_string());
    wait(&kubectl, "false");
    let shown = kubectl.ok(&["get", "apiservice", "v1.example.org", "--no-headers"]);
    assert!(shown.contains("default/api") && shown.contains("False (ServiceNotFound)"), "{shown}");
    assert!(kubectl.fails(&["get", "--raw", GROUP]).contains("unavailable"));
    // The other groups are there all the same.
    assert!(kubectl.run(&["get", "pods"]).printed().contains("No resources found"));

    let objects = service(address, other.address().port());
    kubectl.ok_with_input(&["create", "-f", "-"], &objects.to_string());
    wait(&kubectl, "true");
    let listed = kubectl.ok(&["get", "--raw", "/apis/example.org/v1/namespaces/default/gadgets"]);
    assert!(listed.contains("kubernetes-admin"), "{listed}");
    let resources = kubectl.ok(&["api-resources", "--api-group=example.org", "--no-headers"]);
    let columns: Vec<&str> = resources.split_whitespace().collect();
    assert_eq!(columns, ["gadgets", "gd", "example.org/v1", "true", "Gadget"]);
    assert!(kubectl.ok(&["get", "gd"]).contains("kubernetes-admin"));
    let asked = kubectl.ok(&["get", "gadgets", "--as=jane", "--as-group=system:masters", "-o", "name"]);
    assert_eq!(asked.trim(), "gadget.example.org/jane");
    let made = r#"{"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "made"}}"#;
    let created = kubectl.ok_with_input(&["create", "--validate=false", "-f", "-"], made);
    assert_eq!(created.trim(), "gadget.example.org/made created");
    assert!(kubectl.ok(&["explain", "gadgets"]).contains("A thing of use."));
    // Who may not list them here does not get there.
    let refused = kubectl.fails(&["get", "gadgets", "--as=jane"]);
    assert!(
        refused.contains(r#"gadgets.example.org is forbidden: User "jane" cannot list resource"#),
        "{refused}"
    );

    kubectl.ok(&["delete", "endpointslice", "api-1"]);
    wait(&kubectl, "false");
    kubectl.ok(&["delete", "apiservice", "v1.example.org"]);
    assert!(kubectl.fails(&["get", "--raw", GROUP]).contains("NotFound"));
}
