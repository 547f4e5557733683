//! Kinds made while the program runs.
//!
//! Keeps: a kind lives as long as the program, as the built-in ones do, and equal ones are one. What makes a kind is
//! what discovery and tables show, some kilobytes; schemas, which change most, are no part of it. So the memory that
//! definitions leave behind is that of as many different ones as there have ever been, not of their changes.

use std::sync::LazyLock;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::JsonPath;
use crate::discovery::stability;
use crate::kind::{
    self, Action, Cell, Column, Context, FieldValue, Generation, Kind, Names, ScalePaths, Scope, Selectable,
    Subresource, Version, View,
};
use crate::tree::{Map, Node};

static TEXTS: LazyLock<Mutex<FxHashSet<&'static str>>> = LazyLock::new(Mutex::default);
static KINDS: LazyLock<Mutex<FxHashMap<String, &'static Kind>>> = LazyLock::new(Mutex::default);

/// A text that lives as long as the program; equal ones are one.
pub(super) fn text(text: &str) -> &'static str {
    let mut texts = TEXTS.lock();
    match texts.get(text) {
        Some(made) => made,
        None => {
            let made: &'static str = Box::leak(text.into());
            texts.insert(made);
            made
        }
    }
}

fn slice<T>(items: impl IntoIterator<Item = T>) -> &'static [T] {
    Box::leak(items.into_iter().collect())
}

fn path(json_path: &str) -> &'static [&'static str] {
    slice(json_path.split('.').filter(|name| !name.is_empty()).map(text))
}

/// The kind of a definition in one of its versions, and that version.
pub(super) fn kind(definition: &Map, version: &Map) -> (&'static Kind, &'static Version) {
    let spec = definition.map("spec").cloned().unwrap_or_default();
    let names = names(definition);
    let versions: Node = spec
        .maps("versions")
        .filter(|version| is(version, "served") || is(version, "storage"))
        .map(|version| {
            let flags = ["served", "storage", "deprecated"].map(|flag| Node::from(is(version, flag)));
            Node::from_iter([Node::from(version.str("name"))].into_iter().chain(flags))
        })
        .collect();
    let mut own = version.clone();
    own.remove("schema");
    let key = Node::from_iter([
        Node::from(spec.str("group")),
        spec.str("scope").into(),
        names.clone().into(),
        versions,
        own.into(),
    ]);
    let key = key.to_string();
    let made = KINDS.lock().get(&key).copied();
    let kind = made.unwrap_or_else(|| {
        let kind: &'static Kind = Box::leak(Box::new(make(&spec, &names, version)));
        KINDS.lock().entry(key).or_insert(kind)
    });
    let own = kind.versions.iter().find(|made| made.version == version.str("name"));
    (kind, own.unwrap_or_else(|| kind.storage_version()))
}

/// The names that were accepted, or, as long as there are none, those asked for.
pub(super) fn names(definition: &Map) -> Map {
    let accepted =
        definition.map_at(&["status", "acceptedNames"]).filter(|names| !names.str("plural").is_empty());
    accepted.or_else(|| definition.map_at(&["spec", "names"])).cloned().unwrap_or_default()
}

pub(super) fn is(map: &Map, flag: &str) -> bool {
    map.bool(flag) == Some(true)
}

fn make(spec: &Map, names: &Map, version: &Map) -> Kind {
    let group = text(spec.str("group"));
    let kind = text(names.str("kind"));
    let has_status = version.at(&["subresources", "status"]).is_some();
    Kind {
        names: Names {
            group,
            kind,
            plural: text(names.str("plural")),
            singular: text(names.str("singular")),
            short: slice(names.texts("shortNames").map(text)),
            scope: if spec.str("scope") == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
        },
        versions: slice(
            spec.maps("versions").filter(|version| is(version, "served") || is(version, "storage")).map(
                |version| {
                    let name = text(version.str("name"));
                    let schema = text(&type_name(group, name, kind));
                    Version { storage: is(version, "storage"), ..Version::storage(group, name, schema) }
                },
            ),
        ),
        categories: slice(names.texts("categories").map(text)),
        subresources: slice(subresources(version)),
        columns: columns(version),
        selectable: slice(version.maps("selectableFields").map(|field| {
            let path = path(field.str("jsonPath"));
            Selectable { name: text(&path.join(".")), value: FieldValue::At(path), indexed: false }
        })),
        generation: if has_status {
            Generation::When(differs_but_in_status)
        } else {
            Generation::When(differs)
        },
        plain_finalizers: true,
        unconditional_update: false,
        warnings: crate::metadata::warn_of_plain_finalizers,
        deprecation: deprecation(spec, kind, version),
        prepare_for_create: if has_status { kind::clear_status } else { |_, _| {} },
        ..Kind::DEFAULT
    }
}

/// The name of a type in OpenAPI: the group's words backwards, as upstream names them.
fn type_name(group: &str, version: &str, kind: &str) -> String {
    let mut words: Vec<&str> = group.split('.').collect();
    words.reverse();
    format!("{}.{version}.{kind}", words.join("."))
}

/// The warning of a version: its own, or one that names the most stable version that may be used instead.
fn deprecation(spec: &Map, kind: &str, version: &Map) -> &'static str {
    if !is(version, "deprecated") {
        return "";
    }
    if let Some(warning) = version.get("deprecationWarning").and_then(Node::as_str) {
        return text(warning);
    }
    let (group, own) = (spec.str("group"), version.str("name"));
    let usable = spec.maps("versions").filter(|other| is(other, "served") && !is(other, "deprecated"));
    let better = usable.map(|other| other.str("name")).filter(|other| stability(other) > stability(own));
    match better.max_by_key(|other| stability(other)) {
        Some(other) => text(&format!("{group}/{own} {kind} is deprecated; use {group}/{other} {kind}")),
        None => text(&format!("{group}/{own} {kind} is deprecated")),
    }
}

fn subresources(version: &Map) -> Vec<Subresource> {
    let mut made = Vec::new();
    if version.at(&["subresources", "status"]).is_some() {
        made.push(Subresource {
            name: "status",
            verbs: kind::VIEW_VERBS,
            body: None,
            action: Action::View(View { prepare: keep_all_but_status, validate: |_, _, _| {} }),
        });
    }
    if let Some(scale) = version.map_at(&["subresources", "scale"]) {
        let paths = ScalePaths {
            replicas: path(scale.str("specReplicasPath")),
            status_replicas: path(scale.str("statusReplicasPath")),
            selector: FieldValue::At(path(scale.str("labelSelectorPath"))),
        };
        made.push(Subresource { action: Action::Scale(paths), ..kind::scale(|_| Default::default()) });
    }
    made
}

/// All that stays as it is when the status is written: everything but the status and who owns it.
fn keep_all_but_status(object: &mut Map, old: &Map, _: &Context<'_>) {
    let status = object.get("status").cloned();
    let managed = crate::managed_fields::managed_fields(object).cloned();
    *object = old.clone();
    match status {
        Some(status) => object.set("status", status),
        None => {
            object.remove("status");
        }
    }
    crate::managed_fields::set_managed_fields(object, managed.map(Node::List));
}

/// Whether something beyond metadata differs.
fn differs(new: &Map, old: &Map) -> bool {
    differs_without(new, old, &["metadata"])
}

fn differs_but_in_status(new: &Map, old: &Map) -> bool {
    differs_without(new, old, &["metadata", "status"])
}

fn differs_without(new: &Map, old: &Map, left_out: &[&str]) -> bool {
    let counted = |map: &Map| map.keys().filter(|name| !left_out.contains(&name.as_str())).count();
    counted(new) != counted(old)
        || new.iter().any(|(name, node)| !left_out.contains(&name.as_str()) && old.get(name) != Some(node))
}

fn columns(version: &Map) -> &'static [Column] {
    let declared: Vec<Column> = version.maps("additionalPrinterColumns").filter_map(column).collect();
    let declared = if declared.is_empty() { vec![Column { kind: "date", ..kind::AGE }] } else { declared };
    slice([kind::NAME].into_iter().chain(declared))
}

/// A path that cannot be read leaves its column out.
fn column(column: &Map) -> Option<Column> {
    let path = JsonPath::parse(column.str("jsonPath"))?;
    let description = match column.str("description") {
        "" => text(&format!(
            "Custom resource definition column (in JSONPath format): {}",
            column.str("jsonPath")
        )),
        own => text(own),
    };
    Some(Column {
        name: text(column.str("name")),
        kind: text(column.str("type")),
        format: text(column.str("format")),
        description,
        priority: column.int("priority").and_then(|priority| priority.try_into().ok()).unwrap_or(0),
        cell: Cell::At(Box::leak(Box::new(path))),
    })
}
