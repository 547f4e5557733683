//! Aggregated ClusterRoles: their rules are the union of the rules of roles that their selectors match.
//!
//! Keeps: the union is stored in the aggregated role itself, as upstream's controller does, but in the same
//! transaction as the role that changed; so what is read and what is decided over never differ.

use crate::tree::{List, Map, Node};

/// Whether the role's rules are aggregated.
pub fn is_aggregated(role: &Map) -> bool {
    role.contains("aggregationRule")
}

/// Whether the labels of `part` match one of the selectors of `role`.
pub fn selects(role: &Map, part: &Map) -> bool {
    let Some(rule) = role.map("aggregationRule") else { return false };
    rule.maps("clusterRoleSelectors").any(|selector| matches(selector, part))
}

/// Whether a label selector matches an object's labels.
pub fn matches(selector: &Map, object: &Map) -> bool {
    let exact = selector.map("matchLabels").is_none_or(|labels| {
        labels.iter().all(|(key, value)| value.as_str().is_some_and(|value| object.label(key) == Some(value)))
    });
    exact
        && selector.maps("matchExpressions").all(|requirement| {
            let label = object.label(requirement.str("key"));
            let among = || {
                label.is_some_and(|label| {
                    requirement.list("values").iter().any(|value| value.as_str() == Some(label))
                })
            };
            match requirement.str("operator") {
                "In" => among(),
                "NotIn" => !among(),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}

/// Gives every aggregated role among `roles` its union; answers the positions of those that changed. Roles that
/// aggregate others which aggregate are brought up to date too: the unions only grow, so this ends.
pub fn aggregate(roles: &mut [Map]) -> Vec<usize> {
    // Roles are combined in the order of their names, as upstream does.
    let mut order: Vec<usize> = (0..roles.len()).collect();
    order.sort_by(|a, b| roles[*a].name().cmp(roles[*b].name()));
    let aggregated: Vec<usize> = order.iter().copied().filter(|at| is_aggregated(&roles[*at])).collect();
    let before: Vec<(usize, List)> = aggregated.iter().map(|at| (*at, rules_list(&roles[*at]))).collect();
    for at in &aggregated {
        roles[*at].remove("rules");
    }
    loop {
        let mut changed = false;
        for at in &aggregated {
            let union = union(roles, &order, *at);
            if rules_list(&roles[*at]) != union {
                roles[*at].set("rules", union);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    before.into_iter().filter(|(at, rules)| rules_list(&roles[*at]) != *rules).map(|(at, _)| at).collect()
}

fn rules_list(role: &Map) -> List {
    role.get("rules").and_then(Node::as_list).cloned().unwrap_or_default()
}

fn union(roles: &[Map], order: &[usize], at: usize) -> List {
    let mut rules: Vec<Node> = Vec::new();
    for part in order.iter().filter(|part| **part != at && selects(&roles[at], &roles[**part])) {
        for rule in roles[*part].list("rules") {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules.into_iter().collect()
}

/// Labels of a role that other roles may select by; roles without any are never aggregated.
pub fn has_labels(role: &Map) -> bool {
    role.map_at(&["metadata", "labels"]).is_some_and(|labels| !labels.is_empty())
}
