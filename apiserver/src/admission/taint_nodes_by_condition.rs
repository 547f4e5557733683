//! TaintNodesByCondition: a new node takes no pods until it has reported that it is ready.

use super::{Attributes, Plugin};
use crate::status::Error;
use crate::tree::{Map, Node};

pub(super) struct TaintNodesByCondition;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, node: &mut Map) -> Result<(), Error> {
        if !attributes.creates("nodes") {
            return Ok(());
        }
        let spec = node.map_mut("spec");
        let tainted = spec
            .maps("taints")
            .any(|taint| taint.str("key") == NOT_READY && taint.str("effect") == "NoSchedule");
        if !tainted {
            let taint = Map::from([("key", NOT_READY), ("effect", "NoSchedule")]);
            spec.list_mut("taints").push(Node::Map(taint));
        }
        Ok(())
    }
}
