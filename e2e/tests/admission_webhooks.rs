//! Webhooks of admission, as charts bring them: sidecars and defaults, refusals, what they are shown and what follows when
//! they fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use pintle_e2e::{clients::Client, kubelet_port::own_address, server::Server, webhook::Webhook};
use serde_json::{Value, json};

/// A response that allows the request with a JSON patch.
fn patched(patch: &Value) -> Value {
    let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
    json!({ "allowed": true, "patchType": "JSONPatch", "patch": patch })
}

fn answer(path: &str, review: &Value) -> Value {
    let object = &review["request"]["object"];
    match path {
        "sidecar" if object["spec"]["containers"].as_array().unwrap().len() == 1 => {
            let side = json!({ "name": "side", "image": "side:1" });
            patched(&json!([{ "op": "add", "path": "/spec/containers/-", "value": side }]))
        }
        "owner" if object["metadata"]["labels"]["owner"].is_null() => {
            let user = review["request"]["userInfo"]["username"].as_str().unwrap();
            let labels = json!({ "owner": user.replace(':', "-") });
            patched(&json!([{ "op": "add", "path": "/metadata/labels", "value": labels }]))
        }
        "broken" => patched(&json!([{ "op": "add", "path": "/data", "value": { "a b": "c" } }])),
        "refuse" => json!({ "allowed": false, "status": {
            "code": 403, "reason": "Forbidden", "message": "replicas are expensive",
            "details": { "causes": [{ "field": "spec.replicas", "message": "too many" }] },
        } }),
        _ => json!({ "allowed": true, "warnings": ["it was seen"] }),
    }
}

fn rule(resources: &[&str]) -> Value {
    json!([{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": resources }])
}

/// A configuration of one webhook; `changes` go over its fields.
fn configure(kubectl: &Client, sort: &str, client: &Value, resources: &[&str], changes: &Value) {
    let name = format!(
        "{}-{}",
        sort.to_lowercase(),
        client["url"].as_str().unwrap_or("service").rsplit('/').next().unwrap()
    );
    let mut webhook = json!({
        "name": format!("{name}.example.com"), "clientConfig": client, "rules": rule(resources),
        "sideEffects": "None", "admissionReviewVersions": ["v1"],
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        webhook[field] = value.clone();
    }
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{sort}WebhookConfiguration"),
        "metadata": { "name": name }, "webhooks": [webhook],
    });
    kubectl.ok_with_input(&["apply", "-f", "-"], &configuration.to_string());
}

fn get(kubectl: &Client, arguments: &[&str]) -> Value {
    serde_json::from_str(&kubectl.ok(&[&["get", "-o", "json"], arguments].concat())).unwrap()
}

#[test]
fn what_webhooks_add_is_stored_defaulted_and_shown_to_plugins_again() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    configure(&kubectl, "Mutating", &hook.client("sidecar"), &["pods"], &json!({}));
    let limits = r#"{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
        "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "10m"}}]}}"#;
    kubectl.ok_with_input(&["create", "-f", "-"], limits);
    kubectl.ok(&["run", "web", "--image=web:1"]);
    let pod = get(&kubectl, &["pod", "web"]);
    let side = &pod["spec"]["containers"][1];
    assert_eq!(side["image"], "side:1");
    assert_eq!(side["imagePullPolicy"], "IfNotPresent");
    assert_eq!(side["resources"]["requests"]["cpu"], "10m");
    assert_eq!(side["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");

    // Asked once about the create; uid and times are not made yet.
    let reviews = hook.take_reviews();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    let request = &reviews[0]["request"];
    assert_eq!(request["kind"], json!({ "group": "", "version": "v1", "kind": "Pod" }));
    assert_eq!(request["operation"], "CREATE");
    assert_eq!(request["namespace"], "default");
    assert_eq!(request["options"]["fieldManager"], "kubectl-run");
    assert_eq!(request["object"]["metadata"]["uid"], Value::Null);
    assert_eq!(request["object"]["spec"]["containers"][0]["resources"]["requests"]["cpu"], "10m");
    assert_eq!(request["oldObject"], Value::Null);
}

#[test]
fn refusals_reach_the_user_and_nothing_is_written() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    kubectl.ok(&["create", "deployment", "web", "--image=web:1"]);
    configure(&kubectl, "Validating", &hook.client("refuse"), &["deployments/scale"], &json!({}));
    let refused = kubectl.fails(&["scale", "deployment/web", "--replicas=50"]);
    assert!(refused.contains("denied the request: replicas are expensive"), "{refused}");
    assert_eq!(get(&kubectl, &["deployment", "web"])["spec"]["replicas"], 1);
    let review = &hook.take_reviews()[0]["request"];
    assert_eq!(review["object"]["kind"], "Scale");
    assert_eq!(review["object"]["spec"]["replicas"], 50);
    assert_eq!(review["oldObject"]["spec"]["replicas"], 1);
    // What is not matched is not asked about.
    kubectl.ok(&["set", "image", "deployment/web", "web=web:2"]);
    assert!(hook.take_reviews().is_empty());
}

#[test]
fn what_a_webhook_breaks_is_refused_like_what_a_client_breaks() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    configure(&kubectl, "Mutating", &hook.client("broken"), &["configmaps"], &json!({}));
    let refused = kubectl.fails(&["create", "configmap", "a", "--from-literal=x=y"]);
    assert!(refused.contains("data[a b]: Invalid value"), "{refused}");
}

#[test]
fn the_failure_policy_says_what_follows_when_nobody_answers() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let nobody = json!({ "url": "https://127.0.0.1:1/nobody" });
    configure(&kubectl, "Validating", &nobody, &["configmaps"], &json!({}));
    let refused = kubectl.fails(&["create", "configmap", "a"]);
    let expected = "failed calling webhook \"validating-nobody.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/nobody?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused";
    assert!(refused.contains(expected), "{refused}");
    // The configuration itself is out of its reach, so that it can be mended.
    configure(&kubectl, "Validating", &nobody, &["*"], &json!({ "failurePolicy": "Ignore" }));
    kubectl.ok(&["create", "configmap", "a"]);
    kubectl.ok(&["delete", "validatingwebhookconfiguration", "validating-nobody"]);
}

#[test]
fn a_service_is_reached_through_its_endpoints_and_proves_its_name() {
    // The loopback cannot be an endpoint.
    let Some(address) = own_address() else {
        eprintln!("LEFT OUT: this machine has no address that an endpoint may have.");
        return;
    };
    let names = ["hook.default.svc"];
    let (server, hook) = (Server::start(), Webhook::start_at(address, &names, answer));
    let kubectl = server.kubectl();
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "hook" }, "spec": { "ports": [{ "port": 443 }] } },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "name": "hook-1", "labels": { "kubernetes.io/service-name": "hook" } },
            "ports": [{ "name": "", "port": hook.address().port() }],
            "endpoints": [{ "addresses": [address.to_string()] }],
        },
    ] });
    let client = |bundle: String| {
        let service = json!({ "namespace": "default", "name": "hook", "path": "/owner" });
        json!({ "service": service, "caBundle": bundle })
    };
    configure(&kubectl, "Mutating", &client(hook.bundle()), &["configmaps"], &json!({}));
    let missing = kubectl.fails(&["create", "configmap", "a"]);
    let expected = "Post \"https://hook.default.svc:443/owner?timeout=10s\": service \"hook\" not found";
    assert!(missing.contains(expected), "{missing}");
    kubectl.ok_with_input(&["create", "-f", "-"], &objects.to_string());
    kubectl.ok(&["create", "configmap", "a"]);
    assert_eq!(get(&kubectl, &["configmap", "a"])["metadata"]["labels"]["owner"], "kubernetes-admin");
    // Somebody else's certificate is not believed.
    let other = Webhook::start_at(address, &names, answer);
    configure(&kubectl, "Mutating", &client(other.bundle()), &["configmaps"], &json!({}));
    let refused = kubectl.fails(&["create", "configmap", "b"]);
    let expected = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn selectors_and_conditions_say_what_is_asked_about() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    let conditions = json!({
        "objectSelector": { "matchLabels": { "look": "here" } },
        "namespaceSelector": { "matchExpressions": [{ "key": "skip", "operator": "DoesNotExist" }] },
        "matchConditions": [{ "name": "changed", "expression": "request.operation == 'CREATE' || object.data != oldObject.data" }],
    });
    configure(&kubectl, "Validating", &hook.client("look"), &["configmaps"], &conditions);
    let asked = || hook.take_reviews().len();
    let create = |namespace: &str, labels: &str| {
        let map = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, labels: {labels}}}, data: {{a: b}}}}"
        );
        kubectl.run_with_input(&["create", "-n", namespace, "-f", "-"], &map).printed()
    };
    kubectl.ok(&["create", "namespace", "quiet"]);
    kubectl.ok(&["label", "namespace", "quiet", "skip=yes"]);
    let created = create("default", "{look: here}");
    assert!(created.contains("Warning: it was seen"), "{created}");
    assert_eq!(asked(), 1);
    create("quiet", "{look: here}");
    kubectl.ok(&["create", "configmap", "b"]);
    kubectl.ok(&["annotate", "configmap", "a", "x=y"]);
    assert_eq!(asked(), 0);
    kubectl.ok(&["patch", "configmap", "a", "-p", r#"{"data": {"a": "c"}}"#]);
    assert_eq!(asked(), 1);
    // A condition that cannot be told (there is no object any more) is a refusal.
    let refused = kubectl.fails(&["delete", "configmap", "a"]);
    assert!(refused.contains("configmaps \"a\" is forbidden: expression"), "{refused}");
    assert_eq!(asked(), 0);
}
