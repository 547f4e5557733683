//! ValidatingAdmissionPolicy: rules for objects as they are written. Keeps: it says what it matches and what must hold.

use std::collections::HashSet;

use super::webhooks::Variables;
use super::{policies, webhooks};
use crate::cel::check::Type;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules::{choice, qualified_name};
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
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const AUDIT_ANNOTATIONS_MAX: usize = 20;
const VALUE_EXPRESSION_BYTES_MAX: usize = 5 * 1024;

fn validate(policy: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = policy.map("spec").unwrap_or(&empty);
    let variables = policies::validate_policy(spec, errors);
    let path = SPEC.child("validations");
    if spec.list("validations").is_empty() && spec.list("auditAnnotations").is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.required(&path, detail);
        errors.required(&SPEC.child("auditAnnotations"), detail);
    }
    for (i, validation) in spec.maps("validations").enumerate() {
        validate_validation(validation, &variables, &path.index(i), errors);
    }
    let path = SPEC.child("auditAnnotations");
    let annotations = spec.list("auditAnnotations");
    if annotations.len() > AUDIT_ANNOTATIONS_MAX {
        let detail = format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(&path, annotations.iter().cloned().collect::<Node>(), detail);
    }
    let mut keys = HashSet::new();
    for (i, annotation) in spec.maps("auditAnnotations").enumerate() {
        let path = path.index(i);
        validate_audit_annotation(annotation, policy.name(), &path, errors);
        let wanted = [Type::String, Type::Null];
        webhooks::validate_expression(annotation, "valueExpression", (&variables, &wanted), &path, errors);
        let key = annotation.str("key");
        if !keys.insert(key) {
            errors.duplicate(&path.child("key"), key);
        }
    }
}

fn validate_validation<'a>(
    validation: &'a Map,
    variables: &Variables<'a>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    const MAY_NOT_BE_EMPTY: &str = "must be non-empty if specified";
    for (field, wanted) in [("expression", Type::Bool), ("messageExpression", Type::String)] {
        webhooks::validate_expression(validation, field, (variables, &[wanted]), path, errors);
    }
    if validation.str("expression").trim().is_empty() {
        errors.required(&path.child("expression"), "expression is not specified");
    }
    for field in ["messageExpression", "message"] {
        let text = validation.str(field);
        if !text.is_empty() && text.trim().is_empty() {
            errors.invalid(&path.child(field), text, MAY_NOT_BE_EMPTY);
        } else if field == "message" && text.trim().contains(['\n', '\r']) {
            errors.invalid(&path.child(field), text, "must not contain line breaks");
        }
    }
    choice(validation, "reason", &REASONS, path, errors);
}

/// An audit annotation's key follows the policy's name.
fn validate_audit_annotation(annotation: &Map, policy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let (key, expression) = (annotation.str("key"), annotation.str("valueExpression").trim());
    if policy.is_empty() {
        errors.invalid(&path.child("key"), key, "requires metadata.name be non-empty");
    } else {
        qualified_name(&format!("{policy}/{key}"), &path.child("key"), errors);
    }
    let path = path.child("valueExpression");
    if expression.is_empty() {
        errors.required(&path, "valueExpression is not specified");
    } else if expression.len() > VALUE_EXPRESSION_BYTES_MAX {
        errors.required(&path, format!("must not exceed {VALUE_EXPRESSION_BYTES_MAX} bytes in length"));
    }
}
