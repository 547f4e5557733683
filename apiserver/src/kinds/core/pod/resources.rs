//! Resource requirements: names and amounts of compute resources that containers and pods ask for.
//!
//! Keeps: a request never exceeds its limit; what cannot be shared is asked for exactly.

use std::collections::HashSet;

use crate::field::{Cause, FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names;
use crate::quantity::Quantity;
use crate::tree::{Map, Node};

/// Reports what is wrong with `resources` of a container whose pod has the claims `claims`.
pub(super) fn validate_container(
    container: &Map,
    claims: &HashSet<&str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(resources) = container.map("resources") {
        let path = path.child("resources");
        validate_amounts(resources, container_name, &path, errors);
        validate_claims(resources, claims, &path.child("claims"), errors);
    }
}

/// Reports what is wrong with `resources` of a pod.
pub(super) fn validate_pod(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(resources) = spec.map("resources") else { return };
    let path = path.child("resources");
    if spec.str_at(&["os", "name"]) == "windows" {
        errors.forbidden(&path, "may not be set for a windows pod");
        return;
    }
    if resources.contains("claims") {
        errors.forbidden(&path.child("claims"), "claims may not be set for Resources at pod-level");
    }
    validate_amounts(resources, pod_name, &path, errors);
    validate_sums(spec, resources, &path, errors);
}

/// Reports what is wrong with amounts that have no requests beside them (`overhead`).
pub(in crate::kinds) fn validate_limits(limits: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let resources = Map::from([("limits", limits.clone())]);
    validate_amounts(&resources, container_name, path, errors);
}

type NameRule = fn(&str, &Path<'_>, &mut FieldErrors);

fn validate_amounts(resources: &Map, name_rule: NameRule, path: &Path<'_>, errors: &mut FieldErrors) {
    let limits_path = path.child("limits");
    let requests_path = path.child("requests");
    let mut has_compute = false;
    let mut has_huge_pages = false;
    for (name, amount) in entries(resources, "limits") {
        validate_amount(name, amount, name_rule, &limits_path.key(name), errors);
        has_compute |= matches!(name, "cpu" | "memory");
        has_huge_pages |= is_huge_pages(name);
    }
    for (name, request) in entries(resources, "requests") {
        validate_amount(name, request, name_rule, &requests_path.key(name), errors);
        has_compute |= matches!(name, "cpu" | "memory");
        has_huge_pages |= is_huge_pages(name);
        let exact = !is_overcommit_allowed(name);
        let Some(limit) = amount(resources, "limits", name) else {
            if exact {
                errors.required(&limits_path, "Limit must be set for non overcommitable resources");
            }
            continue;
        };
        let words = match request.cmp(&limit) {
            std::cmp::Ordering::Equal => continue,
            _ if exact => "must be equal to",
            std::cmp::Ordering::Greater => "must be less than or equal to",
            std::cmp::Ordering::Less => continue,
        };
        let detail = format!("{words} {name} limit of {}", limit.canonical());
        errors.invalid(&requests_path, request.canonical(), detail);
    }
    if has_huge_pages && !has_compute {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

fn validate_amount(
    name: &str,
    amount: Quantity,
    name_rule: NameRule,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    name_rule(name, path, errors);
    validate_quantity(name, amount, path, errors);
    if is_huge_pages(name) && !is_divisible(name, amount) {
        let text = amount.canonical();
        let detail = format!("{text} is not positive integer multiple of {name}");
        errors.invalid(path, text, detail);
    }
}

/// Reports an amount that is negative, or broken where only whole ones make sense.
pub(in crate::kinds) fn validate_quantity(
    name: &str,
    amount: Quantity,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if amount.sign() < 0 {
        errors.invalid(path, amount.canonical(), "must be greater than or equal to 0");
    }
    if is_integer(name) && amount.milli_value() % 1000 != 0 {
        errors.invalid(path, amount.canonical(), "must be an integer");
    }
}

fn names_in_order(claims: &HashSet<&str>) -> String {
    if claims.is_empty() {
        return " which is empty".to_owned();
    }
    let mut names: Vec<&str> = claims.iter().copied().collect();
    names.sort_unstable();
    format!(": {}", names.join(", "))
}

/// What the containers ask for together may not exceed what the pod asks for.
fn validate_sums(spec: &Map, resources: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (name, request) in entries(resources, "requests") {
        let sum = super::sums::container_requests(spec, name);
        if sum > request {
            let detail = format!(
                "must be greater than or equal to aggregate container requests of {}",
                sum.canonical()
            );
            errors.invalid(&path.child("requests").key(name), request.canonical(), detail);
        }
    }
    for (name, limit) in entries(resources, "limits") {
        let sum = super::sums::container_limits(spec, name);
        if is_huge_pages(name) && sum > limit {
            let detail =
                format!("must be greater than or equal to aggregate container limits of {}", sum.canonical());
            errors.invalid(&path.child("limits").key(name), limit.canonical(), detail);
        }
        for (i, container) in spec.maps("containers").enumerate() {
            let own = container.map("resources").and_then(|own| amount(own, "limits", name));
            if let Some(own) = own.filter(|own| *own > limit) {
                let detail = format!("must be less than or equal to pod limits of {}", limit.canonical());
                let path = path.child("containers");
                errors.invalid(&path.index(i).key(name).child("limits"), own.canonical(), detail);
            }
        }
    }
}

fn validate_claims(resources: &Map, pod_claims: &HashSet<&str>, path: &Path<'_>, errors: &mut FieldErrors) {
    let (mut names, mut seen) = (HashSet::new(), HashSet::new());
    let mut among = None;
    for (i, claim) in resources.maps("claims").enumerate() {
        let (name, request) = (claim.str("name"), claim.str("request"));
        let path = path.index(i);
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        if !request.is_empty() {
            rules::dns_label(request, &path.child("request"), errors);
        }
        // A claim as a whole and a request of it overlap, too.
        let is_named = !names.insert(name);
        let has_whole = seen.contains(&(name, ""));
        let is_repeated = !seen.insert((name, request));
        if is_repeated && !has_whole && !request.is_empty() {
            errors.duplicate(&path, format!("{name}/{request}"));
        } else if is_repeated || has_whole || is_named && request.is_empty() {
            errors.duplicate(&path, name);
        }
        if !pod_claims.contains(name) {
            let among = among.get_or_insert_with(|| names_in_order(pod_claims));
            let detail = format!("must be one of the names in pod.spec.resourceClaims{among}");
            errors.add(Cause::NotFound, &path, &name.into(), &detail);
        }
    }
}

/// The amounts in the resource list at `field`. The decoder has made sure that they are quantities.
pub(in crate::kinds) fn entries<'a>(
    resources: &'a Map,
    field: &str,
) -> impl Iterator<Item = (&'a str, Quantity)> + use<'a> {
    resources
        .map(field)
        .into_iter()
        .flat_map(Map::iter)
        .filter_map(|(name, amount)| Some((name.as_str(), parse(amount)?)))
}

/// The amount of one resource in the list at `field`.
pub(in crate::kinds) fn amount(resources: &Map, field: &str, name: &str) -> Option<Quantity> {
    parse(resources.map(field)?.get(name)?)
}

/// A node as a quantity.
pub(in crate::kinds) fn parse(node: &Node) -> Option<Quantity> {
    match node {
        Node::Int(value) => Some(Quantity::from_value(*value)),
        _ => Quantity::parse(node.as_str()?).ok(),
    }
}

const COMPUTE: &[&str] = &["cpu", "memory", "ephemeral-storage"];
const COUNTS: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const QUALIFIED_COMPUTE: &[&str] = &[
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

/// Reports a name that no resource can have.
pub(in crate::kinds) fn resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    let faults = names::label::key(name);
    let mut valid = faults.is_empty();
    names::report(errors, path, name, faults);
    let is_standard = || {
        COMPUTE.contains(&name)
            || COUNTS.contains(&name)
            || QUALIFIED_COMPUTE.contains(&name)
            || matches!(name, "storage" | "requests.storage")
            || is_quota_huge_pages(name)
    };
    if valid && !name.contains('/') && !is_standard() {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
        valid = false;
    }
    valid
}

/// Reports a name that no resource in a quota can have.
pub(in crate::kinds::core) fn quota_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    resource_name(name, path, errors);
    if !name.contains('/') && !is_quota_name(name) {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

/// Whether quotas know the resource by this name.
pub(in crate::kinds::core) fn is_quota_name(name: &str) -> bool {
    COMPUTE.contains(&name)
        || COUNTS.contains(&name)
        || QUALIFIED_COMPUTE.contains(&name)
        || name == "requests.storage"
        || is_quota_huge_pages(name)
}

/// Reports a name that no resource of a container can have.
pub(in crate::kinds) fn container_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    resource_name(name, path, errors);
    if !name.contains('/') {
        if !COMPUTE.contains(&name) && !is_huge_pages(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

fn pod_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if resource_name(name, path, errors) && !is_pod_level(name) {
        errors.not_supported(path, name, &["cpu", "hugepages-", "memory"]);
    }
}

/// Whether pods can ask for the resource as a whole.
pub(super) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_pages(name)
}

/// Whether more can be promised of the resource than there is.
pub(in crate::kinds::core) fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// Whether the resource is memory in pages of one size.
pub(super) fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_quota_huge_pages(name: &str) -> bool {
    is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::label::key(&format!("requests.{name}")).is_empty()
}

/// Whether only whole amounts of the resource make sense.
pub(in crate::kinds) fn is_integer(name: &str) -> bool {
    COUNTS.contains(&name) || is_extended(name)
}

fn is_divisible(name: &str, amount: Quantity) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok());
    size.is_some_and(|size| {
        size.sign() > 0 && size.milli_value() % 1000 == 0 && amount.value() % size.value() == 0
    })
}
