//! The status of a Job as its controller writes it. Keeps: a finished Job stays finished, and says when it ended.

use super::is_true;
use crate::field::{Cause, FieldErrors, Path};
use crate::kinds::count;
use crate::tree::{Map, Node};

const STATUS: Path<'static> = Path::new("status");

/// Reports what is wrong with a new status.
pub(super) fn validate(job: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let status = job.map("status").unwrap_or(&empty);
    let old_status = old.map("status").unwrap_or(&empty);
    count::non_negative(status, &["active", "succeeded", "failed", "ready", "terminating"], &STATUS, errors);
    let conditions = STATUS.child("conditions");
    for (condition, detail) in [
        ("Failed", "cannot disable the terminal Failed=True condition"),
        ("Complete", "cannot disable the terminal Complete=True condition"),
    ] {
        if is_true(old, condition) && !is_true(job, condition) {
            errors.add_without_value(Cause::Invalid, &conditions, detail);
        }
    }
    if is_true(job, "Complete") && is_true(job, "Failed") {
        errors.add_without_value(
            Cause::Invalid,
            &conditions,
            "cannot set Complete=True and Failed=True conditions",
        );
    }
    let completed = status.contains("completionTime");
    if is_true(job, "Complete") && !is_true(old, "Complete") && !completed {
        errors.required(&STATUS.child("completionTime"), "completionTime is required for Complete jobs");
    }
    if completed && !is_true(job, "Complete") {
        let time = status.str("completionTime");
        errors.invalid(
            &STATUS.child("completionTime"),
            time,
            "completionTime cannot be set when there is no Complete=True condition",
        );
    }
    let (started, before) = (status.get("startTime"), old_status.get("startTime"));
    let suspended = old.at(&["spec", "suspend"]).and_then(Node::as_bool) == Some(true);
    if before.is_some() && started != before && !suspended {
        let path = STATUS.child("startTime");
        match started {
            Some(time) => {
                errors.invalid(&path, time.clone(), "startTime cannot be modified for unsuspended job")
            }
            None => errors.required(&path, "startTime cannot be removed for unsuspended job"),
        }
    }
}
