//! Answers that clients know from the reference, each found by asking both servers the same.

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{self, request};
use crate::negotiation::Form;

const JSON: &str = "application/json";
const DEFAULT: &str = "namespaces/default";

async fn ask(server: &Server, method: Method, url: &str, content_type: &'static str, body: &Value) -> Answer {
    let request = request(method, url, content_type, body.to_string());
    server.call(&User::apiserver(), &request, Ok(Form::JSON)).await
}

async fn create(server: &Server, url: &str, body: &Value) -> Answer {
    ask(server, Method::POST, url, JSON, body).await
}

/// Code and message of a refusal.
async fn refused(server: &Server, method: Method, url: &str, media: &'static str, body: Value) -> String {
    let answer = ask(server, method, url, media, &body).await;
    let status = answer.reply.err().expect("it is refused").status();
    format!("{} {}", status.http_code(), status.message)
}

/// The stored object of an answer.
fn stored(answer: Answer) -> Value {
    let Reply::Entry(reply) = answer.reply.unwrap() else { panic!("an object was stored") };
    serde_json::from_slice(&[b"{", reply.entry.bytes().as_ref()].concat()).unwrap()
}

fn workload(selected: &str, more: Value) -> Value {
    let mut object = json!({ "metadata": { "name": "w" }, "spec": {
        "selector": { "matchLabels": { "a": selected } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
    }});
    object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

#[test]
fn methods_that_a_path_has_not_are_told_from_paths_that_are_not_there() {
    const NO_METHOD: &str = "405 the server does not allow this method on the requested resource";
    const NO_RESOURCE: &str = "404 the server could not find the requested resource";
    fixture::serving(async |server| {
        for (method, url, expected) in [
            (Method::POST, "/api/v1/configmaps", NO_METHOD),
            (Method::PUT, "/api/v1/namespaces/default/configmaps", NO_METHOD),
            (Method::PATCH, "/api/v1/namespaces/default/configmaps", NO_METHOD),
            (Method::GET, "/api/v1/configmaps/a", NO_RESOURCE),
            (Method::GET, "/apis/apps/v2/deployments", NO_RESOURCE),
            (Method::GET, "/apis/none.example.com/v1/things", "404 404 page not found"),
        ] {
            let shown = format!("{method} {url}");
            assert_eq!(refused(server, method, url, JSON, json!({})).await, expected, "{shown}");
        }
    });
}

#[test]
fn refusals_have_the_words_that_clients_know() {
    let leases = format!("/apis/coordination.k8s.io/v1/{DEFAULT}/leases");
    let maps = format!("/api/v1/{DEFAULT}/configmaps");
    fixture::serving(async |server| {
        create(server, &leases, &json!({ "metadata": { "name": "l" } })).await;
        create(server, &maps, &json!({ "metadata": { "name": "m" } })).await;
        let sets = format!("/apis/apps/v1/{DEFAULT}/daemonsets");
        let labels = json!({ "a": "b" });
        let spec = json!({ "containers": [{ "name": "c", "image": "i" }] });
        let template = json!({ "metadata": { "labels": labels }, "spec": spec });
        let spec = json!({ "selector": { "matchLabels": labels }, "template": template });
        create(server, &sets, &json!({ "metadata": { "name": "d" }, "spec": spec })).await;
        let merge = "application/merge-patch+json";
        for (method, url, media, body, expected) in [
            (
                Method::PUT,
                format!("{leases}/l"),
                JSON,
                json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": "h" } }),
                r#"422 leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#,
            ),
            (
                Method::PUT,
                format!("{maps}/m"),
                JSON,
                json!({}),
                "400 the name of the object (m based on URL) was undeterminable: name must be provided",
            ),
            (
                Method::PATCH,
                format!("{maps}/m"),
                merge,
                json!({ "metadata": { "uid": "u" } }),
                r#"422 ConfigMap "m" is invalid: metadata.uid: Invalid value: "u": field is immutable"#,
            ),
            (
                Method::PATCH,
                format!("{maps}/m"),
                merge,
                json!({ "metadata": null }),
                "400 the name of the object (m based on URL) was undeterminable: name must be provided",
            ),
            (
                Method::PATCH,
                format!("{maps}/new?fieldManager=f"),
                "application/apply-patch+yaml",
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "b" } }),
                "400 the name of the object (new based on URL) was undeterminable: name must be provided",
            ),
            (
                Method::PATCH,
                format!("{maps}/m?fieldManager=f"),
                "application/apply-patch+yaml",
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": 5 }),
                "500 failed to create typed patch object (/; /v1, Kind=ConfigMap): .metadata: expected map, got &{5}",
            ),
            (
                Method::PATCH,
                format!("{sets}/d"),
                merge,
                json!({ "spec": { "selector": { "matchLabels": { "a": "c" } } } }),
                r#"422 DaemonSet.apps "d" is invalid: [spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable, spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`]"#,
            ),
            (
                Method::GET,
                format!("{maps}?fieldSelector=data.a%3Db"),
                JSON,
                json!({}),
                r#"400 "data.a" is not a known field selector: only "metadata.name", "metadata.namespace""#,
            ),
            (
                Method::POST,
                format!("/api/v1/{DEFAULT}/pods/p/eviction"),
                JSON,
                json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": { "name": "p" } }),
                r#"404 pods "p" not found"#,
            ),
            (
                Method::POST,
                format!("/apis/apps/v1/{DEFAULT}/deployments"),
                JSON,
                workload("-", json!({})),
                r#"422 Deployment.apps "w" is invalid: [spec.selector.matchLabels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), spec.selector: Invalid value: {"matchLabels":{"a":"-"}}: invalid label selector]"#,
            ),
            (
                Method::POST,
                format!("/apis/apps/v1/{DEFAULT}/statefulsets"),
                JSON,
                workload("b", json!({ "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] })),
                r#"422 StatefulSet.apps "w" is invalid: [spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required, spec.volumeClaimTemplates[0].spec.resources[storage]: Required value]"#,
            ),
            (
                Method::POST,
                format!("/api/v1/{DEFAULT}/services"),
                JSON,
                json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "port": 80 }], "ipFamilies": ["IPv4", "IPv4"] } }),
                r#"422 Service "s" is invalid: spec.ipFamilies[1]: Duplicate value: "IPv4""#,
            ),
            (
                Method::POST,
                "/apis/rbac.authorization.k8s.io/v1/clusterroles".to_owned(),
                JSON,
                json!({ "metadata": { "name": "r" }, "rules": [{}], "aggregationRule": { "clusterRoleSelectors": [{}] } }),
                r#"422 ClusterRole.rbac.authorization.k8s.io "r" is invalid: [rules[0].apiGroups: Required value: resource rules must supply at least one api group, rules[0].resources: Required value: resource rules must supply at least one resource, rules[0].verbs: Required value]"#,
            ),
        ] {
            assert_eq!(refused(server, method, &url, media, body).await, expected, "{url}");
        }
    });
}

#[test]
fn what_a_stateful_set_rests_on_does_not_change() {
    let sets = format!("/apis/apps/v1/{DEFAULT}/statefulsets");
    fixture::serving(async |server| {
        create(server, &sets, &workload("b", json!({ "serviceName": "s" }))).await.reply.unwrap();
        let changed = workload("b", json!({ "serviceName": "t", "podManagementPolicy": "Parallel" }));
        assert_eq!(
            refused(server, Method::PUT, &format!("{sets}/w"), JSON, changed).await,
            r#"422 StatefulSet.apps "w" is invalid: [spec.serviceName: Invalid value: "t": field is immutable, spec.podManagementPolicy: Invalid value: "Parallel": field is immutable]"#
        );
    });
}

#[test]
fn owners_that_stand_twice_are_united_and_told_of() {
    let owner =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "controller": true });
    let map = json!({ "metadata": { "name": "m", "ownerReferences": [owner, owner] } });
    fixture::serving(async |server| {
        let answer = create(server, &format!("/api/v1/{DEFAULT}/configmaps"), &map).await;
        assert_eq!(answer.warnings.len(), 1);
        assert!(answer.warnings[0].ends_with("duplicate UID(s) observed: u"), "{:?}", answer.warnings);
        assert_eq!(stored(answer)["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn fields_are_kept_dropped_and_owned_as_the_reference_does() {
    fixture::serving(async |server| {
        let service = json!({ "metadata": { "name": "s" },
            "spec": { "ports": [{ "port": 80 }], "externalIPs": ["192.0.2.1"] } });
        let service = stored(create(server, &format!("/api/v1/{DEFAULT}/services"), &service).await);
        assert_eq!(service["spec"]["externalIPs"], json!(["192.0.2.1"]));

        let lease = json!({ "metadata": { "name": "l" },
            "spec": { "holderIdentity": "h", "strategy": "OldestEmulationVersion", "preferredHolder": "x" } });
        let leases = format!("/apis/coordination.k8s.io/v1/{DEFAULT}/leases");
        let lease = stored(create(server, &leases, &lease).await);
        assert_eq!(lease["spec"], json!({ "holderIdentity": "h" }));

        let node = json!({ "metadata": { "name": "n" },
            "spec": { "podCIDR": "10.1.0.0/24", "podCIDRs": ["10.2.0.0/24", "fd00::/64"] } });
        let node = stored(create(server, "/api/v1/nodes", &node).await);
        assert_eq!(node["spec"]["podCIDRs"], json!(["10.1.0.0/24"]));

        let sets = format!("/apis/apps/v1/{DEFAULT}/daemonsets");
        let set = stored(create(server, &sets, &workload("b", json!({}))).await);
        let generation = "deprecated.daemonset.template.generation";
        assert_eq!(set["metadata"]["annotations"][generation], "1");
        let owned = &set["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"];
        assert!(owned.get(format!("f:{generation}")).is_some(), "{owned}");
    });
}
