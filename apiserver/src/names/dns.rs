//! Names of the DNS: labels and subdomains after RFC 1123, labels after RFC 1035.

use super::{Faults, pattern, too_many_bytes, too_many_characters};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const UNDERSCORED: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const WILDCARD: &str = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const CASELESS_SENTENCE: &str = "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const SUBDOMAIN_SENTENCE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// A label after RFC 1123: up to 63 of `a-z`, `0-9`, `-`.
pub fn label(name: &str) -> Faults {
    label_within(name, too_many_characters)
}

/// A label as upstream's declared rules say it (`k8s-short-name`): its limit is told in bytes.
pub fn short_name(name: &str) -> Faults {
    label_within(name, too_many_bytes)
}

fn label_within(name: &str, too_long: fn(usize) -> String) -> Faults {
    let mut faults = Vec::new();
    if name.len() > LABEL_MAX {
        faults.push(too_long(LABEL_MAX));
    }
    if !is_label(name) {
        faults.push(if is_subdomain(name) {
            "must not contain dots".to_owned()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    faults
}

/// Labels joined by dots, up to 253 characters.
pub fn subdomain(name: &str) -> Faults {
    subdomain_within(name, too_many_characters)
}

/// A subdomain as upstream's declared rules say it (`k8s-long-name`): its limit is told in bytes.
pub fn long_name(name: &str) -> Faults {
    subdomain_within(name, too_many_bytes)
}

/// A subdomain in any case (`k8s-long-name-caseless`).
pub fn long_name_caseless(name: &str) -> Faults {
    let mut faults = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        faults.push(too_many_bytes(SUBDOMAIN_MAX));
    }
    if !is_subdomain(&name.to_ascii_lowercase()) {
        faults.push(pattern(CASELESS_SENTENCE, SUBDOMAIN, &["Example.com"]));
    }
    faults
}

fn subdomain_within(name: &str, too_long: fn(usize) -> String) -> Faults {
    let mut faults = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        faults.push(too_long(SUBDOMAIN_MAX));
    }
    if !is_subdomain(name) {
        faults.push(pattern(SUBDOMAIN_SENTENCE, SUBDOMAIN, &["example.com"]));
    }
    faults
}

/// A subdomain whose labels may hold and start with an underscore (search domains of the DNS).
pub fn subdomain_with_underscore(name: &str) -> Faults {
    let mut faults = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        faults.push(too_many_characters(SUBDOMAIN_MAX));
    }
    let is_underscored = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        ends_are_alphanumeric(label)
            && label.bytes().all(|byte| is_alphanumeric(byte) || matches!(byte, b'-' | b'_'))
    };
    if !name.split('.').all(is_underscored) {
        faults.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            UNDERSCORED,
            &["example.com"],
        ));
    }
    faults
}

/// `*.` and a subdomain.
pub fn wildcard_subdomain(name: &str) -> Faults {
    let mut faults = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        faults.push(too_many_characters(SUBDOMAIN_MAX));
    }
    if !name.strip_prefix("*.").is_some_and(is_subdomain) {
        faults.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            WILDCARD,
            &["*.example.com"],
        ));
    }
    faults
}

/// A label after RFC 1035: as [`label`], and it starts with a letter.
pub fn label_1035(name: &str) -> Faults {
    let mut faults = Vec::new();
    if name.len() > LABEL_MAX {
        faults.push(too_many_characters(LABEL_MAX));
    }
    if !(is_label(name) && name.as_bytes()[0].is_ascii_lowercase()) {
        faults.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            LABEL_1035,
            &["my-name", "abc-123"],
        ));
    }
    faults
}

/// Whether a text is labels joined by dots, of any length.
pub fn is_subdomain(name: &str) -> bool {
    name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    ends_are_alphanumeric(name) && name.bytes().all(|byte| is_alphanumeric(byte) || byte == b'-')
}

fn ends_are_alphanumeric(name: &str) -> bool {
    match name.as_bytes() {
        [] => false,
        [only] => is_alphanumeric(*only),
        [first, .., last] => is_alphanumeric(*first) && is_alphanumeric(*last),
    }
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}
