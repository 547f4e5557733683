//! Simulated nodes with pods on them, through the real kubectl.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, NODES_GROUP, Options},
    server::Server,
};

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {kubelets.test/terminate-after: "0.2"}}
spec: {containers: [{name: web, image: "web:1"}]}
"#;

fn administrator(server: &Server) -> Kubeconfig {
    Kubeconfig::read(&server.kubeconfig()).unwrap()
}

/// A node of its own user each, and pods bound to them.
fn nodes(server: &Server, nodes: usize) -> Kubelets {
    let options = Options { nodes, bind: true, ..Options::default() };
    let user = |number| {
        let path = server.kubeconfig_of(&options.user(number), &[NODES_GROUP]);
        Kubeconfig::read(&path).unwrap()
    };
    let users: Vec<Kubeconfig> = (0..nodes).map(user).collect();
    Kubelets::start_as(&administrator(server), &users, &options).unwrap()
}

#[test]
fn nodes_register_and_renew_their_leases() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let _nodes = nodes(&server, 2);
    kubectl.ok(&["wait", "node", "--all", "--for=condition=Ready", "--timeout=20s"]);
    let names = kubectl.ok(&["get", "nodes", "-o", "name"]);
    assert_eq!(names, "node/node-0\nnode/node-1\n");
    let renewed = "--for=jsonpath={.spec.renewTime}";
    for node in ["lease/node-0", "lease/node-1"] {
        kubectl.ok(&["wait", "-n", "kube-node-lease", node, "--for=create", "--timeout=20s"]);
        kubectl.ok(&["wait", "-n", "kube-node-lease", node, renewed, "--timeout=20s"]);
    }
}

#[test]
fn a_pod_comes_becomes_unready_and_goes() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let _nodes = nodes(&server, 1);
    kubectl.ok_with_input(&["apply", "-f", "-"], POD);
    kubectl.ok(&["wait", "pod/web", "--for=condition=Ready", "--timeout=20s"]);
    let phase = kubectl.ok(&["get", "pod", "web", "-o", "jsonpath={.status.phase} {.status.podIP}"]);
    assert_eq!(phase, "Running 100.64.0.1");
    kubectl.ok(&["annotate", "pod", "web", "kubelets.test/ready=false"]);
    kubectl.ok(&["wait", "pod/web", "--for=condition=Ready=false", "--timeout=20s"]);
    kubectl.ok(&["delete", "pod", "web", "--timeout=20s"]);
    let gone = kubectl.fails(&["get", "pod", "web"]);
    assert!(gone.contains("NotFound"), "{gone}");
}

#[test]
fn a_node_takes_over_the_pods_of_its_earlier_life() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    let first = nodes(&server, 1);
    kubectl.ok_with_input(&["apply", "-f", "-"], POD);
    kubectl.ok(&["wait", "pod/web", "--for=condition=Ready", "--timeout=20s"]);
    drop(first);
    server.kill();
    server.start_again();
    let _second = nodes(&server, 1);
    kubectl.ok(&["delete", "pod", "web", "--timeout=20s"]);
}
