//! DefaultIngressClass: an ingress that names no class gets the default one, if it is the only one.

use std::sync::LazyLock;

use super::{Attributes, Plugin, builtin, mentions};
use crate::registry::Resource;
use crate::status::Error;
use crate::storage;
use crate::tree::Map;

pub(super) struct DefaultIngressClass;

const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

static INGRESS_CLASSES: LazyLock<&Resource> =
    LazyLock::new(|| builtin("networking.k8s.io", "ingressclasses"));

impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, ingress: &mut Map) -> Result<(), Error> {
        if !attributes.creates("ingresses.networking.k8s.io") {
            return Ok(());
        }
        if ingress.at(&["spec", "ingressClassName"]).is_some()
            || ingress.annotation(CLASS_ANNOTATION).is_some()
        {
            return Ok(());
        }
        let defaults: Vec<Map> = attributes
            .view
            .entries(&INGRESS_CLASSES, "")
            .filter(|entry| mentions(entry, "is-default-class\":\"true\""))
            .map(|entry| storage::decode(&INGRESS_CLASSES, entry))
            .filter(|class| class.annotation(IS_DEFAULT) == Some("true"))
            .collect();
        match defaults.as_slice() {
            [] => Ok(()),
            [class] => {
                ingress.map_mut("spec").set("ingressClassName", class.name());
                Ok(())
            }
            several => {
                let count = several.len();
                let error = format!("{count} default IngressClasses were found, only 1 allowed");
                Err(attributes.forbidden(Some(ingress), error))
            }
        }
    }
}
