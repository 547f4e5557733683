//! FlowSchema: which requests belong together. Keeps: it names a priority level, and who and what it matches.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules::{dns_label, dns_subdomain, require_text};
use crate::kinds::workload;
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "flowcontrol.apiserver.k8s.io",
        kind: "FlowSchema",
        plural: "flowschemas",
        singular: "flowschema",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "io.k8s.api.flowcontrol.v1.FlowSchema",
    )],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("PriorityLevel", "string", |it, _| {
            it.str_at(&["spec", "priorityLevelConfiguration", "name"]).into()
        }),
        column("MatchingPrecedence", "string", |it, _| {
            workload::number_cell(it, &["spec", "matchingPrecedence"])
        }),
        column("DistinguisherMethod", "string", |it, _| {
            it.at(&["spec", "distinguisherMethod", "type"]).cloned().unwrap_or("<none>".into())
        }),
        kind::AGE,
        column("MissingPL", "string", missing_level),
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const PRECEDENCE_DEFAULT: i64 = 1_000;
const PRECEDENCE_MAX: i64 = 10_000;
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

fn missing_level(schema: &Map, _: i64) -> Node {
    let conditions = schema.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    let mut dangling = conditions.filter(|condition| condition.str("type") == "Dangling");
    dangling.next().map_or("?", |condition| condition.str("status")).into()
}

fn set_defaults(schema: &mut Map) {
    let spec = schema.map_mut("spec");
    if spec.int("matchingPrecedence").unwrap_or(0) == 0 {
        spec.set("matchingPrecedence", PRECEDENCE_DEFAULT);
    }
}

fn validate(schema: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = schema.map("spec").unwrap_or(&empty);
    let precedence = spec.int("matchingPrecedence").unwrap_or(0);
    let path = SPEC.child("matchingPrecedence");
    if precedence <= 0 {
        errors.invalid(&path, precedence, "must be a positive value");
    } else if precedence > PRECEDENCE_MAX {
        errors.invalid(&path, precedence, format!("must not be greater than {PRECEDENCE_MAX}"));
    } else if precedence == 1 && schema.name() != "exempt" {
        errors.invalid(&path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if let Some(method) = spec.map("distinguisherMethod") {
        let kind = method.str("type");
        if !matches!(kind, "ByNamespace" | "ByUser") {
            let path = SPEC.child("distinguisherMethod");
            // Upstream prints the method as a whole.
            errors.not_supported(&path.child("type"), method.clone(), &["ByNamespace", "ByUser"]);
        }
    }
    let level = spec.str_at(&["priorityLevelConfiguration", "name"]);
    let reference = SPEC.child("priorityLevelConfiguration");
    if level.is_empty() {
        errors.required(&reference.child("name"), "must reference a priority level");
    } else {
        names::report(errors, &reference.child("name"), level, dns::subdomain(level));
    }
    let path = SPEC.child("rules");
    for (i, rule) in spec.maps("rules").enumerate() {
        validate_rule(rule, &path.index(i), errors);
    }
}

fn validate_rule(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let subjects = path.child("subjects");
    if rule.list("subjects").is_empty() {
        errors.required(&subjects, "subjects must contain at least one value");
    }
    for (i, subject) in rule.maps("subjects").enumerate() {
        validate_subject(subject, &subjects.index(i), errors);
    }
    if rule.list("resourceRules").is_empty() && rule.list("nonResourceRules").is_empty() {
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    let resources = path.child("resourceRules");
    for (i, resource) in rule.maps("resourceRules").enumerate() {
        validate_resources(resource, &resources.index(i), errors);
    }
    let urls = path.child("nonResourceRules");
    for (i, url) in rule.maps("nonResourceRules").enumerate() {
        let path = urls.index(i);
        validate_verbs(url, &path, errors);
        let missing = "nonResourceURLs must contain at least one value";
        if !validate_values(url, "nonResourceURLs", missing, "non-resource URLs", &path, errors) {
            let path = path.child("nonResourceURLs");
            for (j, url) in url.texts("nonResourceURLs").enumerate() {
                validate_url(url, &path.index(j), errors);
            }
        }
    }
}

fn validate_resources(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_verbs(rule, path, errors);
    let missing = "resource rules must supply at least one api group";
    validate_values(rule, "apiGroups", missing, "api groups", path, errors);
    let missing = "resource rules must supply at least one resource";
    validate_values(rule, "resources", missing, "resources", path, errors);
    if rule.list("namespaces").is_empty() && rule.bool("clusterScope") == Some(true) {
        return;
    }
    let missing = "resource rules that are not cluster scoped must supply at least one namespace";
    if validate_values(rule, "namespaces", missing, "namespaces", path, errors) {
        return;
    }
    let path = path.child("namespaces");
    for (i, namespace) in rule.texts("namespaces").enumerate() {
        for fault in dns::label(namespace) {
            let detail = format!("each member of this list must be '*' or a DNS-1123 label; {fault}");
            errors.invalid(&path.index(i), namespace, detail);
        }
    }
}

fn validate_verbs(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let missing = "verbs must contain at least one value";
    if !validate_values(rule, "verbs", missing, "verbs", path, errors)
        && rule.texts("verbs").any(|verb| !VERBS.contains(&verb))
    {
        let verbs: Node = rule.texts("verbs").collect();
        errors.not_supported(&path.child("verbs"), verbs, &VERBS);
    }
}

/// Reports an empty list, and a `*` that does not stand alone; answers whether there is one.
fn validate_values(
    rule: &Map,
    field: &str,
    missing: &str,
    noun: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> bool {
    let values: Vec<&str> = rule.texts(field).collect();
    let is_any = values.contains(&"*");
    if values.is_empty() {
        errors.required(&path.child(field), missing);
    } else if is_any && values.len() > 1 {
        let value: Node = values.into_iter().collect();
        errors.invalid(
            &path.child(field),
            value,
            format!("if '*' is present, must not specify other {noun}"),
        );
    }
    is_any
}

fn validate_url(url: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let wildcards = url.matches('*').count();
    let detail = if url.is_empty() {
        "must not be empty"
    } else if !url.starts_with('/') {
        "must start with slash"
    } else if url.contains(' ') {
        "must not contain white-space"
    } else if url.contains("//") {
        "must not contain double slash"
    } else if wildcards > 1 || wildcards == 1 && !url.ends_with("/*") {
        "wildcard can only do suffix matching"
    } else {
        return;
    };
    errors.invalid(path, url, detail);
}

fn validate_subject(subject: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let kinds = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let Some((kind, field)) = kinds.into_iter().find(|(kind, _)| *kind == subject.str("kind")) else {
        let supported = ["Group", "ServiceAccount", "User"];
        return errors.not_supported(&path.child("kind"), subject.str("kind"), &supported);
    };
    match subject.map(field) {
        Some(named) => validate_named(named, field, &path.child(field), errors),
        None => {
            errors.required(&path.child(field), format!("{field} is required when subject kind is '{kind}'"))
        }
    }
    for (kind, other) in kinds.into_iter().filter(|(_, other)| *other != field && subject.contains(other)) {
        errors
            .forbidden(&path.child(other), format!("{other} is forbidden when subject kind is not '{kind}'"));
    }
}

fn validate_named(named: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, namespace) = (named.str("name"), named.str("namespace"));
    let has_name = require_text(named, "name", path, errors);
    if field != "serviceAccount" {
        return;
    }
    if has_name && name != "*" {
        dns_subdomain(name, &path.child("name"), errors);
    }
    if namespace.is_empty() {
        errors.required(&path.child("namespace"), "must specify namespace for service account");
    } else {
        dns_label(namespace, &path.child("namespace"), errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn check(rule: &str, expected: &[&str]) {
        let text = format!(
            r#"{{"spec":{{"matchingPrecedence":5,"priorityLevelConfiguration":{{"name":"p"}},"rules":[{rule}]}}}}"#
        );
        let node = json::decode_untyped(text.as_bytes()).expect("JSON");
        let mut errors = FieldErrors::new();
        validate(node.as_map().expect("an object"), &mut errors);
        let found: Vec<String> =
            errors.iter().map(|error| error.to_string().replace("spec.rules[0].", "")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_rule_matches_verbs_that_there_are() {
        let rule = |verbs: &str, urls: &str| {
            format!(
                r#"{{"subjects":[{{"kind":"User","user":{{"name":"*"}}}}],
                    "nonResourceRules":[{{"verbs":[{verbs}],"nonResourceURLs":[{urls}]}}]}}"#
            )
        };
        check(&rule(r#""get""#, r#""/healthz","/x/*""#), &[]);
        check(
            &rule(r#""*","get""#, r#""x""#),
            &[
                "nonResourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, must not specify other verbs",
                "nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"x\": must start with slash",
            ],
        );
    }

    #[test]
    fn a_subject_is_of_one_kind() {
        check(
            r#"{"subjects":[{"kind":"ServiceAccount","serviceAccount":{"name":"*","namespace":"A"},"user":{"name":"u"}}],
                "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}]}"#,
            &[
                "subjects[0].serviceAccount.namespace: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                "subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
            ],
        );
    }
}
