//! ValidatingWebhookConfiguration: webhooks that may refuse objects. Keeps: they can be called.

use super::webhooks;
use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    )],
    categories: &["api-extensions"],
    columns: &[kind::NAME, webhooks::WEBHOOKS, kind::AGE],
    generation: Generation::When(|new, old| new.get("webhooks") != old.get("webhooks")),
    unconditional_update: false,
    set_defaults: webhooks::set_defaults,
    validate: webhooks::validate,
    ..Kind::DEFAULT
};
