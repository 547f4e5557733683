//! Labels of nodes that have been replaced by others.

use crate::field::Path;
use crate::tree::Map;
use crate::warning::Warnings;

/// The label that has taken the place of another without any other change of meaning.
pub(in crate::kinds) fn successor(key: &str) -> Option<&'static str> {
    Some(match key {
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        _ => return None,
    })
}

/// Warns that a deprecated label stands at `path`.
pub(in crate::kinds) fn warn(key: &str, path: &Path<'_>, warnings: &mut Warnings) {
    if let Some(advice) = deprecation(key) {
        warnings.push(format!("{path}: {advice}"));
    }
}

/// Warns of the deprecated labels in the `matchExpressions` of a selector.
pub(in crate::kinds) fn warn_of_expressions(selector: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let path = path.child("matchExpressions");
    for (i, expression) in selector.maps("matchExpressions").enumerate() {
        let key = expression.str("key");
        if let Some(advice) = deprecation(key) {
            warnings.push(format!("{}: {key} is {advice}", path.index(i).child("key")));
        }
    }
}

/// What to use instead of a node label; nothing for labels that are not deprecated.
pub(in crate::kinds) fn deprecation(key: &str) -> Option<&'static str> {
    Some(match key {
        "beta.kubernetes.io/arch" => "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        "beta.kubernetes.io/os" => "deprecated since v1.14; use \"kubernetes.io/os\" instead",
        "failure-domain.beta.kubernetes.io/region" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"
        }
        "beta.kubernetes.io/instance-type" => {
            "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"
        }
        "app.kubernetes.io/created-by" => "deprecated since v1.9",
        "scheduler.alpha.kubernetes.io/preferAvoidPods" => {
            "deprecated since v1.22; use Taints and Tolerations instead"
        }
        "node-role.kubernetes.io/master" => "use \"node-role.kubernetes.io/control-plane\" instead",
        _ => return None,
    })
}
