//! Conditions of a pod. Keeps: one per type; the transition time moves only when the status does.

use crate::tree::{Map, Node};

/// A condition to set; empty texts are left out.
pub(super) struct Condition {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

/// Sets a condition in a pod's status.
pub(super) fn set(status: &mut Map, condition: &Condition, now: &str) {
    let is_same_type = |node: &Node| node.as_map().is_some_and(|it| it.str("type") == condition.kind);
    let list = status.list_mut("conditions");
    let before = list.iter().position(is_same_type);
    let mut node = Map::from([("type", condition.kind), ("status", condition.status)]);
    for (field, text) in [("reason", condition.reason), ("message", condition.message)] {
        if !text.is_empty() {
            node.set(field, text);
        }
    }
    let old = before.and_then(|at| list[at].as_map()).filter(|old| old.str("status") == condition.status);
    let time = old.and_then(|old| old.get("lastTransitionTime").cloned()).unwrap_or_else(|| now.into());
    node.set("lastTransitionTime", time);
    match before {
        Some(at) => list.make_mut()[at] = node.into(),
        None => list.push(node.into()),
    }
}
