//! CustomResourceDefinition: a kind that a user defines. Keeps: its name is `<plural>.<group>`; exactly one version
//! is stored, and a version that was stored once stays listed. What it defines is served by `crate::custom`.

use std::collections::BTreeSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Version, column, wide};
use crate::kinds::core::rules;
use crate::kinds::webhook_client;
use crate::names::dns;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

mod approval;
mod conversion;
mod defined_names;
mod schema;
mod versions;

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
        validate_accepted_names(definition, errors);
    })],
    columns: &[
        kind::NAME,
        column("Scope", "string", |it, _| it.str_at(&["spec", "scope"]).into()),
        column("Versions", "string", |it, _| served_versions(it).into()),
        column("Created At", "date", |it, _| it.str_at(&["metadata", "creationTimestamp"]).into()),
        wide("Group", "string", |it, _| it.str_at(&["spec", "group"]).into()),
        wide("Kind", "string", |it, _| it.str_at(&["spec", "names", "kind"]).into()),
        wide("ShortNames", "string", |it, _| short_names(it).into()),
        wide("Established", "boolean", |it, _| is_established(it).into()),
    ],
    plain_finalizers: true,
    generation: Generation::Spec,
    unconditional_update: false,
    begin_deletion,
    set_defaults,
    prepare_for_create,
    prepare_for_update: |definition, _, _| add_stored_version(definition),
    validate,
    validate_update,
    validate_request: |_, definition, old, errors| {
        if old.is_none() {
            validate_name(definition, errors);
        }
    },
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn served_versions(definition: &Map) -> String {
    let served = versions(definition).filter(|version| version.bool("served") == Some(true));
    let mut texts: Vec<String> = served
        .map(|version| {
            let stored = if version.bool("storage") == Some(true) { "(storage)" } else { "" };
            format!("{}{stored}", version.str("name"))
        })
        .collect();
    texts.sort_unstable();
    texts.join(",")
}

fn short_names(definition: &Map) -> String {
    let names = definition.map_at(&["spec", "names"]);
    names.into_iter().flat_map(|names| names.texts("shortNames")).collect::<Vec<_>>().join(",")
}

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
    match spec.existing_map_mut("conversion") {
        Some(conversion) => conversion::set_defaults(conversion),
        None => spec.set("conversion", Map::from([("strategy", "None")])),
    }
    if definition.map("status").is_none_or(|status| status.list("storedVersions").is_empty()) {
        add_stored_version(definition);
    }
}

fn prepare_for_create(definition: &mut Map, context: &Context<'_>) {
    kind::clear_status(definition, context);
    add_stored_version(definition);
}

/// The objects go before their definition.
const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

fn begin_deletion(definition: &mut Map) {
    let metadata = definition.metadata_mut();
    let now = metadata.str("deletionTimestamp").to_owned();
    let finalizers = metadata.list_mut("finalizers");
    if !finalizers.iter().any(|finalizer| finalizer.as_str() == Some(CLEANUP_FINALIZER)) {
        finalizers.push(CLEANUP_FINALIZER.into());
    }
    let condition = Map::from([
        ("type", Node::from("Terminating")),
        ("status", "True".into()),
        ("lastTransitionTime", now.into()),
        ("reason", "InstanceDeletionPending".into()),
        (
            "message",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon".into(),
        ),
    ]);
    let conditions = definition.map_mut("status").list_mut("conditions");
    conditions.retain(|condition| {
        condition.as_map().is_none_or(|condition| condition.str("type") != "Terminating")
    });
    conditions.push(condition.into());
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

/// A name made from a prefix is judged as well; a missing one is told elsewhere.
fn validate_name(definition: &Map, errors: &mut FieldErrors) {
    let (name, group) = (definition.name(), definition.str_at(&["spec", "group"]));
    let plural = definition.str_at(&["spec", "names", "plural"]);
    if !name.is_empty() && name != format!("{plural}.{group}") {
        let metadata = Path::new("metadata");
        errors.invalid(&metadata.child("name"), name, "must be spec.names.plural+\".\"+spec.group");
    }
}

fn validate(definition: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = definition.map("spec").unwrap_or(&empty);
    let group = spec.str("group");
    validate_group(group, errors);
    rules::require_choice_in_order(spec, "scope", &["Cluster", "Namespaced"], &SPEC, errors);
    let (versions, shared) = versions::split(spec);
    let preserves = spec.bool("preserveUnknownFields") == Some(true);
    if preserves && schema::has_defaults(&versions, &shared) {
        let detail = "must be false in order to use defaults in the schema";
        errors.invalid(&SPEC.child("preserveUnknownFields"), true, detail);
    }
    versions::validate(&versions, &shared, errors);
    defined_names::validate_defined(spec.map("names").unwrap_or(&empty), errors);
    versions::validate_shared(&versions, &shared, errors);
    let conversion = spec.map("conversion").unwrap_or(&empty);
    if preserves && conversion.str("strategy") != "None" {
        let path = SPEC.child("conversion");
        let detail = "must be None if spec.preserveUnknownFields is true";
        errors.invalid(&path.child("strategy"), conversion.str("strategy"), detail);
    }
    conversion::validate(conversion, &SPEC.child("conversion"), errors);
    validate_accepted_names(definition, errors);
    validate_stored_versions(definition, errors);
    approval::validate(definition, group, errors);
    if preserves {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&SPEC.child("preserveUnknownFields"), true, detail);
    }
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

fn validate_accepted_names(definition: &Map, errors: &mut FieldErrors) {
    if let Some(accepted) = definition.map_at(&["status", "acceptedNames"]) {
        let status = Path::new("status");
        defined_names::validate(accepted, &status.child("acceptedNames"), errors);
    }
}

/// What the name is made of never changes; once served, neither do the kind and where its objects live.
fn validate_update(definition: &Map, old: &Map, errors: &mut FieldErrors) {
    let names = SPEC.child("names");
    let mut keep = |path: &Path<'_>, keys: &[&str]| {
        errors.immutable(path, definition.at(keys), old.at(keys));
    };
    if is_established(old) {
        keep(&SPEC.child("scope"), &["spec", "scope"]);
        keep(&names.child("kind"), &["spec", "names", "kind"]);
    }
    keep(&SPEC.child("group"), &["spec", "group"]);
    keep(&names.child("plural"), &["spec", "names", "plural"]);
    let client =
        |definition: &Map| definition.map_at(&["spec", "conversion", "webhook", "clientConfig"]).cloned();
    if is_established(old)
        && client(old).is_none_or(|client| webhook_client::has_readable_bundle(&client))
        && let Some(client) = client(definition)
    {
        let conversion = SPEC.child("conversion");
        webhook_client::validate_bundle(&client, &conversion.child("webhookClientConfig"), errors);
    }
}

fn is_established(definition: &Map) -> bool {
    let conditions = definition.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    conditions
        .filter(|condition| condition.str("type") == "Established")
        .any(|condition| condition.str("status") == "True")
}

/// What the schemas ask for and do not get. What an update finds already there is not told again.
fn warnings(definition: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let told = |definition: &Map| {
        let (versions, shared) = versions::split(definition.map("spec").unwrap_or(&Map::new()));
        schema::warnings(&versions, &shared)
    };
    let before: BTreeSet<String> = old.map(told).unwrap_or_default().into_iter().collect();
    warnings.extend(told(definition).into_iter().filter(|warning| !before.contains(warning)));
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
mod tests;
