//! MutatingAdmissionPolicy: changes to objects as they are written. Keeps: it says what it matches and each change is of one type.

use super::webhooks::Variables;
use super::{policies, webhooks};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules::require_choice;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "MutatingAdmissionPolicy",
        plural: "mutatingadmissionpolicies",
        singular: "mutatingadmissionpolicy",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
    )],
    categories: &["api-extensions"],
    columns: &[
        kind::NAME,
        column("Mutations", "integer", |it, _| {
            Node::Int(it.map("spec").map_or(0, |spec| spec.list("mutations").len()) as i64)
        }),
        policies::PARAM_KIND,
        kind::AGE,
    ],
    generation: Generation::Spec,
    unconditional_update: false,
    set_defaults: policies::set_policy_defaults,
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn validate(policy: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = policy.map("spec").unwrap_or(&empty);
    let variables = policies::validate_policy(spec, errors);
    policies::validate_mutating_operations(spec, "matchConstraints", errors);
    let path = SPEC.child("mutations");
    if spec.list("mutations").is_empty() {
        errors.required(&path, "mutations must contain at least one item");
    }
    for (i, mutation) in spec.maps("mutations").enumerate() {
        validate_mutation(mutation, &variables, &path.index(i), errors);
    }
    require_choice(spec, "reinvocationPolicy", &["IfNeeded", "Never"], &SPEC, errors);
}

fn validate_mutation<'a>(
    mutation: &'a Map,
    variables: &Variables<'a>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (field, other) = match mutation.str("patchType") {
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "" => return errors.required(&path.child("patchType"), ""),
        kind => {
            return errors.not_supported(
                &path.child("patchType"),
                kind,
                &["ApplyConfiguration", "JSONPatch"],
            );
        }
    };
    match mutation.map(field) {
        Some(patch) if patch.str("expression").trim().is_empty() => {
            errors.required(&path.child(field).child("expression"), "");
        }
        Some(patch) => {
            webhooks::validate_expression(patch, "expression", (variables, &[]), &path.child(field), errors);
        }
        None => errors.required(
            &path.child(field),
            format!("must be specified when patchType is {}", mutation.str("patchType")),
        ),
    }
    if mutation.contains(other) {
        errors.invalid(
            &path.child(other),
            format!("{{{other}}}"),
            format!("must not be specified when patchType is {}", mutation.str("patchType")),
        );
    }
}
