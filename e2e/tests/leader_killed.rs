//! What controllers have begun when the leader is killed, its successor ends, and the result is that of a quiet day.
//! (`cluster.rs` has the same for the endpoints of a service.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc;

use pintle_e2e::{
    clients::Client,
    cluster::Cluster,
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, Options},
};
use serde_json::{Value, json};

/// How long kubectl waits for what a controller does a moment later.
const WAIT: &str = "--timeout=30s";
/// The same for what it does after the quarantine of a node that is missing, 40 s, at the latest 20 s later.
const QUARANTINE: &str = "--timeout=80s";
const PARALLEL_CREATES: usize = 64;
const QUOTA: usize = 10;

/// Three servers, simulated nodes, and a client of a server that does not lead.
struct Scene {
    cluster: Cluster,
    leader: usize,
    other: usize,
    kubectl: Client,
    nodes: Kubelets,
}

impl Scene {
    fn start(nodes: usize) -> Scene {
        let cluster = Cluster::start();
        let leader = cluster.leader(0);
        let other = (leader + 1) % 3;
        let administrator = Kubeconfig::read(&cluster.nodes[other].kubeconfig()).unwrap();
        let options = Options { nodes, bind: true, ..Options::default() };
        let nodes = Kubelets::start(&administrator, &options).unwrap();
        Scene { kubectl: cluster.kubectl(other), cluster, leader, other, nodes }
    }

    fn kill_leader(&mut self) {
        self.cluster.nodes[self.leader].kill();
    }

    fn create(&self, object: &Value) {
        self.kubectl.ok_with_input(&["create", "-f", "-"], &object.to_string());
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl.ok(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    fn wait_gone(&self, arguments: &[&str]) {
        self.kubectl.ok(&[&["wait", "--for=delete", WAIT], arguments].concat());
    }
}

/// A pod that takes half a second to end.
fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "annotations": { "kubelets.test/terminate-after": "0.5" } },
        "spec": { "containers": [{ "name": "c", "image": "registry.example/c:1" }] },
    })
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items.into_iter().collect::<Vec<_>>() })
}

/// The condition of this type, as `STATUS REASON: MESSAGE`.
fn condition(object: &Value, wanted: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|it| it["type"] == wanted).unwrap();
    let text = |field: &str| found[field].as_str().unwrap();
    format!("{} {}: {}", text("status"), text("reason"), text("message"))
}

#[test]
fn a_namespace_waits_for_its_stuck_object_and_goes() {
    let mut scene = Scene::start(1);
    scene.kubectl.ok(&["create", "namespace", "team"]);
    let inside = |mut object: Value| {
        object["metadata"]["namespace"] = json!("team");
        object
    };
    let config_map = |name: &str, finalizers: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "finalizers": finalizers } });
    let maps = (0..20).map(|number| config_map(&format!("map-{number}"), json!([])));
    let stuck = config_map("stuck", json!(["example.test/hold"]));
    let pods = (0..4).map(|number| pod(&format!("pod-{number}")));
    scene.create(&list(maps.chain([stuck]).chain(pods).map(inside)));
    scene.kubectl.ok(&["wait", "-n", "team", "pods", "--all", "--for=condition=Ready", WAIT]);
    scene.kubectl.ok(&["delete", "namespace", "team", "--wait=false"]);
    scene.kill_leader();
    scene.kubectl.ok(&["wait", "namespace/team", "--for=condition=NamespaceFinalizersRemaining", WAIT]);
    let namespace = scene.json(&["get", "namespace", "team"]);
    assert_eq!(
        condition(&namespace, "NamespaceFinalizersRemaining"),
        "True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.test/hold in 1 resource instances"
    );
    assert_eq!(
        condition(&namespace, "NamespaceContentRemaining"),
        "True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances"
    );
    for fine in [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
    ] {
        assert!(condition(&namespace, fine).starts_with("False "), "{fine}");
    }
    let left = scene.kubectl.ok(&["get", "-n", "team", "pods,configmaps,serviceaccounts", "-o", "name"]);
    assert_eq!(left, "configmap/stuck\n");
    let refused = scene.kubectl.fails(&["create", "-n", "team", "configmap", "late"]);
    assert!(refused.contains("because it is being terminated"), "{refused}");
    let release = r#"{"metadata":{"finalizers":null}}"#;
    scene.kubectl.ok(&["patch", "-n", "team", "configmap", "stuck", "--type=merge", "-p", release]);
    scene.wait_gone(&["namespace/team"]);
    scene.kubectl.ok(&["create", "namespace", "team"]);
    scene.kubectl.ok(&["get", "-n", "team", "serviceaccount", "default"]);
}

#[test]
fn every_cascade_goes_as_it_was_asked_for() {
    let mut scene = Scene::start(1);
    for cascade in ["background", "foreground", "orphan"] {
        owner_with_pods(&scene, cascade);
    }
    scene.create(&pod("bystander"));
    scene.kubectl.ok(&["wait", "pods", "--all", "--for=condition=Ready", WAIT]);
    for cascade in ["background", "foreground", "orphan"] {
        let how = format!("--cascade={cascade}");
        scene.kubectl.ok(&["delete", "replicaset", cascade, &how, "--wait=false"]);
    }
    scene.kill_leader();
    scene.wait_gone(&["replicaset/foreground"]);
    let selected = |owner: &str| format!("--selector=owner={owner}");
    let left = scene.kubectl.ok(&["get", "pods", &selected("foreground"), "-o", "name"]);
    assert_eq!(left, "", "the owner waits for its dependents");
    scene.wait_gone(&["replicaset/background", "replicaset/orphan"]);
    scene.wait_gone(&["pods", &selected("background")]);
    scene.wait_gone(&["configmaps", &selected("background")]);
    let orphans = scene.json(&["get", "pods", &selected("orphan")]);
    let orphans = orphans["items"].as_array().unwrap();
    assert_eq!(orphans.len(), 3);
    for orphan in orphans {
        let metadata = &orphan["metadata"];
        assert!(metadata["ownerReferences"].is_null(), "{metadata}");
        assert!(metadata["deletionTimestamp"].is_null(), "{metadata}");
    }
    scene.kubectl.ok(&["get", "pod", "bystander"]);
}

/// A ReplicaSet with three pods, and a ConfigMap that belongs to the first of them.
fn owner_with_pods(scene: &Scene, name: &str) {
    let labels = json!({ "owner": name });
    scene.create(&json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": { "name": name },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod("")["spec"] },
        },
    }));
    let reference = |api_version: &str, kind: &str, name: &str| {
        let uid = scene.json(&["get", kind, name])["metadata"]["uid"].clone();
        json!([{
            "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        }])
    };
    let owned = |mut object: Value, owner: &Value| {
        object["metadata"]["labels"] = labels.clone();
        object["metadata"]["ownerReferences"] = owner.clone();
        object
    };
    let owner = reference("apps/v1", "ReplicaSet", name);
    scene.create(&list((0..3).map(|number| owned(pod(&format!("{name}-{number}")), &owner))));
    let first = format!("{name}-0");
    let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": first } });
    scene.create(&owned(settings, &reference("v1", "Pod", &first)));
}

#[test]
fn a_quota_holds_and_can_be_used_up() {
    let mut scene = Scene::start(0);
    scene.kubectl.ok(&["create", "quota", "q", &format!("--hard=pods={QUOTA}")]);
    scene.kubectl.ok(&["wait", "--for=jsonpath={.status.used.pods}=0", "quota/q", WAIT]);
    let server = &scene.cluster.nodes[scene.other];
    let (curl, url) = (server.curl(), server.url("/api/v1/namespaces/default/pods"));
    let (created, first) = mpsc::sync_channel(PARALLEL_CREATES);
    std::thread::scope(|scope| {
        for number in 0..PARALLEL_CREATES {
            let (curl, url, created) = (&curl, &url, created.clone());
            scope.spawn(move || {
                let body = pod(&format!("p{number}")).to_string();
                let send = ["--header", "Content-Type: application/json", "--data-binary", "@-", url];
                // Whoever is asked while there is no leader may be refused; the count is what matters.
                curl.run_with_input(&send, &body);
                let _ = created.send(());
            });
        }
        first.recv().unwrap();
        scene.cluster.nodes[scene.leader].kill();
    });
    let count = |scene: &Scene| {
        let used = scene.json(&["get", "quota", "q"])["status"]["used"]["pods"].clone();
        (scene.json(&["get", "pods"])["items"].as_array().unwrap().len(), used)
    };
    let (pods, used) = count(&scene);
    assert_eq!(used, json!(pods.to_string()));
    assert!(pods <= QUOTA, "{pods}");
    for number in pods..QUOTA {
        scene.create(&pod(&format!("rest-{number}")));
    }
    assert_eq!(count(&scene), (QUOTA, json!(QUOTA.to_string())));
    let refused = scene.kubectl.fails_with_input(&["create", "-f", "-"], &pod("more").to_string());
    assert!(refused.contains("exceeded quota: q"), "{refused}");
}

#[test]
fn the_pods_of_nodes_that_are_gone_go() {
    let mut scene = Scene::start(3);
    let bound = |name: &str, node: &str| {
        let mut pod = pod(name);
        pod["spec"]["nodeName"] = json!(node);
        pod
    };
    scene.create(&list([bound("kept", "node-0"), bound("lost", "node-1"), bound("cut-off", "node-2")]));
    scene.kubectl.ok(&["wait", "pods", "--all", "--for=condition=Ready", WAIT]);
    scene.nodes.vanish(1);
    scene.nodes.vanish(2);
    let status = r"{.status.phase} {.status.conditions[?(@.type=='DisruptionTarget')].reason}";
    let watch = scene.kubectl.watch_field("pods", "lost", status);
    scene.kubectl.ok(&["delete", "node", "node-1", "--wait=false"]);
    // What a node that does not answer looks like, and an administrator who knows that it is off.
    let unknown = r#"{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}"#;
    scene.kubectl.ok(&["patch", "node", "node-2", "--subresource=status", "-p", unknown]);
    scene.kubectl.ok(&["taint", "node", "node-2", "node.kubernetes.io/out-of-service=off:NoExecute"]);
    scene.kubectl.ok(&["delete", "pod", "cut-off", "--wait=false"]);
    scene.kill_leader();
    scene.wait_gone(&["pod/cut-off"]);
    scene.kubectl.ok(&["wait", "--for=delete", "pod/lost", QUARANTINE]);
    watch.find(|line| line == "Failed DeletionByPodGC");
    assert_eq!(scene.kubectl.ok(&["get", "pods", "-o", "name"]), "pod/kept\n");
}

#[test]
fn the_token_of_a_deleted_account_is_refused_everywhere() {
    let mut scene = Scene::start(0);
    scene.kubectl.ok(&["create", "serviceaccount", "bot"]);
    let token = scene.kubectl.ok(&["create", "token", "bot"]).trim().to_owned();
    let last = (scene.leader + 2) % 3;
    let answer = |scene: &Scene, node: usize| {
        let server = &scene.cluster.nodes[node];
        let (header, url) = (format!("Authorization: Bearer {token}"), server.url("/api"));
        let quiet = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        server.anonymous_curl().ok(&[&quiet[..], &["--header", &header, &url]].concat())
    };
    assert_eq!([answer(&scene, scene.other), answer(&scene, last)], ["200", "200"]);
    scene.kubectl.ok(&["delete", "serviceaccount", "bot"]);
    scene.kill_leader();
    assert_eq!([answer(&scene, scene.other), answer(&scene, last)], ["401", "401"]);
}
