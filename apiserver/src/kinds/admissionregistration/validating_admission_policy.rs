//! ValidatingAdmissionPolicy: rules for objects as they are written. Keeps: it says what it matches and what must hold.

use super::policies;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "ValidatingAdmissionPolicy",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    )],
    categories: &["api-extensions"],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("Validations", "integer", |it, _| {
            Node::Int(it.map("spec").map_or(0, |spec| spec.list("validations").len()) as i64)
        }),
        policies::PARAM_KIND,
        kind::AGE,
    ],
    generation: Generation::Spec,
    unconditional_update: false,
    set_defaults: policies::set_policy_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

fn validate(policy: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = policy.map("spec").unwrap_or(&empty);
    policies::validate_policy(spec, errors);
    let path = SPEC.child("validations");
    if spec.list("validations").is_empty() && spec.list("auditAnnotations").is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.required(&path, detail);
        errors.required(&SPEC.child("auditAnnotations"), detail);
    }
    for (i, validation) in spec.maps("validations").enumerate() {
        let path = path.index(i);
        if validation.str("expression").trim().is_empty() {
            errors.required(&path.child("expression"), "expression is not specified");
        }
        let message = validation.str("message");
        if validation.str("expression").contains('\n') && message.is_empty() {
            errors.required(
                &path.child("message"),
                "message must be specified if expression contains line breaks",
            );
        }
        if message.contains('\n') {
            errors.invalid(&path.child("message"), message, "message must not contain line breaks");
        }
        let reason = validation.str("reason");
        if validation.contains("reason") && !REASONS.contains(&reason) {
            errors.not_supported(&path.child("reason"), reason, &REASONS);
        }
    }
    let path = SPEC.child("auditAnnotations");
    for (i, annotation) in spec.maps("auditAnnotations").enumerate() {
        for (field, detail) in
            [("key", "key is required"), ("valueExpression", "valueExpression is required")]
        {
            if annotation.str(field).is_empty() {
                errors.required(&path.index(i).child(field), detail);
            }
        }
    }
}
