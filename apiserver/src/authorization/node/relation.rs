//! Which objects belong to a node: those that its pods refer to, and what these lead to.
//!
//! Keeps: pods are found by the index over `spec.nodeName`, and only those are decoded whose bytes hold the name that is
//! asked for. Mirror pods give rights to nothing, because their kubelet wrote them.

use std::sync::Arc;

use crate::authorization::Attributes;
use crate::facts;
use crate::kinds::all_containers;
use crate::registry::{Registry, Resource};
use crate::storage::{self, Entry, Term, View};
use crate::tree::{Map, Node};

const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether the object asked for belongs to the node.
pub(super) fn exists(view: &View, node: &str, asked: &Attributes<'_>) -> bool {
    let Attributes { namespace, name, .. } = *asked;
    match asked.resource {
        "pods" => {
            let pod = view.object(builtin("", "pods"), namespace, name);
            pod.is_some_and(|pod| pod.str_at(&["spec", "nodeName"]) == node)
        }
        "serviceaccounts" => pods_that_mention(view, node, namespace, name)
            .any(|pod| pod.str_at(&["spec", "serviceAccountName"]) == name),
        "configmaps" => pods_that_mention(view, node, namespace, name)
            .any(|pod| refers(&pod, "configMap", "configMapRef", "configMapKeyRef", "name", name)),
        "secrets" => {
            pods_that_mention(view, node, namespace, name).any(|pod| refers_to_secret(&pod, name))
                || volumes_of_node(view, node).any(|volume| volume_refers_to_secret(&volume, namespace, name))
        }
        "persistentvolumeclaims" => node_claims(view, node, namespace, name),
        "persistentvolumes" => {
            let volume = view.object(builtin("", "persistentvolumes"), "", name);
            volume
                .as_ref()
                .and_then(|it| it.map_at(&["spec", "claimRef"]))
                .is_some_and(|claim| node_claims(view, node, claim.str("namespace"), claim.str("name")))
        }
        "resourceclaims" => {
            pods_that_mention(view, node, namespace, name).any(|pod| refers_to_claim(&pod, name))
        }
        "volumeattachments" => {
            let attachment = view.object(builtin("storage.k8s.io", "volumeattachments"), "", name);
            attachment.is_some_and(|it| it.str_at(&["spec", "nodeName"]) == node)
        }
        "resourceslices" => {
            let slice = view.object(builtin("resource.k8s.io", "resourceslices"), "", name);
            slice.is_some_and(|it| it.str_at(&["spec", "nodeName"]) == node)
        }
        _ => false,
    }
}

fn builtin(group: &str, plural: &str) -> &'static Resource {
    Registry::builtin().storage_of(group, plural).expect("kinds that kubelets read are built in")
}

/// The pods that are bound to a node.
fn node_pods<'a>(view: &'a View, node: &str) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
    let pods = builtin("", "pods");
    // The node is the first of a pod's indexed fields.
    let term = facts::indexed(pods.kind).next().map(|(tag, _)| Term { tag, value: node.into() });
    term.into_iter().flat_map(move |term| view.state().by_term(&pods.bucket, &term))
}

/// The pods of a node and namespace that hold `text` somewhere, mirror pods left out.
fn pods_that_mention<'a>(
    view: &'a View,
    node: &str,
    namespace: &str,
    text: &'a str,
) -> impl Iterator<Item = Map> + use<'a> {
    let pods = builtin("", "pods");
    let prefix = pods.prefix(namespace);
    node_pods(view, node)
        .filter(move |entry| entry.key.as_str().starts_with(&prefix) && mentions(entry, text))
        .map(move |entry| storage::decode(pods, entry))
        .filter(|pod| pod.annotation(MIRROR).is_none())
}

fn mentions(entry: &Entry, text: &str) -> bool {
    std::str::from_utf8(entry.bytes()).is_ok_and(|stored| stored.contains(text))
}

fn containers(pod: &Map) -> impl Iterator<Item = &Map> {
    pod.map("spec").into_iter().flat_map(all_containers)
}

fn volumes(pod: &Map) -> impl Iterator<Item = &Map> {
    pod.map("spec").into_iter().flat_map(|spec| spec.maps("volumes"))
}

/// Whether a volume or variable of the pod names `name`; volumes have it under `key`, everything else as `name`.
fn refers(pod: &Map, source: &str, from: &str, reference: &str, key: &str, name: &str) -> bool {
    let variables = containers(pod).any(|container| {
        container.maps("envFrom").any(|it| it.str_at(&[from, "name"]) == name)
            || container.maps("env").any(|it| it.str_at(&["valueFrom", reference, "name"]) == name)
    });
    variables
        || volumes(pod).any(|volume| {
            let mut projected =
                volume.map("projected").into_iter().flat_map(|projected| projected.maps("sources"));
            volume.str_at(&[source, key]) == name || projected.any(|it| it.str_at(&[source, "name"]) == name)
        })
}

fn refers_to_secret(pod: &Map, name: &str) -> bool {
    let pulls =
        || pod.map("spec").is_some_and(|spec| spec.maps("imagePullSecrets").any(|it| it.str("name") == name));
    refers(pod, "secret", "secretRef", "secretKeyRef", "secretName", name)
        || pulls()
        || volumes(pod).any(|volume| holds_secret(volume, &|reference, _| reference == name))
}

/// Whether a volume (of a pod or a PersistentVolume) names a secret that `is` the one, by name and namespace: below a
/// field like `nodePublishSecretRef` or `secretRef`, or as Azure writes it.
fn holds_secret(map: &Map, is: &dyn Fn(&str, &str) -> bool) -> bool {
    map.iter().any(|(key, value)| match value {
        Node::Map(inner) if key.ends_with("ecretRef") => is(inner.str("name"), inner.str("namespace")),
        Node::Map(inner) if key.as_str() == "azureFile" => {
            is(inner.str("secretName"), inner.str("secretNamespace"))
        }
        Node::Map(inner) => holds_secret(inner, is),
        _ => false,
    })
}

fn volume_refers_to_secret(volume: &Map, namespace: &str, name: &str) -> bool {
    let Some(spec) = volume.map("spec") else { return false };
    // A secret without a namespace is of the claim's.
    let own = spec.str_at(&["claimRef", "namespace"]);
    holds_secret(spec, &|found, of| found == name && namespace == if of.is_empty() { own } else { of })
}

/// The claims that a pod uses.
fn claims_of(pod: &Map) -> impl Iterator<Item = String> {
    volumes(pod).filter_map(|volume| {
        let claim = volume.str_at(&["persistentVolumeClaim", "claimName"]);
        match claim.is_empty() {
            false => Some(claim.to_owned()),
            true => volume.contains("ephemeral").then(|| format!("{}-{}", pod.name(), volume.str("name"))),
        }
    })
}

fn node_claims(view: &View, node: &str, namespace: &str, claim: &str) -> bool {
    // The claim of an ephemeral volume has a name that the pod does not hold in one piece.
    ["persistentVolumeClaim", "\"ephemeral\""].into_iter().any(|kind| {
        pods_that_mention(view, node, namespace, kind).any(|pod| claims_of(&pod).any(|used| used == claim))
    })
}

/// The PersistentVolumes behind the claims of a node's pods.
fn volumes_of_node(view: &View, node: &str) -> impl Iterator<Item = Map> {
    let claims = builtin("", "persistentvolumeclaims");
    let volumes = builtin("", "persistentvolumes");
    let pods: Vec<Map> = ["persistentVolumeClaim", "\"ephemeral\""]
        .into_iter()
        .flat_map(|kind| pods_that_mention(view, node, "", kind))
        .collect();
    pods.into_iter().flat_map(move |pod| {
        let namespace = pod.namespace().to_owned();
        let used: Vec<String> = claims_of(&pod).collect();
        used.into_iter().filter_map(move |claim| {
            let claim = view.object(claims, &namespace, &claim)?;
            view.object(volumes, "", claim.str_at(&["spec", "volumeName"]))
        })
    })
}

fn refers_to_claim(pod: &Map, name: &str) -> bool {
    let named = |part: &str, list: &str, key: &str| {
        pod.map(part).is_some_and(|part| part.maps(list).any(|claim| claim.str(key) == name))
    };
    named("spec", "resourceClaims", "resourceClaimName")
        || named("status", "resourceClaimStatuses", "resourceClaimName")
        || pod.str_at(&["status", "extendedResourceClaimStatus", "resourceClaimName"]) == name
}
