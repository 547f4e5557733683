//! What kinds say of objects: one `check`, and data.

use serde_json::{Value, json};

use crate::field::FieldErrors;
use crate::fixture;
use crate::kind::Action;
use crate::schema;
use crate::tree::Map;
use crate::warning::Warnings;

/// Checks the fields, with the first words said of each, that are wrong with an object of `plural.group` that is new or
/// comes after `old`.
#[track_caller]
fn check(resource: &str, old: Option<Value>, new: Value, expected: &[&str]) {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let resource = fixture::resource(group, plural);
    let defaulted = |json: &Value| {
        let mut object = fixture::object(resource, json);
        resource.set_defaults(&mut object);
        object
    };
    let (new, old): (Map, Option<Map>) = (defaulted(&new), old.as_ref().map(defaulted));
    let (kind, mut errors) = (resource.kind, FieldErrors::new());
    (kind.validate)(&new, &mut errors);
    if let Some(old) = &old {
        (kind.validate_update)(&new, old, &mut errors);
    }
    (kind.validate_request)(resource.version, &new, old.as_ref(), &mut errors);
    schema::validate(&new, old.as_ref(), schema::builtin(), resource.storage_schema, &mut errors);
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(it, at)| it.starts_with(at));
    assert!(fits, "{found:#?} instead of {expected:#?}");
}

#[test]
fn revisions_are_born_with_an_object_and_keep_it() {
    let revision = |data: Value| json!({ "metadata": { "name": "r" }, "revision": 1, "data": data });
    let resource = "controllerrevisions.apps";
    check(resource, None, revision(json!({ "a": 1 })), &[]);
    check(resource, None, revision(json!([])), &["data: Required value: data must be a valid JSON object"]);
    let bare = json!({ "metadata": { "name": "r" }, "revision": 1 });
    check(resource, None, bare.clone(), &["data: Required value: data is mandatory"]);
    check(resource, Some(revision(json!({}))), bare, &["data: Invalid value: null: field is immutable"]);
}

#[test]
fn time_zones_exist() {
    let cron_job = |zone: &str| {
        let template =
            json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } });
        let job = json!({ "spec": { "template": template } });
        json!({ "metadata": { "name": "c" }, "spec": { "schedule": "@daily", "timeZone": zone, "jobTemplate": job } })
    };
    let resource = "cronjobs.batch";
    for known in ["Europe/Berlin", "Etc/UTC", "America/Argentina/Buenos_Aires"] {
        check(resource, None, cron_job(known), &[]);
    }
    for unknown in ["Europe/Rungholt", "europe/berlin", "-x", "../etc"] {
        let expected = format!("spec.timeZone: Invalid value: {unknown:?}: unknown time zone {unknown}");
        check(resource, None, cron_job(unknown), &[&expected]);
        check(resource, Some(cron_job(unknown)), cron_job(unknown), &[]);
    }
    check(resource, None, cron_job("local"), &["spec.timeZone", "spec.timeZone"]);
    check(resource, None, cron_job(""), &["spec.timeZone: Invalid value: \"\": timeZone must be nil"]);
}

#[test]
fn ingresses_name_secrets_and_backends_that_can_be() {
    let ingress = |secret: &str, path: Value| {
        let rules = json!([{ "http": { "paths": [path] } }]);
        json!({ "metadata": { "name": "i", "namespace": "n" }, "spec": { "tls": [{ "secretName": secret }], "rules": rules } })
    };
    let resource = "ingresses.networking.k8s.io";
    let service = |port: Value| json!({ "pathType": "Exact", "path": "/", "backend": { "service": { "name": "s", "port": port } } });
    let good = service(json!({ "number": 1 }));
    check(resource, None, ingress("s", good.clone()), &[]);
    check(resource, None, ingress("S", good.clone()), &["spec.tls[0].secretName: Invalid"]);
    check(resource, Some(ingress("S", good.clone())), ingress("T", good.clone()), &[]);
    check(
        resource,
        None,
        ingress("", service(json!({}))),
        &["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
    );
    check(resource, None, ingress("", json!({})), &["spec.rules[0].http.paths[0].pathType: Required"]);
    let mut unknown = good.clone();
    unknown["pathType"] = json!("");
    check(resource, None, ingress("", unknown), &["spec.rules[0].http.paths[0].pathType: Unsupported"]);
    let object = json!({ "apiGroup": "G", "kind": "a/b", "name": "n" });
    check(
        resource,
        None,
        ingress("", json!({ "pathType": "Exact", "path": "/", "backend": { "resource": object } })),
        &[
            "spec.rules[0].http.paths[0].backend.resource.apiGroup: Invalid",
            "spec.rules[0].http.paths[0].backend.resource.kind: Invalid",
        ],
    );
}

#[test]
fn parameters_of_ingress_classes_have_names() {
    let class = |parameters: Value| json!({ "metadata": { "name": "c" }, "spec": { "controller": "a.b/c", "parameters": parameters } });
    let resource = "ingressclasses.networking.k8s.io";
    let good = json!({ "kind": "K", "name": "n", "scope": "Namespace", "namespace": "d" });
    check(resource, None, class(good), &[]);
    let bad = json!({ "apiGroup": "", "kind": "K", "name": "n", "scope": "Namespace", "namespace": "D" });
    check(resource, None, class(bad), &["spec.parameters.apiGroup", "spec.parameters.namespace"]);
}

#[test]
fn policies_name_two_directions_and_readable_blocks() {
    let policy = |types: Value, cidr: &str| {
        let block = json!({ "ipBlock": { "cidr": cidr, "except": ["10.1.0.0/16"] } });
        json!({ "metadata": { "name": "p" }, "spec": { "podSelector": {}, "policyTypes": types, "ingress": [{ "from": [block] }] } })
    };
    let resource = "networkpolicies.networking.k8s.io";
    check(resource, None, policy(json!(["Ingress"]), "10.0.0.0/8"), &[]);
    check(resource, None, policy(json!(["Ingress"]), "x"), &["spec.ingress[0].from[0].ipBlock.cidr"]);
    check(
        resource,
        None,
        policy(json!(["Ingress", "Egress", "Ingress"]), "10.0.0.0/8"),
        &[
            "spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not specify more than two",
        ],
    );
}

#[test]
fn a_service_range_may_get_its_twin_and_nothing_else() {
    let range = |cidrs: &[&str]| json!({ "metadata": { "name": "r" }, "spec": { "cidrs": cidrs } });
    let resource = "servicecidrs.networking.k8s.io";
    let old = || Some(range(&["10.0.0.0/16"]));
    check(resource, old(), range(&["10.0.0.0/16", "fd00::/64"]), &[]);
    check(resource, old(), range(&["10.0.0.0/16", "10.1.0.0/16"]), &["spec.cidrs: Invalid value"]);
    check(resource, old(), range(&["x"]), &["spec.cidrs[0]: Invalid value: \"x\": field is immutable"]);
    check(resource, old(), range(&[]), &["spec.cidrs: Invalid value: []: field is immutable"]);
}

#[test]
fn addresses_belong_to_a_parent_that_can_be() {
    let address = |group: &str| {
        let parent = json!({ "group": group, "resource": "services", "name": "s" });
        json!({ "metadata": { "name": "10.0.0.1" }, "spec": { "parentRef": parent } })
    };
    check("ipaddresses.networking.k8s.io", None, address(""), &[]);
    check("ipaddresses.networking.k8s.io", None, address("-x"), &["spec.parentRef.group: Invalid"]);
}

#[test]
fn runtime_classes_say_where_pods_go_and_what_they_cost() {
    let class = |tolerations: Value, cpu: &str| {
        json!({ "metadata": { "name": "c" }, "handler": "h", "overhead": { "podFixed": { cpu: "1" } },
            "scheduling": { "nodeSelector": { "a": "b" }, "tolerations": tolerations } })
    };
    let resource = "runtimeclasses.node.k8s.io";
    let toleration = json!({ "key": "a", "operator": "Exists" });
    check(resource, None, class(json!([toleration]), "cpu"), &[]);
    check(
        resource,
        None,
        class(json!([toleration, toleration]), "cpu"),
        &["scheduling.tolerations[1]: Duplicate"],
    );
    check(resource, None, class(json!([{}]), "cpu"), &["scheduling.tolerations[0].operator: Invalid"]);
    check(resource, None, class(json!([]), "bogus"), &["overhead.limits[bogus]", "overhead.limits[bogus]"]);
}

#[test]
fn topologies_of_storage_classes_are_told_once() {
    let class = |terms: Value| json!({ "metadata": { "name": "c" }, "provisioner": "a.b/c", "allowedTopologies": terms });
    let resource = "storageclasses.storage.k8s.io";
    let term = json!({ "matchLabelExpressions": [{ "key": "zone", "values": ["a"] }] });
    check(resource, None, class(json!([term])), &[]);
    check(
        resource,
        None,
        class(json!([term, term])),
        &["allowedTopologies[1].matchLabelExpressions: Duplicate"],
    );
    check(resource, None, class(json!([{}])), &["allowedTopologies[0].matchLabelExpressions: Duplicate"]);
    let twice = json!({ "matchLabelExpressions": [{ "key": "z", "values": ["a", "a"] }, { "key": "z", "values": [] }] });
    check(
        resource,
        None,
        class(json!([twice])),
        &[
            "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate",
            "allowedTopologies[0].matchLabelExpressions[1].values: Required",
            "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate",
        ],
    );
}

#[test]
fn drivers_ask_for_tokens_that_can_be_had() {
    let driver = |spec: Value| json!({ "metadata": { "name": "d" }, "spec": spec });
    let resource = "csidrivers.storage.k8s.io";
    check(resource, None, driver(json!({})), &[]);
    check(resource, None, driver(json!({ "fsGroupPolicy": "" })), &["spec.fsGroupPolicy: Unsupported"]);
    check(
        resource,
        None,
        driver(json!({ "volumeLifecycleModes": ["x"] })),
        &["spec.volumeLifecycleModes: Unsupported"],
    );
    let secrets = json!({ "serviceAccountTokenInSecrets": true });
    check(resource, None, driver(secrets), &["spec.serviceAccountTokenInSecrets: Invalid"]);
    let seconds = json!({ "tokenRequests": [{ "audience": "a", "expirationSeconds": 1_i64 << 33 }] });
    check(resource, None, driver(seconds), &["spec.tokenRequests[0].expirationSeconds: Invalid"]);
    let period = json!({ "nodeAllocatableUpdatePeriodSeconds": 9 });
    check(resource, None, driver(period), &["spec.nodeAllocatableUpdatePeriodSeconds: Invalid"]);
}

#[test]
fn attachments_are_of_one_volume() {
    let attachment = |attacher: &str, source: Value| json!({ "metadata": { "name": "a" }, "spec": { "attacher": attacher, "nodeName": "n", "source": source } });
    let resource = "volumeattachments.storage.k8s.io";
    check(resource, None, attachment("A", json!({ "persistentVolumeName": "v" })), &[]);
    check(
        resource,
        None,
        attachment("a_b", json!({ "persistentVolumeName": "V" })),
        &["spec.source.persistentVolumeName: Invalid", "spec.attacher: Invalid value: \"a_b\": an RFC 1123"],
    );
    let inline = json!({ "accessModes": ["ReadWriteOnce"], "csi": { "driver": "d", "volumeHandle": "h" } });
    check(resource, None, attachment("a", json!({ "inlineVolumeSpec": inline })), &[]);
    let bound = json!({ "claimRef": { "name": "c" }, "hostPath": { "path": "/x" }, "storageClassName": "s" });
    check(
        resource,
        None,
        attachment("a", json!({ "inlineVolumeSpec": bound })),
        &["claimRef: Forbidden", "csi: Required", "accessModes: Required", "storageClassName: Forbidden"]
            .map(|it| format!("spec.source.inlineVolumeSpec.{it}"))
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn what_load_balancers_and_attachers_report_can_be() {
    let check = |resource: &str, status: Value, expected: &[&str]| {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let resource = fixture::resource(group, plural);
        let object = fixture::object(resource, &json!({ "status": status }));
        let Some(Action::View(view)) = resource.kind.subresource("status").map(|it| it.action) else {
            panic!("{plural} have a status");
        };
        let mut errors = FieldErrors::new();
        (view.validate)(&object, &Map::new(), &mut errors);
        let found: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(found, expected);
    };
    let points = json!([{ "ip": "1.2.3.4", "hostname": "a.b" }, { "ip": "x", "hostname": "1.2.3.4" }]);
    check(
        "ingresses.networking.k8s.io",
        json!({ "loadBalancer": { "ingress": points } }),
        &["status.loadBalancer.ingress[1].ip", "status.loadBalancer.ingress[1].hostname"],
    );
    check(
        "volumeattachments.storage.k8s.io",
        json!({ "attached": false, "attachError": { "message": "x".repeat(1025), "errorCode": -1 } }),
        &[
            "status.attachError.message",
            "status.attachError.errorCode",
            "spec.source",
            "spec.nodeName",
            "spec.attacher",
        ],
    );
    check(
        "horizontalpodautoscalers.autoscaling",
        json!({ "conditions": [{ "type": "A", "status": "True", "observedGeneration": -1 }] }),
        &["status.conditions[0].observedGeneration"],
    );
}

#[test]
fn classes_of_attributes_never_change() {
    let class = |driver: &str, value: &str| json!({ "metadata": { "name": "c" }, "driverName": driver, "parameters": { "a": value } });
    let resource = "volumeattributesclasses.storage.k8s.io";
    check(resource, None, class("a.b/C", "1"), &[]);
    check(
        resource,
        Some(class("a", "1")),
        class("b", "2"),
        &["driverName: Forbidden: updates to driverName", "parameters: Forbidden: updates to parameters"],
    );
}

#[test]
fn keys_of_a_drivers_topology_are_reported_at_the_driver() {
    let node = |keys: Value| json!({ "metadata": { "name": "n" }, "spec": { "drivers": [{ "name": "d", "nodeID": "i", "topologyKeys": keys }] } });
    let resource = "csinodes.storage.k8s.io";
    check(resource, None, node(json!(["a"])), &[]);
    check(resource, None, node(json!(["a", "a"])), &["spec.drivers[0]: Duplicate"]);
    check(resource, Some(node(json!(["a"]))), node(json!(["b"])), &["spec.drivers: Invalid"]);
}

#[test]
fn volumes_keep_their_nodes_but_for_new_names_of_labels() {
    let volume = |key: &str| {
        let term = json!({ "matchExpressions": [{ "key": key, "operator": "Exists" }] });
        json!({ "metadata": { "name": "v" }, "spec": {
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [term] } } } })
    };
    let old = || Some(volume("beta.kubernetes.io/os"));
    check("persistentvolumes", old(), volume("beta.kubernetes.io/os"), &[]);
    check("persistentvolumes", old(), volume("kubernetes.io/os"), &[]);
    check("persistentvolumes", old(), volume("kubernetes.io/arch"), &["nodeAffinity: Invalid"]);
}

#[test]
fn what_is_scaled_is_named_with_its_group() {
    let autoscaler = |kind: &str, version: &str, min: i64, metric: Value| {
        let target = json!({ "kind": kind, "name": "n", "apiVersion": version });
        json!({ "metadata": { "name": "a" }, "spec": {
            "scaleTargetRef": target, "minReplicas": min, "maxReplicas": 3, "metrics": [metric] } })
    };
    let resource = "horizontalpodautoscalers.autoscaling";
    let target = json!({ "type": "Utilization", "averageUtilization": 5 });
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
    check(resource, None, autoscaler("Deployment", "apps/v1", 1, cpu.clone()), &[]);
    check(resource, None, autoscaler("ReplicationController", "v1", 1, cpu.clone()), &[]);
    let without = || autoscaler("Deployment", "v1", 1, cpu.clone());
    check(
        resource,
        None,
        without(),
        &["spec.scaleTargetRef.apiVersion: Invalid value: \"v1\": apiVersion must"],
    );
    check(resource, Some(without()), without(), &[]);
    check(resource, None, autoscaler("D", "a/b/c", 1, cpu.clone()), &["spec.scaleTargetRef.apiVersion"]);
    check(
        resource,
        None,
        autoscaler("D", "a/v1", 0, cpu),
        &["spec.metrics: Forbidden: must specify at least one"],
    );
    let external = json!({ "type": "External", "external": { "metric": { "name": "m" }, "target": { "type": "Value", "value": "5" } } });
    check(resource, None, autoscaler("D", "a/v1", 0, external), &[]);
    let container = json!({ "type": "ContainerResource", "containerResource": { "name": "pods", "container": "c", "target": target } });
    check(
        resource,
        None,
        autoscaler("D", "a/v1", 1, container),
        &["spec.metrics[0].containerResource.name: Invalid"],
    );
}

#[test]
fn secrets_of_volumes_have_names() {
    let volume = |secret: Value| {
        let portal =
            json!({ "targetPortal": "1.2.3.4", "iqn": "iqn.2015-02.a.b:c", "lun": 0, "secretRef": secret });
        json!({ "metadata": { "name": "v" }, "spec": {
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "iscsi": portal } })
    };
    check("persistentvolumes", None, volume(json!({ "name": "s" })), &[]);
    check("persistentvolumes", None, volume(json!({})), &["spec.iscsi.secretRef.name: Required"]);
}

#[test]
fn writers_are_told_of_what_is_deprecated() {
    let check = |resource: &str, new: Value, expected: &[&str]| {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let resource = fixture::resource(group, plural);
        let mut warnings = Warnings::new();
        (resource.kind.warnings)(&fixture::object(resource, &new), None, &mut warnings);
        assert_eq!(warnings.to_vec(), expected);
    };
    let annotated =
        json!({ "metadata": { "name": "i", "annotations": { "kubernetes.io/ingress.class": "c" } } });
    check(
        "ingresses.networking.k8s.io",
        annotated,
        &[
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead",
        ],
    );
    let selector = json!({ "beta.kubernetes.io/os": "linux" });
    check(
        "runtimeclasses.node.k8s.io",
        json!({ "metadata": { "name": "c" }, "scheduling": { "nodeSelector": selector } }),
        &["scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/os\" instead"],
    );
    let term = json!({ "matchExpressions": [{ "key": "beta.kubernetes.io/os", "operator": "Exists" }] });
    let affinity = json!({ "required": { "nodeSelectorTerms": [term] } });
    check(
        "persistentvolumes",
        json!({ "metadata": { "name": "v" }, "spec": { "nodeAffinity": affinity, "rbd": { "monitors": ["m"], "image": "i" } } }),
        &[
            "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
        ],
    );
    let block = json!({ "ipBlock": { "cidr": "2001:DB8::/64" } });
    check(
        "networkpolicies.networking.k8s.io",
        json!({ "metadata": { "name": "p" }, "spec": { "podSelector": {}, "ingress": [{ "from": [block] }] } }),
        &[
            "spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")",
        ],
    );
    check(
        "csidrivers.storage.k8s.io",
        json!({ "metadata": { "name": "d" }, "spec": { "tokenRequests": [{ "audience": "a" }] } }),
        &[
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes",
        ],
    );
}

#[test]
fn scopes_of_a_quota_exist() {
    let quota = |scope: &str| {
        let term = json!({ "scopeName": scope, "operator": "Exists" });
        json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" }, "scopeSelector": { "matchExpressions": [term] } } })
    };
    check("resourcequotas", None, quota("BestEffort"), &[]);
    check(
        "resourcequotas",
        None,
        quota("Thing"),
        &["spec.scopeSelector.matchExpressions.scopeName: Invalid value: \"Thing\": unsupported scope"],
    );
}
