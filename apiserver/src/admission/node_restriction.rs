//! NodeRestriction: a kubelet writes only its own node and the pods that run on it.
//!
//! Keeps: a user in `system:nodes` named `system:node:NAME` is a node; rights still come from roles, this only
//! takes away.

use super::{Attributes, Operation, Plugin, builtin};
use crate::authorization;
use crate::kinds::all_containers;
use crate::status::Error;
use crate::tree::Map;

pub(super) struct NodeRestriction;

const LEASE_NAMESPACE: &str = "kube-node-lease";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Labels below these domains that a kubelet may set on its own node.
const OWN_LABELS: [&str; 17] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "kubernetes.io/instance-type",
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "node.kubernetes.io/node",
];
const OWN_LABEL_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, object: &mut Map) -> Result<(), Error> {
        let Some(node) = node_of(attributes) else { return Ok(()) };
        if attributes.operation != Operation::Create || !attributes.is_for("serviceaccounts", "token") {
            return Ok(());
        }
        check_token(attributes, node, object).map_err(|cause| attributes.forbidden(None, cause))
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let Some(node) = node_of(attributes) else { return Ok(()) };
        let checked = match attributes.resource.group_resource.as_str() {
            "pods" => check_pod(attributes, node, object),
            "nodes" => check_node(attributes, node, object),
            "leases.coordination.k8s.io" => check_lease(attributes, node, object),
            "csinodes.storage.k8s.io" => check_named(attributes, node, object, "CSINode"),
            "persistentvolumeclaims" if attributes.subresource != "status" => {
                Err(format!("may only update PVC status, not {}", attributes.subresource))
            }
            _ => Ok(()),
        };
        checked.map_err(|cause| attributes.forbidden(object, cause))
    }
}

/// The node that the user is, if it is one.
fn node_of<'a>(attributes: &Attributes<'a>) -> Option<&'a str> {
    let user = attributes.user;
    let name = user.name.strip_prefix("system:node:")?;
    (!name.is_empty() && user.in_group("system:nodes")).then_some(name)
}

fn named<'a>(attributes: &Attributes<'a>, object: Option<&'a Map>) -> &'a str {
    if attributes.name.is_empty() { object.map_or("", Map::name) } else { attributes.name }
}

fn check_pod(attributes: &Attributes<'_>, node: &str, pod: Option<&Map>) -> Result<(), String> {
    match (attributes.subresource, attributes.operation) {
        ("", Operation::Create) => pod.map_or(Ok(()), |pod| check_mirror_pod(node, pod)),
        ("", Operation::Delete) | ("status", _) | ("eviction", _) => {
            let stored = attributes.old.or(pod);
            if stored.is_some_and(|pod| pod.str_at(&["spec", "nodeName"]) != node) {
                let done = match (attributes.subresource, attributes.operation) {
                    ("status", _) => "can only update pod status for pods with spec.nodeName set to itself",
                    ("eviction", _) => "can only evict pods with spec.nodeName set to itself",
                    _ => "can only delete pods with spec.nodeName set to itself",
                };
                return Err(format!("node {node:?} {done}"));
            }
            Ok(())
        }
        ("", Operation::Update) => Err(format!("node {node:?} cannot update pods, only their status")),
        _ => Ok(()),
    }
}

/// A kubelet gets tokens for the pods that run on it alone, and for whom their volumes name.
fn check_token(attributes: &Attributes<'_>, node: &str, request: &Map) -> Result<(), String> {
    let empty = Map::new();
    let spec = request.map("spec").unwrap_or(&empty);
    let bound = spec.map("boundObjectRef").unwrap_or(&empty);
    if (bound.str("apiVersion"), bound.str("kind")) != ("v1", "Pod") || bound.str("name").is_empty() {
        return Err("node requested token not bound to a pod".to_owned());
    }
    let asked = bound.str("uid");
    if asked.is_empty() {
        return Err("node requested token with a pod binding without a uid".to_owned());
    }
    let pod = attributes.view.object(builtin("", "pods"), attributes.namespace, bound.str("name"));
    let pod = pod.ok_or("pod not found")?;
    let uid = pod.str_at(&["metadata", "uid"]);
    if uid != asked {
        return Err(format!(
            "the UID in the bound object reference ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        ));
    }
    if pod.str_at(&["spec", "nodeName"]) != node {
        return Err("node requested token bound to a pod scheduled on a different node".to_owned());
    }
    let audience = match spec.list("audiences") {
        [] => "",
        [one] => one.as_str().unwrap_or_default(),
        _ => return Err("node may only request 0 or 1 audiences".to_owned()),
    };
    if names_audience(attributes, &pod, audience) || may_request(attributes, audience) {
        return Ok(());
    }
    Err(format!("audience {audience:?} not found in pod spec volume"))
}

/// Whether a volume of the pod asks for tokens for `audience`, itself or through its CSI driver.
fn names_audience(attributes: &Attributes<'_>, pod: &Map, audience: &str) -> bool {
    let driver = |name: &str| {
        let driver = attributes.view.object(builtin("storage.k8s.io", "csidrivers"), "", name);
        driver.is_some_and(|driver| {
            driver
                .map("spec")
                .is_some_and(|spec| spec.maps("tokenRequests").any(|it| it.str("audience") == audience))
        })
    };
    let claimed = |claim: &str| {
        let claim =
            attributes.view.object(builtin("", "persistentvolumeclaims"), attributes.namespace, claim)?;
        let volume = claim.str_at(&["spec", "volumeName"]);
        let volume = attributes.view.object(builtin("", "persistentvolumes"), "", volume)?;
        Some(volume.str_at(&["spec", "csi", "driver"]).to_owned())
    };
    let volumes = pod.map("spec").into_iter().flat_map(|spec| spec.maps("volumes"));
    volumes.into_iter().any(|volume| {
        let sources = volume.map("projected").into_iter().flat_map(|projected| projected.maps("sources"));
        let mut tokens = sources.filter_map(|source| source.map("serviceAccountToken"));
        if tokens.any(|token| token.str("audience") == audience) {
            return true;
        }
        let inline = volume.str_at(&["csi", "driver"]);
        let claim = match volume.contains("ephemeral") {
            true => format!("{}-{}", pod.name(), volume.str("name")),
            false => volume.str_at(&["persistentVolumeClaim", "claimName"]).to_owned(),
        };
        !inline.is_empty() && driver(inline)
            || !claim.is_empty() && claimed(&claim).is_some_and(|name| !name.is_empty() && driver(&name))
    })
}

/// Whether roles let the kubelet ask for tokens for `audience` all the same.
fn may_request(attributes: &Attributes<'_>, audience: &str) -> bool {
    let asked = authorization::Attributes {
        verb: "request-serviceaccounts-token-audience",
        is_resource: true,
        resource: audience,
        namespace: attributes.namespace,
        name: attributes.name,
        ..authorization::Attributes::default()
    };
    attributes.authorizer.authorize(attributes.view, attributes.user, &asked).allowed()
}

/// A kubelet creates only the mirrors of its static pods; these reach for nothing in the cluster.
fn check_mirror_pod(node: &str, pod: &Map) -> Result<(), String> {
    let Some(spec) = pod.map("spec") else { return Ok(()) };
    if pod.annotation(MIRROR).is_none() {
        return Err(format!(
            "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
        ));
    }
    if spec.str("nodeName") != node {
        return Err(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    let refuse = |what: &str| Err(format!("node {node:?} can not create pods that reference {what}"));
    if !spec.str("serviceAccountName").is_empty() {
        return refuse("a service account");
    }
    if !spec.list("resourceClaims").is_empty() {
        return refuse("resourceclaims");
    }
    let sources = |volume: &Map, name: &str| {
        volume.contains(name)
            || volume
                .map("projected")
                .is_some_and(|it| it.maps("sources").any(|source| source.contains(name)))
    };
    for volume in spec.maps("volumes") {
        for (field, what) in [
            ("secret", "secrets"),
            ("configMap", "configmaps"),
            ("persistentVolumeClaim", "persistentvolumeclaims"),
            ("clusterTrustBundle", "clustertrustbundles"),
            ("serviceAccountToken", "serviceaccount tokens"),
        ] {
            if sources(volume, field) {
                return refuse(what);
            }
        }
    }
    for container in all_containers(spec) {
        for (reference, from, what) in
            [("secretKeyRef", "secretRef", "secrets"), ("configMapKeyRef", "configMapRef", "configmaps")]
        {
            let by_key = container.maps("env").any(|it| it.map_at(&["valueFrom", reference]).is_some());
            if by_key || container.maps("envFrom").any(|it| it.contains(from)) {
                return refuse(what);
            }
        }
    }
    Ok(())
}

fn check_node(attributes: &Attributes<'_>, node: &str, object: Option<&Map>) -> Result<(), String> {
    let name = named(attributes, object);
    let Some(object) = object else { return Ok(()) };
    if name != node {
        return Err(format!("node {node:?} is not allowed to modify node {name:?}"));
    }
    let empty = Map::new();
    let old = attributes.old.unwrap_or(&empty);
    let owners = |map: &Map| map.at(&["metadata", "ownerReferences"]).cloned();
    if owners(object) != owners(old) {
        return Err(format!("node {node:?} is not allowed to modify ownerReferences"));
    }
    if object.at(&["spec", "configSource"]).is_some()
        && object.at(&["spec", "configSource"]) != old.at(&["spec", "configSource"])
    {
        return Err(format!(
            "node {node:?} is not allowed to update configSource to a new non-nil configSource"
        ));
    }
    if attributes.operation == Operation::Update
        && object.at(&["spec", "taints"]) != old.at(&["spec", "taints"])
    {
        return Err(format!("node {node:?} is not allowed to modify taints"));
    }
    let changed = forbidden_labels(object, old);
    if changed.is_empty() {
        return Ok(());
    }
    let done =
        if attributes.operation == Operation::Create { "set the following labels" } else { "modify labels" };
    Err(format!("is not allowed to {done}: {}", changed.join(", ")))
}

/// The labels that differ and that are not a kubelet's to decide.
fn forbidden_labels(object: &Map, old: &Map) -> Vec<String> {
    let labels = |map: &Map| map.map_at(&["metadata", "labels"]).cloned().unwrap_or_default();
    let (new, old) = (labels(object), labels(old));
    let mut changed: Vec<String> = new
        .keys()
        .chain(old.keys())
        .filter(|key| new.get(key) != old.get(key) && !is_own_label(key))
        .map(|key| key.as_str().to_owned())
        .collect();
    changed.sort_unstable();
    changed.dedup();
    changed
}

fn is_own_label(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    let below =
        |parent: &str| domain == parent || domain.strip_suffix(parent).is_some_and(|it| it.ends_with('.'));
    if below("node-restriction.kubernetes.io") {
        return false;
    }
    if !below("kubernetes.io") && !below("k8s.io") {
        return true;
    }
    OWN_LABELS.contains(&key) || OWN_LABEL_DOMAINS.into_iter().any(below)
}

fn check_lease(attributes: &Attributes<'_>, node: &str, lease: Option<&Map>) -> Result<(), String> {
    if attributes.namespace != LEASE_NAMESPACE {
        return Err(format!("can only access leases in the {LEASE_NAMESPACE:?} system namespace"));
    }
    if named(attributes, lease) != node {
        return Err("can only access node lease with the same name as the requesting node".to_owned());
    }
    Ok(())
}

fn check_named(
    attributes: &Attributes<'_>,
    node: &str,
    object: Option<&Map>,
    kind: &str,
) -> Result<(), String> {
    if named(attributes, object) == node {
        return Ok(());
    }
    Err(format!("can only access {kind} with the same name as the requesting node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelets_set_their_own_labels_only() {
        for (key, own) in [
            ("team", true),
            ("example.com/team", true),
            ("kubernetes.io/hostname", true),
            ("node.kubernetes.io/anything", true),
            ("kubernetes.io/role", false),
            ("node-role.kubernetes.io/control-plane", false),
            ("node-restriction.kubernetes.io/pci", false),
            ("pci.node-restriction.kubernetes.io/a", false),
            ("mykubernetes.io/a", true),
        ] {
            assert_eq!(is_own_label(key), own, "{key}");
        }
    }
}
