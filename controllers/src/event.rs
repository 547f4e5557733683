//! Events: what controllers tell people about objects.

use ecow::EcoString;

use crate::api::{Meta, Resource};

/// Something worth telling about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub regarding: Regarding,
    /// Nothing is wrong, or something is.
    pub severity: Severity,
    /// One word for programs: `OwnerRefInvalidNamespace`.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Regarding {
    /// `v1`
    pub api_version: EcoString,
    /// `Pod`
    pub kind: EcoString,
    /// Empty at cluster scope; the event lies in `default` then.
    pub namespace: EcoString,
    /// The name.
    pub name: EcoString,
    /// The uid.
    pub uid: EcoString,
}

/// Upstream's type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Severity {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        }
    }
}

impl Event {
    /// All is well.
    pub fn normal(regarding: Regarding, reason: &'static str, message: impl Into<String>) -> Event {
        Event { regarding, severity: Severity::Normal, reason, message: message.into() }
    }

    /// Somebody should look.
    pub fn warning(regarding: Regarding, reason: &'static str, message: impl Into<String>) -> Event {
        Event { regarding, severity: Severity::Warning, reason, message: message.into() }
    }
}

impl Regarding {
    /// An object of a view.
    pub fn object(resource: &Resource, meta: &Meta) -> Regarding {
        Regarding {
            api_version: resource.api_version().into(),
            kind: resource.kind.as_ref().into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
        }
    }
}
