//! CustomResourceLifecycle: objects of kinds that users define are made only while their definition stays.
//!
//! Keeps: the definition is compared in the same transaction, so no object is created behind the back of who deletes the
//! definition's objects.

use std::sync::LazyLock;

use super::{Attributes, Operation, Plugin, builtin};
use crate::facts::FactsView;
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::Map;

pub(super) struct CustomResourceLifecycle;

static DEFINITIONS: LazyLock<&Resource> =
    LazyLock::new(|| builtin("apiextensions.k8s.io", "customresourcedefinitions"));

impl Plugin for CustomResourceLifecycle {
    fn name(&self) -> &'static str {
        "CustomResourceLifecycle"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, object: &mut Map) -> Result<(), Error> {
        if attributes.resource.custom.is_none() || attributes.operation != Operation::Create {
            return Ok(());
        }
        let Some(entry) = attributes.view.entry(&DEFINITIONS, "", &attributes.resource.group_resource) else {
            return Err(Error::NoPath);
        };
        if FactsView::new(entry.facts()).deleting() {
            let cause = "create not allowed while custom resource definition is terminating";
            return Err(attributes.forbidden(Some(object), cause));
        }
        attributes.companions.unchanged(entry);
        Ok(())
    }
}
