//! What pools and attributes are called. Keeps: a pool is made of domains; an attribute is an identifier of C,
//! in the driver's domain or in one that it names.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules::dns_subdomain;
use crate::kinds::core::volume_source::validate_driver_name;
use crate::names::{self, text};

const POOL_BYTES_MAX: usize = 253;
const IDENTIFIER_BYTES_MAX: usize = 32;

/// Reports what is wrong with the name of a pool: domains joined by slashes.
pub(super) fn validate_pool(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > POOL_BYTES_MAX {
        errors.too_long(path, POOL_BYTES_MAX);
    }
    for part in name.split('/') {
        dns_subdomain(part, path, errors);
    }
}

/// Reports what is wrong with the name of an attribute or capacity: `name` or `domain/name`.
pub(super) fn validate_qualified(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match name.split('/').collect::<Vec<_>>()[..] {
        [name] => validate_identifier(name, path, errors),
        [domain, name] => {
            match domain {
                "" => errors.invalid(path, "", "the domain must not be empty"),
                domain => validate_driver_name(domain, path, errors),
            }
            match name {
                "" => errors.invalid(path, "", "the name must not be empty"),
                name => validate_identifier(name, path, errors),
            }
        }
        // Upstream accepts more slashes.
        _ => {}
    }
}

/// As [`validate_qualified`], of a name that must have a domain.
pub(super) fn validate_fully_qualified(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_qualified(name, path, errors);
    if !name.contains('/') {
        errors.invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash");
    }
}

fn validate_identifier(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.len() > IDENTIFIER_BYTES_MAX {
        errors.too_long(path, IDENTIFIER_BYTES_MAX);
    }
    names::report(errors, path, name, text::c_identifier(name));
}

/// Whether a text is a version after semver.org.
pub(super) fn is_semantic_version(version: &str) -> bool {
    let (version, build) =
        version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(core, pre)| (core, Some(pre)));
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
    };
    let is_all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && pre.is_none_or(|pre| {
            pre.split('.').all(|part| is_word(part) && (!is_all_digits(part) || is_number(part)))
        })
        && build.is_none_or(|build| build.split('.').all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_three_numbers() {
        for version in ["1.2.3", "0.0.0", "1.2.3-rc.1+build.01"] {
            assert!(is_semantic_version(version), "{version}");
        }
        for version in ["1.2", "01.2.3", "1.2.3-", "1.2.3-01", "v1.2.3", ""] {
            assert!(!is_semantic_version(version), "{version}");
        }
    }
}
