//! Volumes whose files the kubelet writes: secrets, config maps, the downward API, and projections of several.

use std::collections::HashSet;

use super::{env, paths};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::kinds::selector;
use crate::metadata;
use crate::names::{self, signer};
use crate::tree::Map;

const MODE_MAX: i64 = 0o777;
const KEY_TYPES: &[&str] = &["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;
const CERTIFICATE_SECONDS_MIN: i64 = 3600;
const CERTIFICATE_SECONDS_MAX: i64 = 91 * 86_400;
const KUBERNETES_CERTIFICATE_SECONDS_MAX: i64 = 86_400;

/// Reports what is wrong with a source of files of one of the four kinds.
pub(super) fn validate(kind: &str, source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match kind {
        "secret" => {
            rules::require_text(source, "secretName", path, errors);
        }
        "configMap" => {
            rules::require_text(source, "name", path, errors);
        }
        _ => {}
    }
    validate_mode(source, "defaultMode", path, errors);
    rules::within(source, "defaultUser", rules::IDS, path, errors);
    match kind {
        "projected" => Projection { source, path, taken: HashSet::new() }.validate(errors),
        // The volume's own path, for files, is upstream's choice.
        "downwardAPI" => source.maps("items").for_each(|file| validate_file(file, path, errors)),
        _ => {
            for (i, item) in source.maps("items").enumerate() {
                validate_item(item, &path.child("items").index(i), errors);
            }
        }
    }
}

fn validate_mode(owner: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(mode) = owner.int(field).filter(|mode| !(0..=MODE_MAX).contains(mode)) {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(&path.child(field), mode, detail);
    }
}

fn validate_item(item: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(item, "key", path, errors);
    rules::require_text(item, "path", path, errors);
    paths::not_reserved(item.str("path"), &path.child("path"), errors);
    validate_mode(item, "mode", path, errors);
    rules::within(item, "user", rules::IDS, path, errors);
}

fn validate_file(file: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(file, "path", path, errors);
    paths::not_reserved(file.str("path"), &path.child("path"), errors);
    match (file.map("fieldRef"), file.map("resourceFieldRef")) {
        (Some(field), resource) => {
            env::validate_field(field, env::FILE_FIELDS, &path.child("fieldRef"), errors);
            if resource.is_some() {
                errors.invalid(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                );
            }
        }
        (None, Some(resource)) => {
            env::validate_resource(resource, true, &path.child("resourceFieldRef"), errors);
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    validate_mode(file, "mode", path, errors);
    rules::within(file, "user", rules::IDS, path, errors);
}

/// A projected volume while its sources are judged: no two of them may write the same path.
struct Projection<'a> {
    source: &'a Map,
    path: &'a Path<'a>,
    taken: HashSet<&'a str>,
}

impl<'a> Projection<'a> {
    fn validate(mut self, errors: &mut FieldErrors) {
        const KINDS: &[&str] = &[
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ];
        let sources = self.path.child("sources");
        for (i, source) in self.source.maps("sources").enumerate() {
            let path = sources.index(i);
            let mut found = 0;
            for kind in KINDS {
                let Some(part) = source.map(kind) else { continue };
                found += 1;
                let path = path.child(kind);
                match *kind {
                    "secret" | "configMap" => self.validate_items(part, &path, errors),
                    "downwardAPI" => {
                        for file in part.maps("items") {
                            validate_file(file, &path, errors);
                            self.take(file.str("path"), file.str("path"), errors);
                        }
                    }
                    "serviceAccountToken" => self.validate_token(part, &path, errors),
                    "clusterTrustBundle" => self.validate_bundle(part, &path, errors),
                    _ => self.validate_certificate(part, &path, errors),
                }
            }
            if found > 1 {
                errors.forbidden(&path, "may not specify more than 1 volume type per source");
            }
        }
    }

    fn take(&mut self, target: &'a str, shown: &str, errors: &mut FieldErrors) {
        if !target.is_empty() && !self.taken.insert(target) {
            errors.invalid(self.path, shown, "conflicting duplicate paths");
        }
    }

    fn validate_items(&mut self, part: &'a Map, path: &Path<'_>, errors: &mut FieldErrors) {
        rules::require_text(part, "name", path, errors);
        for (i, item) in part.maps("items").enumerate() {
            validate_item(item, &path.child("items").index(i), errors);
            self.take(item.str("path"), part.str("name"), errors);
        }
    }

    fn validate_token(&mut self, token: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
        let seconds_path = path.child("expirationSeconds");
        match token.int("expirationSeconds") {
            None => errors.required(&seconds_path, ""),
            Some(seconds) if seconds < TOKEN_SECONDS_MIN => {
                errors.invalid(&seconds_path, seconds, "may not specify a duration less than 10 minutes");
            }
            Some(seconds) if seconds > TOKEN_SECONDS_MAX => {
                errors.invalid(&seconds_path, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            Some(_) => {}
        }
        // The volume's own path, for the token's, is upstream's choice.
        if rules::require_text(token, "path", self.path, errors) {
            paths::not_reserved(token.str("path"), &self.path.child("path"), errors);
        }
        rules::within(token, "user", rules::IDS, path, errors);
    }

    fn validate_bundle(&mut self, bundle: &'a Map, path: &Path<'_>, errors: &mut FieldErrors) {
        match (bundle.contains("name"), bundle.contains("signerName")) {
            (true, true) => {
                errors.invalid(path, bundle.clone(), "only one of name and signerName may be used")
            }
            (true, false) => {
                let name = bundle.str("name");
                let name_path = path.child("name");
                if name.is_empty() {
                    errors.required(&name_path, "must be a valid object name");
                }
                let owner =
                    name.rsplit_once(':').map(|(owner, _)| owner.replace(':', "/")).unwrap_or_default();
                for fault in signer::trust_bundle_name(&owner, name, false) {
                    errors.invalid(&name_path, name, format!("not a valid clustertrustbundlename: {fault}"));
                }
                if let Some(selector) = bundle.get("labelSelector") {
                    let detail = "labelSelector must be unset if name is specified";
                    errors.invalid(&path.child("labelSelector"), selector.clone(), detail);
                }
            }
            (false, true) => {
                let name = bundle.str("signerName");
                if name.is_empty() {
                    errors.required(&path.child("signerName"), "must be a valid signer name");
                }
                signer::validate(name, &path.child("signerName"), errors);
                selector::validate(bundle.map("labelSelector"), &path.child("labelSelector"), errors);
            }
            (false, false) => errors.required(path, "either name or signerName must be specified"),
        }
        rules::require_text(bundle, "path", path, errors);
        rules::within(bundle, "user", rules::IDS, path, errors);
        paths::not_reserved(bundle.str("path"), &path.child("path"), errors);
        self.take(bundle.str("path"), bundle.str("path"), errors);
    }

    fn validate_certificate(&mut self, certificate: &'a Map, path: &Path<'_>, errors: &mut FieldErrors) {
        let name = certificate.str("signerName");
        signer::validate(name, &path.child("signerName"), errors);
        validate_user_annotations(certificate.map("userAnnotations"), &path.child("userAnnotations"), errors);
        rules::within(certificate, "user", rules::IDS, path, errors);
        let key_type = certificate.str("keyType");
        if !KEY_TYPES.contains(&key_type) {
            errors.not_supported_in_order(&path.child("keyType"), key_type, KEY_TYPES);
        }
        if let Some(seconds) = certificate.int("maxExpirationSeconds") {
            let max = if signer::is_kubernetes(name) {
                KUBERNETES_CERTIFICATE_SECONDS_MAX
            } else {
                CERTIFICATE_SECONDS_MAX
            };
            let path = path.child("maxExpirationSeconds");
            if seconds < CERTIFICATE_SECONDS_MIN {
                errors.invalid(&path, seconds, "if provided, maxExpirationSeconds must be >= 3600");
            } else if seconds > max {
                errors.invalid(&path, seconds, format!("if provided, maxExpirationSeconds must be <= {max}"));
            }
        }
        let fields = ["credentialBundlePath", "keyPath", "certificateChainPath"];
        for field in fields {
            let target = certificate.str(field);
            if !target.is_empty() {
                paths::not_reserved(target, &path.child(field), errors);
                self.take(target, target, errors);
            }
        }
        if fields.iter().all(|field| certificate.str(field).is_empty()) {
            let detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
            errors.required(path, detail);
        }
    }
}

/// Annotations for a signer: as an object's, and every key has a domain.
fn validate_user_annotations(annotations: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    metadata::validate_annotations(annotations, path, errors);
    for key in annotations.into_iter().flat_map(Map::keys) {
        if !key.contains('/') && names::label::key(key).is_empty() {
            errors.invalid(path, key.as_str(), "must be a domain-prefixed key (such as \"acme.io/foo\")");
        }
    }
}
