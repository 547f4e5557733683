//! RoleEscalation: who writes roles and bindings grants only what they have, unless they may `escalate` or `bind`.
//!
//! Upstream does this in the storage of the four kinds; the rules and the sentences are the same.

use super::{Attributes, Operation, Plugin};
use crate::authorization::rbac::{Binding, GROUP, rules_of};
use crate::authorization::{self, aggregation, escalation};
use crate::status::Error;
use crate::tree::Map;

pub(super) struct RoleEscalation;

impl Plugin for RoleEscalation {
    fn name(&self) -> &'static str {
        "RoleEscalation"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        let names = &attributes.resource.kind.names;
        let (Some(object), true, GROUP, "") = (object, writes, names.group, attributes.subresource) else {
            return Ok(());
        };
        if attributes.old.is_some_and(|old| only_releases(object, old)) {
            return Ok(());
        }
        match names.plural {
            "roles" | "clusterroles" => check_role(attributes, object),
            "rolebindings" | "clusterrolebindings" => check_binding(attributes, object),
            _ => Ok(()),
        }
    }
}

/// Removing finalizers or owners, as garbage collection does, grants nothing.
fn only_releases(object: &Map, old: &Map) -> bool {
    let bare = |map: &Map| {
        let mut map = map.clone();
        let metadata = map.metadata_mut();
        for key in ["finalizers", "ownerReferences", "managedFields", "resourceVersion"] {
            metadata.remove(key);
        }
        map
    };
    let released = |key: &str| {
        let count = |map: &Map| map.metadata().map_or(0, |metadata| metadata.list(key).len());
        count(object) < count(old)
    };
    (released("finalizers") || released("ownerReferences")) && bare(object) == bare(old)
}

fn check_role(attributes: &Attributes<'_>, role: &Map) -> Result<(), Error> {
    let Attributes { authorizer, view, user, namespace, .. } = *attributes;
    let escalate = authorization::Attributes::on("escalate", attributes.resource, namespace, attributes.name);
    if escalation::is_exempt(authorizer, view, user, &escalate) {
        return Ok(());
    }
    let refused =
        |cause: String| Error::forbidden(attributes.resource.group_resource.as_str(), role.name(), cause);
    // The rules of an aggregated role are not its writer's words; what they may become is checked instead.
    if aggregation::is_aggregated(role) || attributes.old.is_some_and(aggregation::is_aggregated) {
        return escalation::confirm_held(authorizer, view, user, namespace, &escalation::full_authority())
            .map_err(|_| {
                refused("must have cluster-admin privileges to use the aggregationRule".to_owned())
            });
    }
    escalation::confirm_held(authorizer, view, user, namespace, &rules_of(role)).map_err(refused)
}

fn check_binding(attributes: &Attributes<'_>, object: &Map) -> Result<(), Error> {
    let Attributes { authorizer, view, user, namespace, .. } = *attributes;
    let binding = Binding::from_map(object);
    let kinds = authorizer.kinds();
    let role = if binding.role_is_cluster { &kinds.cluster_roles } else { &kinds.roles };
    let bind = authorization::Attributes::on("bind", role, namespace, &binding.role);
    if escalation::is_exempt(authorizer, view, user, &bind) {
        return Ok(());
    }
    let Some(rules) = kinds.referenced_rules(view, &binding) else {
        return Err(Error::not_found(role.group_resource.as_str(), binding.role.as_str()));
    };
    escalation::confirm_held(authorizer, view, user, namespace, &rules)
        .map_err(|cause| Error::forbidden(attributes.resource.group_resource.as_str(), object.name(), cause))
}
