//! Environment variables of containers, and references to fields of the pod and resources of a container.

use super::paths;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names::{self, dns, text};
use crate::quantity::Quantity;
use crate::tree::Map;

/// Fields of a pod that an environment variable can take.
const VARIABLE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that a downward API file can hold.
pub(super) const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Every field that the downward API knows by this version's label.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SOURCES: &[&str] = &["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
const BYTE_DIVISORS: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Reports what is wrong with `env` and `envFrom` of a container.
pub(super) fn validate(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (i, variable) in container.maps("env").enumerate() {
        validate_variable(variable, &path.child("env").index(i), errors);
    }
    for (i, source) in container.maps("envFrom").enumerate() {
        validate_source(source, i, &path.child("envFrom"), errors);
    }
}

fn validate_variable(variable: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = variable.str("name");
    if rules::require_text(variable, "name", path, errors) {
        names::report(errors, &path.child("name"), name, text::variable_name(name));
    }
    let Some(source) = variable.map("valueFrom") else { return };
    let path = path.child("valueFrom");
    for kind in SOURCES {
        let Some(reference) = source.map(kind) else { continue };
        let path = path.child(kind);
        match *kind {
            "fieldRef" => validate_field(reference, VARIABLE_FIELDS, &path, errors),
            "resourceFieldRef" => validate_resource(reference, false, &path, errors),
            "fileKeyRef" => validate_file_key(reference, &path, errors),
            _ => validate_key(reference, &path, errors),
        }
    }
    match SOURCES.iter().filter(|kind| source.contains(kind)).count() {
        0 => errors.invalid(
            &path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        _ if !variable.str("value").is_empty() => {
            errors.invalid(&path, "", "may not be specified when `value` is not empty");
        }
        1 => {}
        _ => errors.invalid(&path, "", "may not have more than one field specified at a time"),
    }
}

fn validate_source(source: &Map, i: usize, list: &Path<'_>, errors: &mut FieldErrors) {
    let path = list.index(i);
    let prefix = source.str("prefix");
    if !prefix.is_empty() {
        names::report(errors, &path.child("prefix"), prefix, text::variable_name(prefix));
    }
    let mut sources = 0;
    for kind in ["configMapRef", "secretRef"] {
        let Some(reference) = source.map(kind) else { continue };
        sources += 1;
        let path = path.child(kind);
        if rules::require_text(reference, "name", &path, errors) {
            let name = reference.str("name");
            names::report(errors, &path.child("name"), name, dns::subdomain(&names::masked(name, true)));
        }
    }
    // The list's own path is upstream's choice.
    match sources {
        0 => errors.invalid(list, "", "must specify one of: `configMapRef` or `secretRef`"),
        1 => {}
        _ => errors.invalid(list, "", "may not have more than one field specified at a time"),
    }
}

fn validate_key(reference: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::dns_subdomain(reference.str("name"), &path.child("name"), errors);
    if rules::require_text(reference, "key", path, errors) {
        let key = reference.str("key");
        names::report(errors, &path.child("key"), key, text::config_key(key));
    }
}

fn validate_file_key(reference: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if rules::require_text(reference, "key", path, errors) {
        let key = reference.str("key");
        names::report(errors, &path.child("key"), key, text::variable_name(key));
    }
    if rules::require_text(reference, "volumeName", path, errors) {
        rules::dns_label(reference.str("volumeName"), &path.child("volumeName"), errors);
    }
    if rules::require_text(reference, "path", path, errors) {
        paths::no_backsteps(reference.str("path"), &path.child("path"), errors);
    }
}

/// Reports what is wrong with a reference to a field of the pod, which must be one of `fields`.
pub(super) fn validate_field(reference: &Map, fields: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if !rules::require_text(reference, "apiVersion", path, errors)
        || !rules::require_text(reference, "fieldPath", path, errors)
    {
        return;
    }
    let (version, written) = (reference.str("apiVersion"), reference.str("fieldPath"));
    let path_to_field = path.child("fieldPath");
    let subscripted = written
        .strip_suffix("']")
        .and_then(|text| text.split_once("['"))
        .filter(|(field, _)| !field.is_empty());
    let fault = match subscripted {
        _ if version != "v1" => Some(format!("unsupported pod version: {version}")),
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some((field, _)) => Some(format!("field label does not support subscript: {field}")),
        // `spec.host` is the old label of `spec.nodeName`.
        None if written == "spec.host" || KNOWN_FIELDS.contains(&written) => None,
        None => Some(format!("field label not supported: {written}")),
    };
    if let Some(fault) = fault {
        errors.invalid(&path_to_field, written, format!("error converting fieldPath: {fault}"));
        return;
    }
    match subscripted {
        Some(("metadata.annotations", key)) => rules::qualified_name(&key.to_lowercase(), path, errors),
        Some((_, key)) => rules::qualified_name(key, path, errors),
        None => {
            let field = if written == "spec.host" { "spec.nodeName" } else { written };
            if !fields.contains(&field) {
                errors.not_supported(&path_to_field, field, fields);
            }
        }
    }
}

/// Reports what is wrong with a reference to a resource of a container; a file must name the container.
pub(super) fn validate_resource(reference: &Map, in_file: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let resource = reference.str("resource");
    let is_huge_pages =
        resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_file && reference.str("containerName").is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !is_huge_pages {
        errors.not_supported(&path.child("resource"), resource, RESOURCES);
    }
    validate_divisor(reference.str("divisor"), resource, path, errors);
}

fn validate_divisor(divisor: &str, resource: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if divisor.is_empty() || Quantity::parse(divisor).is_ok_and(|divisor| divisor.is_zero()) {
        return;
    }
    let (divisors, values, what): (&[&str], _, _) = match resource {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "1m and 1", "cpu"),
        "limits.memory" | "requests.memory" => (BYTE_DIVISORS, "", "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            (BYTE_DIVISORS, "", "local ephemeral storage")
        }
        _ if resource.contains(".hugepages-") => (BYTE_DIVISORS, "", "hugepages"),
        _ => return,
    };
    if !divisors.contains(&divisor) {
        let values = if values.is_empty() { divisors.join(", ") } else { values.to_owned() };
        let detail = format!("only divisor's values {values} are supported with the {what} resource");
        errors.invalid(&path.child("divisor"), resource, detail);
    }
}
