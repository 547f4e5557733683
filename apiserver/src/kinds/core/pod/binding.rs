//! Binding a pod to a node. Keeps: a pod gets its node once, and only when nothing holds it back.

use super::conditions::{self, Condition};
use crate::field::{FieldErrors, Path};
use crate::kind::Context;
use crate::kinds::core::rules;
use crate::status::Error;
use crate::tree::Map;

/// Assigns `pod` to the node that `binding` names.
pub(super) fn bind(pod: &mut Map, binding: &Map, context: &Context<'_>) -> Result<(), Error> {
    if binding.name() != pod.name() && !binding.name().is_empty() {
        return Err(Error::BadRequest("name in URL does not match name in Binding object".to_owned()));
    }
    let errors = validate(binding);
    if !errors.is_empty() {
        // Upstream answers these without a reason.
        return Err(Error::Plain(errors.to_string()));
    }
    check_preconditions(pod, binding)?;
    check_state(pod).map_err(|cause| Error::Conflict {
        resource: "pods/binding".to_owned(),
        name: pod.name().to_owned(),
        cause,
    })?;
    let node = binding.str_at(&["target", "name"]).to_owned();
    pod.map_mut("spec").set("nodeName", node);
    for field in ["annotations", "labels"] {
        if let Some(added) = binding.map_at(&["metadata", field]).filter(|added| !added.is_empty()) {
            let target = pod.metadata_mut().map_mut(field);
            for (key, value) in added.iter() {
                target.set(key.clone(), value.clone());
            }
        }
    }
    let status = pod.map_mut("status");
    status.remove("nominatedNodeName");
    let condition = Condition { kind: "PodScheduled", status: "True", reason: "", message: "" };
    conditions::set(status, &condition, context.now);
    Ok(())
}

fn validate(binding: &Map) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::new("target");
    let (kind, name) = (binding.str_at(&["target", "kind"]), binding.str_at(&["target", "name"]));
    if !matches!(kind, "" | "Node") {
        errors.not_supported_in_order(&path.child("kind"), kind, &["Node", "<empty>"]);
    }
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if matches!(kind, "" | "Node") {
        rules::dns_subdomain(name, &path.child("name"), &mut errors);
    }
    errors
}

fn check_preconditions(pod: &Map, binding: &Map) -> Result<(), Error> {
    for (field, words) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let stated = binding.str_at(&["metadata", field]);
        let current = pod.str_at(&["metadata", field]);
        if !stated.is_empty() && !current.is_empty() && stated != current {
            return Err(Error::Conflict {
                resource: "pods".to_owned(),
                name: pod.name().to_owned(),
                cause: format!(
                    "Precondition failed: {words} in precondition: {stated}, {words} in object meta: {current}"
                ),
            });
        }
    }
    Ok(())
}

fn check_state(pod: &Map) -> Result<(), String> {
    let name = pod.name();
    if !pod.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = pod.str_at(&["spec", "nodeName"]);
    if !node.is_empty() {
        return Err(format!("pod {name} is already assigned to node {node:?}"));
    }
    if pod.map("spec").is_some_and(|spec| !spec.list("schedulingGates").is_empty()) {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}
