//! Addresses of services: cluster IPs with their families, external IPs.

use std::collections::HashSet;

use super::{SPEC, is_headless};
use crate::field::FieldErrors;
use crate::kinds::core::rules;
use crate::names::{self, address};
use crate::tree::{Map, Node};

const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];

/// Reports what is wrong with cluster IPs and families of a service that is no alias.
pub(crate) fn validate(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("clusterIPs");
    let value = || spec.get("clusterIPs").cloned().unwrap_or_default();
    let addresses: Vec<&str> = spec.texts("clusterIPs").collect();
    match (spec.str("clusterIP"), addresses.first()) {
        ("", None) => {}
        ("", Some(_)) => errors.invalid(&path, value(), "must be empty when `clusterIP` is not specified"),
        (_, None) => errors.required(&path, ""),
        (single, Some(first)) if *first != single => {
            errors.invalid(&path, value(), "first value must match `clusterIP`");
        }
        _ => {}
    }
    validate_families(spec, errors);
    let mut valid = true;
    for (i, text) in addresses.iter().enumerate() {
        if i == 0 && *text == "None" {
            if addresses.len() > 1 {
                valid = false;
                errors.invalid(&path, value(), "'None' must be the first and only value");
            }
            continue;
        }
        let faults = address::ip(text);
        valid &= faults.is_empty();
        names::report(errors, &path.index(i), text, faults);
    }
    if addresses.len() > 2 {
        errors.invalid(&path, value(), "may only hold up to 2 values");
    }
    if !valid {
        return;
    }
    if addresses.len() > 1
        && addresses.windows(2).any(|pair| address::is_ipv6(pair[0]) == address::is_ipv6(pair[1]))
    {
        errors.invalid(&path, value(), "may specify no more than one IP for each IP family");
    }
    if !is_headless(spec) {
        for (i, (text, family)) in addresses.iter().zip(spec.texts("ipFamilies")).enumerate() {
            if (family == "IPv6") != address::is_ipv6(text) && FAMILIES.contains(&family) {
                let detail = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
                errors.invalid(&path.index(i), *text, detail);
            }
        }
    }
}

fn validate_families(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("ipFamilies");
    let mut seen = HashSet::new();
    for (i, family) in spec.texts("ipFamilies").enumerate() {
        if !FAMILIES.contains(&family) {
            errors.not_supported(&path.index(i), family, FAMILIES);
        }
        if !seen.insert(family) {
            errors.duplicate(&path.index(i), family);
        }
    }
    rules::choice(spec, "ipFamilyPolicy", POLICIES, &SPEC, errors);
}

/// Reports external IPs that no service can have.
pub(super) fn validate_external(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("externalIPs");
    for (i, text) in spec.texts("externalIPs").enumerate() {
        let mut faults = address::ip(text);
        if faults.is_empty() {
            faults = address::endpoint(text);
        }
        names::report(errors, &path.index(i), text, faults);
    }
}

/// The list at `field` as a value for an error.
pub(super) fn list(spec: &Map, field: &str) -> Node {
    spec.get(field).cloned().unwrap_or_default()
}
