//! Fields of pods that can be selected by.

use crate::kind::{FieldValue, Selectable};
use crate::kinds::core::pod::status;
use crate::tree::Node;

const fn field(name: &'static str, value: FieldValue) -> Selectable {
    Selectable { name, value, indexed: false }
}

/// Kubelets watch by node: an index, so that they are not woken for the pods of others.
pub(super) const FIELDS: &[Selectable] = &[
    Selectable { name: "spec.nodeName", value: FieldValue::At(&["spec", "nodeName"]), indexed: true },
    field("spec.host", FieldValue::At(&["spec", "nodeName"])),
    field("spec.restartPolicy", FieldValue::At(&["spec", "restartPolicy"])),
    field("spec.schedulerName", FieldValue::At(&["spec", "schedulerName"])),
    field("spec.serviceAccountName", FieldValue::At(&["spec", "serviceAccountName"])),
    field(
        "spec.hostNetwork",
        FieldValue::Of(|it| {
            if it.at(&["spec", "hostNetwork"]) == Some(&Node::Bool(true)) { "true" } else { "false" }.into()
        }),
    ),
    field("status.phase", FieldValue::At(&["status", "phase"])),
    field("status.podIP", FieldValue::Of(|it| status::first_ip(it).into())),
    field("status.podIPs", FieldValue::Of(|it| status::first_ip(it).into())),
    field("status.nominatedNodeName", FieldValue::At(&["status", "nominatedNodeName"])),
];
