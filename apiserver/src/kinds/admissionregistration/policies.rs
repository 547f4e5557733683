//! What policies and their bindings have in common: what they match, their parameters, their variables.
//!
//! Keeps: expressions are there; they are not compiled here.

use super::{rules, webhooks};
use crate::field::{FieldErrors, Path};
use crate::kind::{Column, column};
use crate::kinds::selector;
use crate::names;
use crate::tree::{Map, Node};

/// `v1/ConfigMap`, the kind of a policy's parameters.
pub(super) const PARAM_KIND: Column =
    column("ParamKind", "string", |it, _| match it.map_at(&["spec", "paramKind"]) {
        Some(kind) => format!("{}/{}", kind.str("apiVersion"), kind.str("kind")).into(),
        None => "<unset>".into(),
    });

/// The policy of a binding.
pub(super) const POLICY_NAME: Column =
    column("PolicyName", "string", |it, _| it.str_at(&["spec", "policyName"]).into());

/// The parameters of a binding: a name, or a selector.
pub(super) const PARAM_REF: Column = column("ParamRef", "string", param_ref);

const PATH: Path<'static> = Path::new("spec");

fn param_ref(binding: &Map, _: i64) -> Node {
    let Some(reference) = binding.map_at(&["spec", "paramRef"]) else { return "<unset>".into() };
    let name = match reference.map("selector") {
        Some(chosen) => selector::text(Some(chosen)),
        None => reference.str("name").to_owned(),
    };
    match reference.str("namespace") {
        "" => name.into(),
        namespace => format!("{namespace}/{name}").into(),
    }
}

/// Defaults of a policy's spec.
pub(super) fn set_policy_defaults(policy: &mut Map) {
    let spec = policy.map_mut("spec");
    spec.set_default("failurePolicy", "Fail");
    if let Some(constraints) = spec.existing_map_mut("matchConstraints") {
        set_match_defaults(constraints);
    }
}

/// Defaults of a binding's spec.
pub(super) fn set_binding_defaults(binding: &mut Map) {
    if let Some(resources) = binding.map_mut("spec").existing_map_mut("matchResources") {
        set_match_defaults(resources);
    }
}

fn set_match_defaults(resources: &mut Map) {
    resources.set_default("matchPolicy", "Equivalent");
    resources.set_default("namespaceSelector", Map::new());
    resources.set_default("objectSelector", Map::new());
    for list in ["resourceRules", "excludeResourceRules"] {
        rules::set_defaults(resources, list);
    }
}

/// Reports what is wrong with a policy beyond its validations or mutations.
pub(super) fn validate_policy(spec: &Map, errors: &mut FieldErrors) {
    let policy = spec.str("failurePolicy");
    if !matches!(policy, "" | "Fail" | "Ignore") {
        errors.not_supported(&PATH.child("failurePolicy"), policy, &["Fail", "Ignore"]);
    }
    if let Some(kind) = spec.map("paramKind") {
        let path = PATH.child("paramKind");
        for field in ["apiVersion", "kind"] {
            if kind.str(field).is_empty() {
                errors.required(&path.child(field), "");
            }
        }
    }
    let path = PATH.child("matchConstraints");
    match spec.map("matchConstraints") {
        Some(constraints) => {
            validate_match(constraints, &path, errors);
            if constraints.list("resourceRules").is_empty() {
                errors.required(&path.child("resourceRules"), "");
            }
        }
        None => errors.required(&path, ""),
    }
    webhooks::validate_match_conditions(spec, &PATH.child("matchConditions"), errors);
    let path = PATH.child("variables");
    let mut seen = Vec::new();
    for (i, variable) in spec.maps("variables").enumerate() {
        let path = path.index(i);
        let name = variable.str("name");
        if name.is_empty() {
            errors.required(&path.child("name"), "name is not specified");
        } else {
            names::report(errors, &path.child("name"), name, names::text::c_identifier(name));
        }
        if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
        if variable.str("expression").trim().is_empty() {
            errors.required(&path.child("expression"), "expression is not specified");
        }
    }
}

fn validate_match(resources: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let policy = resources.str("matchPolicy");
    if !matches!(policy, "" | "Equivalent" | "Exact") {
        errors.not_supported(&path.child("matchPolicy"), policy, &["Equivalent", "Exact"]);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        selector::validate(resources.map(field), &path.child(field), errors);
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        rules::validate(resources, list, path, errors);
    }
}

/// Reports what is wrong with a binding.
pub(super) fn validate_binding(binding: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = binding.map("spec").unwrap_or(&empty);
    if spec.str("policyName").is_empty() {
        errors.required(&PATH.child("policyName"), "");
    }
    if let Some(resources) = spec.map("matchResources") {
        validate_match(resources, &PATH.child("matchResources"), errors);
    }
    let Some(reference) = spec.map("paramRef") else { return };
    let path = PATH.child("paramRef");
    let named = !reference.str("name").is_empty();
    if named && reference.contains("selector") {
        errors.forbidden(&path.child("name"), "name and selector are mutually exclusive");
    } else if !named && !reference.contains("selector") {
        errors.required(&path, "one of name or selector must be specified");
    }
    selector::validate(reference.map("selector"), &path.child("selector"), errors);
    let action = reference.str("parameterNotFoundAction");
    let path = path.child("parameterNotFoundAction");
    match action {
        "Allow" | "Deny" => {}
        "" => errors.required(&path, ""),
        _ => errors.not_supported(&path, action, &["Allow", "Deny"]),
    }
}
