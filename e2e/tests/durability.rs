//! What survives kill -9, and what clients notice of it.

use pintle_e2e::server::Server;

#[test]
fn everything_is_there_after_a_kill() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    kubectl.ok(&["create", "namespace", "shop"]);
    kubectl.ok(&["-n", "shop", "create", "deployment", "web", "--image=registry.example/web:1"]);
    for number in 0..20 {
        kubectl.ok(&["-n", "shop", "create", "configmap", &format!("map-{number}"), "--from-literal=a=b"]);
    }
    kubectl.ok(&["-n", "shop", "delete", "configmap", "map-3"]);
    let list = ["-n", "shop", "get", "deployments,configmaps", "-o", "json"];
    let before: serde_json::Value = serde_json::from_str(&kubectl.ok(&list)).unwrap();
    server.kill();
    server.start_again();
    let after: serde_json::Value = serde_json::from_str(&kubectl.ok(&list)).unwrap();
    assert_eq!(before["items"], after["items"]);
    let names =
        after["items"].as_array().unwrap().iter().filter_map(|item| item["metadata"]["name"].as_str());
    let maps: Vec<&str> = names.filter(|name| name.starts_with("map-")).collect();
    assert!(maps.len() == 19 && !maps.contains(&"map-3"), "{maps:?}");
}

#[test]
fn a_watch_resumes_from_its_revision_across_a_kill() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    kubectl.ok(&["create", "configmap", "first", "--from-literal=a=b"]);
    let version = kubectl.ok(&["get", "configmap", "first", "-o", "jsonpath={.metadata.resourceVersion}"]);
    kubectl.ok(&["create", "configmap", "second", "--from-literal=a=b"]);
    kubectl.ok(&["delete", "configmap", "first"]);
    server.kill();
    server.start_again();
    kubectl.ok(&["create", "configmap", "third", "--from-literal=a=b"]);
    let url =
        server.url(&format!("/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={version}"));
    let watch = server.curl().start(&["--no-buffer", &url]);
    let events: Vec<(String, String)> = (0..3)
        .map(|_| {
            let event: serde_json::Value = serde_json::from_str(&watch.next_line()).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
        })
        .collect();
    let expected = [("ADDED", "second"), ("DELETED", "first"), ("ADDED", "third")];
    assert_eq!(events, expected.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
}

#[test]
fn a_running_rollout_status_goes_on_across_a_kill() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    kubectl.ok(&["create", "deployment", "web", "--image=registry.example/web:1"]);
    let rollout = kubectl.start(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert!(rollout.next_line().starts_with("Waiting for deployment"));
    server.kill();
    server.start_again();
    let status = r#"{"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1}}"#;
    kubectl.ok(&["patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status]);
    rollout.find(|line| line == "deployment \"web\" successfully rolled out");
    assert!(rollout.finished().success());
}
