use std::sync::Arc;

use http::{Method, header};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use super::*;
use crate::fixture;
use crate::negotiation::Form;
use crate::request::{Attributes, Query};

/// Connects to anybody who can prove nothing: nobody.
fn outbound() -> Outbound {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let config = Arc::new(config);
    let (kubelets, unchecked_kubelets) = (config.clone(), config.clone());
    Outbound::new(Configurations { kubelets, unchecked_kubelets, others: config })
}

async fn put(server: &Server, method: Method, url: &str, object: &Value) {
    let request = fixture::request(method, url, "application/json", object.to_string());
    let admin = fixture::user("admin", &["system:masters"]);
    server.call(&admin, &request, Ok(Form::JSON)).await.reply.map(drop).unwrap();
}

/// What a server says that connects to nobody.
async fn refusal(server: &Server, method: Method, url: &str, upgrade: bool) -> String {
    let mut request = fixture::request(method, url, "application/json", "");
    if upgrade {
        request.headers.insert(header::CONNECTION, "Upgrade".parse().unwrap());
        request.headers.insert(header::UPGRADE, "SPDY/3.1".parse().unwrap());
    }
    let admin = fixture::user("admin", &["system:masters"]);
    match server.call(&admin, &request, Ok(Form::JSON)).await.reply {
        Ok(_) => "answered".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn only_what_is_passed_on_keeps_its_body() {
    fixture::serving(async |server| {
        for (path, expected) in [
            ("/api/v1/namespaces/a/pods/b/log", true),
            ("/api/v1/namespaces/a/pods/b/exec", true),
            ("/api/v1/namespaces/a/services/b/proxy/c", true),
            ("/api/v1/nodes/b/proxy", true),
            ("/api/v1/namespaces/a/pods/b/eviction", false),
            ("/api/v1/namespaces/a/pods/b", false),
            ("/api/v1/namespaces/a/pods", false),
            ("/apis/apps/v1/namespaces/a/deployments/b/proxy", false),
            ("/api/v1/namespaces/a/configmaps/b/log", false),
            ("/healthz/proxy/a/b", false),
            ("/api/v1/watch/namespaces/a/services/b/proxy", false),
        ] {
            let attributes = Attributes::parse(&Method::POST, path, &Query::default());
            assert_eq!(server.passes_on(&attributes), expected, "{path}");
        }
    });
}

#[test]
fn where_a_request_goes_follows_from_what_is_stored() {
    fixture::serving(async |server| {
        let server = &mut Server::new(server.store.clone(), server.cluster.clone(), server.clock.clone());
        let pods = "/api/v1/namespaces/default/pods";
        let pod = |name: &str, node: &str| json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}});
        put(server, Method::POST, pods, &pod("web", "n")).await;
        let without = refusal(server, Method::GET, &format!("{pods}/web/log"), false).await;
        assert_eq!(without, "this server has no certificate to show to kubelets");
        server.outbound = Some(outbound());
        assert_eq!(
            refusal(server, Method::GET, &format!("{pods}/web/log"), false).await,
            "nodes \"n\" not found"
        );
        put(server, Method::POST, "/api/v1/nodes", &json!({"metadata": {"name": "n"}})).await;
        let log = refusal(server, Method::GET, &format!("{pods}/web/log"), false).await;
        assert_eq!(log, "no preferred addresses found; known addresses: []");
        let addresses = json!([
            {"type": "Hostname", "address": "192.0.2.1"},
            {"type": "ExternalIP", "address": "::1"},
        ]);
        let status = json!({"metadata": {"name": "n"}, "status": {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}});
        put(server, Method::PUT, "/api/v1/nodes/n/status", &status).await;
        let exec = format!("{pods}/web/exec?command=a%20b&stdout=true&stdin=false");
        assert_eq!(refusal(server, Method::POST, &exec, false).await, "Upgrade request required");
        let dialed = refusal(server, Method::POST, &exec, true).await;
        assert!(dialed.starts_with("error dialing backend: dial tcp [::1]:1: "), "{dialed}");
        let log = refusal(server, Method::GET, &format!("{pods}/web/log?follow=1&tailLines=2"), false).await;
        assert!(
            log.starts_with(
                r#"Get "https://[::1]:1/containerLogs/default/web/c?follow=true&tailLines=2": dial tcp"#
            ),
            "{log}"
        );
        assert_eq!(
            refusal(server, Method::GET, "/api/v1/nodes/n/proxy/", false).await,
            "address not allowed"
        );
        let proxy = format!("{pods}/web/proxy/");
        assert_eq!(refusal(server, Method::GET, &proxy, false).await, "address not allowed");
        let nobody =
            refusal(server, Method::GET, "/api/v1/namespaces/default/services/web:http/proxy/", false).await;
        assert_eq!(nobody, "no endpoints available for service \"web\"");
    });
}

#[test]
fn the_rights_of_a_watch_lead_nowhere() {
    fixture::serving(async |server| {
        let server = &mut Server::new(server.store.clone(), server.cluster.clone(), server.clock.clone());
        server.outbound = Some(outbound());
        for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::OPTIONS] {
            for path in [
                "namespaces/default/services/web/proxy/a",
                "namespaces/default/pods/web/exec",
                "nodes/n/proxy/a",
            ] {
                let said = refusal(server, method.clone(), &format!("/api/v1/watch/{path}"), true).await;
                assert_eq!(said, "the server does not allow this method on the requested resource");
            }
        }
        let trace = refusal(server, Method::TRACE, "/api/v1/nodes/n/proxy/a", false).await;
        assert_eq!(trace, "the server does not allow this method on the requested resource");
    });
}
