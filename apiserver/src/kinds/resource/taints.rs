//! Taints of devices. Keeps: a taint says since when it has its effect.

use crate::field::{FieldErrors, Path};
use crate::names::{self, label};
use crate::tree::Map;

/// Sets the time of a taint that has none, or whose effect is no longer that of `old`.
pub(super) fn fill_time(taint: &mut Map, old: Option<&Map>, now: &str) {
    let changed = old.is_some_and(|old| {
        old.str("effect") != taint.str("effect") && old.get("timeAdded") == taint.get("timeAdded")
    });
    if changed || !taint.contains("timeAdded") {
        taint.set("timeAdded", now);
    }
}

/// Reports what is wrong with a taint.
pub(super) fn validate(taint: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (key, value) = (taint.str("key"), taint.str("value"));
    names::report(errors, &path.child("key"), key, label::key(key));
    names::report(errors, &path.child("value"), value, label::value(value));
    match taint.str("effect") {
        "NoExecute" | "NoSchedule" | "None" => {}
        "" => errors.required(&path.child("effect"), ""),
        effect => errors.not_supported(&path.child("effect"), effect, &["NoExecute", "NoSchedule", "None"]),
    }
}
