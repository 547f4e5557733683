//! Devices of a slice. Keeps: attributes have names and one value each; a device says where it is exactly when its
//! slice does not.

use super::{identifiers, taints};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::pod::affinity;
use crate::kinds::core::rules::{dns_label, dns_subdomain};
use crate::tree::{Map, Node};

const VALUE_BYTES_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
const ENTRIES_MAX: usize = 32;

/// Reports what is wrong with a device, wherever it is.
pub(super) fn validate(device: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    dns_label(device.str("name"), &path.child("name"), errors);
    let entries = |field| device.map(field).map_or(0, Map::len);
    let count = entries("attributes") + entries("capacity");
    if count > ENTRIES_MAX {
        let detail = format!("the total number of attributes and capacities must not exceed {ENTRIES_MAX}");
        errors.invalid(path, count as i64, detail);
    }
    let attributes = path.child("attributes");
    for (name, attribute) in device.map("attributes").into_iter().flat_map(Map::iter) {
        identifiers::validate_qualified(name, &attributes, errors);
        if let Some(attribute) = attribute.as_map() {
            validate_attribute(attribute, &attributes.key(name), errors);
        }
    }
    let shares = device.bool("allowMultipleAllocations") == Some(true);
    let capacities = path.child("capacity");
    for (name, capacity) in device.map("capacity").into_iter().flat_map(Map::iter) {
        identifiers::validate_qualified(name, &capacities, errors);
        if !shares && capacity.as_map().is_some_and(|capacity| capacity.contains("requestPolicy")) {
            let detail = "allowMultipleAllocations must be true";
            errors.forbidden(&capacities.key(name).child("requestPolicy"), detail);
        }
    }
    let path = path.child("taints");
    let count = device.list("taints").len();
    if count > TAINTS_MAX {
        return errors.too_many(&path, count, TAINTS_MAX);
    }
    for (i, taint) in device.maps("taints").enumerate() {
        taints::validate(taint, &path.index(i), errors);
    }
}

/// The types of a value; a list counts when it holds something.
const TYPES: [&str; 8] = ["int", "bool", "string", "version", "ints", "bools", "strings", "versions"];

fn validate_attribute(attribute: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let validate_length = |text: &str, path: &Path<'_>, errors: &mut FieldErrors| {
        if text.len() > VALUE_BYTES_MAX {
            errors.too_long(path, VALUE_BYTES_MAX);
        }
    };
    let validate_version = |text: &str, path: &Path<'_>, errors: &mut FieldErrors| {
        if !identifiers::is_semantic_version(text) {
            errors.invalid(path, text, "must be a string compatible with semver.org spec 2.0.0");
        }
        validate_length(text, path, errors);
    };
    if let Some(text) = attribute.get("string").and_then(Node::as_str) {
        validate_length(text, &path.child("string"), errors);
    }
    if let Some(text) = attribute.get("version").and_then(Node::as_str) {
        validate_version(text, &path.child("version"), errors);
    }
    let versions = path.child("versions");
    for (i, text) in attribute.texts("versions").enumerate() {
        validate_version(text, &versions.index(i), errors);
    }
    let is_set = |field: &&str| {
        attribute.get(field).is_some_and(|value| value.as_list().is_none_or(|it| !it.is_empty()))
    };
    let set: Vec<&str> = TYPES.into_iter().filter(is_set).collect();
    let choices = TYPES.map(|field| format!("`{field}`")).join(", ");
    match set.len() {
        1 => {}
        0 => errors.invalid(path, "", format!("must specify one of: {choices}")),
        _ => {
            let value = format!("{{{}}}", set.join(", "));
            errors.invalid(path, value, format!("must specify exactly one of: {choices}"));
        }
    }
}

/// The ways in which `owner` says where devices are, quoted; reports what is wrong with each. `flags` can be set beyond
/// those that slices and devices share.
pub(super) fn places(owner: &Map, flags: &[&str], path: &Path<'_>, errors: &mut FieldErrors) -> Vec<String> {
    let mut places = Vec::new();
    let name = owner.str("nodeName");
    if !name.is_empty() {
        places.push("`nodeName`".to_owned());
        dns_subdomain(name, &path.child("nodeName"), errors);
    }
    if let Some(selector) = owner.map("nodeSelector") {
        places.push("`nodeSelector`".to_owned());
        affinity::validate_node_selector(selector, &path.child("nodeSelector"), errors);
    }
    for flag in ["allNodes"].iter().chain(flags) {
        match owner.bool(flag) {
            Some(true) => places.push(format!("`{flag}`")),
            Some(false) => errors.invalid(&path.child(flag), false, "must be either unset or set to true"),
            None => {}
        }
    }
    places
}

/// Reports a device that says where it is though its slice does, or does not though it must.
pub(super) fn validate_place(device: &Map, per_device: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if !per_device {
        if ["nodeName", "nodeSelector", "allNodes"].iter().any(|field| device.contains(field)) {
            let detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.invalid(path, Node::Null, detail);
        }
        return;
    }
    const DETAIL: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if let Some("") = device.get("nodeName").and_then(Node::as_str) {
        errors.invalid(&path.child("nodeName"), "", "must not be empty");
    }
    let places = places(device, &[], path, errors);
    match places.len() {
        1 => {}
        0 => errors.required(path, DETAIL),
        _ => errors.invalid(path, format!("{{{}}}", places.join(", ")), DETAIL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn a_device_says_where_it_is_when_its_slice_does_not() {
        let faults = |device: &str, per_device| {
            let node = json::decode_untyped(device.as_bytes()).expect("JSON");
            let mut errors = FieldErrors::new();
            let device = node.as_map().expect("an object");
            validate(device, &Path::new("device"), &mut errors);
            validate_place(device, per_device, &Path::new("device"), &mut errors);
            errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
        };
        let none = Vec::<String>::new();
        assert_eq!(faults(r#"{"name":"d","nodeName":"n"}"#, true), none);
        assert_eq!(faults(r#"{"name":"d"}"#, false), none);
        assert_eq!(faults(r#"{"name":"d"}"#, true), ["device"]);
        assert_eq!(faults(r#"{"name":"d","allNodes":true}"#, false), ["device"]);
        assert_eq!(
            faults(r#"{"name":"d","attributes":{"a-b":{"version":"1"}}}"#, false),
            ["device.attributes", "device.attributes[a-b].version"]
        );
    }
}
