//! Namespace: a room for names. Keeps: finalizers of the spec change only through `finalize`, so contents are gone
//! before the namespace is; the label with its own name is always there.

use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Action, Context, FieldValue, Kind, NameRule, Names, Scope, Selectable, Subresource, Version, View,
    column,
};
use crate::metadata;
use crate::names;
use crate::tree::{List, Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short: &["ns"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Namespace")],
    verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
    subresources: &[
        Subresource {
            name: "finalize",
            verbs: &["update"],
            body: None,
            action: Action::View(View { prepare: keep_status, validate: validate_finalizers }),
        },
        kind::status(kind::keep_all_but_status, validate_status),
    ],
    columns: &[
        kind::NAME,
        column("Status", "string", |it, _| it.str_at(&["status", "phase"]).into()),
        kind::AGE,
    ],
    selectable: &[Selectable {
        name: "status.phase",
        value: FieldValue::At(&["status", "phase"]),
        indexed: false,
    }],
    name_rule: NameRule::DnsLabel,
    delete_returns_object: true,
    begin_deletion: |it| it.map_mut("status").set("phase", "Terminating"),
    set_defaults,
    prepare_for_create,
    prepare_for_update,
    validate: |it, errors| validate_finalizers(it, it, errors),
    ..Kind::DEFAULT
};

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

fn set_defaults(namespace: &mut Map) {
    set_name_label(namespace);
    namespace.map_mut("status").set_default("phase", "Active");
}

fn set_name_label(namespace: &mut Map) {
    let name: ecow::EcoString = namespace.name().into();
    if !name.is_empty() && namespace.label(NAME_LABEL) != Some(&name) {
        namespace.metadata_mut().map_mut("labels").set(NAME_LABEL, name);
    }
}

fn prepare_for_create(namespace: &mut Map, _: &Context<'_>) {
    // A generated name is known only now.
    set_name_label(namespace);
    namespace.set("status", Map::from([("phase", "Active")]));
    let finalizers = namespace.map_mut("spec").list_mut("finalizers");
    if !finalizers.iter().any(|finalizer| finalizer.as_str() == Some(FINALIZER)) {
        finalizers.push(FINALIZER.into());
    }
}

fn prepare_for_update(namespace: &mut Map, old: &Map, _: &Context<'_>) {
    match old.map("spec").map(|spec| spec.list("finalizers")) {
        Some(finalizers) if !finalizers.is_empty() => {
            namespace.map_mut("spec").set("finalizers", finalizers.iter().cloned().collect::<List>());
        }
        _ => {
            namespace.map_mut("spec").remove("finalizers");
        }
    }
}

fn keep_status(namespace: &mut Map, old: &Map, _: &Context<'_>) {
    match old.get("status") {
        Some(status) => namespace.set("status", status.clone()),
        None => {
            namespace.remove("status");
        }
    }
}

fn validate_finalizers(namespace: &Map, _: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("finalizers");
    let finalizers = namespace.map("spec").map_or(&[][..], |spec| spec.list("finalizers"));
    for finalizer in finalizers.iter().filter_map(Node::as_str) {
        names::report(errors, &path, finalizer, names::label::key(finalizer));
        metadata::validate_finalizer_domain(finalizer, &path, errors);
    }
}

fn validate_status(namespace: &Map, _: &Map, errors: &mut FieldErrors) {
    let phase = namespace.str_at(&["status", "phase"]);
    let deleting = !namespace.str_at(&["metadata", "deletionTimestamp"]).is_empty();
    let status = Path::new("status");
    // In upper case, as upstream reports it.
    let path = status.child("Phase");
    if !deleting && phase != "Active" {
        errors.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
    }
    if deleting && phase != "Terminating" {
        errors.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::User;

    #[test]
    fn create_makes_an_active_namespace_that_waits_for_its_contents() {
        let user = User::default();
        let context = Context { now: "2026-01-01T00:00:00Z", user: &user };
        let mut namespace = Map::from([("metadata", Map::from([("name", "a")]))]);
        namespace.set("status", Map::from([("phase", "Terminating")]));
        prepare_for_create(&mut namespace, &context);
        assert_eq!(
            namespace.to_string(),
            r#"{"metadata":{"name":"a","labels":{"kubernetes.io/metadata.name":"a"}},"status":{"phase":"Active"},"spec":{"finalizers":["kubernetes"]}}"#
        );
        let mut update = namespace.clone();
        update.map_mut("spec").remove("finalizers");
        prepare_for_update(&mut update, &namespace, &context);
        assert_eq!(update, namespace);
    }
}
