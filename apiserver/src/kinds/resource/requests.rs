//! Requests for devices, in claims and claim templates alike. Keeps: a request is either exact or a list of choices;
//! how many devices it means is written out.

use crate::field::{FieldErrors, Path};
use crate::names::{self, dns};
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

/// Reports what is wrong with the requests in a claim's spec.
pub(super) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(devices) = spec.map("devices") else { return };
    let devices_path = path.child("devices");
    let path = devices_path.child("requests");
    let mut seen = Vec::new();
    for (i, request) in devices.maps("requests").enumerate() {
        let path = path.index(i);
        let name = request.str("name");
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            names::report(errors, &path.child("name"), name, dns::label(name));
        }
        if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
        let choices = request.list("firstAvailable").len();
        match (request.map("exactly"), choices) {
            (None, 0) => errors.required(&path, "exactly one of `exactly` or `firstAvailable` is required"),
            (Some(_), 1..) => {
                let detail =
                    "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
                errors.invalid(&path, request.clone(), detail);
            }
            (Some(exactly), 0) => validate_request(exactly, &path.child("exactly"), errors),
            (None, _) => {
                let path = path.child("firstAvailable");
                for (j, choice) in request.maps("firstAvailable").enumerate() {
                    validate_request(choice, &path.index(j), errors);
                }
            }
        }
    }
}

fn validate_request(request: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let class = request.str("deviceClassName");
    if class.is_empty() {
        errors.required(&path.child("deviceClassName"), "");
    } else {
        names::report(errors, &path.child("deviceClassName"), class, dns::subdomain(class));
    }
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
    let selectors = path.child("selectors");
    for (i, chosen) in request.maps("selectors").enumerate() {
        if chosen.str_at(&["cel", "expression"]).is_empty() {
            let selector = selectors.index(i);
            errors.required(&selector.child("cel").child("expression"), "");
        }
    }
}
