//! Types as OpenAPI schemas, from the schema table.
//!
//! Keeps: a definition is made once per document, for types that something refers to; what upstream says of a field
//! (required, default, patch strategy, list type) is said here.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::descriptions;
use super::writer::{Section, Writer};
use crate::kind::BodyKind;
use crate::registry::Registry;
use crate::schema::{self, Field, ListType, Omit, Schema, Struct, Type};
use crate::tree::{List, Map, Node};

/// `metav1.Patch`: the body of a patch.
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
/// The answer to `/version`.
pub(super) const VERSION_INFO: &str = "io.k8s.apimachinery.pkg.version.Info";
/// `metav1.DeleteOptions`
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
/// `metav1.WatchEvent`
pub(super) const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
/// `metav1.Status`
pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
const DURATION: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration";
const FIELDS_V1: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";
const SCHEMA_OR_ARRAY: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray";
const SCHEMA_OR_BOOL: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool";
const SCHEMA_OR_STRINGS: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray";

/// Fields of `version.Info`: name, and whether it is always there.
const VERSION_FIELDS: &[(&str, bool)] = &[
    ("major", true),
    ("minor", true),
    ("emulationMajor", false),
    ("emulationMinor", false),
    ("minCompatibilityMajor", false),
    ("minCompatibilityMinor", false),
    ("gitVersion", true),
    ("gitCommit", true),
    ("gitTreeState", true),
    ("buildDate", true),
    ("goVersion", true),
    ("compiler", true),
    ("platform", true),
];

/// The version of OpenAPI that definitions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavor {
    /// Definitions below `definitions`, siblings beside `$ref`, no defaults.
    V2,
    /// Definitions below `components.schemas`, `allOf` around a `$ref` with siblings, defaults.
    V3,
}

impl Flavor {
    fn prefix(self) -> &'static str {
        match self {
            Flavor::V2 => "#/definitions/",
            Flavor::V3 => "#/components/schemas/",
        }
    }
}

/// The definitions of one document.
pub(super) struct Definitions<'a> {
    registry: &'a Registry,
    flavor: Flavor,
    schema: &'static Schema,
    /// Group and version of the document; empty for one about all of them.
    scope: Option<(&'static str, &'static str)>,
    /// What was referred to so far.
    known: FxHashSet<&'static str>,
    pending: Vec<&'static str>,
}

impl<'a> Definitions<'a> {
    /// None yet.
    pub(super) fn new(
        flavor: Flavor,
        scope: Option<(&'static str, &'static str)>,
        registry: &'a Registry,
    ) -> Definitions<'a> {
        Definitions {
            registry,
            flavor,
            schema: schema::builtin(),
            scope,
            known: FxHashSet::default(),
            pending: Vec::new(),
        }
    }

    /// What is served.
    pub(super) fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// The version of OpenAPI.
    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// `{"$ref": …}` to a type, whose definition the document then has.
    pub(super) fn reference(&mut self, name: &'static str) -> Map {
        if self.known.insert(name) {
            self.pending.push(name);
        }
        Map::from([("$ref", Node::from(format!("{}{name}", self.flavor.prefix())))])
    }

    /// Writes what was referred to, and what that refers to.
    pub(super) fn write(mut self, writer: &mut Writer) {
        while let Some(name) = self.pending.pop() {
            let definition = self.definition(name);
            writer.entry(Section::Definitions, name, definition);
        }
    }

    fn definition(&mut self, name: &'static str) -> Map {
        if let Some(custom) = self.custom(name) {
            return custom;
        }
        let mut map = match self.schema.find(name) {
            Some(id) => {
                let schema = self.schema;
                self.structure(name, schema.get(id))
            }
            None => self.special(name),
        };
        let text = descriptions::of(name).text();
        if !text.is_empty() {
            map.set("description", text.into_owned());
        }
        map
    }

    fn structure(&mut self, name: &'static str, this: &'static Struct) -> Map {
        let described = descriptions::of(name);
        let mut properties = Map::with_capacity(this.flat.len());
        let mut required = List::new();
        for flat in &this.flat {
            let field = &flat.field;
            if field.required {
                required.push(field.name.as_str().into());
            }
            let property = self.property(field, described.field(&field.name));
            properties.push_new(field.name.clone(), property.into());
        }
        let mut map = object();
        if !properties.is_empty() {
            map.set("properties", properties);
        }
        if !required.is_empty() {
            map.set("required", required);
        }
        let kinds = self.kinds(name);
        if !kinds.is_empty() {
            map.set("x-kubernetes-group-version-kind", kinds);
        }
        if this.atomic {
            map.set("x-kubernetes-map-type", "atomic");
        }
        map
    }

    fn property(&mut self, field: &Field, description: &'static str) -> Map {
        let mut map = self.type_of(&field.ty, &field.enumeration);
        let mut beside = Map::new();
        if !description.is_empty() {
            beside.set("description", description);
        }
        if self.flavor == Flavor::V3
            && let Some(default) = default(field)
        {
            beside.set("default", default);
        }
        extensions(field, &mut beside);
        if self.flavor == Flavor::V3 && map.contains("$ref") && !beside.is_empty() {
            map = Map::from([("allOf", Node::from_iter([map]))]);
        }
        for (key, node) in beside.iter() {
            map.push_new(key.clone(), node.clone());
        }
        map
    }

    fn type_of(&mut self, ty: &Type, enumeration: &[crate::tree::Key]) -> Map {
        let mut map = match ty {
            Type::Bool => typed("boolean", ""),
            Type::Int32 => typed("integer", "int32"),
            Type::Int64 => typed("integer", "int64"),
            Type::Float64 => typed("number", "double"),
            Type::String => typed("string", ""),
            Type::Bytes => typed("string", "byte"),
            Type::Time => self.reference(TIME),
            Type::MicroTime => self.reference(MICRO_TIME),
            Type::Duration => self.reference(DURATION),
            Type::Quantity => self.reference(QUANTITY),
            Type::IntOrString => self.reference(INT_OR_STRING),
            Type::FieldsV1 => self.reference(FIELDS_V1),
            Type::RawExtension => self.reference(RAW_EXTENSION),
            Type::Json | Type::Any => self.reference(JSON),
            Type::SchemaOr(schema::SchemaOr::Array, _) => self.reference(SCHEMA_OR_ARRAY),
            Type::SchemaOr(schema::SchemaOr::Bool, _) => self.reference(SCHEMA_OR_BOOL),
            Type::SchemaOr(schema::SchemaOr::StringArray, _) => self.reference(SCHEMA_OR_STRINGS),
            Type::Struct(id) => self.reference(self.schema.get(*id).name.as_str()),
            Type::List { item, .. } => {
                let items = self.type_of(item, enumeration);
                return Map::from([("type", Node::from("array")), ("items", items.into())]);
            }
            Type::Map(value) => {
                let values = self.type_of(value, enumeration);
                let mut map = object();
                map.set("additionalProperties", values);
                return map;
            }
        };
        if !enumeration.is_empty() && *ty == Type::String {
            map.set("enum", enumeration.iter().map(|value| Node::from(value.as_str())).collect::<List>());
        }
        map
    }

    /// A type that is not a struct of the table.
    fn special(&self, name: &str) -> Map {
        match name {
            TIME | MICRO_TIME => typed("string", "date-time"),
            DURATION => typed("string", ""),
            FIELDS_V1 | RAW_EXTENSION | PATCH => object(),
            QUANTITY if self.flavor == Flavor::V3 => one_of(["string", "number"]),
            QUANTITY => typed("string", ""),
            INT_OR_STRING => {
                let mut map = match self.flavor {
                    Flavor::V3 => one_of(["integer", "string"]),
                    Flavor::V2 => typed("string", ""),
                };
                map.set("format", "int-or-string");
                map
            }
            VERSION_INFO => self.version_info(),
            _ => Map::new(),
        }
    }

    fn version_info(&self) -> Map {
        let mut map = object();
        let required: List = VERSION_FIELDS
            .iter()
            .filter(|(_, required)| *required)
            .map(|(name, _)| Node::from(*name))
            .collect();
        let properties = VERSION_FIELDS.iter().map(|(name, required)| {
            let mut property = typed("string", "");
            if *required && self.flavor == Flavor::V3 {
                property.set("default", "");
            }
            (*name, property)
        });
        map.set("properties", properties.collect::<Map>());
        map.set("required", required);
        map
    }

    /// The groups, versions and kinds that a struct is the type of.
    fn kinds(&self, name: &str) -> List {
        static KINDS: LazyLock<FxHashMap<&'static str, Vec<schema::BuiltinKind>>> = LazyLock::new(|| {
            let mut kinds = FxHashMap::<_, Vec<_>>::default();
            for kind in schema::builtin_kinds() {
                kinds.entry(schema::builtin().get(kind.id).name.as_str()).or_default().push(*kind);
            }
            kinds
        });
        let mut list = List::new();
        for kind in KINDS.get(name).into_iter().flatten() {
            if kind.api_version != "*" {
                let (group, version) = kind.api_version.split_once('/').unwrap_or(("", kind.api_version));
                list.push(group_version_kind(group, version, kind.kind).into());
                continue;
            }
            list.push(group_version_kind("", "v1", kind.kind).into());
            if matches!(name, DELETE_OPTIONS | WATCH_EVENT) {
                // These two are registered in every group, and clients find them by the group that they talk to.
                let scope = self.scope;
                let others = self.registry.catalog().versions().map(|served| (served.group, served.version));
                let others = others.filter(|at| !at.0.is_empty() && scope.is_none_or(|scope| scope == *at));
                list.extend(
                    others.map(|(group, version)| Node::from(group_version_kind(group, version, kind.kind))),
                );
            }
        }
        list
    }
}

/// An object as `x-kubernetes-group-version-kind` names it.
pub(super) fn group_version_kind(group: &str, version: &str, kind: &str) -> Map {
    Map::from(
        [("group", group), ("kind", kind), ("version", version)].map(|(key, text)| (key, Node::from(text))),
    )
}

/// The same of a subresource's body.
pub(super) fn of_body(body: &BodyKind) -> Map {
    group_version_kind(body.group, body.version, body.kind)
}

fn object() -> Map {
    typed("object", "")
}

fn typed(name: &'static str, format: &'static str) -> Map {
    let mut map = Map::from([("type", name)]);
    if !format.is_empty() {
        map.set("format", format);
    }
    map
}

fn one_of(types: [&'static str; 2]) -> Map {
    Map::from([("oneOf", Node::from_iter(types.map(|name| typed(name, ""))))])
}

/// The declared default, or the zero value of a field that Go always prints.
fn default(field: &Field) -> Option<Node> {
    if field.default.is_some() {
        return field.default.clone();
    }
    if field.pointer {
        return None;
    }
    let printed = field.omit == Omit::Never;
    match field.ty {
        Type::Struct(_) => Some(Map::new().into()),
        Type::Bool if printed => Some(false.into()),
        Type::Int32 | Type::Int64 | Type::Float64 if printed => Some(0.into()),
        Type::String if printed => Some("".into()),
        _ => None,
    }
}

fn extensions(field: &Field, map: &mut Map) {
    let list_type = match (field.list, &field.ty) {
        (ListType::Atomic, Type::List { .. } | Type::Bytes) => Some(("x-kubernetes-list-type", "atomic")),
        (ListType::Set, _) => Some(("x-kubernetes-list-type", "set")),
        (ListType::Map, _) => Some(("x-kubernetes-list-type", "map")),
        (ListType::Atomic, _) => Some(("x-kubernetes-map-type", "atomic")),
        (ListType::Granular, _) => Some(("x-kubernetes-map-type", "granular")),
        (ListType::Default, _) => None,
    };
    if let Some((key, value)) = list_type {
        map.set(key, value);
    }
    if !field.list_keys.is_empty() {
        let keys: List = field.list_keys.iter().map(|key| Node::from(key.as_str())).collect();
        map.set("x-kubernetes-list-map-keys", keys);
    }
    if !field.merge_key.is_empty() {
        map.set("x-kubernetes-patch-merge-key", field.merge_key.as_str());
    }
    let strategy = match (field.patch.merge, field.patch.retain_keys, field.patch.replace) {
        (true, true, _) => "merge,retainKeys",
        (true, false, _) => "merge",
        (false, true, _) => "retainKeys",
        (false, false, true) => "replace",
        (false, false, false) => return,
    };
    map.set("x-kubernetes-patch-strategy", strategy);
}
