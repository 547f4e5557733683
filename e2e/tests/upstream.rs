//! Kubernetes' own scheduler and controllers beside the server, with simulated nodes below them. They are what a user
//! runs for workloads, and the most demanding clients there are: informers in protobuf, leader election, server-side
//! apply, events, evictions, tokens of their own.
//!
//! Left out by default, because building them takes ten minutes: `e2e/upstream` does it and runs these tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
};

use pintle_e2e::{
    clients::Client,
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, Options},
    server::Server,
};

/// Where `e2e/upstream` puts them.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/upstream/bin");

const WORKLOADS: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: database}
spec:
  serviceName: database
  replicas: 2
  selector: {matchLabels: {app: database}}
  template: {metadata: {labels: {app: database}}, spec: {containers: [{name: database, image: "database:1"}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: agent, image: "agent:1"}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 3
  parallelism: 2
  template:
    metadata: {annotations: {kubelets.test/exit-after: "0.2"}}
    spec: {restartPolicy: Never, containers: [{name: sum, image: "sum:1"}]}
"#;

const BUDGET: &str = r#"
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
"#;

const STORAGE: &str = r#"
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /disk}, storageClassName: ""}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1Gi}}}
"#;

/// Kubernetes' own programs, each as the user that a cluster gives it. They are gone when the test ends, and their
/// errors are shown when it failed.
struct Upstream {
    logs: Vec<PathBuf>,
    running: Vec<Child>,
}

impl Upstream {
    fn start(server: &Server) -> Upstream {
        let mut upstream = Upstream { logs: Vec::new(), running: Vec::new() };
        upstream.run(server, "kube-scheduler", &[]);
        let pki = server.data_dir().join("pki");
        let file = |name: &str| pki.join(name).display().to_string();
        let (authority, authority_key, accounts_key) = (file("ca.crt"), file("ca.key"), file("sa.key"));
        let options = [
            "--use-service-account-credentials",
            "--service-account-private-key-file",
            &accounts_key,
            "--root-ca-file",
            &authority,
            "--cluster-signing-cert-file",
            &authority,
            "--cluster-signing-key-file",
            &authority_key,
        ];
        upstream.run(server, "kube-controller-manager", &options);
        upstream
    }

    fn run(&mut self, server: &Server, program: &str, options: &[&str]) {
        let kubeconfig = server.kubeconfig_of(&format!("system:{program}"), &[]);
        let path = server.home().join(format!("{program}.log"));
        let log = File::create(&path).unwrap();
        let mut command = Command::new(Path::new(PROGRAMS).join(program));
        for option in ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"] {
            command.arg(option).arg(&kubeconfig);
        }
        // Port 0 serves nothing, so that several tests run side by side.
        command.args(["--secure-port", "0"]).args(options);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push(command.spawn().expect("e2e/upstream builds the programs"));
        self.logs.push(path);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for program in &mut self.running {
            let _ = program.kill();
            let _ = program.wait();
        }
        if thread::panicking() {
            for path in &self.logs {
                let log = fs::read_to_string(path).unwrap_or_default();
                let errors: Vec<&str> = log.lines().filter(|line| line.starts_with(['E', 'F'])).collect();
                eprintln!("--- errors in {} ---\n{}", path.display(), errors.join("\n"));
            }
        }
    }
}

/// A server with three nodes, and what makes its workloads run.
fn cluster() -> (Server, Client, Upstream, Kubelets) {
    let server = Server::start();
    let upstream = Upstream::start(&server);
    let administrator = Kubeconfig::read(&server.kubeconfig()).unwrap();
    let nodes = Kubelets::start(&administrator, &Options { nodes: 3, ..Options::default() }).unwrap();
    let kubectl = server.kubectl();
    (server, kubectl, upstream, nodes)
}

fn rolled_out(kubectl: &Client, workload: &str) {
    kubectl.ok(&["rollout", "status", workload, "--timeout=60s"]);
}

#[test]
#[ignore = "needs Kubernetes' own programs: run e2e/upstream"]
fn deployments_roll_out_and_back_and_go_with_their_pods() {
    let (_server, kubectl, _upstream, _nodes) = cluster();
    kubectl.ok(&["create", "deployment", "web", "--image=web:1", "--replicas=4"]);
    rolled_out(&kubectl, "deployment/web");
    kubectl.ok(&["set", "image", "deployment/web", "web=web:2"]);
    rolled_out(&kubectl, "deployment/web");
    kubectl.ok(&["rollout", "undo", "deployment/web"]);
    rolled_out(&kubectl, "deployment/web");
    let template = "jsonpath={.spec.template.spec.containers[0].image} {.status.updatedReplicas}";
    assert_eq!(kubectl.ok(&["get", "deployment", "web", "-o", template]), "web:1 4");
    kubectl.ok(&["delete", "deployment", "web", "--cascade=foreground", "--timeout=60s"]);
    assert_eq!(kubectl.ok(&["get", "pods,rs", "-o", "name"]), "");
}

#[test]
#[ignore = "needs Kubernetes' own programs: run e2e/upstream"]
fn sets_and_jobs_run_and_a_namespace_takes_them_along() {
    let (_server, kubectl, _upstream, _nodes) = cluster();
    kubectl.ok(&["create", "namespace", "work"]);
    kubectl.ok_with_input(&["apply", "-n", "work", "-f", "-"], WORKLOADS);
    kubectl.ok(&["wait", "-n", "work", "job/sum", "--for=condition=Complete", "--timeout=60s"]);
    for set in ["statefulset/database", "daemonset/agent"] {
        kubectl.ok(&["rollout", "status", "-n", "work", set, "--timeout=60s"]);
    }
    kubectl.ok(&["delete", "namespace", "work", "--timeout=80s"]);
}

#[test]
#[ignore = "needs Kubernetes' own programs: run e2e/upstream"]
fn a_drained_node_keeps_to_the_disruption_budget() {
    let (_server, kubectl, _upstream, _nodes) = cluster();
    kubectl.ok(&["create", "deployment", "web", "--image=web:1", "--replicas=2"]);
    rolled_out(&kubectl, "deployment/web");
    kubectl.ok_with_input(&["apply", "-f", "-"], BUDGET);
    let healthy = |count: u32| format!("--for=jsonpath={{.status.currentHealthy}}={count}");
    kubectl.ok(&["wait", "pdb/web", &healthy(2), "--timeout=60s"]);
    let first = "jsonpath={.items[0].spec.nodeName}";
    let node = kubectl.ok(&["get", "pods", "-l", "app=web", "-o", first]);
    let refused = kubectl.fails(&["drain", &node, "--timeout=3s"]);
    assert!(refused.contains("disruption budget") || refused.contains("global timeout"), "{refused}");
    kubectl.ok(&["scale", "deployment/web", "--replicas=4"]);
    rolled_out(&kubectl, "deployment/web");
    kubectl.ok(&["wait", "pdb/web", &healthy(4), "--timeout=60s"]);
    kubectl.ok(&["drain", &node, "--timeout=60s"]);
}

#[test]
#[ignore = "needs Kubernetes' own programs: run e2e/upstream"]
fn claims_are_bound_and_approved_certificates_are_issued() {
    let (server, kubectl, _upstream, _nodes) = cluster();
    kubectl.ok_with_input(&["apply", "-f", "-"], STORAGE);
    kubectl.ok(&["wait", "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s"]);
    let key = server.home().join("jane.key").display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=jane",
        ])
        .args(["-keyout", &key])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let request = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &made.stdout);
    let manifest = format!(
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: jane}}\n\
         spec: {{request: {request}, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}}\n"
    );
    kubectl.ok_with_input(&["apply", "-f", "-"], &manifest);
    kubectl.ok(&["certificate", "approve", "jane"]);
    kubectl.ok(&["wait", "csr/jane", "--for=jsonpath={.status.certificate}", "--timeout=60s"]);
}

#[test]
#[ignore = "needs Kubernetes' own programs: run e2e/upstream"]
fn they_go_on_after_the_server_was_killed() {
    let (mut server, kubectl, _upstream, _nodes) = cluster();
    kubectl.ok(&["create", "deployment", "web", "--image=web:1", "--replicas=2"]);
    rolled_out(&kubectl, "deployment/web");
    server.kill();
    server.start_again();
    kubectl.ok(&["scale", "deployment/web", "--replicas=5"]);
    rolled_out(&kubectl, "deployment/web");
}
