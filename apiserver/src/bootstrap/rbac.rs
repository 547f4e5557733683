//! Default roles and bindings, created and kept complete.
//!
//! Keeps: at each start missing rules, subjects, labels and annotations of the default policy are added back;
//! nothing is taken away, and an object annotated `autoupdate: "false"` is left alone.

use super::{Plan, add_missing, builtin};
use crate::authorization::aggregation;
use crate::authorization::rbac::{GROUP, rules_of};
use crate::authorization::rule::{Rule, compact, missing};
use crate::registry::Resource;
use crate::storage::{self, Entry};
use crate::tree::{List, Map, Node};

mod policy;
mod rules;

use policy::{BINDINGS, Binding, CLUSTER_ROLES, CONTROLLERS, ROLES, Role, cluster_role};

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";
const DEFAULTS: &str = "rbac-defaults";

pub(super) fn plan(plan: &mut Plan<'_>) {
    cluster_roles(plan);
    let roles = builtin(GROUP, "roles");
    for role in ROLES {
        let wanted = role_tree(role, role.name);
        match stored(plan, roles, role.namespace, role.name) {
            None => plan.create(roles, wanted),
            Some((entry, mut present)) => {
                if complete_role(&mut present, &wanted) {
                    plan.companions.update(roles, &entry, &present);
                }
            }
        }
    }
    let (in_cluster, in_namespace) = (builtin(GROUP, "clusterrolebindings"), builtin(GROUP, "rolebindings"));
    for binding in BINDINGS {
        let resource = if binding.namespace.is_empty() { in_cluster } else { in_namespace };
        bind(plan, resource, &binding_tree(binding));
    }
    let controllers = CONTROLLERS.iter().map(|role| role.name);
    let further: Vec<&str> = plan.cluster.controllers.iter().map(|controller| controller.name).collect();
    for controller in controllers.chain(further) {
        let name = format!("system:controller:{controller}");
        let subject = format!("ServiceAccount kube-system/{controller}");
        bind(plan, in_cluster, &bound("", &name, &name, &[&subject]));
    }
}

/// The rules of `system:node` as they are compiled in.
pub(super) fn node_rules() -> Vec<Rule> {
    let role = CLUSTER_ROLES.iter().find(|role| role.name == "system:node");
    role.into_iter().flat_map(|role| role.rules).map(|rule| rules::parse(rule)).collect()
}

fn stored(
    plan: &Plan<'_>,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Option<(std::sync::Arc<Entry>, Map)> {
    let entry = plan.view.entry(resource, namespace, name)?;
    Some((entry.clone(), storage::decode(resource, entry)))
}

/// All ClusterRoles are looked at together, because some are unions of others.
fn cluster_roles(plan: &mut Plan<'_>) {
    let resource = builtin(GROUP, "clusterroles");
    let (mut entries, mut roles): (Vec<_>, Vec<Map>) = plan
        .view
        .entries(resource, "")
        .map(|entry| (Some(entry.clone()), storage::decode(resource, entry)))
        .unzip();
    let before = roles.clone();
    let further =
        plan.cluster.controllers.iter().map(|controller| cluster_role(controller.name, controller.rules));
    let controllers = CONTROLLERS.iter().copied().chain(further);
    let controllers = controllers.map(|role| (role, format!("system:controller:{}", role.name)));
    let named = CLUSTER_ROLES.iter().map(|role| (*role, role.name.to_owned()));
    for (role, name) in named.chain(controllers) {
        let wanted = role_tree(&role, &name);
        match roles.iter_mut().find(|present| present.name() == name) {
            Some(present) => {
                complete_role(present, &wanted);
            }
            None => {
                entries.push(None);
                roles.push(wanted);
            }
        }
    }
    aggregation::aggregate(&mut roles);
    for (at, role) in roles.into_iter().enumerate() {
        match &entries[at] {
            None => plan.create(resource, role),
            Some(entry) if role != before[at] => plan.companions.update(resource, entry, &role),
            Some(_) => {}
        }
    }
}

fn metadata(namespace: &str, name: &str, part_of: &str) -> Map {
    let mut labels = Map::from([(BOOTSTRAPPING, DEFAULTS)]);
    if !part_of.is_empty() {
        labels.set(ecow::eco_format!("rbac.authorization.k8s.io/aggregate-to-{part_of}"), "true");
    }
    let mut metadata = Map::from([("name", name)]);
    if !namespace.is_empty() {
        metadata.set("namespace", namespace);
    }
    metadata.set("labels", labels);
    metadata.set("annotations", Map::from([(AUTOUPDATE, "true")]));
    metadata
}

fn role_tree(role: &Role, name: &str) -> Map {
    let mut tree = Map::from([("metadata", metadata(role.namespace, name, role.part_of))]);
    if role.aggregates.is_empty() {
        let rules: List = role.rules.iter().map(|rule| Node::Map(rules::parse(rule).to_map())).collect();
        tree.set("rules", rules);
    } else {
        let label = ecow::eco_format!("rbac.authorization.k8s.io/aggregate-to-{}", role.aggregates);
        let labels: Map = [(label, "true")].into_iter().collect();
        let selectors: List = [Node::Map(Map::from([("matchLabels", labels)]))].into_iter().collect();
        tree.set("aggregationRule", Map::from([("clusterRoleSelectors", selectors)]));
    }
    tree
}

fn binding_tree(binding: &Binding) -> Map {
    bound(binding.namespace, binding.name, binding.role, binding.subjects)
}

fn bound(namespace: &str, name: &str, role: &str, subjects: &[&str]) -> Map {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    let role = Map::from([("apiGroup", GROUP), ("kind", kind), ("name", role)]);
    let mut tree = Map::from([("metadata", metadata(namespace, name, "")), ("roleRef", role)]);
    if !subjects.is_empty() {
        tree.set(
            "subjects",
            subjects.iter().map(|subject| Node::Map(subject_tree(subject))).collect::<List>(),
        );
    }
    tree
}

fn subject_tree(subject: &str) -> Map {
    let (kind, name) = subject.split_once(' ').unwrap_or((subject, ""));
    match name.split_once('/') {
        Some((namespace, name)) if kind == "ServiceAccount" => {
            Map::from([("kind", kind), ("name", name), ("namespace", namespace)])
        }
        _ => Map::from([("kind", kind), ("apiGroup", GROUP), ("name", name)]),
    }
}

fn is_opted_out(present: &Map) -> bool {
    present.annotation(AUTOUPDATE) == Some("false")
}

/// Adds the labels and annotations of the default policy that are not there.
fn complete_metadata(present: &mut Map, wanted: &Map) -> bool {
    let mut changed = add_missing(present, "annotations", AUTOUPDATE, "true");
    for (key, value) in wanted.map_at(&["metadata", "labels"]).into_iter().flat_map(Map::iter) {
        changed |= present.metadata_mut().map_mut("labels").set_default(key.clone(), value.clone());
    }
    changed
}

/// Adds what `present` lacks of `wanted`; answers whether anything did.
fn complete_role(present: &mut Map, wanted: &Map) -> bool {
    if is_opted_out(present) {
        return false;
    }
    let mut changed = complete_metadata(present, wanted);
    if let Some(aggregation) = wanted.map("aggregationRule") {
        let own = present.map_mut("aggregationRule").list_mut("clusterRoleSelectors");
        for selector in aggregation.list("clusterRoleSelectors") {
            if !own.contains(selector) {
                own.push(selector.clone());
                changed = true;
            }
        }
        return changed;
    }
    let lacking = compact(missing(&rules_of(present), &rules_of(wanted)));
    for rule in &lacking {
        present.list_mut("rules").push(Node::Map(Rule::to_map(rule)));
    }
    changed || !lacking.is_empty()
}

fn bind(plan: &mut Plan<'_>, resource: &Resource, wanted: &Map) {
    let Some((entry, mut present)) = stored(plan, resource, wanted.namespace(), wanted.name()) else {
        return plan.create(resource, wanted.clone());
    };
    if is_opted_out(&present) {
        return;
    }
    let mut changed = complete_metadata(&mut present, wanted);
    // A binding cannot change its role, so one with another role is replaced by a new object.
    if present.get("roleRef") != wanted.get("roleRef") {
        let uid = plan.clock.uuid();
        let now = plan.now;
        present.set("roleRef", wanted.get("roleRef").cloned().unwrap_or_default());
        present.metadata_mut().set("uid", uid);
        present.metadata_mut().set("creationTimestamp", now);
        changed = true;
    }
    for subject in wanted.list("subjects") {
        if !present.list("subjects").contains(subject) {
            present.list_mut("subjects").push(subject.clone());
            changed = true;
        }
    }
    if changed {
        plan.companions.update(resource, &entry, &present);
    }
}
