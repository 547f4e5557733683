//! The log of requests: what an administrator who asks for it finds there of what clients and controllers did.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use pintle_e2e::{server::Server, webhook::Webhook};
use serde_json::{Value, json};

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, nonResourceURLs: ['/livez*', '/readyz*']}
- {level: RequestResponse, omitManagedFields: true, resources: [{group: '', resources: [configmaps]}]}
- {level: Metadata}
";

/// A server that records, and its log.
fn start(further: &[&str]) -> (Server, PathBuf) {
    let mut server = Server::prepare(&[]);
    let (policy, log) = (server.home().join("policy.yaml"), server.home().join("audit.log"));
    fs::write(&policy, POLICY).unwrap();
    let mut options =
        vec!["--audit-policy-file", policy.to_str().unwrap(), "--audit-log-path", log.to_str().unwrap()];
    options.extend(further);
    server.set_options(&options);
    server.start_again();
    (server, log)
}

fn records(log: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("every line is a record")).collect()
}

/// The only record of a verb on an object, or on a subresource of it (`namespaces/finalize`).
#[track_caller]
fn record(log: &PathBuf, verb: &str, resource: &str, name: &str) -> Value {
    let is_it = |record: &Value| {
        let about = &record["objectRef"];
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        record["verb"] == verb
            && about["resource"] == resource
            && about["subresource"].as_str().unwrap_or_default() == subresource
            && about["name"] == name
    };
    let mut found: Vec<Value> = records(log).into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{verb} {resource} {name}: {found:#?}");
    found.remove(0)
}

#[test]
fn what_kubectl_does_is_recorded_as_the_policy_says() {
    let (server, log) = start(&[]);
    let kubectl = server.kubectl();
    kubectl.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    kubectl.ok(&["create", "secret", "generic", "password", "--from-literal=key=hunter2"]);
    let refused = kubectl.fails(&["delete", "configmap", "settings", "--as=jane", "--as-group=dev"]);
    assert!(refused.contains("cannot delete resource"), "{refused}");
    kubectl.ok(&["create", "namespace", "short"]);
    kubectl.ok(&["delete", "namespace", "short"]);

    let created = record(&log, "create", "configmaps", "settings");
    assert_eq!(created["stage"], "ResponseComplete");
    assert_eq!(created["user"]["username"], "kubernetes-admin");
    assert_eq!(created["sourceIPs"], json!(["127.0.0.1"]));
    assert_eq!(created["responseStatus"]["code"], 201);
    // kubectl sends protobuf.
    assert_eq!(created["requestObject"]["data"], json!({"color": "blue"}));
    assert_eq!(created["responseObject"]["kind"], "ConfigMap");
    assert!(created["responseObject"]["metadata"].get("managedFields").is_none());
    assert_eq!(created["annotations"]["authorization.k8s.io/decision"], "allow");

    let secret = record(&log, "create", "secrets", "password");
    assert!(secret.get("requestObject").is_none() && secret.get("responseObject").is_none());

    let forbidden = record(&log, "delete", "configmaps", "settings");
    assert_eq!(forbidden["user"]["username"], "kubernetes-admin");
    assert_eq!(forbidden["impersonatedUser"]["username"], "jane");
    assert_eq!(forbidden["responseStatus"]["code"], 403);
    assert_eq!(forbidden["annotations"]["authorization.k8s.io/decision"], "forbid");

    // Controllers are users like others.
    let account = "system:serviceaccount:kube-system:namespace-controller";
    let lines = server.program(Path::new("/usr/bin/tail")).start(&["-n", "+1", "-f", log.to_str().unwrap()]);
    lines.find(|line| line.contains(account) && line.contains(r#""subresource":"finalize""#));
    assert!(
        !records(&log).iter().any(|record| record["requestURI"].as_str().unwrap().starts_with("/readyz"))
    );
}

#[test]
fn what_admission_found_is_recorded_with_the_request() {
    let webhook = Webhook::start(|path, _| match path {
        "label" => {
            let patch = json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }]);
            let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
            json!({
                "allowed": true, "patchType": "JSONPatch", "patch": patch,
                "auditAnnotations": { "seen": "by a webhook" },
            })
        }
        _ => json!({ "allowed": true }),
    });
    let (server, log) = start(&[]);
    let kubectl = server.kubectl();
    let rules = json!([{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"] }]);
    let hook = |name: &str, client: Value| {
        json!({
            "name": name, "clientConfig": client, "rules": rules, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore", "timeoutSeconds": 1,
        })
    };
    let nobody = json!({ "url": "https://127.0.0.1:1/" });
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "hooks" },
        "webhooks": [hook("label.example.com", webhook.client("label")), hook("gone.example.com", nobody)],
    });
    kubectl.ok_with_input(&["apply", "-f", "-"], &configuration.to_string());
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "colors" },
        "spec": {
            "matchConstraints": { "resourceRules": rules },
            "validations": [
                { "expression": "has(object.data)" },
                { "expression": "object.data.color != 'red'", "message": "no red" },
            ],
            "auditAnnotations": [{ "key": "color", "valueExpression": "object.data.?color.orValue(null)" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "colors" },
        "spec": { "policyName": "colors", "validationActions": ["Audit"] },
    });
    kubectl.ok_with_input(&["apply", "-f", "-"], &policy.to_string());
    kubectl.ok_with_input(&["apply", "-f", "-"], &binding.to_string());
    kubectl.ok(&["create", "configmap", "bright", "--from-literal=color=red"]);

    let annotations = record(&log, "create", "configmaps", "bright")["annotations"].clone();
    let parsed = |key: &str| -> Value { serde_json::from_str(annotations[key].as_str().unwrap()).unwrap() };
    assert_eq!(annotations["label.example.com/seen"], "by a webhook");
    assert_eq!(
        parsed("mutation.webhook.admission.k8s.io/round_0_index_0"),
        json!({ "configuration": "hooks", "webhook": "label.example.com", "mutated": true })
    );
    assert_eq!(
        parsed("patch.webhook.admission.k8s.io/round_0_index_0")["patch"][0]["value"],
        json!({ "a": "b" })
    );
    assert_eq!(
        annotations["failed-open.mutation.webhook.admission.k8s.io/round_0_index_1"],
        "gone.example.com"
    );
    assert_eq!(annotations["colors/color"], "red");
    assert_eq!(
        parsed("validation.policy.admission.k8s.io/validation_failure"),
        json!([{
            "message": "no red", "policy": "colors", "binding": "colors", "expressionIndex": 1,
            "validationActions": ["Audit"],
        }])
    );

    kubectl.ok(&["label", "namespace", "default", "pod-security.kubernetes.io/audit=restricted"]);
    kubectl.ok(&["run", "web", "--image=web:1"]);
    let pod = record(&log, "create", "pods", "web");
    let violations = pod["annotations"]["pod-security.kubernetes.io/audit-violations"].as_str().unwrap();
    assert!(violations.starts_with("would violate PodSecurity \"restricted:latest\": "), "{violations}");
    assert_eq!(pod["annotations"]["pod-security.kubernetes.io/enforce-policy"], "privileged:latest");
}

#[test]
fn a_watch_is_recorded_when_it_begins_and_ends_and_strangers_are() {
    let (server, log) = start(&[]);
    let path = "/api/v1/namespaces/default/secrets?watch=true&timeoutSeconds=1";
    server.curl().ok(&["--silent", &server.url(path)]);
    let url = server.url("/api/v1/secrets");
    let stranger = server.anonymous_curl();
    stranger.run(&["--header", "Authorization: Bearer wrong", "--header", "Audit-ID: guess", &url]);
    let records = records(&log);
    let stages = |uri: &str| -> Vec<(&Value, &Value)> {
        let of = records.iter().filter(|record| record["requestURI"] == uri);
        of.map(|record| (&record["stage"], &record["responseStatus"]["code"])).collect()
    };
    let (started, complete) = (json!("ResponseStarted"), json!("ResponseComplete"));
    assert_eq!(stages(path), [(&started, &json!(200)), (&complete, &json!(200))]);
    assert_eq!(stages("/api/v1/secrets"), [(&started, &json!(401))]);
    assert!(records.iter().any(|record| record["auditID"] == "guess"));
}

#[test]
fn a_policy_that_is_none_stops_the_start() {
    let mut server = Server::prepare(&[]);
    let path = server.home().join("policy.yaml");
    fs::write(&path, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]").unwrap();
    let (policy, log) = (path.to_str().unwrap(), server.home().join("audit.log"));
    server.set_options(&["--audit-policy-file", policy, "--audit-log-path", log.to_str().unwrap()]);
    let said = server.fails_to_start();
    assert!(said.contains("cannot be used") && said.contains("unknown variant `All`"), "{said}");
    server.set_options(&["--audit-policy-file", policy]);
    let said = server.fails_to_start();
    assert!(said.contains("--audit-log-path <FILE>"), "{said}");
}
