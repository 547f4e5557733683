//! What a claim (or a class) asks of devices beyond its requests. Keeps: constraints and settings are about requests
//! that there are; settings are for one driver.

use std::collections::HashSet;

use super::{identifiers, requests};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules::dns_label;
use crate::tree::{Map, Node};

const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const PARAMETERS_BYTES_MAX: usize = 10 * 1024;

/// Reports what is wrong with a claim's spec.
pub(super) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(devices) = spec.map("devices") else { return };
    let path = path.child("devices");
    requests::validate(devices, &path, errors);
    let known = names_of_requests(devices);
    let constraints = path.child("constraints");
    for (i, constraint) in few(devices, "constraints").filter_map(Node::as_map).enumerate() {
        let path = constraints.index(i);
        validate_references(constraint, &known, &path, errors);
        for field in ["matchAttribute", "distinctAttribute"] {
            if let Some(name) = constraint.get(field).and_then(Node::as_str) {
                identifiers::validate_fully_qualified(name, &path.child(field), errors);
            }
        }
        if !constraint.contains("matchAttribute") && !constraint.contains("distinctAttribute") {
            let detail = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errors.required(&path, detail);
        }
    }
    let configurations = path.child("config");
    for (i, configuration) in few(devices, "config").filter_map(Node::as_map).enumerate() {
        let path = configurations.index(i);
        validate_references(configuration, &known, &path, errors);
        validate_configuration(configuration, &path, errors);
    }
}

/// Requests are referred to by name, and their choices by `request/choice`.
fn validate_references(
    owner: &Map,
    known: &HashSet<Reference<'_>>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    const DETAIL: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    let path = path.child("requests");
    for (i, reference) in few(owner, "requests").filter_map(Node::as_str).enumerate() {
        let path = path.index(i);
        let is_nested = reference.matches('/').count() > 1;
        for part in reference.split('/').filter(|_| !is_nested) {
            dns_label(part, &path, errors);
        }
        if is_nested || !known.contains(&in_parts(reference)) {
            errors.invalid(&path, reference, DETAIL);
        }
    }
}

/// The items of a list. Of one that is too long nothing is said but that, by the schema.
pub(super) fn few<'a>(owner: &'a Map, list: &str) -> impl Iterator<Item = &'a Node> + use<'a> {
    const ITEMS_MAX: usize = 32;
    let items = owner.list(list);
    if items.len() > ITEMS_MAX { [].iter() } else { items.iter() }
}

/// A request, and a choice of it.
type Reference<'a> = (&'a str, Option<&'a str>);

fn in_parts(reference: &str) -> Reference<'_> {
    reference.split_once('/').map_or((reference, None), |(name, choice)| (name, Some(choice)))
}

fn names_of_requests(devices: &Map) -> HashSet<Reference<'_>> {
    devices
        .maps("requests")
        .flat_map(|request| {
            let choices = request.maps("firstAvailable").map(|choice| Some(choice.str("name")));
            choices.chain([None]).map(|choice| (request.str("name"), choice))
        })
        .collect()
}

/// Reports what is wrong with settings for a driver.
pub(super) fn validate_configuration(configuration: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("opaque");
    let Some(opaque) = configuration.map("opaque") else { return errors.required(&path, "") };
    let path = path.child("parameters");
    match opaque.get("parameters") {
        None | Some(Node::Null) => errors.required(&path, ""),
        Some(Node::Raw(text)) if text.len() > PARAMETERS_BYTES_MAX => {
            errors.too_long(&path, PARAMETERS_BYTES_MAX)
        }
        Some(Node::Raw(text)) if !text.starts_with('{') => {
            errors.invalid(&path, "<value omitted>", "must be a valid JSON object");
        }
        Some(_) => {}
    }
}

/// Reports selectors without an expression; expressions are not compiled here.
pub(super) fn validate_selectors(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("selectors");
    for (i, selector) in owner.maps("selectors").enumerate() {
        let path = path.index(i);
        let path = path.child("cel");
        let Some(cel) = selector.map("cel") else {
            errors.required(&path, "");
            continue;
        };
        let (expression, path) = (cel.str("expression"), path.child("expression"));
        if expression.is_empty() {
            errors.invalid(&path, "", "compilation failed: the expression is empty");
        } else if expression.len() > EXPRESSION_BYTES_MAX {
            errors.too_long(&path, EXPRESSION_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn constraints_and_settings_are_about_requests_that_there_are() {
        let text = r#"{"devices":{"requests":[{"name":"a","firstAvailable":[{"name":"b","deviceClassName":"c",
            "allocationMode":"All"}]}],"constraints":[{"requests":["a","a/b","a/x"],"matchAttribute":"d/e"},{}],
            "config":[{"requests":["y"]}]}}"#;
        let node = json::decode_untyped(text.as_bytes()).expect("JSON");
        let mut errors = FieldErrors::new();
        validate(node.as_map().expect("an object"), &Path::new("spec"), &mut errors);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.devices.constraints[0].requests[2]",
                "spec.devices.constraints[1]",
                "spec.devices.config[0].requests[0]",
                "spec.devices.config[0].opaque",
            ]
        );
    }
}
