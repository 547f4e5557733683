//! ClusterTrustBundle: trust anchors. Keeps: the name begins with the signer's, which never changes.

use std::collections::HashMap;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, FieldValue, Kind, NameRule, Names, Scope, Selectable, Version, column};
use crate::names;
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
        value: FieldValue::At(&["spec", "signerName"]),
        indexed: false,
    }],
    // What a name must be follows from the signer.
    name_rule: NameRule::Custom(|_, _| Vec::new()),
    unconditional_update: false,
    validate_metadata: validate_name,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const BUNDLE_BYTES_MAX: usize = 1024 * 1024;

fn validate_name(bundle: &Map, errors: &mut FieldErrors) {
    let signer = bundle.str_at(&["spec", "signerName"]);
    let metadata = Path::new("metadata");
    for (field, is_prefix) in [("generateName", true), ("name", false)] {
        let name = bundle.str_at(&["metadata", field]);
        if !name.is_empty() {
            let faults = names::signer::trust_bundle_name(signer, name, is_prefix);
            names::report(errors, &metadata.child(field), name, faults);
        }
    }
}

fn validate(bundle: &Map, errors: &mut FieldErrors) {
    let signer = bundle.str_at(&["spec", "signerName"]);
    if !signer.is_empty() {
        names::signer::validate(signer, &SPEC.child("signerName"), errors);
    }
    let (text, path) = (bundle.str_at(&["spec", "trustBundle"]), SPEC.child("trustBundle"));
    if text.len() > BUNDLE_BYTES_MAX {
        return errors.too_long(&path, BUNDLE_BYTES_MAX);
    }
    for fault in anchor_faults(text) {
        errors.invalid(&path, "<value omitted>", fault);
    }
}

/// What is wrong with the certificates of a bundle: each is an authority's, and there once.
fn anchor_faults(bundle: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // Where each content stands.
    let mut anchors: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    let blocks = x509_parser::pem::Pem::iter_from_buffer(bundle.as_bytes()).map_while(Result::ok);
    for (i, block) in blocks.enumerate() {
        if block.label != "CERTIFICATE" {
            faults.push(format!("entry {i} has bad block type: {}", block.label));
            continue;
        }
        let is_authority = block
            .parse_x509()
            .map(|certificate| certificate.basic_constraints().ok().flatten().is_some_and(|it| it.value.ca));
        match is_authority {
            Err(_) => faults.push(format!("entry {i} does not parse as X.509")),
            Ok(false) => faults.push(format!("entry {i} does not have the CA bit set")),
            Ok(true) => anchors.entry(block.contents).or_default().push(i),
        }
    }
    if faults.is_empty() && anchors.is_empty() {
        return vec!["at least one trust anchor must be provided".to_owned()];
    }
    if faults.is_empty() {
        let mut repeated: Vec<Vec<usize>> =
            anchors.into_values().filter(|indices| indices.len() > 1).collect();
        repeated.sort_unstable();
        faults.extend(repeated.into_iter().map(|indices| {
            let indices: Vec<String> = indices.iter().map(usize::to_string).collect();
            format!("duplicate trust anchor (indices [{}])", indices.join(" "))
        }));
    }
    faults
}

fn validate_update(bundle: &Map, old: &Map, errors: &mut FieldErrors) {
    let signer = |bundle: &Map| Node::from(bundle.str_at(&["spec", "signerName"]));
    errors.immutable(&SPEC.child("signerName"), Some(&signer(bundle)), Some(&signer(old)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_after_its_signer_and_holds_authorities() {
        let spec = Map::from([("signerName", "example.com/x"), ("trustBundle", "text")]);
        let bundle = Map::from([("metadata", Map::from([("name", "example.com:y:z")])), ("spec", spec)]);
        let mut errors = FieldErrors::new();
        validate_name(&bundle, &mut errors);
        validate(&bundle, &mut errors);
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "metadata.name: Invalid value: \"example.com:y:z\": ClusterTrustBundle for signerName example.com/x must be named with prefix example.com:x:",
                "spec.trustBundle: Invalid value: \"<value omitted>\": at least one trust anchor must be provided",
            ]
        );
    }
}
