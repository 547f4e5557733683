//! MutatingWebhookConfiguration: webhooks that may change objects as they are written. Keeps: they can be called.

use super::webhooks;
use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    )],
    categories: &["api-extensions"],
    columns: &[kind::NAME, webhooks::WEBHOOKS, kind::AGE],
    generation: Generation::When(|new, old| new.get("webhooks") != old.get("webhooks")),
    unconditional_update: false,
    set_defaults: webhooks::set_mutating_defaults,
    validate: webhooks::validate,
    ..Kind::DEFAULT
};
