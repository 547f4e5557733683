//! PodTopologyLabels: a pod that is bound to a node gets the labels that say where the node stands.

use std::sync::LazyLock;

use super::{Attributes, Plugin, builtin};
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::Map;

pub(super) struct PodTopologyLabels;

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

static NODES: LazyLock<&Resource> = LazyLock::new(|| builtin("", "nodes"));

impl Plugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    /// The object is the pod as bound, or the Binding itself: its labels are merged into the pod's.
    fn admit(&self, attributes: &mut Attributes<'_>, object: &mut Map) -> Result<(), Error> {
        if !attributes.is_for("pods", "binding") && !attributes.creates("bindings") {
            return Ok(());
        }
        let bound = object.str_at(&["spec", "nodeName"]);
        let name = if bound.is_empty() { object.str_at(&["target", "name"]) } else { bound };
        let Some(node) = attributes.view.object(&NODES, "", name) else { return Ok(()) };
        for key in LABELS {
            if let Some(value) = node.label(key) {
                object.metadata_mut().map_mut("labels").set(key, value);
            }
        }
        Ok(())
    }
}
