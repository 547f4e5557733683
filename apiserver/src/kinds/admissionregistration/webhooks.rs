//! Webhooks of both configuration kinds. Keeps: a webhook has a name of its own, a place to call, and side effects
//! that a dry run can rely on.

use crate::field::{FieldErrors, Path};
use crate::kind::{Column, column};
use crate::kinds::selector;
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
        if let Some(service) = webhook.map_mut("clientConfig").existing_map_mut("service") {
            service.set_default("port", 443i64);
        }
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
    let mut seen = Vec::new();
    for (i, webhook) in configuration.maps("webhooks").enumerate() {
        let path = path.index(i);
        validate_webhook(webhook, &path, errors);
        let name = webhook.str("name");
        if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
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
    validate_review_versions(webhook, &path.child("admissionReviewVersions"), errors);
    validate_client(webhook, &path.child("clientConfig"), errors);
    validate_match_conditions(webhook, &path.child("matchConditions"), errors);
}

fn validate_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    names::report(errors, path, name, dns::subdomain(name));
    if dns::is_subdomain(name) && name.split('.').count() < 3 {
        errors.invalid(path, name, "should be a domain with at least three segments separated by dots");
    }
}

fn validate_review_versions(webhook: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let versions: Vec<&str> =
        webhook.list("admissionReviewVersions").iter().filter_map(Node::as_str).collect();
    if versions.is_empty() {
        errors.required(path, "must specify one of v1, v1beta1");
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        if versions[..i].contains(version) {
            errors.invalid(&path.index(i), *version, "duplicate version");
        } else {
            names::report(errors, &path.index(i), version, dns::label_1035(version));
        }
    }
    if !versions.iter().any(|version| matches!(*version, "v1" | "v1beta1")) {
        errors.invalid(
            path,
            versions.into_iter().collect::<Node>(),
            "must include at least one of v1, v1beta1",
        );
    }
}

fn validate_client(webhook: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = Map::new();
    let client = webhook.map("clientConfig").unwrap_or(&empty);
    match (client.get("url").and_then(Node::as_str), client.map("service")) {
        (None, None) | (Some(_), Some(_)) => {
            errors.required(path, "exactly one of url or service is required")
        }
        (Some(url), None) => validate_url(url, &path.child("url"), errors),
        (None, Some(service)) => {
            let path = path.child("service");
            let required =
                [("name", "service name is required"), ("namespace", "service namespace is required")];
            for (field, detail) in required {
                if service.str(field).is_empty() {
                    errors.required(&path.child(field), detail);
                }
            }
            let port = service.int("port").unwrap_or(0);
            let faults = names::port_number(port);
            if !faults.is_empty() {
                errors.invalid(
                    &path.child("port"),
                    port,
                    format!("port is not valid: {}", faults.join(", ")),
                );
            }
        }
    }
}

fn validate_url(url: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = url.split_once("://") else {
        errors.required(path, format!("url must be a valid URL{FORM}"));
        return;
    };
    if scheme != "https" {
        errors.invalid(path, scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.is_empty() {
        errors.invalid(path, authority, format!("host must be specified{FORM}"));
    }
    if authority.contains('@') {
        errors.invalid(path, authority, "user information is not permitted in the URL");
    }
    if rest.contains('#') {
        errors.invalid(path, rest, "fragments are not permitted in the URL");
    }
    if rest.contains('?') {
        errors.invalid(path, rest, "query parameters are not permitted in the URL");
    }
}

/// Match conditions of a webhook or policy: named once each, with an expression.
pub(super) fn validate_match_conditions(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let count = owner.list("matchConditions").len();
    if count > MATCH_CONDITIONS_MAX {
        errors.too_many(path, count, MATCH_CONDITIONS_MAX);
    }
    let mut seen = Vec::new();
    for (i, condition) in owner.maps("matchConditions").enumerate() {
        let path = path.index(i);
        let name = condition.str("name");
        if condition.str("expression").trim().is_empty() {
            errors.required(&path.child("expression"), "");
        }
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        } else {
            names::report(errors, &path.child("name"), name, names::label::key(name));
        }
        seen.push(name);
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
