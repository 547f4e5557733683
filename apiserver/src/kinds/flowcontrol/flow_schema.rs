//! FlowSchema: which requests belong together. Keeps: it names a priority level, and who and what it matches.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
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
            errors.not_supported(&path.child("type"), kind, &["ByNamespace", "ByUser"]);
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
    let required = |list: &str, fields: &[(&str, &str)], errors: &mut FieldErrors| {
        let path = path.child(list);
        for (i, rule) in rule.maps(list).enumerate() {
            for (field, detail) in fields {
                if rule.list(field).is_empty() {
                    errors.required(&path.index(i).child(field), detail);
                }
            }
        }
    };
    let verbs = ("verbs", "verbs must contain at least one value");
    let resource_fields = [
        verbs,
        ("apiGroups", "resource rules must supply at least one api group"),
        ("resources", "resource rules must supply at least one resource"),
    ];
    required("resourceRules", &resource_fields, errors);
    required(
        "nonResourceRules",
        &[verbs, ("nonResourceURLs", "nonResourceURLs must contain at least one value")],
        errors,
    );
    let path = path.child("resourceRules");
    for (i, resources) in rule.maps("resourceRules").enumerate() {
        if resources.list("namespaces").is_empty() && resources.bool("clusterScope") != Some(true) {
            let detail = "resource rules that are not cluster scoped must supply at least one namespace";
            errors.required(&path.index(i).child("namespaces"), detail);
        }
    }
}

fn validate_subject(subject: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let field = match subject.str("kind") {
        "User" => "user",
        "Group" => "group",
        "ServiceAccount" => "serviceAccount",
        kind => return errors.not_supported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]),
    };
    let path = path.child(field);
    let Some(named) = subject.map(field) else {
        return errors
            .required(&path, format!("{field} is required when subject kind is '{}'", subject.str("kind")));
    };
    if named.str("name").is_empty() {
        errors.required(&path.child("name"), "");
    }
    if field == "serviceAccount" && named.str("namespace").is_empty() {
        errors.required(&path.child("namespace"), "must specify namespace for service account");
    }
}
