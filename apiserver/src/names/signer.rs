//! Names of certificate signers: `example.com/signer-name`.

use super::dns;
use crate::field::{FieldErrors, Path};

const DOMAIN_MAX: usize = 253;
/// A domain, a namespace and a name, with their separators.
const SIGNER_NAME_MAX: usize = 253 + 1 + 63 + 1 + 253;

/// Reports what is wrong with a signer's name.
pub fn validate(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid(path, name, detail);
        return;
    };
    if domain.len() > DOMAIN_MAX {
        errors.too_long(path, DOMAIN_MAX);
    }
    validate_labels(domain, dns::label, path, errors);
    if !domain.contains('.') {
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    }
    validate_labels(rest, dns::subdomain, path, errors);
    if name.len() > SIGNER_NAME_MAX {
        errors.too_long(path, SIGNER_NAME_MAX);
    }
}

/// Reports the first label that breaks a rule.
fn validate_labels(part: &str, rule: fn(&str) -> super::Faults, path: &Path<'_>, errors: &mut FieldErrors) {
    for label in part.split('.') {
        let faults = rule(label);
        for fault in &faults {
            errors.invalid(path, part, format!("validating label {label:?}: {fault}"));
        }
        if !faults.is_empty() {
            return;
        }
    }
}

/// Whether the name is reserved by the Kubernetes project.
pub fn is_kubernetes(name: &str) -> bool {
    let domain = name.split('/').next().unwrap_or_default();
    domain == "kubernetes.io" || domain.ends_with(".kubernetes.io")
}

/// What is wrong with the name of a ClusterTrustBundle that belongs to `signer` (empty for none).
pub fn trust_bundle_name(signer: &str, name: &str, is_prefix: bool) -> super::Faults {
    if signer.is_empty() {
        if name.contains(':') {
            return vec!["ClusterTrustBundle without signer name must not have \":\" in its name".to_owned()];
        }
        return dns::subdomain(&super::masked(name, is_prefix));
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => dns::subdomain(&super::masked(rest, is_prefix)),
        None => {
            vec![format!("ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}")]
        }
    }
}
