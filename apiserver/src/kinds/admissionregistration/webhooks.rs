//! Webhooks of both configuration kinds. Keeps: a webhook has a name of its own, a place to call, and side effects
//! that a dry run can rely on.

use std::collections::HashSet;

use crate::cel;
use crate::cel::check::{self, Type};
use crate::field::{FieldErrors, Path};
use crate::kind::{Column, column};
use crate::kinds::{selector, webhook_client};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

use super::rules;

/// How many webhooks there are.
pub(super) const WEBHOOKS: Column =
    column("Webhooks", "integer", |it, _| Node::Int(it.list("webhooks").len() as i64));

const TIMEOUT_SECONDS: i64 = 10;
const TIMEOUT_SECONDS_MAX: i64 = 30;
const MATCH_CONDITIONS_MAX: usize = 64;

/// Fills in what absent fields of each webhook mean.
pub(super) fn set_defaults(configuration: &mut Map) {
    for webhook in
        configuration.existing_list_mut("webhooks").into_iter().flatten().filter_map(Node::as_map_mut)
    {
        webhook.set_default("failurePolicy", "Fail");
        webhook.set_default("matchPolicy", "Equivalent");
        webhook.set_default("namespaceSelector", Map::new());
        webhook.set_default("objectSelector", Map::new());
        webhook.set_default("timeoutSeconds", TIMEOUT_SECONDS);
        webhook_client::set_defaults(webhook.map_mut("clientConfig"));
        rules::set_defaults(webhook, "rules");
    }
}

/// As [`set_defaults`], for webhooks that change objects.
pub(super) fn set_mutating_defaults(configuration: &mut Map) {
    set_defaults(configuration);
    for webhook in
        configuration.existing_list_mut("webhooks").into_iter().flatten().filter_map(Node::as_map_mut)
    {
        webhook.set_default("reinvocationPolicy", "Never");
    }
}

/// Reports what is wrong with the webhooks.
pub(super) fn validate(configuration: &Map, errors: &mut FieldErrors) {
    let path = Path::new("webhooks");
    let mut seen = HashSet::new();
    for (i, webhook) in configuration.maps("webhooks").enumerate() {
        let path = path.index(i);
        validate_webhook(webhook, &path, errors);
        let name = webhook.str("name");
        if !seen.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
    }
}

fn validate_webhook(webhook: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_name(webhook.str("name"), &path.child("name"), errors);
    rules::validate(webhook, "rules", path, errors);
    for (field, supported) in [
        ("failurePolicy", &["Fail", "Ignore"][..]),
        ("matchPolicy", &["Equivalent", "Exact"]),
        ("sideEffects", &["None", "NoneOnDryRun"]),
        ("reinvocationPolicy", &["IfNeeded", "Never"]),
    ] {
        let value = webhook.str(field);
        if webhook.contains(field) && !supported.contains(&value) {
            errors.not_supported(&path.child(field), value, supported);
        }
    }
    if !webhook.contains("sideEffects") {
        errors.required(&path.child("sideEffects"), "must specify one of None, NoneOnDryRun");
    }
    if let Some(seconds) = webhook.int("timeoutSeconds").filter(|it| !(1..=TIMEOUT_SECONDS_MAX).contains(it))
    {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&path.child("timeoutSeconds"), seconds, detail);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        selector::validate(webhook.map(field), &path.child(field), errors);
    }
    let empty = Map::new();
    let client = webhook.map("clientConfig").unwrap_or(&empty);
    webhook_client::validate(client, &path.child("clientConfig"), errors);
    validate_match_conditions(webhook, &path.child("matchConditions"), errors);
    webhook_client::validate_review_versions(
        webhook.list("admissionReviewVersions"),
        "must specify one of v1, v1beta1",
        &path.child("admissionReviewVersions"),
        errors,
    );
}

fn validate_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let faults = dns::subdomain(name);
    if !faults.is_empty() {
        errors.invalid(path, name, faults.join(","));
    } else if name.split('.').count() < 3 {
        errors.invalid(path, name, "should be a domain with at least three segments separated by dots");
    }
}

/// What expressions about a request may refer to.
pub(super) type Variables<'a> = Vec<(&'a str, Type<'a>)>;

/// What those of a webhook or of a policy's spec see.
pub(super) fn variables<'a>(owner: &Map) -> Variables<'a> {
    let fields = |fields: &[(&'a str, Type<'a>)]| Type::Fields(fields.into());
    let identity =
        |last: &'a str| fields(&[("group", Type::String), ("version", Type::String), (last, Type::String)]);
    let texts = || Type::List(Box::new(Type::String));
    let user = fields(&[
        ("username", Type::String),
        ("uid", Type::String),
        ("groups", texts()),
        ("extra", Type::Map(Box::new(Type::String), Box::new(texts()))),
    ]);
    let request = fields(&[
        ("kind", identity("kind")),
        ("resource", identity("resource")),
        ("subResource", Type::String),
        ("requestKind", identity("kind")),
        ("requestResource", identity("resource")),
        ("requestSubResource", Type::String),
        ("name", Type::String),
        ("namespace", Type::String),
        ("operation", Type::String),
        ("userInfo", user),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ]);
    let parts = ["metadata", "spec", "status"].map(|name| (name, Type::Dyn));
    let mut variables = vec![("request", request), ("namespaceObject", fields(&parts))];
    let unknown = ["object", "oldObject", "authorizer"];
    variables.extend(unknown.map(|name| (name, Type::Dyn)));
    if owner.contains("paramKind") {
        variables.push(("params", Type::Dyn));
    }
    variables
}

/// Reports an expression that cannot be evaluated here, since it would refuse every request that it is about, or that is of
/// none of the types that are `wanted`; none wants any. Answers its type.
pub(super) fn validate_expression<'a>(
    owner: &'a Map,
    field: &'static str,
    (variables, wanted): (&Variables<'a>, &[Type<'_>]),
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Type<'a> {
    let text = owner.str(field);
    let expression = text.trim();
    if expression.is_empty() {
        return Type::Dyn;
    }
    let checked = match cel::parse_error(expression) {
        Some(error) => Err(format!("compilation failed: {error}")),
        None => check::type_of(expression, variables).map_err(|error| format!("compilation failed: {error}")),
    };
    let checked = checked.and_then(|of| {
        if of == Type::Dyn || wanted.is_empty() || wanted.contains(&of) {
            return Ok(of);
        }
        let names: Vec<String> = wanted.iter().map(Type::to_string).collect();
        Err(match &names[..] {
            [one] => format!("must evaluate to {one}"),
            several => format!("must evaluate to one of [{}]", several.join(" ")),
        })
    });
    checked.unwrap_or_else(|why| {
        errors.invalid(&path.child(field), text, why);
        Type::Dyn
    })
}

/// Match conditions of a webhook or policy: named once each, with an expression.
pub(super) fn validate_match_conditions(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let count = owner.list("matchConditions").len();
    if count > MATCH_CONDITIONS_MAX {
        errors.too_many(path, count, MATCH_CONDITIONS_MAX);
    }
    let variables = variables(owner);
    let mut seen = HashSet::new();
    for (i, condition) in owner.maps("matchConditions").enumerate() {
        let path = path.index(i);
        let name = condition.str("name");
        if condition.str("expression").trim().is_empty() {
            errors.required(&path.child("expression"), "");
        }
        validate_expression(condition, "expression", (&variables, &[Type::Bool]), &path, errors);
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if seen.insert(name) {
            names::report(errors, &path.child("name"), name, names::label::key(name));
        } else {
            errors.duplicate(&path.child("name"), name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_named_reachable_and_without_side_effects() {
        let refusals = |webhook: Map| {
            let mut configuration = Map::from([("webhooks", [webhook].into_iter().collect::<Node>())]);
            set_defaults(&mut configuration);
            let mut errors = FieldErrors::new();
            validate(&configuration, &mut errors);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let good = Map::from([
            ("name", Node::from("a.b.c")),
            ("sideEffects", "None".into()),
            ("admissionReviewVersions", ["v1"].into_iter().collect()),
            ("clientConfig", Map::from([("url", "https://example.com/hook")]).into()),
        ]);
        assert_eq!(refusals(good.clone()), Vec::<String>::new());
        let mut bad = good;
        bad.set("name", "a.b");
        bad.set("sideEffects", "Some");
        bad.set("clientConfig", Map::new());
        assert_eq!(
            refusals(bad),
            [
                "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments separated by dots",
                "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
            ]
        );
    }
}
