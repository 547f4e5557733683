//! PodCertificateRequest: a pod's wish for a certificate. Keeps: the spec never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, FieldValue, Kind, Names, Scope, Selectable, Version, column};
use crate::kinds::selector;
use crate::names;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "PodCertificateRequest",
        plural: "podcertificaterequests",
        singular: "podcertificaterequest",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.PodCertificateRequest",
    )],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("PodName", "string", |it, _| it.str_at(&["spec", "podName"]).into()),
        column("ServiceAccountName", "string", |it, _| it.str_at(&["spec", "serviceAccountName"]).into()),
        column("NodeName", "string", |it, _| it.str_at(&["spec", "nodeName"]).into()),
        column("SignerName", "string", |it, _| it.str_at(&["spec", "signerName"]).into()),
        column("State", "string", state),
        column("UnverifiedUserAnnotations", "string", |it, _| {
            selector::labels_cell(it.map_at(&["spec", "unverifiedUserAnnotations"]))
        }),
    ],
    selectable: &[
        Selectable {
            name: "spec.signerName",
            value: FieldValue::At(&["spec", "signerName"]),
            indexed: false,
        },
        Selectable { name: "spec.podName", value: FieldValue::At(&["spec", "podName"]), indexed: false },
        Selectable { name: "spec.nodeName", value: FieldValue::At(&["spec", "nodeName"]), indexed: false },
    ],
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const EXPIRATION_SECONDS_MIN: i64 = 3_600;
const EXPIRATION_SECONDS_MAX: i64 = 91 * 24 * 3_600;

fn state(request: &Map, _: i64) -> Node {
    let conditions = request.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    let decided = conditions
        .filter(|it| it.str("status") == "True")
        .find(|it| matches!(it.str("type"), "Issued" | "Denied" | "Failed"));
    decided.map_or("Pending", |condition| condition.str("type")).into()
}

fn validate(request: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = request.map("spec").unwrap_or(&empty);
    names::signer::validate(spec.str("signerName"), &SPEC.child("signerName"), errors);
    for field in ["podName", "podUID", "serviceAccountName", "serviceAccountUID", "nodeName", "nodeUID"] {
        if spec.str(field).is_empty() {
            errors.required(&SPEC.child(field), "");
        }
    }
    if let Some(seconds) = spec.int("maxExpirationSeconds")
        && !(EXPIRATION_SECONDS_MIN..=EXPIRATION_SECONDS_MAX).contains(&seconds)
    {
        let detail = format!("must be in the range [{EXPIRATION_SECONDS_MIN}, {EXPIRATION_SECONDS_MAX}]");
        errors.invalid(&SPEC.child("maxExpirationSeconds"), seconds, detail);
    }
}

fn validate_update(request: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&SPEC, request.get("spec"), old.get("spec"));
}
