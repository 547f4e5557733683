//! Fields of pods that can be selected by.

use crate::kind::Selectable;
use crate::kinds::core::pod::status;
use crate::tree::{Map, Node};

const fn field(name: &'static str, value: fn(&Map) -> ecow::EcoString) -> Selectable {
    Selectable { name, value, indexed: false }
}

/// Kubelets watch by node: an index, so that they are not woken for the pods of others.
pub(super) const FIELDS: &[Selectable] = &[
    Selectable { name: "spec.nodeName", value: |it| it.str_at(&["spec", "nodeName"]).into(), indexed: true },
    field("spec.host", |it| it.str_at(&["spec", "nodeName"]).into()),
    field("spec.restartPolicy", |it| it.str_at(&["spec", "restartPolicy"]).into()),
    field("spec.schedulerName", |it| it.str_at(&["spec", "schedulerName"]).into()),
    field("spec.serviceAccountName", |it| it.str_at(&["spec", "serviceAccountName"]).into()),
    field("spec.hostNetwork", |it| {
        if it.at(&["spec", "hostNetwork"]) == Some(&Node::Bool(true)) { "true" } else { "false" }.into()
    }),
    field("status.phase", |it| it.str_at(&["status", "phase"]).into()),
    field("status.podIP", |it| status::first_ip(it).into()),
    field("status.podIPs", |it| status::first_ip(it).into()),
    field("status.nominatedNodeName", |it| it.str_at(&["status", "nominatedNodeName"]).into()),
];
