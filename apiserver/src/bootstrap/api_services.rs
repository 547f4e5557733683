//! APIServices of the groups that this server answers itself.

use serde_json::json;

use super::{Plan, builtin, tree};
use crate::discovery;

pub(super) fn plan(plan: &mut Plan<'_>) {
    let services = builtin("apiregistration.k8s.io", "apiservices");
    for served in discovery::api_services() {
        let mut spec = json!({
            "version": served.version,
            "groupPriorityMinimum": served.group_priority_minimum,
            "versionPriority": served.version_priority,
        });
        if !served.group.is_empty() {
            spec["group"] = json!(served.group);
        }
        let service = json!({
            "metadata": {
                "name": served.name,
                "generation": 1,
                "labels": { "kube-aggregator.kubernetes.io/automanaged": "onstart" },
            },
            "spec": spec,
            "status": { "conditions": [{
                "type": "Available",
                "status": "True",
                "lastTransitionTime": plan.now,
                "reason": "Local",
                "message": "Local APIServices are always available",
            }] },
        });
        plan.ensure(services, tree(services, &service));
    }
}
