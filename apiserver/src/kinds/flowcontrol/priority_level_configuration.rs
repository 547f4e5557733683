//! PriorityLevelConfiguration: how many requests run at once. Keeps: it is limited or exempt, with settings for just
//! that; what the server depends on stays as it is.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "flowcontrol.apiserver.k8s.io",
        kind: "PriorityLevelConfiguration",
        plural: "prioritylevelconfigurations",
        singular: "prioritylevelconfiguration",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
    )],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("Type", "string", |it, _| it.str_at(&["spec", "type"]).into()),
        column("NominalConcurrencyShares", "string", |it, _| or_none(it, &["nominalConcurrencyShares"])),
        column("Queues", "string", |it, _| or_none(it, &["limitResponse", "queuing", "queues"])),
        column("HandSize", "string", |it, _| or_none(it, &["limitResponse", "queuing", "handSize"])),
        column("QueueLengthLimit", "string", |it, _| {
            or_none(it, &["limitResponse", "queuing", "queueLengthLimit"])
        }),
        kind::AGE,
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const QUEUES_MAX: i64 = 10_000_000;

fn or_none(level: &Map, path: &[&str]) -> Node {
    let limited = level.map_at(&["spec", "limited"]);
    limited.and_then(|limited| limited.at(path)).cloned().unwrap_or("<none>".into())
}

fn set_defaults(level: &mut Map) {
    let spec = level.map_mut("spec");
    if let Some(limited) = spec.existing_map_mut("limited") {
        limited.set_default("nominalConcurrencyShares", 30i64);
        limited.set_default("lendablePercent", 0i64);
        let response = limited.existing_map_mut("limitResponse");
        if let Some(queuing) = response.and_then(|response| response.existing_map_mut("queuing")) {
            for (field, value) in [("queues", 64i64), ("handSize", 8), ("queueLengthLimit", 50)] {
                if queuing.int(field).unwrap_or(0) == 0 {
                    queuing.set(field, value);
                }
            }
        }
    }
    if let Some(exempt) = spec.existing_map_mut("exempt") {
        exempt.set_default("nominalConcurrencyShares", 0i64);
        exempt.set_default("lendablePercent", 0i64);
    }
}

fn validate(level: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = level.map("spec").unwrap_or(&empty);
    let kind = spec.str("type");
    if (level.name() == "exempt") != (kind == "Exempt") {
        errors.invalid(&SPEC.child("type"), kind, "type must be 'Exempt' if and only if `name` is 'exempt'");
    }
    let (limited, exempt) = (spec.map("limited"), spec.map("exempt"));
    match (kind, limited) {
        ("Exempt", Some(_)) => {
            errors.forbidden(&SPEC.child("limited"), "must be nil if the type is not Limited")
        }
        ("Limited", None) => {
            errors.required(&SPEC.child("limited"), "must not be empty when type is Limited")
        }
        ("Limited", Some(limited)) => validate_limited(limited, errors),
        ("Exempt", None) => {}
        _ => errors.not_supported(&SPEC.child("type"), kind, &["Exempt", "Limited"]),
    }
    if let Some(exempt) = exempt {
        if kind == "Limited" {
            errors.forbidden(&SPEC.child("exempt"), "must be nil if the type is Limited");
        } else {
            validate_percent(exempt, "lendablePercent", &SPEC.child("exempt"), errors);
        }
    }
}

fn validate_percent(owner: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(percent) = owner.int(field).filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid(&path.child(field), percent, "must be between 0 and 100, inclusive");
    }
}

fn validate_limited(limited: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("limited");
    if let Some(shares) = limited.int("nominalConcurrencyShares").filter(|shares| *shares < 0) {
        errors.invalid(&path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer");
    }
    validate_percent(limited, "lendablePercent", &path, errors);
    if let Some(percent) = limited.int("borrowingLimitPercent").filter(|percent| *percent < 0) {
        errors.invalid(
            &path.child("borrowingLimitPercent"),
            percent,
            "if specified, must be a non-negative integer",
        );
    }
    let empty = Map::new();
    let response = limited.map("limitResponse").unwrap_or(&empty);
    let path = path.child("limitResponse");
    match (response.str("type"), response.map("queuing")) {
        ("Reject", Some(_)) => {
            errors.forbidden(
                &path.child("queuing"),
                "must be nil if limited.limitResponse.type is not Limited",
            );
        }
        ("Queue", None) => {
            errors.required(
                &path.child("queuing"),
                "must not be empty if limited.limitResponse.type is Limited",
            );
        }
        ("Queue", Some(queuing)) => validate_queuing(queuing, &path.child("queuing"), errors),
        ("Reject", None) => {}
        (kind, _) => errors.not_supported(&path.child("type"), kind, &["Queue", "Reject"]),
    }
}

fn validate_queuing(queuing: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let number = |field| queuing.int(field).unwrap_or(0);
    for field in ["queueLengthLimit", "queues", "handSize"] {
        if number(field) <= 0 {
            errors.invalid(&path.child(field), number(field), "must be positive");
        }
    }
    if number("queues") > QUEUES_MAX {
        errors.invalid(
            &path.child("queues"),
            number("queues"),
            format!("must not be greater than {QUEUES_MAX}"),
        );
    }
    if number("handSize") > number("queues") {
        let detail = format!("should not be greater than queues ({})", number("queues"));
        errors.invalid(&path.child("handSize"), number("handSize"), detail);
    }
}
