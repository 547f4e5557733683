//! A working day with each kubectl: what people type, and what they must read back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{clients::Client, server::Server};
use serde_json::Value;

/// One test for each kubectl version.
macro_rules! with_each_kubectl {
    ($($name:ident)*) => {
        mod kubectl_1_30 { $(#[test] fn $name() { super::$name("kubectl-1.30"); })* }
        mod kubectl_1_34 { $(#[test] fn $name() { super::$name("kubectl-1.34"); })* }
        mod kubectl_1_37 { $(#[test] fn $name() { super::$name("kubectl-1.37"); })* }
    };
}

with_each_kubectl! {
    a_config_map_is_created_read_changed_and_deleted
    a_deployment_is_created_scaled_and_given_another_image
    apply_creates_configures_and_leaves_unchanged
    quantities_are_stored_canonically
    server_side_apply_reports_conflicts_and_takes_over_by_force
    diff_shows_what_apply_would_change
    every_type_of_patch_is_taken
    edit_and_replace_change_objects
    get_prints_every_form
    get_watch_follows_changes
    describe_shows_objects_of_every_sort
    explain_reads_the_documentation
    the_api_is_discovered
    permissions_are_asked_and_answered
    delete_waits_cascades_and_forces
    wait_sees_a_change
    rollout_follows_the_status
    services_get_addresses
    nodes_are_cordoned_tainted_and_drained
    events_are_shown
    unknown_fields_and_bad_objects_are_refused
    tokens_are_refused_cleanly
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn json(kubectl: &Client, arguments: &[&str]) -> Value {
    parsed(&kubectl.ok(&[arguments, &["-o", "json"]].concat()))
}

fn field(kubectl: &Client, object: &str, path: &str) -> String {
    kubectl.ok(&["get", object, "-o", &format!("jsonpath={{{path}}}")])
}

/// The columns of a printed table's row.
fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 500m, memory: 1Gi}}
      - name: sidecar
        image: registry.example/sidecar:1
"#;

fn a_config_map_is_created_read_changed_and_deleted(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    assert_eq!(
        kubectl.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]),
        "configmap/settings created\n"
    );
    let again = kubectl.fails(&["create", "configmap", "settings", "--from-literal=color=red"]);
    assert!(again.contains("configmaps \"settings\" already exists"), "{again}");
    assert_eq!(field(&kubectl, "configmap/settings", ".data.color"), "blue");
    assert_eq!(kubectl.ok(&["label", "configmap", "settings", "team=web"]), "configmap/settings labeled\n");
    assert_eq!(
        kubectl.ok(&["annotate", "configmap", "settings", "note=hello world"]),
        "configmap/settings annotated\n"
    );
    let found = kubectl.ok(&["get", "configmaps", "-l", "team=web", "-o", "name"]);
    assert_eq!(found, "configmap/settings\n");
    assert_eq!(kubectl.ok(&["get", "configmaps", "-l", "team!=web,team", "-o", "name"]), "");
    assert_eq!(kubectl.ok(&["label", "configmap", "settings", "team-"]), "configmap/settings unlabeled\n");
    let deleted = kubectl.ok(&["delete", "configmap", "settings"]);
    assert!(deleted.starts_with("configmap \"settings\" deleted"), "{deleted}");
    let gone = kubectl.fails(&["get", "configmap", "settings"]);
    assert_eq!(gone, "Error from server (NotFound): configmaps \"settings\" not found\n");
}

fn a_deployment_is_created_scaled_and_given_another_image(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let created =
        kubectl.ok(&["create", "deployment", "web", "--image=registry.example/web:1", "--replicas=2"]);
    assert_eq!(created, "deployment.apps/web created\n");
    let deployment = json(&kubectl, &["get", "deployment", "web"]);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(deployment["spec"]["template"]["spec"]["restartPolicy"], "Always");
    assert_eq!(deployment["metadata"]["generation"], 1);
    assert_eq!(kubectl.ok(&["scale", "deployment", "web", "--replicas=5"]), "deployment.apps/web scaled\n");
    let conditional = ["scale", "deployment", "web", "--current-replicas=5", "--replicas=3"];
    assert_eq!(kubectl.ok(&conditional), "deployment.apps/web scaled\n");
    assert_eq!(field(&kubectl, "deployment/web", ".spec.replicas"), "3");
    let refused = kubectl.fails(&conditional);
    assert!(refused.contains("Expected replicas to be 5, was 3"), "{refused}");
    assert_eq!(
        kubectl.ok(&["set", "image", "deployment/web", "web=registry.example/web:2"]),
        "deployment.apps/web image updated\n"
    );
    assert_eq!(
        kubectl.ok(&["set", "env", "deployment/web", "LEVEL=debug"]),
        "deployment.apps/web env updated\n"
    );
    let container =
        "{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value}";
    let read = kubectl.ok(&["get", "deployment", "web", "-o", &format!("jsonpath={container}")]);
    assert_eq!(read, "registry.example/web:2 debug");
    assert_eq!(field(&kubectl, "deployment/web", ".metadata.generation"), "5");
    let table = kubectl.ok(&["get", "deployments"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(columns(lines[0]), ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(columns(lines[1])[..4], ["web", "0/3", "0", "0"]);
}

fn apply_creates_configures_and_leaves_unchanged(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let apply = |text: &str| kubectl.ok_with_input(&["apply", "-f", "-"], text);
    assert_eq!(apply(DEPLOYMENT), "deployment.apps/web created\n");
    let before = field(&kubectl, "deployment/web", ".metadata.resourceVersion");
    assert_eq!(apply(DEPLOYMENT), "deployment.apps/web unchanged\n");
    assert_eq!(field(&kubectl, "deployment/web", ".metadata.resourceVersion"), before);
    let changed = DEPLOYMENT.replace("registry.example/sidecar:1", "registry.example/sidecar:2");
    assert_eq!(apply(&changed), "deployment.apps/web configured\n");
    let without = changed.replace("      - name: sidecar\n        image: registry.example/sidecar:2\n", "");
    assert_eq!(apply(&without), "deployment.apps/web configured\n");
    let names =
        kubectl.ok(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}"]);
    assert_eq!(names, "web");
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    assert_eq!(kubectl.ok_with_input(&dry, DEPLOYMENT), "deployment.apps/web configured (server dry run)\n");
    assert_eq!(field(&kubectl, "deployment/web", ".spec.template.spec.containers[*].name"), "web");
}

fn quantities_are_stored_canonically(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let otherwise = DEPLOYMENT.replace("cpu: 500m, memory: 1Gi", "cpu: 0.5, memory: 1024Mi");
    kubectl.ok_with_input(&["create", "-f", "-"], &otherwise);
    let resources = ".spec.template.spec.containers[0].resources.requests";
    let quantities = kubectl.ok(&[
        "get",
        "deployment",
        "web",
        "-o",
        &format!("jsonpath={{{resources}.cpu}} {{{resources}.memory}}"),
    ]);
    assert_eq!(quantities, "500m 1Gi");
    let before = field(&kubectl, "deployment/web", ".metadata.resourceVersion");
    let patch = r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","resources":{"requests":{"cpu":"0.50"}}}]}}}}"#;
    assert_eq!(
        kubectl.ok(&["patch", "deployment", "web", "-p", patch]),
        "deployment.apps/web patched (no change)\n"
    );
    assert_eq!(field(&kubectl, "deployment/web", ".metadata.resourceVersion"), before);
}

fn server_side_apply_reports_conflicts_and_takes_over_by_force(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let apply = ["apply", "--server-side", "-f", "-"];
    assert_eq!(kubectl.ok_with_input(&apply, DEPLOYMENT), "deployment.apps/web serverside-applied\n");
    let version_now = || field(&kubectl, "deployment/web", ".metadata.resourceVersion");
    let before = version_now();
    kubectl.ok_with_input(&apply, DEPLOYMENT);
    assert_eq!(version_now(), before, "nothing changed");
    kubectl.ok(&[
        "patch",
        "deployment",
        "web",
        "--field-manager=autoscaler",
        "-p",
        r#"{"spec":{"replicas":7}}"#,
    ]);
    let changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3");
    let conflict = kubectl.fails_with_input(&apply, &changed);
    assert!(
        conflict.contains("Apply failed with 1 conflict: conflict with \"autoscaler\" using apps/v1"),
        "{conflict}"
    );
    assert!(conflict.contains(".spec.replicas"), "{conflict}");
    assert_eq!(field(&kubectl, "deployment/web", ".spec.replicas"), "7");
    kubectl.ok_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &changed);
    assert_eq!(field(&kubectl, "deployment/web", ".spec.replicas"), "3");
    let without = changed.replace("  replicas: 3\n", "");
    kubectl.ok_with_input(&apply, &without);
    assert_eq!(
        field(&kubectl, "deployment/web", ".spec.replicas"),
        "1",
        "a field that nobody owns any more is defaulted"
    );
    let managers = kubectl.ok(&[
        "get",
        "deployment",
        "web",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ]);
    assert!(managers.split(' ').any(|manager| manager == "kubectl"), "{managers}");

    // From client-side to server-side apply: no conflict with oneself.
    let other = DEPLOYMENT.replace("name: web\n  labels", "name: other\n  labels");
    kubectl.ok_with_input(&["apply", "-f", "-"], &other);
    assert_eq!(kubectl.ok_with_input(&apply, &other), "deployment.apps/other serverside-applied\n");
}

fn diff_shows_what_apply_would_change(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let new = kubectl.run_with_input(&["diff", "-f", "-"], DEPLOYMENT);
    assert_eq!(new.status.code(), Some(1), "{}", new.printed());
    assert!(new.stdout.contains("+kind: Deployment"), "{}", new.printed());
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    assert_eq!(kubectl.ok_with_input(&["diff", "-f", "-"], DEPLOYMENT), "");
    let changed = DEPLOYMENT.replace("replicas: 2", "replicas: 4");
    for server_side in [&["diff", "-f", "-"][..], &["diff", "--server-side", "--force-conflicts", "-f", "-"]]
    {
        let diff = kubectl.run_with_input(server_side, &changed);
        assert_eq!(diff.status.code(), Some(1), "{}", diff.printed());
        assert!(diff.stdout.contains("-  replicas: 2\n+  replicas: 4\n"), "{}", diff.printed());
    }
    assert_eq!(field(&kubectl, "deployment/web", ".spec.replicas"), "2");
}

fn every_type_of_patch_is_taken(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    let patch =
        |kind: &str, body: &str| kubectl.ok(&["patch", "deployment", "web", "--type", kind, "-p", body]);
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"sidecar","image":"registry.example/sidecar:9"}]}}}}"#;
    assert_eq!(patch("strategic", strategic), "deployment.apps/web patched\n");
    assert_eq!(patch("strategic", strategic), "deployment.apps/web patched (no change)\n");
    let images = || field(&kubectl, "deployment/web", ".spec.template.spec.containers[*].image");
    assert_eq!(images(), "registry.example/web:1 registry.example/sidecar:9", "merged by name, order kept");
    patch(
        "json",
        r#"[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"registry.example/web:9"}]"#,
    );
    assert_eq!(images(), "registry.example/web:9 registry.example/sidecar:9");
    patch(
        "strategic",
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"sidecar","$patch":"delete"}]}}}}"#,
    );
    assert_eq!(images(), "registry.example/web:9");
    patch("merge", r#"{"metadata":{"labels":{"app":null,"tier":"front"}}}"#);
    assert_eq!(
        json(&kubectl, &["get", "deployment", "web"])["metadata"]["labels"],
        serde_json::json!({"tier": "front"})
    );
    let failed = kubectl.fails(&[
        "patch",
        "deployment",
        "web",
        "--type=json",
        "-p",
        r#"[{"op":"test","path":"/spec/replicas","value":9}]"#,
    ]);
    assert!(
        failed.contains("The request is invalid")
            || failed.contains("testing path")
            || failed.contains("test"),
        "{failed}"
    );
}

fn edit_and_replace_change_objects(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    let editor = server.home().join("editor");
    std::fs::write(&editor, "#!/bin/sh\nsed -i 's/color: blue/color: green/' \"$1\"\n").unwrap();
    let chmod = std::process::Command::new("chmod").arg("+x").arg(&editor).status().unwrap();
    assert!(chmod.success());
    let edit = kubectl.in_environment("KUBE_EDITOR", &editor.display().to_string());
    assert_eq!(edit.ok(&["edit", "configmap", "settings"]), "configmap/settings edited\n");
    assert_eq!(field(&kubectl, "configmap/settings", ".data.color"), "green");
    let read = kubectl.ok(&["get", "configmap", "settings", "-o", "yaml"]);
    let replaced = kubectl.ok_with_input(&["replace", "-f", "-"], &read.replace("green", "red"));
    assert_eq!(replaced, "configmap/settings replaced\n");
    let stale = kubectl.fails_with_input(&["replace", "-f", "-"], &read.replace("green", "black"));
    assert!(
        stale.contains(
            "the object has been modified; please apply your changes to the latest version and try again"
        ),
        "{stale}"
    );
    let forced = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: white}\n";
    let uid = field(&kubectl, "configmap/settings", ".metadata.uid");
    let printed = kubectl.ok_with_input(&["replace", "--force", "-f", "-"], forced);
    assert!(printed.contains("configmap/settings replaced"), "{printed}");
    assert_ne!(field(&kubectl, "configmap/settings", ".metadata.uid"), uid);
    assert_eq!(field(&kubectl, "configmap/settings", ".data.color"), "white");
}

fn get_prints_every_form(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    assert!(
        kubectl
            .run(&["get", "configmaps", "-n", "kube-public", "-l", "no=such"])
            .stderr
            .contains("No resources found")
    );
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    let wide = kubectl.ok(&["get", "deployments", "-o", "wide"]);
    assert_eq!(columns(wide.lines().next().unwrap())[4..], ["AGE", "CONTAINERS", "IMAGES", "SELECTOR"]);
    assert!(
        wide.contains("web,sidecar") && wide.contains("registry.example/web:1,registry.example/sidecar:1"),
        "{wide}"
    );
    let yaml = kubectl.ok(&["get", "deployment", "web", "-o", "yaml"]);
    assert!(yaml.starts_with("apiVersion: apps/v1\nkind: Deployment\n"), "{yaml}");
    let custom =
        kubectl.ok(&["get", "deployments", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"]);
    assert_eq!(custom.lines().map(columns).collect::<Vec<_>>(), [["N", "R"], ["web", "2"]]);
    assert_eq!(kubectl.ok(&["get", "deployments", "-o", "name"]), "deployment.apps/web\n");
    assert_eq!(kubectl.ok(&["get", "deploy", "web", "--no-headers"]).lines().count(), 1);
    let shown = kubectl.ok(&["get", "deployments", "--show-labels"]);
    assert!(shown.contains("app=web"), "{shown}");
    let raw = parsed(&kubectl.ok(&["get", "--raw", "/apis/apps/v1/namespaces/default/deployments"]));
    assert_eq!((&raw["kind"], &raw["apiVersion"]), (&"DeploymentList".into(), &"apps/v1".into()));
    assert_eq!(raw["items"][0].get("kind"), None, "items of a list carry no kind");
    for name in ["c", "a", "b"] {
        kubectl.ok(&["create", "configmap", name, &format!("--from-literal=key={name}")]);
    }
    let sorted = kubectl.ok(&["get", "configmaps", "a", "b", "c", "--sort-by=.metadata.name", "-o", "name"]);
    assert_eq!(sorted, "configmap/a\nconfigmap/b\nconfigmap/c\n");
    let paged = kubectl.ok(&["get", "configmaps", "--chunk-size=2", "-o", "name"]);
    assert!(paged.contains("configmap/a\nconfigmap/b\nconfigmap/c\n"), "{paged}");
    let everywhere = kubectl.ok(&["get", "namespaces,configmaps", "-A"]);
    assert!(
        everywhere.contains("namespace/kube-system") && everywhere.contains("configmap/a"),
        "{everywhere}"
    );
    let selected = kubectl.ok(&["get", "configmaps", "--field-selector=metadata.name=b", "-o", "name"]);
    assert_eq!(selected, "configmap/b\n");
    let subresource = kubectl.ok(&[
        "get",
        "deployment",
        "web",
        "--subresource=scale",
        "-o",
        "jsonpath={.kind} {.spec.replicas}",
    ]);
    assert_eq!(subresource, "Scale 2");
    let all = kubectl.ok(&["get", "all"]);
    assert!(all.contains("deployment.apps/web"), "{all}");
}

fn get_watch_follows_changes(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok(&["create", "deployment", "first", "--image=registry.example/web:1"]);
    let watch = kubectl.start(&["get", "deployments", "-w"]);
    assert_eq!(columns(&watch.next_line())[0], "NAME");
    assert_eq!(columns(&watch.next_line())[..2], ["first", "0/1"]);
    kubectl.ok(&["create", "deployment", "second", "--image=registry.example/web:1"]);
    assert_eq!(columns(&watch.next_line())[..2], ["second", "0/1"]);
    kubectl.ok(&["scale", "deployment", "second", "--replicas=4"]);
    assert_eq!(columns(&watch.next_line())[..2], ["second", "0/4"]);
    kubectl.ok(&["delete", "deployment", "first"]);
    watch.find(|line| columns(line)[..2] == ["first", "0/1"]);
    let one = kubectl.start(&["get", "deployment", "second", "-w", "-o", "name"]);
    assert_eq!(one.next_line(), "deployment.apps/second");
    kubectl.ok(&["annotate", "deployment", "second", "a=b"]);
    assert_eq!(one.next_line(), "deployment.apps/second");
    let events = kubectl.start(&["get", "configmaps", "--watch", "--output-watch-events"]);
    kubectl.ok(&["create", "configmap", "settings", "--from-literal=a=b"]);
    let line = events.find(|line| line.contains("settings"));
    assert_eq!(columns(&line)[..3], ["ADDED", "settings", "1"]);
}

fn describe_shows_objects_of_every_sort(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    kubectl.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    kubectl.ok(&["create", "secret", "generic", "password", "--from-literal=key=hunter2"]);
    kubectl.ok(&["create", "service", "clusterip", "web", "--tcp=80:8080"]);
    kubectl.ok(&["create", "job", "once", "--image=registry.example/job:1"]);
    kubectl.ok(&["create", "role", "reader", "--verb=get,list", "--resource=pods"]);
    let expected = [
        ("deployment/web", "Replicas:"),
        ("configmap/settings", "blue"),
        ("secret/password", "key:  7 bytes"),
        ("service/web", "Port:"),
        ("job/once", "registry.example/job:1"),
        ("role/reader", "[get list]"),
        ("namespace/default", "Active"),
        ("clusterrole/view", "PolicyRule"),
    ];
    for (object, text) in expected {
        let described = kubectl.ok(&["describe", object]);
        assert!(described.contains(text), "{object}: {described}");
    }
    assert!(kubectl.ok(&["describe", "deployment", "we"]).contains("Name:"), "by prefix");
    assert!(kubectl.fails(&["describe", "pod", "nothing"]).contains("\"nothing\" not found"));
}

fn explain_reads_the_documentation(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let pod = kubectl.ok(&["explain", "pod.spec.containers.resources"]);
    assert!(pod.contains("KIND:       Pod") && pod.contains("VERSION:    v1"), "{pod}");
    assert!(pod.contains("limits\t<map[string]Quantity>") || pod.contains("limits"), "{pod}");
    let deployment = kubectl.ok(&["explain", "deployment.spec.strategy", "--recursive"]);
    assert!(deployment.contains("GROUP:      apps") && deployment.contains("maxSurge"), "{deployment}");
    assert!(deployment.contains("rollingUpdate"), "{deployment}");
    let event = kubectl.ok(&["explain", "event", "--api-version=events.k8s.io/v1"]);
    assert!(event.contains("reportingController"), "{event}");
    assert!(kubectl.fails(&["explain", "pod.spec.nothing"]).contains("field \"nothing\" does not exist"));
}

fn the_api_is_discovered(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let versions = kubectl.ok(&["api-versions"]);
    for group_version in
        ["v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "events.k8s.io/v1", "autoscaling/v2"]
    {
        assert!(versions.lines().any(|line| line == group_version), "{group_version}: {versions}");
    }
    let resources = kubectl.ok(&["api-resources", "-o", "wide"]);
    let pods = resources.lines().find(|line| line.starts_with("pods ")).unwrap();
    assert_eq!(columns(pods)[..5], ["pods", "po", "v1", "true", "Pod"]);
    assert!(pods.contains("create,delete,deletecollection,get,list,patch,update,watch"), "{pods}");
    let deployments = resources.lines().find(|line| line.starts_with("deployments ")).unwrap();
    assert_eq!(columns(deployments)[..5], ["deployments", "deploy", "apps/v1", "true", "Deployment"]);
    let cluster = kubectl.ok(&["api-resources", "--namespaced=false", "-o", "name"]);
    assert!(cluster.lines().any(|line| line == "nodes") && !cluster.contains("pods"), "{cluster}");
    let info = kubectl.ok(&["cluster-info"]);
    assert!(info.contains("control plane") && info.contains(server.address()), "{info}");
    let printed = kubectl.ok(&["version", "-o", "json"]);
    assert_eq!(parsed(&printed)["serverVersion"]["minor"], "37");
}

fn permissions_are_asked_and_answered(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    assert_eq!(kubectl.ok(&["auth", "can-i", "create", "deployments"]), "yes\n");
    let jane = kubectl.with_kubeconfig(&server.kubeconfig_of("jane", &["dev"]));
    assert_eq!(jane.run(&["auth", "can-i", "list", "pods"]).stdout, "no\n");
    kubectl.ok(&["create", "role", "reader", "--verb=get,list,watch", "--resource=pods,configmaps"]);
    kubectl.ok(&["create", "rolebinding", "dev-reads", "--role=reader", "--group=dev"]);
    assert_eq!(jane.ok(&["auth", "can-i", "list", "pods"]), "yes\n");
    assert_eq!(jane.run(&["auth", "can-i", "list", "pods", "-n", "kube-system"]).stdout, "no\n");
    jane.ok(&["get", "pods"]);
    let refused = jane.fails(&["create", "configmap", "settings", "--from-literal=a=b"]);
    assert!(refused.contains("configmaps is forbidden: User \"jane\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\""), "{refused}");
    let list = jane.ok(&["auth", "can-i", "--list"]);
    assert!(
        list.lines().any(|line| line.starts_with("pods ") && line.contains("[get list watch]")),
        "{list}"
    );
    let whoami = jane.ok(&["auth", "whoami"]);
    assert!(whoami.contains("jane") && whoami.contains("[dev system:authenticated]"), "{whoami}");
    assert_eq!(kubectl.ok(&["auth", "can-i", "get", "pods", "--as=bob", "--as-group=dev"]), "yes\n");
    assert_eq!(
        kubectl.run(&["auth", "can-i", "get", "secrets", "--as=bob", "--as-group=dev"]).stdout,
        "no\n"
    );

    // Nobody hands out more than they hold.
    kubectl.ok(&[
        "create",
        "role",
        "role-writer",
        "--verb=get,create",
        "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io",
    ]);
    kubectl.ok(&["create", "rolebinding", "dev-writes-roles", "--role=role-writer", "--group=dev"]);
    let escalation = jane.fails(&["create", "role", "secrets", "--verb=get", "--resource=secrets"]);
    assert!(
        escalation.contains("is attempting to grant RBAC permissions not currently held"),
        "{escalation}"
    );
    jane.ok(&["create", "role", "pods", "--verb=get", "--resource=pods"]);
}

fn delete_waits_cascades_and_forces(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.org/hold]}\n";
    kubectl.ok_with_input(&["create", "-f", "-"], map);
    let deletion = kubectl.start(&["delete", "configmap", "held"]);
    assert!(deletion.next_line().starts_with("configmap \"held\" deleted"));
    assert_ne!(field(&kubectl, "configmap/held", ".metadata.deletionTimestamp"), "");
    kubectl.ok(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    assert!(deletion.finished().success(), "it waited for the finalizer");
    assert!(kubectl.fails(&["get", "configmap", "held"]).contains("not found"));

    for cascade in ["background", "orphan"] {
        kubectl.ok(&["create", "deployment", cascade, "--image=registry.example/web:1"]);
        kubectl.ok(&["delete", "deployment", cascade, &format!("--cascade={cascade}"), "--wait=false"]);
    }
    kubectl.ok(&["create", "deployment", "foreground", "--image=registry.example/web:1"]);
    kubectl.ok(&["delete", "deployment", "foreground", "--cascade=foreground", "--wait=false"]);

    kubectl.ok(&["run", "quick", "--image=registry.example/web:1"]);
    kubectl.ok(&["delete", "pod", "quick", "--force", "--grace-period=0"]);
    assert!(kubectl.fails(&["get", "pod", "quick"]).contains("pods \"quick\" not found"));

    for name in ["a", "b", "c"] {
        kubectl.ok(&["create", "configmap", name, "--from-literal=k=v"]);
        kubectl.ok(&["label", "configmap", name, "sweep=yes"]);
    }
    kubectl.ok(&["delete", "configmap", "a", "--dry-run=server"]);
    kubectl.ok(&["get", "configmap", "a"]);
    let swept = kubectl.ok(&["delete", "configmaps", "-l", "sweep=yes"]);
    assert_eq!(swept.lines().count(), 3, "{swept}");
    assert!(kubectl.fails(&["delete", "configmap", "a"]).contains("configmaps \"a\" not found"));
    kubectl.ok(&["delete", "configmap", "a", "--ignore-not-found"]);
    let kept = kubectl.fails(&["delete", "namespace", "kube-system"]);
    assert!(kept.contains("this namespace may not be deleted"), "{kept}");
}

fn wait_sees_a_change(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok(&["create", "configmap", "settings", "--from-literal=state=starting"]);
    let wait =
        kubectl.start(&["wait", "configmap/settings", "--for=jsonpath={.data.state}=ready", "--timeout=60s"]);
    kubectl.ok(&["patch", "configmap", "settings", "-p", r#"{"data":{"state":"ready"}}"#]);
    assert_eq!(wait.next_line(), "configmap/settings condition met");
    let gone = kubectl.start(&["wait", "configmap/settings", "--for=delete", "--timeout=60s"]);
    kubectl.ok(&["delete", "configmap", "settings"]);
    assert!(gone.finished().success());
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    let available = kubectl.start(&["wait", "deployment/web", "--for=condition=Available", "--timeout=60s"]);
    let status = r#"{"status":{"conditions":[{"type":"Available","status":"True","reason":"MinimumReplicasAvailable","message":"","lastUpdateTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
    kubectl.ok(&["patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status]);
    assert_eq!(available.next_line(), "deployment.apps/web condition met");
    let late = kubectl.fails(&["wait", "deployment/web", "--for=condition=Progressing", "--timeout=1s"]);
    assert!(late.contains("timed out waiting for the condition"), "{late}");
}

fn rollout_follows_the_status(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    let rollout = kubectl.start(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert!(rollout.next_line().starts_with("Waiting for deployment"));
    let status = r#"{"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2}}"#;
    kubectl.ok(&["patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status]);
    rollout.find(|line| line == "deployment \"web\" successfully rolled out");
    assert!(rollout.finished().success());
    let generation = || field(&kubectl, "deployment/web", ".metadata.generation");
    assert_eq!(generation(), "1", "a status does not change the generation");
    assert_eq!(kubectl.ok(&["rollout", "restart", "deployment/web"]), "deployment.apps/web restarted\n");
    assert_eq!(generation(), "2");
    assert_eq!(kubectl.ok(&["rollout", "pause", "deployment/web"]), "deployment.apps/web paused\n");
    assert_eq!(kubectl.ok(&["rollout", "resume", "deployment/web"]), "deployment.apps/web resumed\n");
    let uid = field(&kubectl, "deployment/web", ".metadata.uid");
    for revision in ["1", "2"] {
        let replica_set = REPLICA_SET.replace("$REVISION", revision).replace("$UID", &uid);
        kubectl.ok_with_input(&["create", "-f", "-"], &replica_set);
    }
    let history = kubectl.ok(&["rollout", "history", "deployment/web"]);
    let revisions: Vec<&str> = history.lines().filter_map(|line| columns(line).first().copied()).collect();
    assert_eq!(revisions, ["deployment.apps/web", "REVISION", "1", "2"], "{history}");
    let one = kubectl.ok(&["rollout", "history", "deployment/web", "--revision=1"]);
    assert!(one.contains("registry.example/web:1"), "{one}");
}

const REPLICA_SET: &str = r#"
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-$REVISION
  labels: {app: web, pod-template-hash: "$REVISION"}
  annotations: {deployment.kubernetes.io/revision: "$REVISION"}
  ownerReferences:
  - {apiVersion: apps/v1, kind: Deployment, name: web, uid: $UID, controller: true, blockOwnerDeletion: true}
spec:
  replicas: 0
  selector: {matchLabels: {app: web, pod-template-hash: "$REVISION"}}
  template:
    metadata: {labels: {app: web, pod-template-hash: "$REVISION"}}
    spec: {containers: [{name: web, image: "registry.example/web:$REVISION"}]}
"#;

fn services_get_addresses(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok_with_input(&["apply", "-f", "-"], DEPLOYMENT);
    assert_eq!(
        kubectl.ok(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]),
        "service/web exposed\n"
    );
    let address = field(&kubectl, "service/web", ".spec.clusterIP");
    assert!(address.starts_with("10."), "{address}");
    let kubernetes = field(&kubectl, "service/kubernetes", ".spec.clusterIP");
    assert_eq!(kubernetes, "10.96.0.1");
    kubectl.ok(&["create", "service", "nodeport", "outside", "--tcp=80"]);
    let port: u16 = field(&kubectl, "service/outside", ".spec.ports[0].nodePort").parse().unwrap();
    assert!((30_000..=32_767).contains(&port), "{port}");
    let taken = kubectl.fails(&[
        "create",
        "service",
        "clusterip",
        "other",
        "--tcp=80",
        &format!("--clusterip={address}"),
    ]);
    assert!(taken.contains("provided IP is already allocated"), "{taken}");
    kubectl.ok(&["delete", "service", "web"]);
    kubectl.ok(&["create", "service", "clusterip", "other", "--tcp=80", &format!("--clusterip={address}")]);
    kubectl.ok(&["create", "service", "clusterip", "headless", "--tcp=80", "--clusterip=None"]);
    let table = kubectl.ok(&["get", "services", "headless", "--no-headers"]);
    assert_eq!(columns(&table)[..5], ["headless", "ClusterIP", "None", "<none>", "80/TCP"]);
}

fn nodes_are_cordoned_tainted_and_drained(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok_with_input(&["create", "-f", "-"], "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
    assert_eq!(kubectl.ok(&["cordon", "n1"]), "node/n1 cordoned\n");
    let table = kubectl.ok(&["get", "nodes", "--no-headers"]);
    assert!(table.contains("SchedulingDisabled"), "{table}");
    assert_eq!(kubectl.ok(&["uncordon", "n1"]), "node/n1 uncordoned\n");
    assert_eq!(kubectl.ok(&["taint", "node", "n1", "dedicated=db:NoSchedule"]), "node/n1 tainted\n");
    assert_eq!(field(&kubectl, "node/n1", ".spec.taints[?(@.key==\"dedicated\")].effect"), "NoSchedule");
    kubectl.ok(&[
        "run",
        "bound",
        "--image=registry.example/web:1",
        r#"--overrides={"apiVersion":"v1","spec":{"nodeName":"n1","terminationGracePeriodSeconds":0}}"#,
    ]);
    assert!(kubectl.ok(&["describe", "node", "n1"]).contains("bound"));
    let drained = kubectl.ok(&["drain", "n1", "--force"]);
    assert!(drained.contains("node/n1 drained"), "{drained}");
    assert!(kubectl.fails(&["get", "pod", "bound"]).contains("not found"));
}

fn events_are_shown(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    kubectl.ok(&["run", "web", "--image=registry.example/web:1"]);
    let uid = field(&kubectl, "pod/web", ".metadata.uid");
    let event = format!(
        "apiVersion: v1\nkind: Event\nmetadata: {{name: web.1, namespace: default}}\ninvolvedObject: {{apiVersion: v1, kind: Pod, name: web, namespace: default, uid: {uid}}}\nreason: Pulled\nmessage: Image is there\ntype: Normal\ncount: 3\nfirstTimestamp: \"2026-01-01T00:00:00Z\"\nlastTimestamp: \"2026-01-01T00:00:00Z\"\nsource: {{component: kubelet}}\n"
    );
    kubectl.ok_with_input(&["create", "-f", "-"], &event);
    let events = kubectl.ok(&["events", "--for", "pod/web"]);
    assert!(events.contains("Pulled") && events.contains("Image is there"), "{events}");
    assert!(kubectl.ok(&["get", "events"]).contains("pod/web"));
    assert!(kubectl.ok(&["describe", "pod", "web"]).contains("Image is there"));
    let other = kubectl.ok(&[
        "get",
        "events.events.k8s.io",
        "web.1",
        "-o",
        "jsonpath={.note} {.regarding.name} {.deprecatedCount}",
    ]);
    assert_eq!(other, "Image is there web 3");
}

fn unknown_fields_and_bad_objects_are_refused(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    let unknown = DEPLOYMENT.replace("  replicas: 2", "  replicas: 2\n  replicaz: 3");
    let refused = kubectl.fails_with_input(&["apply", "-f", "-"], &unknown);
    assert!(refused.contains("strict decoding error: unknown field \"spec.replicaz\""), "{refused}");
    let warned = kubectl.run_with_input(&["apply", "--validate=warn", "-f", "-"], &unknown);
    assert!(
        warned.status.success() && warned.stderr.contains("Warning: unknown field \"spec.replicaz\""),
        "{}",
        warned.printed()
    );
    kubectl.ok_with_input(&["apply", "--validate=ignore", "-f", "-"], &unknown);
    let invalid = DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: other}");
    let refused = kubectl.fails_with_input(
        &["create", "-f", "-"],
        &invalid.replace("name: web\n  labels", "name: other\n  labels"),
    );
    assert!(
        refused.contains("The Deployment \"other\" is invalid: spec.template.metadata.labels: Invalid value"),
        "{refused}"
    );
    assert!(refused.contains("`selector` does not match template `labels`"), "{refused}");
    let name = kubectl.fails(&["create", "configmap", "Not_A_Name", "--from-literal=a=b"]);
    assert!(
        name.contains(
            "metadata.name: Invalid value: \"Not_A_Name\": a lowercase RFC 1123 subdomain must consist of"
        ),
        "{name}"
    );
    let namespace = kubectl.fails(&["-n", "nowhere", "create", "configmap", "a", "--from-literal=a=b"]);
    assert!(namespace.contains("namespaces \"nowhere\" not found"), "{namespace}");
    let kind = kubectl
        .fails_with_input(&["apply", "-f", "-"], "apiVersion: v1\nkind: Nonsense\nmetadata: {name: a}\n");
    assert!(kind.contains("no matches for kind \"Nonsense\" in version \"v1\""), "{kind}");
}

fn tokens_are_refused_cleanly(version: &str) {
    let server = Server::start();
    let refused = server.client(version).fails(&["create", "token", "nobody"]);
    assert!(refused.starts_with("error: ") || refused.starts_with("Error from server"), "{refused}");
}
