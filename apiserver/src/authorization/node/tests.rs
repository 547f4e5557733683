use serde_json::json;

use super::*;
use crate::authorization::Decision;
use crate::fixture::{Fixture, user};

fn fixture() -> Fixture {
    let fixture = Fixture::bootstrapped();
    let pod = |name: &str, node: &str, spec: serde_json::Value| {
        let mut spec = spec;
        spec["nodeName"] = json!(node);
        json!({ "metadata": { "name": name, "namespace": "a" }, "spec": spec })
    };
    let volumes = json!([
        { "name": "s", "secret": { "secretName": "mounted" } },
        { "name": "c", "configMap": { "name": "settings" } },
        { "name": "p", "projected": { "sources": [{ "secret": { "name": "projected" } }] } },
        { "name": "d", "persistentVolumeClaim": { "claimName": "data" } },
        { "name": "e", "ephemeral": {} },
    ]);
    let containers = json!([{
        "name": "c",
        "env": [{ "name": "X", "valueFrom": { "secretKeyRef": { "name": "variable", "key": "k" } } }],
        "envFrom": [{ "configMapRef": { "name": "all" } }],
    }]);
    let mirror = json!({
        "metadata": { "name": "m", "namespace": "a", "annotations": { "kubernetes.io/config.mirror": "x" } },
        "spec": { "nodeName": "n1", "volumes": [{ "name": "s", "secret": { "secretName": "stolen" } }] },
    });
    let used = json!({
        "serviceAccountName": "bot",
        "imagePullSecrets": [{ "name": "pull" }],
        "volumes": volumes,
        "containers": containers,
        "resourceClaims": [{ "name": "gpu", "resourceClaimName": "gpu-claim" }],
    });
    fixture.fill(&[
        ("", "pods", pod("p1", "n1", used)),
        ("", "pods", pod("p2", "n2", json!({ "serviceAccountName": "other" }))),
        ("", "pods", mirror),
        (
            "",
            "persistentvolumeclaims",
            json!({ "metadata": { "name": "data", "namespace": "a" }, "spec": { "volumeName": "v1" } }),
        ),
        (
            "",
            "persistentvolumes",
            json!({
                "metadata": { "name": "v1" },
                "spec": {
                    "claimRef": { "namespace": "a", "name": "data" },
                    "csi": { "driver": "d", "volumeHandle": "h", "nodePublishSecretRef": { "name": "disk", "namespace": "storage" } },
                },
            }),
        ),
    ]);
    fixture
}

/// Asks `verb group/resource/subresource namespace/name`, perhaps with the node that a selector names.
fn asked(fixture: &Fixture, who: &str, text: &str, selected_node: &str) -> Decision {
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap_or("");
    let (verb, resource, object) = (next(), next(), next());
    let mut resource = resource.split('/');
    let group = resource.next().unwrap_or("");
    let (plural, subresource) = (resource.next().unwrap_or(""), resource.next().unwrap_or(""));
    let (namespace, name) = object.split_once('/').unwrap_or(("", object));
    let attributes = Attributes {
        verb,
        is_resource: true,
        group,
        resource: plural,
        subresource,
        namespace,
        name,
        selected_node,
        ..Attributes::default()
    };
    let user = user(&format!("system:node:{who}"), &["system:nodes", "system:authenticated"]);
    fixture.authorizer.authorize(&fixture.view(), &user, &attributes)
}

#[test]
fn a_kubelet_reads_what_its_pods_refer_to() {
    let fixture = fixture();
    for text in [
        "get /secrets a/mounted",
        "watch /secrets a/projected",
        "get /secrets a/variable",
        "get /secrets a/pull",
        "get /secrets storage/disk",
        "list /configmaps a/settings",
        "get /configmaps a/all",
        "get /persistentvolumeclaims a/data",
        "get /persistentvolumeclaims a/p1-e",
        "patch /persistentvolumeclaims/status a/data",
        "get /persistentvolumes v1",
        "create /serviceaccounts/token a/bot",
        "get /serviceaccounts a/bot",
        "get resource.k8s.io/resourceclaims a/gpu-claim",
        "get /pods a/p1",
    ] {
        assert!(asked(&fixture, "n1", text, "").allowed(), "{text}");
        let refused = asked(&fixture, "n2", text, "");
        let why = "no relationship found between node 'n2' and this object";
        assert_eq!(refused, Decision::NoOpinion(why.to_owned()), "{text}");
    }
    for (text, why) in [
        ("get /secrets a/stolen", "no relationship found between node 'n1' and this object"),
        ("get /secrets b/mounted", "no relationship found between node 'n1' and this object"),
        ("get /secrets a/mount", "no relationship found between node 'n1' and this object"),
        ("list /secrets a/", "No Object name found"),
        ("list /secrets", "can only read namespaced object of this type"),
        ("update /secrets a/mounted", "can only read resources of this type"),
        ("create /serviceaccounts/token a/other", "no relationship found between node 'n1' and this object"),
        ("update /persistentvolumes v1", "can only get individual resources of this type"),
    ] {
        assert_eq!(asked(&fixture, "n1", text, ""), Decision::NoOpinion(why.to_owned()), "{text}");
    }
}

#[test]
fn a_kubelet_writes_what_is_its_own() {
    let fixture = fixture();
    for (text, selected, allowed) in [
        ("create /nodes", "", true),
        ("patch /nodes/status n1", "", true),
        ("get /nodes n1", "", true),
        ("get /nodes n2", "", false),
        ("list /nodes", "", false),
        ("delete /nodes n1", "", false),
        ("list /pods", "n1", true),
        ("list /pods", "n2", false),
        ("watch /pods", "", false),
        ("patch /pods/status a/p1", "", true),
        ("update coordination.k8s.io/leases kube-node-lease/n1", "", true),
        ("update coordination.k8s.io/leases kube-node-lease/n2", "", false),
        ("update coordination.k8s.io/leases kube-system/n1", "", false),
        ("create storage.k8s.io/csinodes", "", true),
        ("update storage.k8s.io/csinodes n2", "", false),
        ("deletecollection resource.k8s.io/resourceslices", "n1", true),
        ("deletecollection resource.k8s.io/resourceslices", "", false),
        ("list /services", "", true),
        ("watch node.k8s.io/runtimeclasses", "", true),
        ("create authentication.k8s.io/tokenreviews", "", true),
        ("create /events default/", "", true),
        ("list apps/deployments", "", false),
    ] {
        assert_eq!(asked(&fixture, "n1", text, selected).allowed(), allowed, "{text} {selected}");
    }
    let stranger = user("system:node:n1", &["system:authenticated"]);
    let own =
        Attributes { verb: "get", is_resource: true, resource: "nodes", name: "n1", ..Attributes::default() };
    assert!(!fixture.authorizer.authorize(&fixture.view(), &stranger, &own).allowed());
}
