//! ClusterRole: rules for the whole cluster. Keeps: every rule is well-formed; what it aggregates can be selected.

use super::rules;
use crate::field::{FieldErrors, Path};
use crate::kind::{Kind, NameRule, Names, Scope, Version};
use crate::kinds::selector;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1.ClusterRole")],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    validate,
    ..Kind::DEFAULT
};

fn validate(role: &Map, errors: &mut FieldErrors) {
    rules::validate(role, false, errors);
    let Some(aggregation) = role.map("aggregationRule") else { return };
    let rule = Path::new("aggregationRule");
    let path = rule.child("clusterRoleSelectors");
    if aggregation.list("clusterRoleSelectors").is_empty() {
        errors.required(&path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (i, chosen) in aggregation.maps("clusterRoleSelectors").enumerate() {
        selector::validate(Some(chosen), &path.index(i), errors);
    }
}
