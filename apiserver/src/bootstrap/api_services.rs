//! APIServices of the groups that this server answers itself.

use serde_json::json;

use super::{Plan, builtin, tree};
use crate::registry::Registry;

/// Priorities of groups, highest first, as discovery lists them.
const GROUPS: [(&str, i64); 22] = [
    ("", 18_000),
    ("apiregistration.k8s.io", 17_900),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("resource.k8s.io", 16_150),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("storagemigration.k8s.io", 15_900),
];

/// Priority of groups that the list does not name.
const OTHER_GROUP: i64 = 15_000;

pub(super) fn plan(plan: &mut Plan<'_>) {
    let services = builtin("apiregistration.k8s.io", "apiservices");
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for resource in Registry::builtin().iter() {
        let (group, version) = (resource.version.group, resource.version.version);
        // The aggregator does not list its own group.
        if seen.contains(&(group, version)) || group == "apiregistration.k8s.io" {
            continue;
        }
        seen.push((group, version));
        let priority =
            GROUPS.iter().find(|(name, _)| *name == group).map_or(OTHER_GROUP, |(_, priority)| *priority);
        let mut spec = json!({
            "version": version,
            "groupPriorityMinimum": priority,
            "versionPriority": version_priority(group, version),
        });
        if !group.is_empty() {
            spec["group"] = json!(group);
        }
        let service = json!({
            "metadata": {
                "name": format!("{version}.{group}"),
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

fn version_priority(group: &str, version: &str) -> i64 {
    match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        _ => 15,
    }
}
