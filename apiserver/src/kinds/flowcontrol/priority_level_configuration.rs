//! PriorityLevelConfiguration: how many requests run at once. Keeps: it is limited or exempt, with settings for just
//! that; what the server depends on stays as it is.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules;
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
/// A request is dealt its queues by the bits of one hash.
const HASH_BITS_MAX: f64 = 60.0;

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
        errors.invalid(&SPEC.child("type"), kind, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match kind {
        "Exempt" => validate_shares(spec.map("exempt").unwrap_or(&empty), &SPEC.child("exempt"), errors),
        "Limited" => validate_limited(spec.map("limited").unwrap_or(&empty), errors),
        "" => {}
        _ => errors.not_supported(&SPEC.child("type"), kind, &["Exempt", "Limited"]),
    }
    require_just_for(spec, "exempt", kind, "Exempt", &SPEC, errors);
    require_just_for(spec, "limited", kind, "Limited", &SPEC, errors);
}

/// Settings of one type are there with that type only; exempt ones may be left out.
fn require_just_for(
    owner: &Map,
    field: &str,
    kind: &str,
    own: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    match (owner.contains(field), kind == own) {
        (true, false) => errors.forbidden(&path.child(field), ""),
        (false, true) if own != "Exempt" => errors.required(&path.child(field), ""),
        _ => {}
    }
}

fn validate_shares(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let field = "nominalConcurrencyShares";
    if let Some(shares) = owner.int(field).filter(|shares| *shares < 0) {
        errors.invalid(&path.child(field), shares, "must be a non-negative integer");
    }
    rules::within(owner, "lendablePercent", (0, 100), path, errors);
}

fn validate_limited(limited: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("limited");
    validate_shares(limited, &path, errors);
    if let Some(percent) = limited.int("borrowingLimitPercent").filter(|percent| *percent < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid(&path.child("borrowingLimitPercent"), percent, detail);
    }
    let Some(response) = limited.map("limitResponse") else { return };
    let path = path.child("limitResponse");
    let kind = response.str("type");
    match (kind, response.map("queuing")) {
        ("Queue", Some(queuing)) => validate_queuing(queuing, &path.child("queuing"), errors),
        ("Queue" | "Reject" | "", _) => {}
        _ => errors.not_supported(&path.child("type"), kind, &["Queue", "Reject"]),
    }
    require_just_for(response, "queuing", kind, "Queue", &path, errors);
}

fn validate_queuing(queuing: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let number = |field| queuing.int(field).unwrap_or(0);
    let (queues, hand_size) = (number("queues"), number("handSize"));
    for field in ["queueLengthLimit", "queues"] {
        if number(field) <= 0 {
            errors.invalid(&path.child(field), number(field), "must be positive");
        }
    }
    if queues > QUEUES_MAX {
        errors.invalid(&path.child("queues"), queues, format!("must not be greater than {QUEUES_MAX}"));
    }
    let bits = (queues.max(1) as f64).log2() * hand_size as f64;
    let detail = if hand_size <= 0 {
        "must be positive".to_owned()
    } else if hand_size > queues {
        format!("should not be greater than queues ({queues})")
    } else if bits.ceil() > HASH_BITS_MAX {
        format!(
            "required entropy bits of deckSize {queues} and handSize {hand_size} should not be greater than {HASH_BITS_MAX}"
        )
    } else {
        return;
    };
    errors.invalid(&path.child("handSize"), hand_size, detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn check(spec: &str, expected: &[&str]) {
        let node = json::decode_untyped(format!(r#"{{"spec":{spec}}}"#).as_bytes()).expect("JSON");
        let mut errors = FieldErrors::new();
        validate(node.as_map().expect("an object"), &mut errors);
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn settings_are_those_of_the_type() {
        check(r#"{"type":"Limited"}"#, &["spec.limited: Required value"]);
        check(
            r#"{"type":"Limited","exempt":{},"limited":{"limitResponse":{"type":"Reject","queuing":{}}}}"#,
            &["spec.limited.limitResponse.queuing: Forbidden", "spec.exempt: Forbidden"],
        );
    }

    #[test]
    fn a_hand_is_dealt_by_the_bits_of_one_hash() {
        let queuing = |queues: i64| {
            format!(
                r#"{{"type":"Limited","limited":{{"limitResponse":{{"type":"Queue",
                    "queuing":{{"queues":{queues},"handSize":4,"queueLengthLimit":5}}}}}}}}"#
            )
        };
        check(&queuing(8), &[]);
        check(
            &queuing(70_000),
            &[
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 4: required entropy bits of deckSize 70000 and handSize 4 should not be greater than 60",
            ],
        );
    }
}
