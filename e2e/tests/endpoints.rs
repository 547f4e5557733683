//! Services whose pods come, become ready, terminate and go, as kubectl sees them beside it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    clients::{Client, Lines},
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, Options},
    server::Server,
};

const SERVICE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: web, labels: {team: a}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"#;

const WITHOUT_SELECTOR: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: outside}
spec:
  ports: [{port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 192.0.2.4}], ports: [{port: 8080}]}]
"#;

/// What a watch prints of every slice: the addresses, and which endpoints are ready, serving and terminating. (kubectl
/// cannot repeat a `range`.)
const SLICES: &str = "jsonpath={.endpoints[*].addresses[0]} ready {.endpoints[*].conditions.ready} \
    serving {.endpoints[*].conditions.serving} terminating {.endpoints[*].conditions.terminating}{\"\\n\"}";

/// An endpoint's address, and whether it is ready, serving and terminating.
type Endpoint = (&'static str, bool, bool, bool);

/// The line that it prints.
fn line(endpoints: &[Endpoint]) -> String {
    let all = |text: fn(&Endpoint) -> String| endpoints.iter().map(text).collect::<Vec<_>>().join(" ");
    format!(
        "{} ready {} serving {} terminating {}",
        all(|it| it.0.to_owned()),
        all(|it| it.1.to_string()),
        all(|it| it.2.to_string()),
        all(|it| it.3.to_string())
    )
}

fn nodes(server: &Server) -> Kubelets {
    let administrator = Kubeconfig::read(&server.kubeconfig()).unwrap();
    let options = Options { nodes: 2, zones: 2, bind: true, ..Options::default() };
    Kubelets::start(&administrator, &options).unwrap()
}

fn run_pod(kubectl: &Client, name: &str) {
    let pod = format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}, annotations: {{kubelets.test/terminate-after: "0.5"}}}}
spec: {{containers: [{{name: web, image: "web:1", ports: [{{name: http, containerPort: 8080}}]}}]}}
"#
    );
    kubectl.ok_with_input(&["apply", "-f", "-"], &pod);
    kubectl.ok(&["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=20s"]);
}

/// Reads on until a line says this; what came before was on the way there.
#[track_caller]
fn until(watch: &Lines, expected: &str) {
    watch.find(|line| line.trim_end() == expected);
}

/// Waits until Endpoints hold exactly these ready addresses.
#[track_caller]
fn has_addresses(kubectl: &Client, name: &str, addresses: &str) {
    until(&kubectl.watch_field("endpoints", name, "{.subsets[0].addresses[*].ip}"), addresses);
}

#[test]
fn pods_come_become_unready_terminate_and_go() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let _nodes = nodes(&server);
    let watch = kubectl.start(&[
        "get",
        "endpointslices",
        "--watch",
        "--selector=kubernetes.io/service-name=web",
        "--output",
        SLICES,
    ]);
    kubectl.ok_with_input(&["apply", "-f", "-"], SERVICE);
    until(&watch, line(&[]).trim_end());
    run_pod(&kubectl, "web-1");
    until(&watch, &line(&[("100.64.0.1", true, true, false)]));
    run_pod(&kubectl, "web-2");
    until(&watch, &line(&[("100.64.0.1", true, true, false), ("100.64.4.1", true, true, false)]));
    kubectl.ok(&["annotate", "pod", "web-1", "kubelets.test/ready=false"]);
    until(&watch, &line(&[("100.64.0.1", false, false, false), ("100.64.4.1", true, true, false)]));
    has_addresses(&kubectl, "web", "100.64.4.1");
    kubectl.ok(&["delete", "pod", "web-2", "--wait=false"]);
    until(&watch, &line(&[("100.64.0.1", false, false, false), ("100.64.4.1", false, true, true)]));
    until(&watch, &line(&[("100.64.0.1", false, false, false)]));
    kubectl.ok(&["annotate", "--overwrite", "pod", "web-1", "kubelets.test/ready=true"]);
    until(&watch, &line(&[("100.64.0.1", true, true, false)]));
    has_addresses(&kubectl, "web", "100.64.0.1");
    kubectl.ok(&["delete", "service", "web"]);
    kubectl.ok(&["wait", "endpoints/web", "--for=delete", "--timeout=20s"]);
    let selector = "--selector=kubernetes.io/service-name=web";
    kubectl.ok(&["wait", "endpointslices", selector, "--for=delete", "--timeout=20s"]);
}

#[test]
fn endpoints_that_somebody_writes_are_mirrored() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let watch = kubectl.start(&[
        "get",
        "endpointslices",
        "--watch",
        "--selector=kubernetes.io/service-name=outside",
        "--output=jsonpath={.endpoints[*].addresses[0]} {.ports[*].port}{\"\\n\"}",
    ]);
    kubectl.ok_with_input(&["apply", "-f", "-"], WITHOUT_SELECTOR);
    until(&watch, "192.0.2.4 8080");
    let added = r#"[{"op":"add","path":"/subsets/0/addresses/-","value":{"ip":"192.0.2.5"}}]"#;
    kubectl.ok(&["patch", "endpoints", "outside", "--type=json", "--patch", added]);
    until(&watch, "192.0.2.4 192.0.2.5 8080");
    kubectl.ok(&["delete", "endpoints", "outside"]);
    let selector = "--selector=kubernetes.io/service-name=outside";
    kubectl.ok(&["wait", "endpointslices", selector, "--for=delete", "--timeout=20s"]);
}

#[test]
fn a_service_waits_for_its_slices_where_that_is_asked_for() {
    let server = Server::start();
    let kubectl = server.kubectl();
    kubectl.ok_with_input(&["apply", "-f", "-"], SERVICE);
    let selector = "--selector=kubernetes.io/service-name=web";
    kubectl.ok(&["wait", "endpointslices", selector, "--for=create", "--timeout=20s"]);
    kubectl.ok(&["delete", "service", "web", "--cascade=foreground", "--timeout=20s"]);
    assert_eq!(kubectl.ok(&["get", "endpointslices", selector, "-o", "name"]), "");
}

#[test]
fn a_server_that_was_killed_goes_on_where_it_was() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    let nodes = nodes(&server);
    kubectl.ok_with_input(&["apply", "-f", "-"], SERVICE);
    run_pod(&kubectl, "web-1");
    run_pod(&kubectl, "web-2");
    has_addresses(&kubectl, "web", "100.64.0.1 100.64.4.1");
    // Nobody sees the pod's deletion but the store.
    kubectl.ok(&["delete", "pod", "web-1", "--wait=false"]);
    server.kill();
    server.start_again();
    has_addresses(&kubectl, "web", "100.64.4.1");
    kubectl.ok(&["wait", "pod/web-1", "--for=delete", "--timeout=20s"]);
    run_pod(&kubectl, "web-3");
    has_addresses(&kubectl, "web", "100.64.0.2 100.64.4.1");
    drop(nodes);
}

#[test]
fn the_servers_own_service_lists_it_where_it_is() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let listed = "jsonpath={.subsets[*].addresses[*].ip}:{.subsets[*].ports[*].port}";
    assert_eq!(kubectl.ok(&["get", "endpoints", "kubernetes", "-o", listed]), server.address());
    let leases =
        ["get", "leases", "-n", "kube-system", "-l", "apiserver.kubernetes.io/identity=kube-apiserver"];
    let address = r"-o=jsonpath={.items[*].metadata.annotations.apiserver\.pintle/advertised-address}";
    assert_eq!(kubectl.ok(&[&leases[..], &[address]].concat()), server.address());
    kubectl.ok(&["delete", "service", "kubernetes"]);
    kubectl.ok(&["delete", "namespace", "kube-node-lease"]);
    kubectl.ok(&["wait", "--for=create", "service/kubernetes", "namespace/kube-node-lease", "--timeout=20s"]);
    let address = kubectl.ok(&["get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"]);
    assert_eq!(address, "10.96.0.1");
}
