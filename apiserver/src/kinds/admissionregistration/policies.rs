//! What policies and their bindings have in common: what they match, their parameters, their variables.
//!
//! Keeps: expressions are there and can be evaluated, as far as that can be told without knowing the objects.

use super::webhooks::Variables;
use super::{rules, webhooks};
use crate::cel::check::{self, Type};
use crate::field::{FieldErrors, Path};
use crate::kind::{Column, column};
use crate::kinds::core::rules::{choice, dns_subdomain, require_choice, require_text};
use crate::kinds::selector;
use crate::names::{self, dns};
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

/// What policies that change objects may be asked about; there is nothing to change in what is deleted.
const MUTATING_OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];

/// Reports operations of `spec.<field>.resourceRules` at which nothing can be changed.
pub(super) fn validate_mutating_operations(spec: &Map, field: &str, errors: &mut FieldErrors) {
    let path = PATH.child(field);
    let path = path.child("resourceRules");
    for rule in spec.map(field).into_iter().flat_map(|resources| resources.maps("resourceRules")) {
        for operation in rule.texts("operations").filter(|it| !MUTATING_OPERATIONS.contains(it)) {
            errors.not_supported(&path.child("operations"), operation, &MUTATING_OPERATIONS);
        }
    }
}

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

/// Reports what is wrong with a policy beyond its validations or mutations. Answers what expressions of these may refer to.
pub(super) fn validate_policy<'a>(spec: &'a Map, errors: &mut FieldErrors) -> Variables<'a> {
    choice(spec, "failurePolicy", &["Fail", "Ignore"], &PATH, errors);
    if let Some(kind) = spec.map("paramKind") {
        validate_param_kind(kind, &PATH.child("paramKind"), errors);
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
    let mut variables = webhooks::variables(spec);
    // Each may use those before it.
    let mut named: Vec<(&str, Type<'_>)> = Vec::new();
    for (i, variable) in spec.maps("variables").enumerate() {
        let path = path.index(i);
        let name = variable.str("name");
        if name.trim().is_empty() {
            errors.required(&path.child("name"), "name is not specified");
        } else if !names::text::c_identifier(name).is_empty() || names::text::CEL_RESERVED.contains(&name) {
            errors.invalid(&path.child("name"), name, "must be a valid CEL identifier");
        }
        if variable.str("expression").trim().is_empty() {
            errors.required(&path.child("expression"), "expression is not specified");
        }
        let mut seen = variables.clone();
        seen.push(("variables", Type::Fields(named.as_slice().into())));
        let of = webhooks::validate_expression(variable, "expression", (&seen, &[]), &path, errors);
        named.push((name, check::named(of)));
    }
    variables.push(("variables", Type::Fields(named.into())));
    variables
}

fn validate_param_kind(kind: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let api_version = kind.str("apiVersion");
    if require_text(kind, "apiVersion", path, errors) {
        validate_api_version(api_version, &path.child("apiVersion"), errors);
    }
    if require_text(kind, "kind", path, errors) {
        let name = kind.str("kind");
        let faults = dns::label_1035(&name.to_lowercase());
        if !faults.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
            errors.invalid(&path.child("kind"), name, detail);
        }
    }
}

fn validate_api_version(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    if version.contains('/') {
        return errors.invalid(path, text, format!("unexpected GroupVersion string: {text}"));
    }
    if version.is_empty() {
        errors.invalid(path, text, "version must be specified");
    }
    for (part, faults) in [(group, dns::subdomain(group)), (version, dns::label_1035(version))] {
        if !part.is_empty() && !faults.is_empty() {
            errors.invalid(path, part, faults.join(","));
        }
    }
}

fn validate_match(resources: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    choice(resources, "matchPolicy", &["Equivalent", "Exact"], path, errors);
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
    if require_text(spec, "policyName", &PATH, errors) {
        dns_subdomain(spec.str("policyName"), &PATH.child("policyName"), errors);
    }
    if let Some(reference) = spec.map("paramRef") {
        validate_param_ref(reference, &PATH.child("paramRef"), errors);
    }
    if let Some(resources) = spec.map("matchResources") {
        validate_match(resources, &PATH.child("matchResources"), errors);
    }
}

fn validate_param_ref(reference: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let (name, chosen) = (reference.str("name"), reference.map("selector"));
    names::report(errors, &path.child("name"), name, names::path_segment(name, false));
    if !name.is_empty() && chosen.is_some() {
        errors.forbidden(&path.child("name"), EXCLUSIVE);
    }
    selector::validate(chosen, &path.child("selector"), errors);
    match (name.is_empty(), chosen) {
        (false, Some(_)) => errors.forbidden(&path.child("selector"), EXCLUSIVE),
        (true, None) => errors.required(path, "one of name or selector must be specified"),
        _ => {}
    }
    require_choice(reference, "parameterNotFoundAction", &["Allow", "Deny"], path, errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn check(judge: fn(&Map, &mut FieldErrors), text: &str, expected: &[&str]) {
        let node = json::decode_untyped(text.as_bytes()).expect("JSON");
        let mut errors = FieldErrors::new();
        judge(node.as_map().expect("an object"), &mut errors);
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn parameters_have_a_kind_and_variables_a_name_that_can_be_said() {
        check(
            |spec, errors| drop(validate_policy(spec, errors)),
            r#"{"paramKind":{"apiVersion":"a/b/c","kind":"X_y"},"variables":[{"name":"in","expression":"1"}],
                "matchConstraints":{"resourceRules":[{"operations":["*"],"apiGroups":["a"],"apiVersions":["v1"],
                "resources":["*"]}]}}"#,
            &[
                "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
                "spec.paramKind.kind: Invalid value: \"X_y\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
                "spec.variables[0].name: Invalid value: \"in\": must be a valid CEL identifier",
            ],
        );
    }

    #[test]
    fn parameters_are_named_or_selected() {
        check(
            validate_binding,
            r#"{"spec":{"policyName":"p","paramRef":{"name":"a/b","selector":{},"parameterNotFoundAction":"Deny"}}}"#,
            &[
                "spec.paramRef.name: Invalid value: \"a/b\": may not contain '/'",
                "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
                "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            ],
        );
    }

    #[test]
    fn nothing_is_changed_in_what_is_deleted() {
        check(
            |spec, errors| validate_mutating_operations(spec, "matchConstraints", errors),
            r#"{"matchConstraints":{"resourceRules":[{"operations":["DELETE"]}]}}"#,
            &[
                "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"UPDATE\"",
            ],
        );
    }
}
