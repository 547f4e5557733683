//! Label keys of affinity terms and spread constraints: on create each becomes a requirement of the term's selector
//! with the pod's own value, so that the scheduler compares selectors alone.

use super::defaults::maps_mut;
use crate::tree::{Map, Node};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Writes the pod's labels into its terms' selectors.
pub(super) fn apply(pod: &mut Map) {
    let labels = pod.map_at(&["metadata", "labels"]).cloned().unwrap_or_default();
    let Some(spec) = pod.existing_map_mut("spec") else { return };
    if let Some(affinity) = spec.existing_map_mut("affinity") {
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(terms) = affinity.existing_map_mut(kind) else { continue };
            maps_mut(terms, REQUIRED).for_each(|term| apply_to(term, &labels));
            for weighted in maps_mut(terms, PREFERRED) {
                if let Some(term) = weighted.existing_map_mut("podAffinityTerm") {
                    apply_to(term, &labels);
                }
            }
        }
    }
    maps_mut(spec, "topologySpreadConstraints").for_each(|constraint| apply_to(constraint, &labels));
}

/// A term without a selector matches nothing and stays so.
fn apply_to(term: &mut Map, labels: &Map) {
    for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        let keys = term.list(list).to_vec();
        let Some(selector) = term.existing_map_mut("labelSelector").filter(|_| !keys.is_empty()) else {
            continue;
        };
        for key in keys.iter().filter_map(Node::as_str) {
            let Some(value) = labels.get(key) else { continue };
            let values: Node = [value.clone()].into_iter().collect();
            let requirement =
                Map::from([("key", Node::from(key)), ("operator", operator.into()), ("values", values)]);
            selector.list_mut("matchExpressions").push(requirement.into());
        }
    }
}
