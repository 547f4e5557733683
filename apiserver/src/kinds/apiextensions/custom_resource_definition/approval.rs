//! Groups of the Kubernetes project. Keeps: a kind there says who approved it, or that nobody did.

use crate::field::{FieldErrors, Path};
use crate::tree::Map;

const ANNOTATION: &str = "api-approved.kubernetes.io";

/// Reports a definition in a protected group without a word of who approved it.
pub(super) fn validate(definition: &Map, group: &str, errors: &mut FieldErrors) {
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let protected = ["k8s.io", "kubernetes.io"];
    if !protected.iter().any(|domain| group == *domain || group.ends_with(&format!(".{domain}"))) {
        return;
    }
    let metadata = Path::new("metadata");
    let annotations = metadata.child("annotations");
    let path = annotations.key(ANNOTATION);
    let reason = format!("protected groups must have approval annotation {ANNOTATION:?}");
    match definition.annotation(ANNOTATION).unwrap_or("") {
        "" => errors.required(&path, format!("{reason}, {SEE}")),
        text if text.starts_with("unapproved") => {}
        text if text
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()) => {}
        text => errors.invalid(
            &path,
            text,
            format!("{reason} with either a URL or a reason starting with \"unapproved\", {SEE}"),
        ),
    }
}
