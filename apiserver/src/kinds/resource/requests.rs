//! Requests for devices, in claims and claim templates alike. Keeps: a request is either exact or a list of choices;
//! how many devices it means is written out.

use super::device_claim;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules::{dns_label, dns_subdomain, require_text};
use crate::names::{self, label};
use crate::tree::{Map, Node};

/// Fills in what absent fields of the requests in a claim's spec mean.
pub(super) fn set_defaults(spec: &mut Map) {
    let requests = spec.existing_map_mut("devices").and_then(|devices| devices.existing_list_mut("requests"));
    for request in requests.into_iter().flatten().filter_map(Node::as_map_mut) {
        if let Some(exactly) = request.existing_map_mut("exactly") {
            set_request_defaults(exactly);
        }
        let choices = request.existing_list_mut("firstAvailable").into_iter().flatten();
        choices.filter_map(Node::as_map_mut).for_each(set_request_defaults);
    }
}

fn set_request_defaults(request: &mut Map) {
    request.set_default("allocationMode", "ExactCount");
    if request.str("allocationMode") == "ExactCount" && request.int("count").unwrap_or(0) == 0 {
        request.set("count", 1i64);
    }
    for toleration in
        request.existing_list_mut("tolerations").into_iter().flatten().filter_map(Node::as_map_mut)
    {
        toleration.set_default("operator", "Equal");
    }
}

/// Reports what is wrong with the requests of a claim's `devices`.
pub(super) fn validate(devices: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const ONE: &str = "exactly one of `exactly` or `firstAvailable` is required";
    let path = path.child("requests");
    for (i, request) in device_claim::few(devices, "requests").filter_map(Node::as_map).enumerate() {
        let path = path.index(i);
        dns_label(request.str("name"), &path.child("name"), errors);
        match (request.map("exactly"), request.list("firstAvailable").len()) {
            (None, 0) => errors.required(&path, ONE),
            (Some(_), 1..) => {
                errors.invalid(&path, Node::Null, format!("{ONE}, but multiple fields are set"));
            }
            (Some(exactly), 0) => {
                let path = path.child("exactly");
                // Of choices, the schema says it.
                if require_text(exactly, "deviceClassName", &path, errors) {
                    dns_subdomain(exactly.str("deviceClassName"), &path.child("deviceClassName"), errors);
                }
                validate_request(exactly, &path, errors);
            }
            (None, _) => {
                let path = path.child("firstAvailable");
                for (j, choice) in request.maps("firstAvailable").enumerate() {
                    let path = path.index(j);
                    dns_label(choice.str("name"), &path.child("name"), errors);
                    validate_request(choice, &path, errors);
                }
            }
        }
    }
}

fn validate_request(request: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    device_claim::validate_selectors(request, path, errors);
    let count = request.int("count").unwrap_or(0);
    match request.str("allocationMode") {
        "ExactCount" if count <= 0 => {
            errors.invalid(&path.child("count"), count, "must be greater than zero");
        }
        "All" if count != 0 => {
            errors.invalid(&path.child("count"), count, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" | "All" => {}
        mode => errors.not_supported(&path.child("allocationMode"), mode, &["All", "ExactCount"]),
    }
    let path = path.child("tolerations");
    for (i, toleration) in request.maps("tolerations").enumerate() {
        let path = path.index(i);
        let (value, path) = (toleration.str("value"), path.child("value"));
        match toleration.str("operator") {
            "Exists" if !value.is_empty() => {
                errors.invalid(&path, value, "must be empty for operator `Exists`")
            }
            "Equal" => names::report(errors, &path, value, label::value(value)),
            _ => {}
        }
    }
}
