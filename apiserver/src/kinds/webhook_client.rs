//! How the server calls a webhook: by URL, or through a Service. Keeps: the place is spelled out (https, a host, no
//! secrets), and certificates can be read.

use std::collections::HashSet;

use base64::Engine as _;

use crate::field::{FieldErrors, Path};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

mod url;

/// A Service is called at the port of https.
pub(in crate::kinds) fn set_defaults(client: &mut Map) {
    if let Some(service) = client.existing_map_mut("service") {
        service.set_default("port", 443i64);
    }
}

/// Reports what is wrong with the place: a URL or a Service.
pub(in crate::kinds) fn validate(client: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match (client.get("url").and_then(Node::as_str), client.map("service")) {
        (Some(url), None) => validate_url(url, &path.child("url"), errors),
        (None, Some(service)) => validate_service(service, &path.child("service"), errors),
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

fn validate_url(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let url = match url::parse(text) {
        Ok(url) => url,
        Err(fault) => {
            return errors.required(path, format!("url must be a valid URL: parse {text:?}: {fault}{FORM}"));
        }
    };
    if url.scheme != "https" {
        errors.invalid(path, url.scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if url.host.is_empty() {
        errors.invalid(path, "", format!("host must be specified{FORM}"));
    }
    if let Some(user) = url.user {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !url.fragment.is_empty() {
        errors.invalid(path, url.fragment, "fragments are not permitted in the URL");
    }
    if !url.query.is_empty() {
        errors.invalid(path, url.query, "query parameters are not permitted in the URL");
    }
}

fn validate_service(service: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    // Upstream takes the one for the other: what misses a namespace is told to miss a name.
    for (told, judged) in [("name", "namespace"), ("namespace", "name")] {
        if service.str(judged).is_empty() {
            errors.required(&path.child(told), "");
        }
    }
    let port = service.int("port").unwrap_or(0);
    let faults = names::port_number(port);
    if !faults.is_empty() {
        errors.invalid(&path.child("port"), port, format!("port is not valid: {}", faults.join(", ")));
    }
    validate_path(service.str("path"), &path.child("path"), errors);
}

fn validate_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match text {
        "" | "/" => return,
        "//" => return errors.invalid(path, text, "segment[0] may not be empty"),
        _ => {}
    }
    if !text.starts_with('/') {
        errors.invalid(path, text, "must start with a '/'");
    }
    let rest: String = text.chars().skip(1).collect();
    for (i, segment) in rest.strip_suffix('/').unwrap_or(&rest).split('/').enumerate() {
        if segment.is_empty() {
            errors.invalid(path, text, format!("segment[{i}] may not be empty"));
            continue;
        }
        for fault in dns::subdomain(segment) {
            errors.invalid(path, text, format!("segment[{i}]: {fault}"));
        }
    }
}

/// Reports versions of a review (`AdmissionReview`, `ConversionReview`) none of which the server speaks.
pub(in crate::kinds) fn validate_review_versions(
    versions: &[Node],
    detail: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if versions.is_empty() {
        return errors.required(path, detail);
    }
    let texts: Vec<&str> = versions.iter().map(|version| version.as_str().unwrap_or_default()).collect();
    let mut seen = HashSet::new();
    for (i, version) in texts.iter().enumerate() {
        if seen.insert(*version) {
            names::report(errors, &path.index(i), version, dns::label_1035(version));
        } else {
            errors.invalid(&path.index(i), *version, "duplicate version");
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        let value: Node = texts.into_iter().collect();
        errors.invalid(path, value, "must include at least one of v1, v1beta1");
    }
}

/// Whether `caBundle` is empty or holds certificates, and none that cannot be read.
pub(in crate::kinds) fn has_readable_bundle(client: &Map) -> bool {
    let Ok(bundle) = base64::engine::general_purpose::STANDARD.decode(client.str("caBundle")) else {
        return false;
    };
    let mut blocks = x509_parser::pem::Pem::iter_from_buffer(&bundle)
        .map_while(Result::ok)
        .filter(|block| block.label == "CERTIFICATE")
        .peekable();
    bundle.is_empty() || blocks.peek().is_some() && blocks.all(|block| block.parse_x509().is_ok())
}

/// Reports a `caBundle` that cannot be read.
pub(in crate::kinds) fn validate_bundle(client: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if !has_readable_bundle(client) {
        let detail = "unable to load root certificates: unable to parse bytes as PEM block";
        errors.invalid(&path.child("caBundle"), client.str("caBundle"), detail);
    }
}

#[cfg(test)]
mod tests;
