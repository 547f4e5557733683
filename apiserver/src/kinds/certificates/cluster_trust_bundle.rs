//! ClusterTrustBundle: trust anchors. Keeps: the name begins with the signer's, which never changes.

use super::signer;
use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{self, Kind, NameRule, Names, Scope, Selectable, Version, column};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "ClusterTrustBundle",
        plural: "clustertrustbundles",
        singular: "clustertrustbundle",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.ClusterTrustBundle",
    )],
    columns: &[
        kind::NAME,
        column("SignerName", "string", |it, _| match it.str_at(&["spec", "signerName"]) {
            "" => "<none>".into(),
            signer => signer.into(),
        }),
    ],
    selectable: &[Selectable {
        name: "spec.signerName",
        value: |it| it.str_at(&["spec", "signerName"]).into(),
        indexed: false,
    }],
    name_rule: NameRule::Custom(|name, is_prefix| match name.rsplit(':').next() {
        Some(last) if is_prefix && last.is_empty() => Vec::new(),
        Some(last) => dns::subdomain(&names::masked(last, is_prefix)),
        None => Vec::new(),
    }),
    unconditional_update: false,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn validate(bundle: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = bundle.map("spec").unwrap_or(&empty);
    let (name, signer_name) = (bundle.name(), spec.str("signerName"));
    let metadata = Path::new("metadata");
    if signer_name.is_empty() {
        if name.contains(':') {
            let detail = "ClusterTrustBundle without signer name must not have \":\" in its name";
            errors.invalid(&metadata.child("name"), name, detail);
        }
    } else {
        signer::validate(signer_name, &SPEC.child("signerName"), errors);
        let prefix = format!("{}:", signer_name.replace('/', ":"));
        if !name.starts_with(&prefix) {
            let detail =
                format!("ClusterTrustBundle for signerName {signer_name} must be named with prefix {prefix}");
            errors.invalid(&metadata.child("name"), name, detail);
        }
    }
    validate_anchors(spec.str("trustBundle"), errors);
}

fn validate_anchors(bundle: &str, errors: &mut FieldErrors) {
    let path = SPEC.child("trustBundle");
    let mut count = 0;
    for block in x509_parser::pem::Pem::iter_from_buffer(bundle.as_bytes()) {
        match block {
            Ok(block) if block.label == "CERTIFICATE" && block.parse_x509().is_ok() => count += 1,
            Ok(block) if block.label != "CERTIFICATE" => {
                let detail = format!("entry {count} has bad block type: {}", block.label);
                errors.add_without_value(Cause::Invalid, &path, &detail);
                return;
            }
            _ => {
                let detail = format!("entry {count} does not parse as X.509");
                errors.add_without_value(Cause::Invalid, &path, &detail);
                return;
            }
        }
    }
    if count == 0 {
        errors.add_without_value(Cause::Invalid, &path, "at least one trust anchor must be provided");
    }
}

fn validate_update(bundle: &Map, old: &Map, errors: &mut FieldErrors) {
    let signer = |bundle: &Map| Node::from(bundle.str_at(&["spec", "signerName"]));
    errors.immutable(&SPEC.child("signerName"), Some(&signer(bundle)), Some(&signer(old)));
}
