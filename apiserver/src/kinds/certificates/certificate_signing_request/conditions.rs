//! Decisions on a request. Keeps: Approved and Denied exclude each other; once there, they stay as they are.

use std::collections::{HashMap, HashSet};

use crate::field::{Cause, FieldErrors, Path};
use crate::names::{self, label};
use crate::tree::{Map, Node};

/// The conditions of a request.
pub(super) fn of(request: &Map) -> impl Iterator<Item = &Map> {
    request.map("status").into_iter().flat_map(|status| status.maps("conditions"))
}

/// Sets the times of conditions that have none: when they were written, and when their status last changed.
pub(super) fn fill_times(request: &mut Map, old: &Map, now: &str) {
    let Some(status) = request.existing_map_mut("status") else { return };
    let mut known = HashMap::new();
    for before in of(old) {
        let since = before.str("lastTransitionTime");
        known.entry((before.str("type").to_owned(), before.str("status").to_owned())).or_insert(since);
    }
    for condition in status.existing_list_mut("conditions").into_iter().flatten().filter_map(Node::as_map_mut)
    {
        condition.set_default("lastUpdateTime", now);
        let state = (condition.str("type").to_owned(), condition.str("status").to_owned());
        let since = known.get(&state).copied().unwrap_or("");
        condition.set_default("lastTransitionTime", if since.is_empty() { now } else { since });
    }
}

/// Reports what is wrong with the conditions by themselves.
pub(super) fn validate(request: &Map, errors: &mut FieldErrors) {
    let status = Path::new("status");
    let path = status.child("conditions");
    let mut seen = HashSet::new();
    for (i, condition) in of(request).enumerate() {
        let path = path.index(i);
        let (kind, value) = (condition.str("type"), condition.str("status"));
        match kind {
            "" => errors.required(&path.child("type"), ""),
            "Approved" | "Denied" | "Failed" => {}
            other => names::report(errors, &path.child("type"), other, label::key(other)),
        }
        match (kind, value) {
            (_, "") => errors.required(&path.child("status"), ""),
            ("Approved" | "Denied" | "Failed", "False" | "Unknown") => {
                errors.not_supported(&path.child("status"), value, &["True"]);
            }
            (_, "True" | "False" | "Unknown") => {}
            _ => errors.not_supported(&path.child("status"), value, &["True", "False", "Unknown"]),
        }
        if !seen.insert(kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        let excluded = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !excluded.is_empty() && seen.contains(excluded) {
            errors.invalid(
                &path.child("type"),
                kind,
                "Approved and Denied conditions are mutually exclusive",
            );
        }
    }
}

/// Rules of the approval endpoint.
pub(super) fn validate_approval(request: &Map, old: &Map, errors: &mut FieldErrors) {
    validate(request, errors);
    validate_decisions(request, old, true, errors);
}

/// Rules of the status endpoint.
pub(super) fn validate_status(request: &Map, old: &Map, errors: &mut FieldErrors) {
    validate(request, errors);
    validate_decisions(request, old, false, errors);
    let certificate = ["status", "certificate"];
    let before = old.str_at(&certificate);
    if !before.is_empty() && request.str_at(&certificate) != before {
        let status = Path::new("status");
        errors.forbidden(&status.child("certificate"), "updates may not modify existing certificate content");
    }
}

fn validate_decisions(request: &Map, old: &Map, may_decide: bool, errors: &mut FieldErrors) {
    let status = Path::new("status");
    let path = status.child("conditions");
    let decision = |request: &Map, kind: &str| of(request).find(|it| it.str("type") == kind).cloned();
    for kind in ["Approved", "Denied", "Failed"] {
        match (decision(old, kind), decision(request, kind)) {
            (Some(_), None) => {
                let detail = format!("updates may not remove a condition of type {kind:?}");
                errors.add(Cause::Forbidden, &path, &Node::Null, &detail);
            }
            (None, Some(_)) if !may_decide && kind != "Failed" => {
                let detail = format!("updates may not add a condition of type {kind:?}");
                errors.add(Cause::Forbidden, &path, &Node::Null, &detail);
            }
            (Some(before), Some(now)) if before != now && !may_decide && kind != "Failed" => {
                let detail = format!("updates may not modify a condition of type {kind:?}");
                errors.add(Cause::Forbidden, &path, &Node::Null, &detail);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(conditions: &[(&str, &str)]) -> Map {
        let conditions: Node = conditions
            .iter()
            .map(|(kind, status)| Map::from([("type", *kind), ("status", *status)]))
            .collect();
        Map::from([("status", Map::from([("conditions", conditions)]))])
    }

    #[test]
    fn a_decision_is_made_once_and_through_its_endpoint() {
        let refusals =
            |check: fn(&Map, &Map, &mut FieldErrors), new: &[(&str, &str)], old: &[(&str, &str)]| {
                let mut errors = FieldErrors::new();
                check(&request(new), &request(old), &mut errors);
                errors.iter().count()
            };
        let approved = [("Approved", "True")];
        assert_eq!(refusals(validate_approval, &approved, &[]), 0);
        assert_eq!(refusals(validate_status, &approved, &[]), 1);
        assert_eq!(refusals(validate_approval, &[], &approved), 1);
        assert_eq!(refusals(validate_approval, &[("Approved", "True"), ("Denied", "True")], &approved), 1);
        assert_eq!(refusals(validate_status, &[("Approved", "True"), ("Failed", "True")], &approved), 0);
    }

    #[test]
    fn times_are_filled_in_and_kept_while_the_status_stays() {
        let mut new = request(&[("Approved", "True")]);
        fill_times(&mut new, &Map::new(), "t1");
        let mut later = request(&[("Approved", "True")]);
        fill_times(&mut later, &new, "t2");
        let condition = of(&later).next().expect("a condition");
        assert_eq!((condition.str("lastUpdateTime"), condition.str("lastTransitionTime")), ("t2", "t1"));
    }
}
