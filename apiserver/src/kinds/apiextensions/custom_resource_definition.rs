//! CustomResourceDefinition: a kind that a user defines. Keeps: its name is `<plural>.<group>`; exactly one version
//! is stored, and a version that was stored once stays listed.
//!
//! For now the definition is an object like any other: what it defines is not served yet, so no condition says so.

use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Version};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short: &["crd", "crds"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "apiextensions.k8s.io",
        "v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    )],
    categories: &["api-extensions"],
    subresources: &[kind::status(kind::keep_all_but_status, |definition, _, errors| {
        validate_stored_versions(definition, errors);
    })],
    generation: Generation::Spec,
    unconditional_update: false,
    set_defaults,
    prepare_for_create,
    prepare_for_update: |definition, _, _| add_stored_version(definition),
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn versions(definition: &Map) -> impl Iterator<Item = &Map> {
    definition.map("spec").into_iter().flat_map(|spec| spec.maps("versions"))
}

fn set_defaults(definition: &mut Map) {
    let spec = definition.map_mut("spec");
    let names = spec.map_mut("names");
    let kind = names.str("kind").to_owned();
    if names.str("singular").is_empty() && !kind.is_empty() {
        names.set("singular", kind.to_lowercase());
    }
    if names.str("listKind").is_empty() && !kind.is_empty() {
        names.set("listKind", format!("{kind}List"));
    }
    let conversion = spec.map_mut("conversion");
    conversion.set_default("strategy", "None");
    if let Some(service) = conversion
        .existing_map_mut("webhook")
        .and_then(|webhook| webhook.existing_map_mut("clientConfig"))
        .and_then(|client| client.existing_map_mut("service"))
    {
        service.set_default("port", 443i64);
    }
    if definition.map("status").is_none_or(|status| status.list("storedVersions").is_empty()) {
        add_stored_version(definition);
    }
}

fn prepare_for_create(definition: &mut Map, context: &Context<'_>) {
    kind::clear_status(definition, context);
    add_stored_version(definition);
}

/// The version that is stored now belongs to those that have ever been stored.
fn add_stored_version(definition: &mut Map) {
    let stored = versions(definition).find(|version| version.bool("storage") == Some(true));
    let Some(name) = stored.map(|version| Node::from(version.str("name"))) else { return };
    let listed = definition.map_mut("status").list_mut("storedVersions");
    if !listed.contains(&name) {
        listed.push(name);
    }
}

fn validate(definition: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = definition.map("spec").unwrap_or(&empty);
    let group = spec.str("group");
    let plural = spec.str_at(&["names", "plural"]);
    if definition.name() != format!("{plural}.{group}") {
        errors.invalid(
            &Path::new("metadata").child("name"),
            definition.name(),
            "must be spec.names.plural+\".\"+spec.group",
        );
    }
    validate_group(group, errors);
    validate_approval(definition, group, errors);
    match spec.str("scope") {
        "Cluster" | "Namespaced" => {}
        "" => errors.required(&SPEC.child("scope"), ""),
        scope => errors.not_supported(&SPEC.child("scope"), scope, &["Cluster", "Namespaced"]),
    }
    if spec.bool("preserveUnknownFields") == Some(true) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&SPEC.child("preserveUnknownFields"), true, detail);
    }
    validate_versions(spec, errors);
    validate_names(spec.map("names").unwrap_or(&empty), errors);
    validate_conversion(spec, errors);
    validate_stored_versions(definition, errors);
}

fn validate_group(group: &str, errors: &mut FieldErrors) {
    let path = SPEC.child("group");
    let faults = dns::subdomain(group);
    if group.is_empty() {
        errors.required(&path, "");
    } else if !faults.is_empty() {
        errors.invalid(&path, group, faults.join(","));
    } else if !group.contains('.') {
        errors.invalid(&path, group, "should be a domain with at least one dot");
    }
}

/// Groups of the Kubernetes project need a word of who approved the kind there.
fn validate_approval(definition: &Map, group: &str, errors: &mut FieldErrors) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let protected = ["k8s.io", "kubernetes.io"];
    if !protected.iter().any(|domain| group == *domain || group.ends_with(&format!(".{domain}"))) {
        return;
    }
    let metadata = Path::new("metadata");
    let annotations = metadata.child("annotations");
    let path = annotations.key(ANNOTATION);
    let reason = format!("protected groups must have approval annotation {ANNOTATION:?}");
    match definition.annotation(ANNOTATION).unwrap_or("") {
        "" => errors.required(&path, format!("{reason}, {SEE}")),
        text if text.starts_with("unapproved") => {}
        text if text
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()) => {}
        text => errors.invalid(
            &path,
            text,
            format!("{reason} with either a URL or a reason starting with \"unapproved\", {SEE}"),
        ),
    }
}

fn validate_versions(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("versions");
    let mut seen = Vec::new();
    let mut stored = 0;
    for (i, version) in spec.maps("versions").enumerate() {
        let path = path.index(i);
        let name = version.str("name");
        let faults = dns::label_1035(name);
        if !faults.is_empty() {
            errors.invalid(&path.child("name"), name, faults.join(","));
        }
        if version.at(&["schema", "openAPIV3Schema"]).is_none() {
            errors.required(&path.child("schema").child("openAPIV3Schema"), "");
        } else {
            validate_schema(version, &path.child("schema"), errors);
        }
        if version.contains("deprecationWarning") && version.bool("deprecated") != Some(true) {
            let warning = version.str("deprecationWarning");
            errors.invalid(
                &path.child("deprecationWarning"),
                warning,
                "can only be set for deprecated versions",
            );
        }
        validate_printer_columns(version, &path.child("additionalPrinterColumns"), errors);
        stored += usize::from(version.bool("storage") == Some(true));
        if seen.contains(&name) {
            errors.add_without_value(
                Cause::Invalid,
                &SPEC.child("versions"),
                "must contain unique version names",
            );
        }
        seen.push(name);
    }
    if stored != 1 {
        let value = spec.get("versions").cloned().unwrap_or_default();
        errors.invalid(&path, value, "must have exactly one version marked as storage version");
    }
}

fn validate_schema(version: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("openAPIV3Schema");
    match version.str_at(&["schema", "openAPIV3Schema", "type"]) {
        "object" => {}
        "" => errors.required(&path.child("type"), "must not be empty at the root"),
        kind => errors.invalid(&path.child("type"), kind, "must be object at the root"),
    }
}

fn validate_printer_columns(version: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    for (i, column) in version.maps("additionalPrinterColumns").enumerate() {
        let path = path.index(i);
        if column.str("name").is_empty() {
            errors.required(&path.child("name"), "");
        }
        match column.str("type") {
            "" => errors.required(&path.child("type"), "must be one of boolean,date,integer,number,string"),
            kind if TYPES.contains(&kind) => {}
            kind => {
                errors.invalid(&path.child("type"), kind, "must be one of boolean,date,integer,number,string")
            }
        }
        match column.str("jsonPath") {
            "" => errors.required(&path.child("JSONPath"), ""),
            json_path if json_path.starts_with('.') => {}
            json_path => {
                errors.invalid(
                    &path.child("JSONPath"),
                    json_path,
                    "must be a simple json path starting with .",
                );
            }
        }
    }
}

fn validate_names(defined: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        let name = defined.str(field);
        let path = path.child(field);
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let (faults, introduction) = match field {
            "kind" | "listKind" => {
                (dns::label_1035(&name.to_lowercase()), "may have mixed case, but should otherwise match: ")
            }
            _ => (dns::label_1035(name), ""),
        };
        if !faults.is_empty() {
            errors.invalid(&path, name, format!("{introduction}{}", faults.join(",")));
        }
    }
    for list in ["shortNames", "categories"] {
        let path = path.child(list);
        for (i, name) in defined.list(list).iter().filter_map(Node::as_str).enumerate() {
            names::report(errors, &path.index(i), name, dns::label_1035(name));
        }
    }
    if !defined.str("kind").is_empty() && defined.str("kind") == defined.str("listKind") {
        let detail = "kind and listKind may not be the same";
        errors.invalid(&path.child("listKind"), defined.str("listKind"), detail);
    }
}

fn validate_conversion(spec: &Map, errors: &mut FieldErrors) {
    let Some(conversion) = spec.map("conversion") else { return };
    let path = SPEC.child("conversion");
    match (conversion.str("strategy"), conversion.map("webhook")) {
        ("None", Some(_)) => {
            errors.forbidden(&path.child("webhook"), "should not be set when strategy is not set to Webhook");
        }
        ("None", None) => {}
        ("Webhook", None) => {
            errors.required(&path.child("webhook"), "required when strategy is set to Webhook")
        }
        ("Webhook", Some(webhook)) => {
            if webhook.list("conversionReviewVersions").is_empty() {
                errors.required(&path.child("webhook").child("conversionReviewVersions"), "");
            }
        }
        ("", _) => errors.required(&path.child("strategy"), ""),
        (strategy, _) => errors.not_supported(&path.child("strategy"), strategy, &["None", "Webhook"]),
    }
}

fn validate_stored_versions(definition: &Map, errors: &mut FieldErrors) {
    let status = Path::new("status");
    let path = status.child("storedVersions");
    let stored: Vec<&str> = definition
        .map("status")
        .into_iter()
        .flat_map(|status| status.list("storedVersions"))
        .filter_map(Node::as_str)
        .collect();
    let whole = || stored.iter().copied().collect::<Node>();
    if stored.is_empty() {
        errors.invalid(&path, whole(), "must have at least one stored version");
        return;
    }
    for version in versions(definition).filter(|version| version.bool("storage") == Some(true)) {
        let name = version.str("name");
        if !stored.contains(&name) {
            errors.invalid(&path, whole(), format!("must have the storage version {name}"));
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if !versions(definition).any(|version| version.str("name") == *name) {
            errors.invalid(
                &path.index(i),
                *name,
                format!("missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(versions: &[(&str, bool)]) -> Map {
        let version = |(name, storage): &(&str, bool)| {
            let schema = Map::from([("openAPIV3Schema", Map::from([("type", "object")]))]);
            Map::from([
                ("name", Node::from(*name)),
                ("storage", (*storage).into()),
                ("schema", schema.into()),
            ])
        };
        let mut definition = Map::from([
            ("metadata", Map::from([("name", "things.example.com")])),
            (
                "spec",
                Map::from([
                    ("group", Node::from("example.com")),
                    ("scope", "Namespaced".into()),
                    ("names", Map::from([("plural", "things"), ("kind", "Thing")]).into()),
                    ("versions", versions.iter().map(version).collect()),
                ]),
            ),
        ]);
        set_defaults(&mut definition);
        definition
    }

    #[test]
    fn names_and_stored_versions_are_filled_in() {
        let definition = definition(&[("v1", true)]);
        assert_eq!(definition.str_at(&["spec", "names", "singular"]), "thing");
        assert_eq!(definition.str_at(&["spec", "names", "listKind"]), "ThingList");
        assert_eq!(definition.at(&["status", "storedVersions"]), Some(&["v1"].into_iter().collect()));
        let mut errors = FieldErrors::new();
        validate(&definition, &mut errors);
        assert!(errors.is_empty(), "{errors}");
    }

    #[test]
    fn a_version_that_was_stored_must_stay() {
        let mut moved = definition(&[("v2", true)]);
        moved.set("status", Map::from([("storedVersions", ["v1"].into_iter().collect::<Node>())]));
        add_stored_version(&mut moved);
        let mut errors = FieldErrors::new();
        validate(&moved, &mut errors);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["status.storedVersions[0]"]);
    }
}
