//! Affinity of pods: to nodes, to pods and against pods.

use std::collections::{HashMap, HashSet};

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::kinds::selector;
use crate::names::{self, label};
use crate::tree::{Map, Node};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Reports what is wrong with `affinity` of a pod.
pub(super) fn validate(affinity: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(node) = affinity.map("nodeAffinity") {
        let path = path.child("nodeAffinity");
        if let Some(required) = node.map(REQUIRED) {
            validate_node_selector(required, &path.child(REQUIRED), errors);
        }
        for (i, term) in node.maps(PREFERRED).enumerate() {
            let path = path.child(PREFERRED);
            let path = path.index(i);
            validate_weight(term, &path, errors);
            if let Some(preference) = term.map("preference") {
                validate_term(preference, false, &path.child("preference"), errors);
            }
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = affinity.map(kind) else { continue };
        let path = path.child(kind);
        for (i, term) in terms.maps(REQUIRED).enumerate() {
            validate_pod_term(term, &path.child(REQUIRED).index(i), errors);
        }
        for (i, weighted) in terms.maps(PREFERRED).enumerate() {
            let path = path.child(PREFERRED);
            let path = path.index(i);
            validate_weight(weighted, &path, errors);
            let empty = Map::new();
            let term = weighted.map("podAffinityTerm").unwrap_or(&empty);
            validate_pod_term(term, &path.child("podAffinityTerm"), errors);
        }
    }
}

fn validate_weight(term: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let weight = term.int("weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

/// Reports what is wrong with a NodeSelector.
pub(in crate::kinds) fn validate_node_selector(selector: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("nodeSelectorTerms");
    if selector.list("nodeSelectorTerms").is_empty() {
        errors.required(&path, "must have at least one node selector term");
    }
    for (i, term) in selector.maps("nodeSelectorTerms").enumerate() {
        validate_term(term, true, &path.index(i), errors);
    }
}

/// A preference may hold values that no label can have: a cluster of one node accepts it.
fn validate_term(term: &Map, check_values: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    for (i, requirement) in term.maps("matchExpressions").enumerate() {
        validate_expression(requirement, check_values, &path.child("matchExpressions").index(i), errors);
    }
    for (i, requirement) in term.maps("matchFields").enumerate() {
        validate_field(requirement, &path.child("matchFields").index(i), errors);
    }
}

fn validate_expression(requirement: &Map, check_values: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = requirement.list("values");
    let values_path = path.child("values");
    match requirement.str("operator") {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.forbidden(
                &values_path,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            );
        }
        "Gt" | "Lt" if values.len() != 1 => {
            errors.required(&values_path, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    rules::qualified_name(requirement.str("key"), &path.child("key"), errors);
    for (i, value) in values.iter().filter_map(Node::as_str).enumerate().filter(|_| check_values) {
        names::report(errors, &values_path.index(i), value, label::value(value));
    }
}

fn validate_field(requirement: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = requirement.list("values");
    match requirement.str("operator") {
        "In" | "NotIn" => {
            if values.len() != 1 {
                let detail =
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.required(&path.child("values"), detail);
            }
        }
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = requirement.str("key");
    if key != "metadata.name" {
        errors.invalid(&path.child("key"), key, "not a valid field selector key");
        return;
    }
    for (i, value) in values.iter().filter_map(Node::as_str).enumerate() {
        rules::dns_subdomain(value, &path.child("values").index(i), errors);
    }
}

fn validate_pod_term(term: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::validate(term.map(field), &path.child(field), errors);
    }
    for namespace in term.texts("namespaces") {
        rules::dns_label(namespace, &path.child("namespace"), errors);
    }
    validate_label_keys(term, path, errors);
    let key = term.str("topologyKey");
    if key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    rules::qualified_name(key, &path.child("topologyKey"), errors);
}

/// Reports what is wrong with `matchLabelKeys` and `mismatchLabelKeys` beside a label selector.
pub(super) fn validate_label_keys(term: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let selector = term.map("labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let path = path.child(field);
        if !term.list(field).is_empty() && selector.is_none() {
            errors.forbidden(&path, "must not be specified when labelSelector is not set");
        }
        for (i, key) in term.texts(field).enumerate() {
            rules::qualified_name(key, &path.index(i), errors);
        }
    }
    let keys: Vec<&str> = term.texts("matchLabelKeys").collect();
    if let Some(selector) = selector {
        validate_keys_once(&keys, selector, path, errors);
    }
    let mismatched: HashSet<&str> = term.texts("mismatchLabelKeys").collect();
    for (i, key) in keys.iter().enumerate() {
        if mismatched.contains(key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&path.child("matchLabelKeys").index(i), *key, detail);
        }
    }
}

/// The selector already holds what was made of the keys: a key that it has twice was written by hand too.
fn validate_keys_once(keys: &[&str], selector: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let labels = selector.map("matchLabels");
    let mut places = HashMap::new();
    keys.iter().enumerate().for_each(|(at, key)| {
        places.entry(*key).or_insert(at);
    });
    let mut seen = HashSet::new();
    for requirement in selector.maps("matchExpressions") {
        let key = requirement.str("key");
        let Some(at) = places.get(key).copied() else { continue };
        if !seen.insert(key) || labels.is_some_and(|labels| labels.contains(key)) {
            errors.invalid(&path.index(at), key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}
