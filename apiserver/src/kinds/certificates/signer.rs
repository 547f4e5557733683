//! Names of signers: `example.com/name`. Keeps: a domain and a path of DNS labels or subdomains.

use crate::field::{FieldErrors, Path};
use crate::names::{self, dns};

const DOMAIN_BYTES_MAX: usize = 63;
const PATH_BYTES_MAX: usize = 253;

/// Reports what is wrong with the name of a signer.
pub(super) fn validate(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let [domain, rest] = name.split('/').collect::<Vec<_>>()[..] else {
        errors.invalid(
            path,
            name,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        );
        return;
    };
    names::report(errors, path, domain, dns::subdomain(domain));
    for label in rest.split('.') {
        names::report(errors, path, label, dns::label(label));
    }
    if domain.split('.').any(|label| label.len() > DOMAIN_BYTES_MAX) || rest.len() > PATH_BYTES_MAX {
        errors.too_long(path, DOMAIN_BYTES_MAX + PATH_BYTES_MAX);
    }
}
