//! Names that a pod has and resolves: host names, aliases, DNS configuration.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names::{self, address};
use crate::tree::Map;

const NAMESERVERS_MAX: usize = 3;
const SEARCH_PATHS_MAX: usize = 32;
const SEARCH_LIST_CHARACTERS_MAX: usize = 2048;
const HOSTNAME_OVERRIDE_MAX: usize = 64;

/// Reports what is wrong with a pod's `dnsConfig` under its `dnsPolicy`.
pub(super) fn validate_config(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let config = spec.map("dnsConfig");
    if spec.str("dnsPolicy") == "None" {
        match config {
            None => errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None"),
            Some(config) if config.list("nameservers").is_empty() => {
                let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
                errors.required(&path.child("nameservers"), detail);
                return;
            }
            Some(_) => {}
        }
    }
    let Some(config) = config else { return };
    let value = |field| config.get(field).cloned().unwrap_or_default();
    let servers = path.child("nameservers");
    if config.list("nameservers").len() > NAMESERVERS_MAX {
        errors.invalid(&servers, value("nameservers"), "must not have more than 3 nameservers");
    }
    for (i, server) in config.texts("nameservers").enumerate() {
        names::report(errors, &servers.index(i), server, address::ip(server));
    }
    let searches = path.child("searches");
    if config.list("searches").len() > SEARCH_PATHS_MAX {
        errors.invalid(&searches, value("searches"), "must not have more than 32 search paths");
    }
    let characters: usize = config.texts("searches").map(|search| search.len() + 1).sum();
    if characters.saturating_sub(1) > SEARCH_LIST_CHARACTERS_MAX {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(&searches, value("searches"), detail);
    }
    for (i, search) in config.texts("searches").enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        names::report(errors, &searches.index(i), search, names::dns::subdomain_with_underscore(search));
    }
    for (i, option) in config.maps("options").enumerate() {
        if option.str("name").is_empty() {
            errors.required(&path.child("options").index(i), "must not be empty");
        }
    }
}

/// Reports what is wrong with the names a pod gives itself and others.
pub(super) fn validate_host_names(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["hostname", "subdomain"] {
        let name = spec.str(field);
        if !name.is_empty() {
            rules::dns_label(name, &path.child(field), errors);
        }
    }
    let aliases = path.child("hostAliases");
    for (i, alias) in spec.maps("hostAliases").enumerate() {
        let path = aliases.index(i);
        let ip = alias.str("ip");
        names::report(errors, &path.child("ip"), ip, address::ip(ip));
        for (j, name) in alias.texts("hostnames").enumerate() {
            rules::dns_subdomain(name, &path.child("hostnames").index(j), errors);
        }
    }
    if spec.contains("hostnameOverride") {
        validate_override(spec, &path.child("hostnameOverride"), errors);
    }
}

fn validate_override(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = spec.str("hostnameOverride");
    if spec.bool("setHostnameAsFQDN") == Some(true) {
        errors.forbidden(path, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.bool("hostNetwork") == Some(true) {
        errors.forbidden(path, "may not be specified when hostNetwork is true");
    }
    if name.len() > HOSTNAME_OVERRIDE_MAX {
        errors.too_long(path, HOSTNAME_OVERRIDE_MAX);
    }
    rules::dns_subdomain(name, path, errors);
}
