//! Declared text formats (`+k8s:format`).

use crate::names::{Faults, dns, label, text};

/// What is wrong with a text of a format; nothing for a format that is not known here.
pub(super) fn faults(format: &str, value: &str) -> Faults {
    match format {
        "k8s-short-name" => dns::label(value),
        "k8s-long-name" => dns::subdomain(value),
        "k8s-long-name-caseless" => dns::subdomain(&value.to_ascii_lowercase()),
        "k8s-label-key" => label::key(value),
        "k8s-prefixed-label-key" => prefixed_label_key(value),
        "k8s-uuid" => uuid(value),
        "k8s-resource-pool-name" => pool_name(value),
        "k8s-resource-fully-qualified-name" => fully_qualified_name(value),
        "k8s-extended-resource-name" => extended_resource_name(value),
        _ => Faults::new(),
    }
}

fn prefixed_label_key(value: &str) -> Faults {
    let faults = label::key(value);
    if faults.is_empty() && !value.contains('/') {
        return vec!["must have a prefix (e.g. 'example.com/MyName')".to_owned()];
    }
    faults
}

fn uuid(value: &str) -> Faults {
    let dash_at = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => dash_at(at),
            b'0'..=b'9' | b'a'..=b'f' => !dash_at(at),
            _ => false,
        });
    if fits {
        return Faults::new();
    }
    vec![
        "must be a lowercase UUID in 8-4-4-4-12 format, i.e. 01234567-89ab-cdef-0123-456789abcdef".to_owned(),
    ]
}

/// DNS subdomains with slashes between them.
fn pool_name(value: &str) -> Faults {
    const BYTES_MAX: usize = 253;
    if value.len() > BYTES_MAX {
        return vec![format!("must be no more than {BYTES_MAX} bytes")];
    }
    value.split('/').flat_map(dns::subdomain).collect()
}

/// A domain and a C identifier with a slash between them.
fn fully_qualified_name(value: &str) -> Faults {
    const NAME_BYTES_MAX: usize = 32;
    let Some((domain, name)) = value.split_once('/') else {
        return vec!["a fully qualified name must be a domain and a name separated by a slash".to_owned()];
    };
    let mut faults = Faults::new();
    if domain.is_empty() {
        faults.push("the domain must not be empty".to_owned());
    } else {
        faults.extend(dns::subdomain(domain));
    }
    if name.is_empty() {
        faults.push("the name must not be empty".to_owned());
    } else {
        faults.extend(text::c_identifier(name));
        if name.len() > NAME_BYTES_MAX {
            faults.push(format!("must be no more than {NAME_BYTES_MAX} bytes"));
        }
    }
    faults
}

/// A prefixed resource name outside of Kubernetes' own domain.
fn extended_resource_name(value: &str) -> Faults {
    let own = value
        .split_once('/')
        .is_none_or(|(prefix, _)| prefix == "kubernetes.io" || prefix.ends_with(".kubernetes.io"));
    if own {
        return vec![
            "a name must be a domain outside of kubernetes.io and a name separated by a slash".to_owned(),
        ];
    }
    if value.starts_with("requests.") {
        return vec!["must not have the prefix \"requests.\"".to_owned()];
    }
    label::key(&format!("requests.{value}"))
}
