//! ClusterRoleAggregation: the rules of aggregated ClusterRoles follow the roles that they select.
//!
//! Upstream has a controller for this. Here the aggregated roles are written in the transaction of the role that
//! changed, so `kubectl get clusterrole view -o yaml` never shows another policy than the one that is decided over.

use super::{Attributes, Operation, Plugin};
use crate::authorization::aggregation::{aggregate, has_labels, is_aggregated};
use crate::field::FieldErrors;
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::{self, Entry};
use crate::tree::Map;

pub(super) struct ClusterRoleAggregation;

impl Plugin for ClusterRoleAggregation {
    fn name(&self) -> &'static str {
        "ClusterRoleAggregation"
    }

    /// The rules of an aggregated role are computed, whatever its writer sent; what is malformed is left to be refused.
    fn admit(&self, attributes: &mut Attributes<'_>, role: &mut Map) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        if !writes || !attributes.is_for("clusterroles.rbac.authorization.k8s.io", "") || !is_aggregated(role)
        {
            return Ok(());
        }
        let mut errors = FieldErrors::new();
        (attributes.resource.kind.validate)(role, &mut errors);
        if !errors.is_empty() {
            return Ok(());
        }
        let mut roles =
            others(attributes, role.name()).into_iter().map(|(_, other)| other).collect::<Vec<_>>();
        roles.push(role.clone());
        aggregate(&mut roles);
        match roles.last().and_then(|role| role.get("rules")) {
            Some(rules) => role.set("rules", rules.clone()),
            None => {
                role.remove("rules");
            }
        }
        Ok(())
    }

    /// Whoever selects a role that changes changes with it.
    fn validate(&self, attributes: &mut Attributes<'_>, role: Option<&Map>) -> Result<(), Error> {
        if !attributes.is_for("clusterroles.rbac.authorization.k8s.io", "") {
            return Ok(());
        }
        let role = role.filter(|_| !attributes.removes);
        if !role.is_some_and(has_labels) && !attributes.old.is_some_and(has_labels) {
            return Ok(());
        }
        let name = role.or(attributes.old).map_or(attributes.name, Map::name);
        let (entries, mut roles): (Vec<&Entry>, Vec<Map>) = others(attributes, name).into_iter().unzip();
        roles.extend(role.cloned());
        let resource = attributes.resource;
        for at in aggregate(&mut roles) {
            if let Some(entry) = entries.get(at) {
                attributes.companions.update(resource, entry, &roles[at]);
            }
        }
        Ok(())
    }
}

/// Every other role that aggregates or that an aggregated one may select.
fn others<'a>(attributes: &Attributes<'a>, name: &str) -> Vec<(&'a Entry, Map)> {
    let resource: &Resource = attributes.resource;
    let view = attributes.view;
    view.entries(resource, "")
        .map(|entry| (&**entry, storage::decode(resource, entry)))
        .filter(|(_, role)| role.name() != name && (is_aggregated(role) || has_labels(role)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::aggregation::matches;
    use crate::tree::{List, Node};

    fn role(name: &'static str, label: &'static str, selects: &'static str, verb: &'static str) -> Map {
        let mut metadata = Map::from([("name", name)]);
        metadata.set("labels", Map::from([(label, "true")]));
        let mut role = Map::from([("metadata", metadata)]);
        if !selects.is_empty() {
            let selector = Map::from([("matchLabels", Map::from([(selects, "true")]))]);
            let selectors: List = [Node::Map(selector)].into_iter().collect();
            role.set("aggregationRule", Map::from([("clusterRoleSelectors", selectors)]));
        }
        if !verb.is_empty() {
            let rule = Map::from([("verbs", [verb].into_iter().collect::<Node>())]);
            role.set("rules", [Node::Map(rule)].into_iter().collect::<List>());
        }
        role
    }

    #[test]
    fn unions_pass_through_aggregated_roles_and_shrink_again() {
        let mut roles = vec![
            role("edit", "to-admin", "to-edit", ""),
            role("view", "to-edit", "to-view", "stale"),
            role("part", "to-view", "", "get"),
            role("admin", "none", "to-admin", ""),
        ];
        assert_eq!(aggregate(&mut roles), [3, 0, 1]);
        for role in &roles {
            let verbs: Vec<String> =
                role.maps("rules").flat_map(|rule| rule.list("verbs")).map(|verb| verb.to_string()).collect();
            assert_eq!(verbs, ["\"get\""], "{}", role.name());
        }
        assert!(aggregate(&mut roles).is_empty());
        assert!(matches(&Map::from([("matchLabels", Map::from([("to-view", "true")]))]), &roles[2]));
    }
}
