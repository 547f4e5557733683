//! Event: something that happened to an object. Served by two groups over one storage.
//!
//! Keeps: the stored form is core's; what comes through events.k8s.io fulfils its stricter rules.

use crate::field::{FieldErrors, Path};
use crate::kind::{
    Conversion, Dependents, FieldValue, Kind, NameRule, Names, Scope, Selectable, Version, column, wide,
};
use crate::names;
use crate::time;
use crate::tree::{Map, Node};

mod columns;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Event",
        plural: "events",
        singular: "event",
        short: &["ev"],
        scope: Scope::Namespaced,
    },
    versions: &[
        Version::storage("", "v1", "io.k8s.api.core.v1.Event"),
        Version {
            group: "events.k8s.io",
            version: "v1",
            schema: "io.k8s.api.events.v1.Event",
            storage: false,
            conversion: Some(Conversion { to_storage, from_storage }),
        },
    ],
    columns: columns::COLUMNS,
    selectable: SELECTABLE,
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    dependents: Dependents::None,
    expires: Some(expires),
    validate_request,
    ..Kind::DEFAULT
};

/// The same field in the two groups: core's name first.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn to_storage(event: &mut Map) {
    for (core, events) in RENAMED {
        if let Some(value) = event.remove(events) {
            event.set(*core, value);
        }
    }
}

fn from_storage(event: &mut Map) {
    for (core, events) in RENAMED {
        if let Some(value) = event.remove(core) {
            event.set(*events, value);
        }
    }
}

const fn field(name: &'static str, value: FieldValue) -> Selectable {
    Selectable { name, value, indexed: false }
}

const fn indexed(name: &'static str, value: FieldValue) -> Selectable {
    Selectable { name, value, indexed: true }
}

/// `describe` selects by the object; its name and uid are worth an index.
const SELECTABLE: &[Selectable] = &[
    indexed("involvedObject.uid", FieldValue::At(&["involvedObject", "uid"])),
    indexed("involvedObject.name", FieldValue::At(&["involvedObject", "name"])),
    field("involvedObject.kind", FieldValue::At(&["involvedObject", "kind"])),
    field("involvedObject.namespace", FieldValue::At(&["involvedObject", "namespace"])),
    field("involvedObject.apiVersion", FieldValue::At(&["involvedObject", "apiVersion"])),
    field("involvedObject.resourceVersion", FieldValue::At(&["involvedObject", "resourceVersion"])),
    field("involvedObject.fieldPath", FieldValue::At(&["involvedObject", "fieldPath"])),
    field("reason", FieldValue::At(&["reason"])),
    field("reportingComponent", FieldValue::At(&["reportingComponent"])),
    field(
        "source",
        FieldValue::Of(|it| match it.str_at(&["source", "component"]) {
            "" => it.str("reportingComponent").into(),
            component => component.into(),
        }),
    ),
    field("type", FieldValue::At(&["type"])),
    field("regarding.uid", FieldValue::At(&["involvedObject", "uid"])),
    field("regarding.name", FieldValue::At(&["involvedObject", "name"])),
    field("regarding.kind", FieldValue::At(&["involvedObject", "kind"])),
    field("regarding.namespace", FieldValue::At(&["involvedObject", "namespace"])),
    field("regarding.apiVersion", FieldValue::At(&["involvedObject", "apiVersion"])),
    field("regarding.resourceVersion", FieldValue::At(&["involvedObject", "resourceVersion"])),
    field("regarding.fieldPath", FieldValue::At(&["involvedObject", "fieldPath"])),
    field("reportingController", FieldValue::At(&["reportingComponent"])),
];

/// How long an event is kept after it was last written.
const LIFETIME_SECONDS: i64 = 3600;

/// The server dates every write in the managed fields, so a client's clock does not count.
fn expires(event: &Map) -> Option<i64> {
    let metadata = event.metadata()?;
    let written = metadata.maps("managedFields").map(|entry| entry.str("time"));
    let last = written.chain([metadata.str("creationTimestamp")]).filter_map(time::seconds_of).max()?;
    Some(last + LIFETIME_SECONDS)
}

const TEXT_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

fn validate_request(version: &Version, event: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    let is_core = version.group.is_empty();
    validate_any(event, if is_core { "reportingComponent" } else { "reportingController" }, errors);
    match old {
        _ if is_core => {}
        None => validate_strictly(event, errors),
        Some(old) => validate_kept(event, old, errors),
    }
}

/// What holds in both groups. Only events of the new style (with `eventTime`) must say who reports them.
fn validate_any(event: &Map, reporter: &str, errors: &mut FieldErrors) {
    let namespace = event.namespace();
    let of_object = event.str_at(&["involvedObject", "namespace"]);
    let is_new = !event.str("eventTime").is_empty();
    let fits = match (of_object, is_new) {
        ("", false) => matches!(namespace, "" | "default"),
        ("", true) => matches!(namespace, "default" | "kube-system"),
        (of_object, false) => namespace == of_object,
        (_, true) => true,
    };
    if !fits {
        let path = Path::new("involvedObject");
        errors.invalid(&path.child("namespace"), of_object, "does not match event.namespace");
    }
    if !is_new {
        return;
    }
    let controller = event.str("reportingComponent");
    let path = Path::new(reporter);
    if controller.is_empty() {
        errors.required(&path, "");
    }
    names::report(errors, &path, controller, names::label::key(controller));
    for field in ["reportingInstance", "action", "reason"] {
        let path = Path::new(field);
        let text = event.str(field);
        if text.is_empty() {
            errors.required(&path, "");
        } else if text.len() > TEXT_MAX {
            errors.invalid(&path, "", format!("can have at most {TEXT_MAX} characters"));
        }
    }
    if event.str("message").len() > NOTE_MAX {
        errors.invalid(&Path::new("message"), "", format!("can have at most {NOTE_MAX} characters"));
    }
}

/// What events.k8s.io demands of a new event.
fn validate_strictly(event: &Map, errors: &mut FieldErrors) {
    let name = event.name();
    let path = Path::new("metadata");
    if !name.is_empty() {
        names::report(errors, &path.child("name"), name, names::dns::subdomain(name));
    }
    validate_series(event, errors);
    if event.str("eventTime").is_empty() {
        errors.required(&Path::new("eventTime"), "");
    }
    let kind = event.str("type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(&Path::new("type"), "", format!("has invalid value: {kind}"));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        let set = match event.get(field) {
            None | Some(Node::Int(0)) => false,
            Some(Node::Map(source)) => !source.is_empty(),
            Some(_) => true,
        };
        if set {
            errors.invalid(&Path::new(field), "", "needs to be unset");
        }
    }
}

fn validate_series(event: &Map, errors: &mut FieldErrors) {
    let Some(series) = event.map("series") else { return };
    if series.int("count").unwrap_or(0) < 2 {
        errors.invalid(&Path::new("series.count"), "", "should be at least 2");
    }
    if series.str("lastObservedTime").is_empty() {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}

/// Through events.k8s.io only the series may change.
fn validate_kept(event: &Map, old: &Map, errors: &mut FieldErrors) {
    if event.get("series") != old.get("series") {
        validate_series(event, errors);
    }
    const KEPT: &[(&str, &str)] = &[
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    for (field, shown) in KEPT {
        errors.immutable(&Path::new(shown), event.get(field), old.get(field));
    }
}

#[cfg(test)]
mod tests;
