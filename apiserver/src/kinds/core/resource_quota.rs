//! ResourceQuota: what a namespace may use altogether. Keeps: scopes fit the resources and never change.

use super::pod::resources;
use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "ResourceQuota",
        plural: "resourcequotas",
        singular: "resourcequota",
        short: &["quota"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.ResourceQuota")],
    subresources: &[kind::status(kind::keep_all_but_status, |it, _, errors| validate_status(it, errors))],
    columns: &[
        kind::NAME,
        column("Request", "string", |it, _| usage(it, false).into()),
        column("Limit", "string", |it, _| usage(it, true).into()),
        kind::AGE,
    ],
    delete_returns_object: true,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

/// `cpu: 1/2, pods: 3/10`: what is used of what there is, limits apart from the rest.
fn usage(quota: &Map, limits: bool) -> String {
    let empty = Map::new();
    let status = quota.map("status").unwrap_or(&empty);
    let mut hard: Vec<(&str, &str)> = status
        .map("hard")
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, amount)| (name.as_str(), amount.as_str().unwrap_or("0")))
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .collect();
    hard.sort_unstable();
    let used = |name: &str| status.map("used").map_or("", |used| used.str(name));
    let parts: Vec<String> = hard
        .into_iter()
        .map(|(name, hard)| {
            let used = match used(name) {
                "" => "0",
                used => used,
            };
            format!("{name}: {used}/{hard}")
        })
        .collect();
    parts.join(", ")
}

fn validate_amounts(owner: &Map, lists: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    for list in lists {
        let path = path.child(list);
        for (name, amount) in resources::entries(owner, list) {
            let path = path.key(name);
            resources::quota_name(name, &path, errors);
            resources::validate_quantity(name, amount, &path, errors);
        }
    }
}

fn validate_status(quota: &Map, errors: &mut FieldErrors) {
    if let Some(status) = quota.map("status") {
        validate_amounts(status, &["hard", "used"], &Path::new("status"), errors);
    }
}

fn validate(quota: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = quota.map("spec").unwrap_or(&empty);
    validate_amounts(spec, &["hard"], &SPEC, errors);
    let scopes: Vec<&str> = spec.texts("scopes").collect();
    let path = SPEC.child("scopes");
    let value: Node = scopes.iter().copied().collect();
    let misfits = misfits(spec);
    if scopes.iter().any(|scope| !SCOPES.contains(scope)) {
        errors.add(Cause::Invalid, &path, &value, UNKNOWN);
    }
    if scopes.iter().any(|scope| misfits.contains(scope)) {
        errors.add(Cause::Invalid, &path, &value, MISFIT);
    }
    validate_conflicts(&scopes, &path, &value, errors);
    if let Some(selector) = spec.map("scopeSelector") {
        let path = SPEC.child("scopeSelector");
        let path = path.child("matchExpressions");
        let scopes: Vec<&str> = selector.maps("matchExpressions").map(|term| term.str("scopeName")).collect();
        let value = Node::from(selector.clone());
        let mut is_told = false;
        for term in selector.maps("matchExpressions") {
            let scope = term.str("scopeName");
            if !SCOPES.contains(&scope) {
                errors.invalid(&path.child("scopeName"), scope, UNKNOWN);
            }
            if !is_told && misfits.contains(&scope) {
                errors.add(Cause::Invalid, &path, &value, MISFIT);
                is_told = true;
            }
            validate_term(term, &path, errors);
        }
        validate_conflicts(&scopes, &path, &value, errors);
    }
    validate_status(quota, errors);
}

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];

const UNKNOWN: &str = "unsupported scope";
const MISFIT: &str = "unsupported scope applied to resource";

/// The scopes that do not fit something that is limited.
fn misfits(spec: &Map) -> Vec<&'static str> {
    let limited = || spec.map("hard").into_iter().flat_map(Map::keys);
    let is_misfit = |scope: &str| limited().any(|name| resources::is_quota_name(name) && !fits(scope, name));
    SCOPES.iter().copied().filter(|scope| is_misfit(scope)).collect()
}

fn validate_conflicts(scopes: &[&str], path: &Path<'_>, value: &Node, errors: &mut FieldErrors) {
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            errors.add(Cause::Invalid, path, value, "conflicting scopes");
        }
    }
}

/// Whether a quota of a resource can be limited to a scope.
fn fits(scope: &str, resource: &str) -> bool {
    let is_compute = matches!(
        resource,
        "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory"
    );
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || is_compute,
        _ => true,
    }
}

fn validate_term(term: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (scope, operator) = (term.str("scopeName"), term.str("operator"));
    let is_plain = matches!(
        scope,
        "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity"
    );
    if is_plain && operator != "Exists" {
        errors.invalid(&path.child("operator"), operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    }
    let values = term.list("values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.required(&path.child("values"), detail);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let value = term.get("values").cloned().unwrap_or_default();
            let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.invalid(&path.child("values"), value, detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
    }
}

fn validate_update(quota: &Map, old: &Map, errors: &mut FieldErrors) {
    let scopes = |object: &Map| {
        let mut scopes: Vec<String> =
            object.map("spec").into_iter().flat_map(|spec| spec.texts("scopes")).map(str::to_owned).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    };
    if scopes(quota) != scopes(old) {
        let value = quota.at(&["spec", "scopes"]).cloned().unwrap_or_default();
        errors.invalid(&SPEC.child("scopes"), value, "field is immutable");
    }
}

fn warnings(quota: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let Some(spec) = quota.map("spec").filter(|_| old.is_none()) else { return };
    let hard = |name: &str| resources::amount(spec, "hard", name);
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        let full = format!("requests.{resource}");
        let plain =
            if resource == "ephemeral-storage" { None } else { hard(resource).map(|it| (resource, it)) };
        let request = hard(&full).map(|it| (full.as_str(), it)).or(plain);
        let limit_name = format!("limits.{resource}");
        if let (Some((name, request)), Some(limit)) = (request, hard(&limit_name))
            && request > limit
        {
            warnings.push(format!(
                "ResourceQuota {name} ({}) should be less than {limit_name} ({})",
                request.canonical(),
                limit.canonical()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_requests_and_limits_apart() {
        let hard = Map::from([("pods", "10"), ("limits.cpu", "2"), ("cpu", "1")]);
        let used = Map::from([("pods", "3")]);
        let quota = Map::from([("status", Map::from([("hard", hard), ("used", used)]))]);
        assert_eq!(usage(&quota, false), "cpu: 0/1, pods: 3/10");
        assert_eq!(usage(&quota, true), "limits.cpu: 0/2");
    }

    #[test]
    fn scopes_fit_their_resources() {
        let mut errors = FieldErrors::new();
        let spec = Map::from([
            ("hard", Node::from(Map::from([("configmaps", "1")]))),
            ("scopes", ["BestEffort"].into_iter().collect()),
        ]);
        validate(&Map::from([("spec", spec)]), &mut errors);
        assert_eq!(
            errors.to_string(),
            "spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"
        );
    }
}
