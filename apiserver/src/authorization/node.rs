//! The Node authorizer: kubelets may read what the pods on their node refer to, and write their own node, leases and
//! pods; beside RBAC, because no role can say "the secrets of your pods".
//!
//! Keeps: a relation is looked up in the view that the request is decided on, so a pod that was bound a moment ago
//! counts and one that is gone does not. What is not subdivided follows the role `system:node` as it is compiled in.

use std::sync::LazyLock;

use super::{Attributes, Rule};
use crate::bootstrap;
use crate::user::User;

mod relation;

/// What the Node authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// The kubelet may.
    Allow,
    /// Others may allow it; why this one does not.
    None(String),
}

const LEASE_NAMESPACE: &str = "kube-node-lease";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(bootstrap::node_rules);

/// The node that a user is, if it is one.
pub(super) fn identity(user: &User) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    (!name.is_empty() && user.in_group("system:nodes")).then_some(name)
}

/// Decides for the kubelet of `node`.
pub(super) fn authorize(view: &crate::storage::View, node: &str, asked: &Attributes<'_>) -> Opinion {
    let decided = if asked.is_resource {
        let related = || relation::exists(view, node, asked);
        match (asked.group, asked.resource) {
            ("", "secrets" | "configmaps") => read_namespaced(node, asked, related),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => {
                status_update(node, asked, related)
            }
            ("", "persistentvolumeclaims" | "persistentvolumes")
            | ("resource.k8s.io", "resourceclaims")
            | ("storage.k8s.io", "volumeattachments") => get(node, asked, related),
            ("", "serviceaccounts") => service_account(node, asked, related),
            ("", "nodes") => own_node(node, asked),
            ("", "pods") => pods(node, asked, related),
            ("coordination.k8s.io", "leases") => lease(node, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, asked),
            ("resource.k8s.io", "resourceslices") => resource_slices(node, asked, related),
            _ => return by_rules(asked),
        }
    } else {
        return by_rules(asked);
    };
    match decided {
        Ok(()) => Opinion::Allow,
        Err(why) => Opinion::None(why),
    }
}

type Decided = Result<(), String>;

fn by_rules(asked: &Attributes<'_>) -> Opinion {
    if RULES.iter().any(|rule| rule.allows(asked)) { Opinion::Allow } else { Opinion::None(String::new()) }
}

fn refuse(why: impl Into<String>) -> Decided {
    Err(why.into())
}

fn related_to(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    if asked.name.is_empty() {
        return refuse("No Object name found");
    }
    if related() {
        return Ok(());
    }
    refuse(format!("no relationship found between node '{node}' and this object"))
}

fn read_namespaced(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    if !matches!(asked.verb, "get" | "list" | "watch") {
        return refuse("can only read resources of this type");
    }
    if !asked.subresource.is_empty() {
        return refuse("cannot read subresource");
    }
    if asked.namespace.is_empty() {
        return refuse("can only read namespaced object of this type");
    }
    related_to(node, asked, related)
}

fn get(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    if asked.verb != "get" {
        return refuse("can only get individual resources of this type");
    }
    if !asked.subresource.is_empty() {
        return refuse("cannot get subresource");
    }
    related_to(node, asked, related)
}

fn status_update(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    if !matches!(asked.verb, "get" | "update" | "patch") {
        return refuse("can only get/update/patch this type");
    }
    related_to(node, asked, related)
}

fn service_account(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    match (asked.subresource, asked.verb) {
        ("token", "create") | ("", "get") => related_to(node, asked, related),
        ("token", _) => refuse("can only create tokens for individual service accounts"),
        ("", _) => refuse("can only get individual resources of this type"),
        _ => refuse("can only create token subresource of service account"),
    }
}

fn own_node(node: &str, asked: &Attributes<'_>) -> Decided {
    match (asked.subresource, asked.verb) {
        // Which nodes it may write is up to the admission plug-in NodeRestriction.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") if asked.name == node => Ok(()),
        ("", "get" | "list" | "watch") if asked.name.is_empty() => {
            refuse(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch") => {
            refuse(format!("node '{node}' cannot read '{}', only its own Node object", asked.name))
        }
        _ => refuse(""),
    }
}

fn pods(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    match (asked.subresource, asked.verb) {
        ("", "get") => related_to(node, asked, related),
        ("", "list" | "watch") if asked.selected_node == node => Ok(()),
        ("", "list" | "watch") => refuse("can only list/watch pods with spec.nodeName field selector"),
        ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
        _ => refuse(""),
    }
}

fn lease(node: &str, asked: &Attributes<'_>) -> Decided {
    if !matches!(asked.verb, "get" | "create" | "update" | "patch" | "delete") {
        return refuse("can only get, create, update, patch, or delete a node lease");
    }
    if asked.namespace != LEASE_NAMESPACE {
        return refuse(format!("can only access leases in the {LEASE_NAMESPACE:?} system namespace"));
    }
    // A new lease has its name in the body; admission looks at that.
    if asked.verb != "create" && asked.name != node {
        return refuse("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

fn csi_node(node: &str, asked: &Attributes<'_>) -> Decided {
    if !asked.subresource.is_empty() {
        return refuse("cannot authorize CSINode subresources");
    }
    if !matches!(asked.verb, "get" | "create" | "update" | "patch" | "delete") {
        return refuse("can only get, create, update, patch, or delete a CSINode");
    }
    if asked.verb != "create" && asked.name != node {
        return refuse("can only access CSINode with the same name as the requesting node");
    }
    Ok(())
}

fn resource_slices(node: &str, asked: &Attributes<'_>, related: impl Fn() -> bool) -> Decided {
    if !asked.subresource.is_empty() {
        return refuse("cannot authorize ResourceSlice subresources");
    }
    match asked.verb {
        "create" => Ok(()),
        "get" | "update" | "patch" | "delete" => related_to(node, asked, related),
        "list" | "watch" | "deletecollection" if asked.selected_node == node => Ok(()),
        "list" | "watch" | "deletecollection" => {
            refuse("can only list/watch/deletecollection resourceslices with nodeName field selector")
        }
        _ => refuse(
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
        ),
    }
}

#[cfg(test)]
mod tests;
