//! ServiceAccount: who pods are. Keeps: references to secrets hold their names alone.

use crate::kind::{self, Action, BodyKind, Context, Kind, Names, Scope, Subresource, Version};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short: &["sa"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.ServiceAccount")],
    subresources: &[Subresource {
        name: "token",
        verbs: &["create"],
        body: Some(BodyKind {
            group: "authentication.k8s.io",
            version: "v1",
            kind: "TokenRequest",
            schema: "io.k8s.api.authentication.v1.TokenRequest",
        }),
        action: Action::Special,
    }],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    prepare_for_create: |it, _| clean_references(it),
    prepare_for_update: |it, _, _: &Context<'_>| clean_references(it),
    warnings,
    ..Kind::DEFAULT
};

fn clean_references(account: &mut Map) {
    for secret in account.existing_list_mut("secrets").into_iter().flatten().filter_map(Node::as_map_mut) {
        if secret.keys().any(|key| key.as_str() != "name") {
            secret.retain(|key, _| key.as_str() == "name");
        }
    }
}

const ENFORCE_ANNOTATION: &str = "kubernetes.io/enforce-mountable-secrets";

fn warnings(account: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let had = old.is_some_and(|old| old.annotation(ENFORCE_ANNOTATION).is_some());
    if !had && account.annotation(ENFORCE_ANNOTATION).is_some() {
        warnings.push(format!(
            "metadata.annotations[{ENFORCE_ANNOTATION}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        ));
    }
}
