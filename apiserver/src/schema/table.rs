//! The built-in schema, read from the generated table.
//!
//! Keeps: the table is trusted (it is compiled in and tested); a line that it cannot read is left out, so a
//! damaged table shows in tests and not as a panic.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;

use super::{Field, ListType, Omit, Schema, SchemaOr, Struct, StructId, Type};
use crate::codec;
use crate::tree::Key;

/// Name of the struct of every custom resource: `apiVersion`, `kind`, `metadata`, and whatever else there is.
pub const CUSTOM_OBJECT: &str = "pintle.CustomObject";

/// A kind that begins as custom resources do.
const DECLARED_ALIKE: &str = "io.k8s.api.core.v1.ConfigMap";

static TABLE: &str = include_str!("../../schema/table.txt");

/// A Go kind that the table knows.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinKind {
    /// `apps/v1`, `v1`; `*` for the kinds of meta/v1, which belong to every group.
    pub api_version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// Its struct.
    pub id: StructId,
    /// It survives a trip through every encoding (options and discovery kinds need not).
    pub round_trips: bool,
}

struct Builtin {
    schema: Schema,
    kinds: Vec<BuiltinKind>,
    by_kind: FxHashMap<(&'static str, &'static str), StructId>,
}

static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| parse(TABLE));

/// The schema of all built-in kinds.
pub fn builtin() -> &'static Schema {
    &BUILTIN.schema
}

/// The struct of every custom resource.
pub fn custom_object() -> StructId {
    BUILTIN.schema.find(CUSTOM_OBJECT).expect("the table has what all objects have")
}

/// Every kind of the table.
pub fn builtin_kinds() -> &'static [BuiltinKind] {
    &BUILTIN.kinds
}

/// The struct of a kind; kinds of meta/v1 (`Status`, `DeleteOptions`) are found in every group and version.
pub fn kind(group: &str, version: &str, kind: &str) -> Option<StructId> {
    let by_kind = &BUILTIN.by_kind;
    let found = if group.is_empty() {
        by_kind.get(&(version, kind)).copied()
    } else {
        let mut api_version = ecow::EcoString::with_capacity(group.len() + version.len() + 1);
        api_version.push_str(group);
        api_version.push('/');
        api_version.push_str(version);
        by_kind.get(&(api_version.as_str(), kind)).copied()
    };
    found.or_else(|| by_kind.get(&("*", kind)).copied())
}

fn parse(table: &'static str) -> Builtin {
    let mut ids = FxHashMap::default();
    for line in table.lines().filter_map(|line| line.strip_prefix("struct\t")) {
        let name = line.split('\t').next().unwrap_or_default();
        ids.insert(name, StructId(ids.len() as u32));
    }
    let mut structs: Vec<Struct> = Vec::with_capacity(ids.len());
    let mut kinds = Vec::new();
    for line in table.lines() {
        let mut columns = line.split('\t');
        match columns.next() {
            Some("struct") => structs.push(parse_struct(columns)),
            Some("kind") => kinds.extend(parse_kind(columns, &ids)),
            Some(head) => {
                if let (Some(last), Some(field)) = (structs.last_mut(), parse_field(head, columns, &ids)) {
                    last.fields.push(Arc::new(field));
                }
            }
            None => {}
        }
    }
    structs.extend(declared(&structs, &ids));
    let by_kind = kinds.iter().map(|kind| ((kind.api_version, kind.kind), kind.id)).collect();
    Builtin { schema: Schema::new(structs), kinds, by_kind }
}

fn declared(structs: &[Struct], ids: &Ids) -> Option<Struct> {
    let declared = structs.get(ids.get(DECLARED_ALIKE)?.0 as usize)?;
    let fields = declared.fields.iter().filter(|field| field.inline || field.name.as_str() == "metadata");
    let go = Key::Static("unstructured.Unstructured");
    let mut this = Struct::new(Key::Static(CUSTOM_OBJECT), go, fields.cloned().collect());
    this.open = true;
    Some(this)
}

type Columns = std::str::Split<'static, char>;
type Ids = FxHashMap<&'static str, StructId>;

fn parse_struct(mut columns: Columns) -> Struct {
    let name = Key::Static(columns.next().unwrap_or_default());
    let go = Key::Static(columns.next().unwrap_or_default());
    let mut this = Struct::new(name, go, Vec::new());
    for column in columns {
        match column.strip_prefix("k8s:") {
            Some(marker) => this.markers.push(parse_marker(marker)),
            None => this.atomic |= column == "atomic",
        }
    }
    this
}

fn parse_kind(mut columns: Columns, ids: &Ids) -> Option<BuiltinKind> {
    Some(BuiltinKind {
        api_version: columns.next()?,
        kind: columns.next()?,
        id: *ids.get(columns.next()?)?,
        round_trips: columns.next() == Some("roundtrips"),
    })
}

fn parse_field(head: &'static str, mut columns: Columns, ids: &Ids) -> Option<Field> {
    let number = columns.next()?.parse().ok()?;
    let ty = columns.next()?;
    let (pointer, ty) = match ty.strip_prefix('*') {
        Some(ty) => (true, ty),
        None => (false, ty),
    };
    let name = head.strip_prefix('"').and_then(|name| name.strip_suffix("\":"));
    let mut field = Field::new(Key::Static(""), parse_type(ty, ids)?);
    field.name = Key::Static(name.unwrap_or_default());
    field.head = Key::Static(if name.is_some() { head } else { "" });
    field.inline = name.is_none();
    field.number = number;
    field.pointer = pointer;
    for column in columns {
        parse_attribute(column, &mut field);
    }
    Some(field)
}

fn parse_type(text: &'static str, ids: &Ids) -> Option<Type> {
    let list = |item, wrapped| Some(Type::List { item: Box::new(parse_type(item, ids)?), wrapped });
    if let Some(item) = text.strip_prefix("[]") {
        return list(item, false);
    }
    if let Some(item) = text.strip_prefix("[w]") {
        return list(item, true);
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Some(Type::Map(Box::new(parse_type(value, ids)?)));
    }
    if let Some((before, name)) = text.split_once('@') {
        let id = *ids.get(name)?;
        return Some(match before {
            "" => Type::Struct(id),
            "array" => Type::SchemaOr(SchemaOr::Array, id),
            "bool" => Type::SchemaOr(SchemaOr::Bool, id),
            "strings" => Type::SchemaOr(SchemaOr::StringArray, id),
            _ => return None,
        });
    }
    Some(match text {
        "bool" => Type::Bool,
        "i32" => Type::Int32,
        "i64" => Type::Int64,
        "f64" => Type::Float64,
        "str" => Type::String,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "duration" => Type::Duration,
        "quantity" => Type::Quantity,
        "intorstr" => Type::IntOrString,
        "fields" => Type::FieldsV1,
        "raw" => Type::RawExtension,
        "json" => Type::Json,
        _ => return None,
    })
}

fn parse_attribute(column: &'static str, field: &mut Field) {
    if let Some(marker) = column.strip_prefix("k8s:") {
        field.markers.push(parse_marker(marker));
        return;
    }
    let (name, value) = column.split_once('=').unwrap_or((column, ""));
    match name {
        "omit" => field.omit = if value == "zero" { Omit::Zero } else { Omit::Empty },
        "required" => field.required = true,
        "go" => field.go = Key::Static(value),
        "patch" => {
            for strategy in value.split(',') {
                match strategy {
                    "merge" => field.patch.merge = true,
                    "retainKeys" => field.patch.retain_keys = true,
                    "replace" => field.patch.replace = true,
                    _ => {}
                }
            }
        }
        "key" => field.merge_key = Key::Static(value),
        "list" => {
            field.list = match value {
                "atomic" => ListType::Atomic,
                "set" => ListType::Set,
                "map" => ListType::Map,
                "granular" => ListType::Granular,
                _ => ListType::Default,
            }
        }
        "keys" => field.list_keys = value.split(',').map(Key::Static).collect(),
        "default" => field.default = codec::json::decode_untyped(value.as_bytes()).ok(),
        "enum" => field.enumeration = value.split('|').map(Key::Static).collect(),
        _ => {}
    }
}

fn parse_marker(marker: &'static str) -> (Key, Key) {
    // An argument in parentheses belongs to the name: `ifMode("Queue")=+k8s:required`.
    let from = marker.find(')').unwrap_or(0);
    match marker[from..].find('=') {
        Some(at) => (Key::Static(&marker[..from + at]), Key::Static(&marker[from + at + 1..])),
        None => (Key::Static(marker), Key::Static("")),
    }
}
