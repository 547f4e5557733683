//! NamespaceLifecycle: objects live in namespaces that exist and stay.
//!
//! Keeps: the namespace is compared in the same transaction, so nothing is created in one that began to
//! terminate meanwhile; the namespaces of the system are never deleted.

use std::sync::LazyLock;

use super::{Attributes, Operation, Plugin, builtin};
use crate::facts::FactsView;
use crate::registry::Resource;
use crate::status::{Error, StatusCause};
use crate::tree::Map;

pub(super) struct NamespaceLifecycle;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

static NAMESPACES: LazyLock<&Resource> = LazyLock::new(|| builtin("", "namespaces"));

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, object: &mut Map) -> Result<(), Error> {
        if attributes.namespace.is_empty() || !attributes.resource.namespaced() {
            return Ok(());
        }
        let namespace = attributes.namespace;
        let Some(entry) = attributes.view.entry(&NAMESPACES, "", namespace) else {
            return Err(Error::not_found("namespaces", namespace));
        };
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        if !FactsView::new(entry.facts()).deleting() {
            attributes.companions.unchanged(entry);
            return Ok(());
        }
        let cause =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = attributes.forbidden(Some(object), cause);
        if let Error::Forbidden { causes, .. } = &mut error {
            causes.push(StatusCause {
                reason: "NamespaceTerminating".to_owned(),
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".to_owned(),
            });
        }
        Err(error)
    }

    fn validate(&self, attributes: &mut Attributes<'_>, _: Option<&Map>) -> Result<(), Error> {
        let deletes = attributes.operation == Operation::Delete && attributes.is_for("namespaces", "");
        if deletes && IMMORTAL.contains(&attributes.name) {
            return Err(attributes.forbidden(None, "this namespace may not be deleted"));
        }
        Ok(())
    }
}
