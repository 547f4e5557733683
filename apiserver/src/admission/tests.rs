use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, object, resource, user};
use crate::tree::Node;

fn masters() -> User {
    user("root", &["system:masters"])
}

fn pod(spec: Value) -> Map {
    let mut pod = json!({ "metadata": { "namespace": "default", "name": "p" }, "spec": spec });
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{ "name": "c", "image": "i" }]);
    }
    object(resource("", "pods"), &pod)
}

fn admitted(fixture: &Fixture, user: &User, resource: &Resource, new: Map) -> Result<Map, String> {
    let outcome = fixture.admit(Operation::Create, resource, user, None, Some(new));
    outcome.map(|(object, _)| object.unwrap()).map_err(|error| error.to_string())
}

#[test]
fn pods_get_what_clients_expect() {
    let fixture = Fixture::bootstrapped();
    let pod = admitted(&fixture, &masters(), resource("", "pods"), pod(json!({}))).unwrap();
    let spec = pod.map("spec").unwrap();
    assert_eq!((spec.str("serviceAccountName"), spec.str("serviceAccount")), ("default", "default"));
    assert_eq!((spec.int("priority"), spec.str("preemptionPolicy")), (Some(0), "PreemptLowerPriority"));
    assert_eq!(spec.list("tolerations").len(), 2);
    let volume = spec.maps("volumes").next().unwrap();
    assert!(volume.str("name").starts_with("kube-api-access-"));
    let expected = json!({ "defaultMode": 420, "sources": [
        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [
            { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
        ] } },
    ] });
    let found: Value = serde_json::from_str(&volume.map("projected").unwrap().to_string()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn pods_that_cannot_be_are_refused() {
    let fixture = Fixture::bootstrapped();
    for (spec, expected) in [
        (
            json!({ "serviceAccountName": "robot" }),
            "pods \"p\" is forbidden: error looking up service account default/robot: serviceaccount \"robot\" not found",
        ),
        (
            json!({ "priorityClassName": "high" }),
            "pods \"p\" is forbidden: no PriorityClass with name high was found",
        ),
        (
            json!({ "priority": 7 }),
            "pods \"p\" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority \
             admission controller computed 0 from the given PriorityClass name",
        ),
        (
            json!({ "runtimeClassName": "vm" }),
            "pods \"p\" is forbidden: pod rejected: RuntimeClass \"vm\" not found",
        ),
    ] {
        assert_eq!(admitted(&fixture, &masters(), resource("", "pods"), pod(spec)), Err(expected.to_owned()));
    }
}

#[test]
fn namespaces_must_exist_and_stay() {
    let fixture = Fixture::bootstrapped();
    let config_maps = resource("", "configmaps");
    let config_map = |namespace: &str| {
        object(config_maps, &json!({ "metadata": { "namespace": namespace, "name": "c" } }))
    };
    let missing = admitted(&fixture, &masters(), config_maps, config_map("gone"));
    assert_eq!(missing, Err("namespaces \"gone\" not found".to_owned()));

    let namespaces = resource("", "namespaces");
    let mut namespace = fixture.stored("", "namespaces", "", "kube-public").unwrap();
    namespace.metadata_mut().set("deletionTimestamp", crate::fixture::NOW);
    fixture.put(namespaces, &namespace);
    let error = fixture
        .admit(Operation::Create, config_maps, &masters(), None, Some(config_map("kube-public")))
        .unwrap_err();
    let status = error.status();
    assert_eq!(
        status.message,
        "configmaps \"c\" is forbidden: unable to create new content in namespace kube-public because it is being \
         terminated"
    );
    assert_eq!(status.details.unwrap().causes[0].reason, "NamespaceTerminating");

    let stored = fixture.stored("", "namespaces", "", "default").unwrap();
    let error = fixture.admit(Operation::Delete, namespaces, &masters(), Some(&stored), None).unwrap_err();
    assert_eq!(error.to_string(), "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

#[test]
fn a_namespace_is_born_with_its_contents() {
    let fixture = Fixture::bootstrapped();
    let namespaces = resource("", "namespaces");
    let namespace = object(namespaces, &json!({ "metadata": { "name": "new" } }));
    fixture.write(namespaces, &masters(), None, Some(namespace)).unwrap();
    assert!(fixture.stored("", "serviceaccounts", "new", "default").is_some());
    assert!(fixture.stored("", "configmaps", "new", "kube-root-ca.crt").is_some());
}

#[test]
fn only_those_who_may_grant_write_roles_and_bindings() {
    let fixture = Fixture::bootstrapped();
    let rbac = "rbac.authorization.k8s.io";
    fixture.fill(&[(
        rbac,
        "rolebindings",
        json!({ "metadata": { "namespace": "default", "name": "alice" },
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "User", "apiGroup": rbac, "name": "alice" }] }),
    )]);
    let alice = user("alice", &["system:authenticated"]);
    let role = |verbs: Value, resource: &str| {
        json!({ "metadata": { "namespace": "default", "name": "r" },
            "rules": [{ "verbs": verbs, "apiGroups": [""], "resources": [resource] }] })
    };
    let binding = |kind: &str, name: &str| {
        json!({ "metadata": { "namespace": "default", "name": "b" },
            "roleRef": { "apiGroup": rbac, "kind": kind, "name": name } })
    };
    let lacking = |what: &str, rules: &str| {
        Err(format!(
            "{what} is forbidden: user \"alice\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC \
             permissions not currently held:\n{rules}"
        ))
    };
    let nodes = r#"{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}"#;
    for (plural, object, user, expected) in [
        ("roles", role(json!(["get"]), "pods"), &alice, Ok(())),
        (
            "roles",
            role(json!(["get"]), "nodes"),
            &alice,
            lacking("roles.rbac.authorization.k8s.io \"r\"", nodes),
        ),
        ("roles", role(json!(["get"]), "nodes"), &masters(), Ok(())),
        ("rolebindings", binding("ClusterRole", "view"), &alice, Ok(())),
        (
            "rolebindings",
            binding("ClusterRole", "cluster-admin"),
            &alice,
            lacking(
                "rolebindings.rbac.authorization.k8s.io \"b\"",
                "{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}",
            ),
        ),
        (
            "rolebindings",
            binding("Role", "gone"),
            &alice,
            Err("roles.rbac.authorization.k8s.io \"gone\" not found".to_owned()),
        ),
        ("rolebindings", binding("Role", "gone"), &masters(), Ok(())),
    ] {
        let resource = resource(rbac, plural);
        let object = crate::fixture::object(resource, &object);
        assert_eq!(admitted(&fixture, user, resource, object).map(|_| ()), expected);
    }
    let cluster_roles = resource(rbac, "clusterroles");
    let aggregated =
        json!({ "metadata": { "name": "a" }, "aggregationRule": { "clusterRoleSelectors": [{}] } });
    let aggregated = object(cluster_roles, &aggregated);
    assert_eq!(
        admitted(&fixture, &alice, cluster_roles, aggregated).map(|_| ()),
        Err("clusterroles.rbac.authorization.k8s.io \"a\" is forbidden: must have cluster-admin privileges to use the \
             aggregationRule"
            .to_owned())
    );
}

#[test]
fn a_role_for_an_aggregated_one_shows_in_it_at_once() {
    let fixture = Fixture::bootstrapped();
    let rbac = "rbac.authorization.k8s.io";
    let cluster_roles = resource(rbac, "clusterroles");
    let part = object(
        cluster_roles,
        &json!({ "metadata": { "name": "part", "labels": { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
            "rules": [{ "verbs": ["get"], "apiGroups": ["x"], "resources": ["things"] }] }),
    );
    let shows = |name: &str| {
        let role = fixture.stored(rbac, "clusterroles", "", name).unwrap();
        role.maps("rules").any(|rule| rule.list("apiGroups") == [Node::from("x")])
    };
    let before = fixture.stored(rbac, "clusterroles", "", "view").unwrap().list("rules").len();
    fixture.write(cluster_roles, &masters(), None, Some(part)).unwrap();
    assert!(shows("view") && shows("edit") && shows("admin") && !shows("cluster-admin"));
    let part = fixture.stored(rbac, "clusterroles", "", "part").unwrap();
    fixture.write(cluster_roles, &masters(), Some(&part), None).unwrap();
    assert!(!shows("view") && !shows("admin"));
    assert_eq!(fixture.stored(rbac, "clusterroles", "", "view").unwrap().list("rules").len(), before);
}

#[test]
fn nodes_write_only_what_is_theirs() {
    let fixture = Fixture::bootstrapped();
    let node = user("system:node:a", &["system:nodes"]);
    let (nodes, pods) = (resource("", "nodes"), resource("", "pods"));
    let named =
        |name: &str, labels: Value| object(nodes, &json!({ "metadata": { "name": name, "labels": labels } }));
    assert_eq!(
        admitted(&fixture, &node, nodes, named("a", json!({ "kubernetes.io/os": "linux" }))).map(|_| ()),
        Ok(())
    );
    assert_eq!(
        admitted(&fixture, &node, nodes, named("b", json!({}))),
        Err("nodes \"b\" is forbidden: node \"a\" is not allowed to modify node \"b\"".to_owned())
    );
    assert_eq!(
        admitted(&fixture, &node, nodes, named("a", json!({ "node-restriction.kubernetes.io/x": "y" }))),
        Err("nodes \"a\" is forbidden: is not allowed to set the following labels: node-restriction.kubernetes.io/x"
            .to_owned())
    );
    assert_eq!(
        admitted(&fixture, &node, pods, pod(json!({ "nodeName": "a" }))),
        Err("pods \"p\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"a\" can \
             only create mirror pods"
            .to_owned())
    );
}

#[test]
fn defaults_of_classes_are_filled_in() {
    let fixture = Fixture::bootstrapped();
    let annotated = |key: &str| json!({ key: "true" });
    fixture.fill(&[
        (
            "storage.k8s.io",
            "storageclasses",
            json!({ "metadata": { "name": "fast", "annotations": annotated("storageclass.kubernetes.io/is-default-class") },
                "provisioner": "x" }),
        ),
        (
            "networking.k8s.io",
            "ingressclasses",
            json!({ "metadata": { "name": "web", "annotations": annotated("ingressclass.kubernetes.io/is-default-class") } }),
        ),
        (
            "scheduling.k8s.io",
            "priorityclasses",
            json!({ "metadata": { "name": "usual" }, "value": 5, "globalDefault": true }),
        ),
    ]);
    let metadata = json!({ "namespace": "default", "name": "x" });
    for (group, plural, spec, field, expected) in [
        ("", "persistentvolumeclaims", json!({}), "storageClassName", "fast"),
        ("", "persistentvolumeclaims", json!({ "storageClassName": "slow" }), "storageClassName", "slow"),
        ("networking.k8s.io", "ingresses", json!({}), "ingressClassName", "web"),
        ("", "pods", json!({ "containers": [] }), "priorityClassName", "usual"),
    ] {
        let resource = resource(group, plural);
        let object = object(resource, &json!({ "metadata": metadata, "spec": spec }));
        let found = admitted(&fixture, &masters(), resource, object).unwrap();
        assert_eq!(found.str_at(&["spec", field]), expected);
    }
}

#[test]
fn quotas_count_what_is_there_and_refuse_what_is_too_much() {
    let fixture = Fixture::bootstrapped();
    let pods = resource("", "pods");
    let with_cpu = |name: &str, cpu: &str| {
        let resources = json!({ "requests": { "cpu": cpu } });
        let spec = json!({ "containers": [{ "name": "c", "image": "i", "resources": resources }] });
        object(pods, &json!({ "metadata": { "namespace": "default", "name": name }, "spec": spec }))
    };
    let create = |pod: Map| {
        fixture
            .write(pods, &masters(), None, Some(pod))
            .map(Option::unwrap)
            .map_err(|error| error.to_string())
    };
    let used = || {
        let quota = fixture.stored("", "resourcequotas", "default", "q").unwrap();
        let used = quota.map_at(&["status", "used"]).unwrap();
        format!("{} {} {}", used.str("pods"), used.str("requests.cpu"), used.str("count/configmaps"))
    };
    let first = create(with_cpu("a", "500m")).unwrap();
    fixture.fill(&[(
        "",
        "resourcequotas",
        json!({ "metadata": { "namespace": "default", "name": "q" },
            "spec": { "hard": { "pods": "2", "requests.cpu": "1", "count/configmaps": "9" } } }),
    )]);
    create(with_cpu("b", "250m")).unwrap();
    assert_eq!(used(), "2 750m 1");
    assert_eq!(
        create(with_cpu("c", "500m")),
        Err("pods \"c\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, used: \
             pods=2,requests.cpu=750m, limited: pods=2,requests.cpu=1"
            .to_owned())
    );
    assert_eq!(
        create(pod(json!({}))),
        Err("pods \"p\" is forbidden: failed quota: q: must specify requests.cpu for: c".to_owned())
    );
    fixture.write(pods, &masters(), Some(&first), None).unwrap();
    assert_eq!(used(), "1 250m 1");
    create(with_cpu("d", "750m")).unwrap();
    assert_eq!(used(), "2 1 1");
}

#[test]
fn a_quota_of_a_volume_attributes_class_counts_claims_that_have_or_want_it() {
    let fixture = Fixture::bootstrapped();
    let claims = resource("", "persistentvolumeclaims");
    let claim = |wanted: &str, current: &str| {
        let spec =
            json!({ "volumeAttributesClassName": wanted, "resources": { "requests": { "storage": "1Gi" } } });
        let status = json!({ "currentVolumeAttributesClassName": current });
        let metadata = json!({ "namespace": "default", "name": "c" });
        object(claims, &json!({ "metadata": metadata, "spec": spec, "status": status }))
    };
    for class in ["gold", "silver"] {
        let scope = json!({ "scopeName": "VolumeAttributesClass", "operator": "In", "values": [class] });
        let spec = json!({ "hard": { "persistentvolumeclaims": "1" }, "scopeSelector": { "matchExpressions": [scope] } });
        let metadata = json!({ "namespace": "default", "name": class });
        fixture.fill(&[("", "resourcequotas", json!({ "metadata": metadata, "spec": spec }))]);
    }
    let used = || {
        ["gold", "silver"].map(|class| {
            let quota = fixture.stored("", "resourcequotas", "default", class).unwrap();
            quota.str_at(&["status", "used", "persistentvolumeclaims"]).to_owned()
        })
    };
    let first = fixture.write(claims, &masters(), None, Some(claim("gold", ""))).unwrap().unwrap();
    assert_eq!(used(), ["1", ""]);
    fixture.write(claims, &masters(), Some(&first), Some(claim("silver", "gold"))).unwrap();
    assert_eq!(used(), ["1", "1"]);
}

#[test]
fn a_quota_of_devices_counts_what_claims_may_be_given_of_a_class() {
    let fixture = Fixture::bootstrapped();
    let claims = resource("resource.k8s.io", "resourceclaims");
    let wanted = |class: &str, count: u8| json!({ "name": class, "deviceClassName": class, "allocationMode": "ExactCount", "count": count });
    let devices = json!({ "requests": [
        { "name": "a", "exactly": { "deviceClassName": "gold", "allocationMode": "ExactCount", "count": 2 } },
        { "name": "b", "firstAvailable": [wanted("gold", 3), wanted("silver", 4)] },
        { "name": "c", "exactly": { "deviceClassName": "iron", "allocationMode": "All" } },
    ] });
    let metadata = json!({ "namespace": "default", "name": "c" });
    let claim = object(claims, &json!({ "metadata": metadata, "spec": { "devices": devices } }));
    let hard = ["gold", "silver", "iron"]
        .map(|class| (format!("{class}.deviceclass.resource.k8s.io/devices"), "40"));
    let hard: std::collections::BTreeMap<_, _> = hard.into();
    let quota = json!({ "metadata": { "namespace": "default", "name": "q" }, "spec": { "hard": hard } });
    fixture.fill(&[("", "resourcequotas", quota)]);
    fixture.write(claims, &masters(), None, Some(claim)).unwrap();
    let quota = fixture.stored("", "resourcequotas", "default", "q").unwrap();
    let used = hard.keys().map(|key| quota.str_at(&["status", "used", key]).to_owned());
    assert_eq!(used.collect::<Vec<_>>(), ["5", "32", "4"]);
}
