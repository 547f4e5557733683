//! An operator as people run it: the manager of Cluster API, unmodified, as its own service account. Its kinds have two
//! versions that its webhook converts, and webhooks of admission; it applies, watches, labels and deletes in the newer
//! version what users write in the older one.
//!
//! Left out by default, because building it takes five minutes: `e2e/operators` does it and runs these tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use base64::Engine as _;
use pintle_e2e::{clients::Client, cluster::free_address, server::Server};
use serde_json::{Value, json};

/// Where `e2e/operators` puts the manager and its source.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/upstream/bin/cluster-api");
const CONFIGURATION: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/upstream/cluster-api/core/config/default");

const WORKERS: &str = r#"
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: FakeCluster
metadata: {name: one}
spec: {controlPlaneEndpoint: {host: 10.0.0.1, port: 6443}}
---
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: FakeMachineTemplate
metadata: {name: workers}
spec: {template: {spec: {size: 3}}}
---
apiVersion: cluster.x-k8s.io/v1beta1
kind: Cluster
metadata: {name: one}
spec:
  infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, kind: FakeCluster, name: one}
---
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachineDeployment
metadata: {name: workers}
spec:
  clusterName: one
  replicas: 3
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      clusterName: one
      nodeDrainTimeout: 90s
      version: v1.36.0
      bootstrap: {dataSecretName: boot}
      infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, kind: FakeMachineTemplate, name: workers}
"#;

/// The manager; it is gone when the test ends.
struct Manager {
    running: Child,
}

impl Manager {
    /// Starts it with webhooks at a port and waits until they are served.
    fn start(server: &Server, kubectl: &Client, port: &str) -> Manager {
        let token = kubectl.ok(&["create", "token", "capi-manager", "-n", "capi-system"]);
        let mut kubeconfig: Value =
            serde_saphyr::from_str(&fs::read_to_string(server.kubeconfig()).unwrap()).unwrap();
        kubeconfig["users"][0]["user"] = json!({ "token": token.trim() });
        let path = server.home().join("manager.kubeconfig");
        fs::write(&path, kubeconfig.to_string()).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("--kubeconfig").arg(path).arg("--webhook-cert-dir").arg(server.home());
        command.args([
            "--webhook-port",
            port,
            "--diagnostics-address",
            "127.0.0.1:0",
            "--health-addr",
            "127.0.0.1:0",
        ]);
        command.args(["--insecure-diagnostics", "--feature-gates=MachineSetPreflightChecks=false"]);
        let environment = ["POD_NAMESPACE", "POD_NAME", "POD_UID"].map(|name| (name, "capi-system"));
        let command = command.envs(environment).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = command.spawn().expect("e2e/operators builds it");
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let served = lines.by_ref().any(|line| {
            let is_served = line.contains("Serving webhook server");
            seen.push(line);
            is_served
        });
        assert!(served, "{}", seen.join("\n"));
        thread::spawn(move || lines.for_each(drop));
        Manager { running }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

/// What the operator's own configuration makes, with webhooks at an address on this machine.
fn installed(kubectl: &Client, server: &Server, port: &str) {
    let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    fs::write(server.home().join("tls.crt"), &certificate).unwrap();
    fs::write(server.home().join("tls.key"), key.serialize_pem()).unwrap();
    let bundle = base64::engine::general_purpose::STANDARD.encode(&certificate);
    let local = |client: &mut Value| {
        let path = client["service"]["path"].as_str().unwrap_or("/");
        *client = json!({ "url": format!("https://127.0.0.1:{port}{path}"), "caBundle": bundle });
    };
    let text = kubectl.ok(&["kustomize", CONFIGURATION]);
    for mut object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
        if matches!(object["kind"].as_str(), Some("Certificate" | "Issuer" | "Deployment")) {
            continue;
        }
        if let Some(client) = object.pointer_mut("/spec/conversion/webhook/clientConfig") {
            local(client);
        }
        for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            local(&mut webhook["clientConfig"]);
        }
        kubectl.ok_with_input(&["apply", "--server-side", "-f", "-"], &object.to_string());
    }
}

/// Kinds of a provider that provides nothing.
fn provider(kubectl: &Client) {
    let free = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let schema = json!({ "type": "object", "properties": { "spec": free, "status": free } });
    for kind in ["FakeCluster", "FakeMachine", "FakeMachineTemplate"] {
        let plural = format!("{}s", kind.to_lowercase());
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.infrastructure.cluster.x-k8s.io"),
                "labels": { "cluster.x-k8s.io/v1beta1": "v1beta1", "cluster.x-k8s.io/v1beta2": "v1beta1" },
            },
            "spec": {
                "group": "infrastructure.cluster.x-k8s.io", "scope": "Namespaced",
                "names": { "plural": plural, "kind": kind },
                "versions": [{
                    "name": "v1beta1", "served": true, "storage": true, "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": schema },
                }],
            },
        });
        kubectl.ok_with_input(&["create", "-f", "-"], &definition.to_string());
    }
    kubectl.ok(&["wait", "--for=condition=established", "crd", "--all", "--timeout=60s"]);
}

#[test]
#[ignore = "needs the manager of Cluster API: run e2e/operators"]
fn cluster_api_makes_scales_and_deletes_machines_in_both_versions() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    installed(&kubectl, &server, port);
    provider(&kubectl);
    let _manager = Manager::start(&server, &kubectl, port);

    kubectl.ok(&["create", "secret", "generic", "boot", "--from-literal=value=x"]);
    kubectl.ok_with_input(&["apply", "-f", "-"], WORKERS);
    let ready = r#"{"status":{"ready":true,"initialization":{"provisioned":true}}}"#;
    kubectl.ok(&["patch", "fakecluster", "one", "--subresource=status", "--type=merge", "-p", ready]);
    let (older, newer) =
        ("machinedeployments.v1beta1.cluster.x-k8s.io", "machinedeployments.v1beta2.cluster.x-k8s.io");
    let replicas = |number: usize| {
        let condition = format!("--for=jsonpath={{.status.replicas}}={number}");
        kubectl.ok(&["wait", &condition, &format!("{older}/workers"), "--timeout=60s"]);
        assert_eq!(kubectl.ok(&["get", "machines.cluster.x-k8s.io", "-o", "name"]).lines().count(), number);
        assert_eq!(kubectl.ok(&["get", "fakemachines", "-o", "name"]).lines().count(), number);
    };
    replicas(3);
    let at = |resource: &str, path: &str| {
        kubectl.ok(&["get", resource, "workers", "-o", &format!("jsonpath={path}")])
    };
    assert_eq!(at(newer, "{.spec.template.spec.deletion.nodeDrainTimeoutSeconds}"), "90");
    assert_eq!(at(older, "{.spec.template.spec.nodeDrainTimeout}"), "1m30s");
    let tables = kubectl.ok(&["get", "clusters,machinedeployments,machinesets,machines", "-o", "wide"]);
    assert!(tables.contains("CP DESIRED") && tables.contains("workers-"), "{tables}");

    server.kill();
    server.start_again();
    kubectl.ok(&["scale", older, "workers", "--replicas=5"]);
    replicas(5);
    kubectl.ok(&["delete", "cluster", "one", "--timeout=60s"]);
    assert_eq!(kubectl.ok(&["get", "machines,fakemachines,fakeclusters", "-o", "name"]), "");
}
