//! Schema facts: what is true of every field of the API, from one compact table.
//!
//! Keeps: immutable once built; names of built-in fields are `'static`. Built-ins come from the generated
//! table (`schema/table.txt`, made by `schema/generator`); custom resources build the same type at run time.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;

use crate::tree::{Key, Map, Node};
use lookup::NameTable;

mod defaults;
mod lookup;
mod table;
mod validate;

pub use defaults::apply_defaults;
pub use table::{BuiltinKind, CUSTOM_OBJECT, builtin, builtin_kinds, custom_object, kind};
pub use validate::{validate, validate_update};

/// What an open struct has beside its fields.
static OTHER_FIELD: LazyLock<Field> = LazyLock::new(|| {
    let mut field = Field::new(Key::Static(""), Type::Any);
    (field.pointer, field.nullable) = (true, true);
    field
});

/// A set of struct types that refer to each other by [`StructId`].
#[derive(Debug, Default)]
pub struct Schema {
    structs: Vec<Struct>,
    by_name: FxHashMap<Key, StructId>,
}

/// The place of a struct in its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StructId(pub u32);

/// A struct type of the API.
#[derive(Debug)]
pub struct Struct {
    /// The OpenAPI name: `io.k8s.api.apps.v1.Deployment`.
    pub name: Key,
    /// The Go name, as decoding errors print it: `v1.Deployment`.
    pub go: Key,
    /// Fields in Go order. A Go-inlined struct is one field with `inline` set; its JSON fields appear in `flat`.
    pub fields: Vec<Arc<Field>>,
    /// Every JSON field in printing order with inlined ones expanded. Filled in by [`Schema::new`].
    pub flat: Vec<FlatField>,
    /// JSON names to indexes into `flat`. Filled in by [`Schema::new`].
    names: NameTable,
    /// Per entry of `fields` its index in `flat` (of its first field when inlined).
    pub flat_at: Vec<u16>,
    /// The entries of `fields` that are in the protobuf form, by ascending number.
    pub by_number: Vec<u16>,
    /// Indexes into `flat` of the fields that Go prints even when nothing is set.
    pub printed: Vec<u16>,
    /// Indexes into `flat` of the fields that declare a default, or below which one is declared.
    pub defaulted: Vec<u16>,
    /// Indexes into `flat` of the fields that declare something that `validate` checks, or below which that is so.
    pub checked: Vec<u16>,
    /// Those of `checked` that may be wrong by being absent.
    pub needed: Vec<u16>,
    /// Validation markers of the type itself.
    pub markers: Vec<(Key, Key)>,
    /// The whole struct has one owner in server-side apply (`+structType=atomic`).
    pub atomic: bool,
    /// Fields that are not declared are kept as they come (the object of a custom resource); only declared ones are typed.
    pub open: bool,
}

/// One JSON field of a struct, wherever Go declares it.
#[derive(Clone, Debug)]
pub struct FlatField {
    /// The declaration (also when it comes from an inlined struct).
    pub field: Arc<Field>,
    /// Go prints it even when nothing is set: no omitempty, or a non-pointer struct with it.
    pub printed: bool,
    /// Go names of the inlined structs it is declared in, each with a dot: `VolumeSource.`; mostly empty.
    pub embedded: Key,
    /// Its place among the fields of the struct by name. Filled in by [`Schema::new`].
    pub rank: u16,
    /// It is listed in `checked`. Filled in by [`Schema::new`].
    pub checked: bool,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// JSON name; empty for an inlined struct.
    pub name: Key,
    /// The name as JSON prints it in front of a value: `"replicas":`.
    pub head: Key,
    /// Protobuf number; 0 when the field is not in the protobuf form.
    pub number: u32,
    /// What it holds.
    pub ty: Type,
    /// The Go field is a pointer: present-and-zero differs from absent.
    pub pointer: bool,
    /// A Go-inlined struct (`json:",inline"`); in protobuf it is a nested message.
    pub inline: bool,
    /// When the JSON encoder leaves it out.
    pub omit: Omit,
    /// The Go type where it does not follow from `ty`: `v1.RestartPolicy`; else empty.
    pub go: Key,
    /// Declared required (no `+optional`, no omitempty).
    pub required: bool,
    /// Strategic-merge strategy.
    pub patch: PatchStrategy,
    /// Merge key of strategic merge; empty when none.
    pub merge_key: Key,
    /// How server-side apply treats a list or map here.
    pub list: ListType,
    /// Keys of a `ListType::Map` list.
    pub list_keys: Vec<Key>,
    /// Declared default (`+default`).
    pub default: Option<Node>,
    /// Declared values (`+enum` types); empty when open.
    pub enumeration: Vec<Key>,
    /// `null` is a value of its own (in custom resources, where it is `nullable`).
    pub nullable: bool,
    /// Other declared validation markers (`+k8s:maxLength` …) as name and value.
    pub markers: Vec<(Key, Key)>,
}

/// The type of a field or element.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `float64`
    Float64,
    /// `string` and its named types.
    String,
    /// `[]byte`: base64 text in JSON.
    Bytes,
    /// `metav1.Time`: RFC 3339, whole seconds.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with six decimals.
    MicroTime,
    /// `metav1.Duration`: Go duration text; in protobuf nanoseconds in field 1.
    Duration,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `metav1.FieldsV1`: raw JSON object.
    FieldsV1,
    /// `runtime.RawExtension`: raw JSON object.
    RawExtension,
    /// Free JSON (`apiextensions.JSON`); message {1 raw}.
    Json,
    /// Whatever a custom resource has where its schema says nothing: maps have an owner per entry, all else has one.
    Any,
    /// A JSON schema or something else in its place; the struct is `JSONSchemaProps`.
    SchemaOr(SchemaOr, StructId),
    /// A struct.
    Struct(StructId),
    /// A list. `wrapped`: in protobuf it is a message {1 items} (`ExtraValue`, `Verbs`).
    List {
        /// Element type.
        item: Box<Type>,
        /// Wrapped in a message in protobuf.
        wrapped: bool,
    },
    /// A map with string keys.
    Map(Box<Type>),
}

/// What may stand in the place of a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOr {
    /// A list of schemas (`JSONSchemaPropsOrArray`).
    Array,
    /// true or false (`JSONSchemaPropsOrBool`).
    Bool,
    /// A list of strings (`JSONSchemaPropsOrStringArray`).
    StringArray,
}

impl SchemaOr {
    /// The item type of the list that may stand there.
    pub fn item(self, schema: StructId) -> Option<Type> {
        match self {
            SchemaOr::Array => Some(Type::Struct(schema)),
            SchemaOr::Bool => None,
            SchemaOr::StringArray => Some(Type::String),
        }
    }
}

/// When Go's encoder leaves a field out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omit {
    /// Always printed.
    Never,
    /// `omitempty`: zero scalars, nil pointers, empty lists and maps. Never a non-pointer struct.
    Empty,
    /// `omitzero` (also with omitempty): as `Empty`, and a non-pointer struct that is wholly zero.
    Zero,
}

/// `patchStrategy` of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PatchStrategy {
    /// `merge`
    pub merge: bool,
    /// `retainKeys`
    pub retain_keys: bool,
    /// `replace`
    pub replace: bool,
}

/// `+listType` / `+mapType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListType {
    /// Not declared: lists are atomic, maps and structs granular.
    #[default]
    Default,
    /// One owner of the whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// A list of objects identified by `list_keys`.
    Map,
    /// A granular map, stated.
    Granular,
}

impl Schema {
    /// Builds a schema; what follows from `fields` in each struct is filled in here.
    pub fn new(structs: Vec<Struct>) -> Schema {
        let by_name = structs.iter().enumerate().map(|(i, s)| (s.name.clone(), StructId(i as u32))).collect();
        let mut schema = Schema { structs, by_name };
        for i in 0..schema.structs.len() {
            let mut flat = Vec::new();
            let flat_at = schema.flatten(StructId(i as u32), &Key::Static(""), &mut flat);
            let names = NameTable::new(&flat);
            let mut by_name: Vec<u16> = (0..flat.len() as u16).collect();
            by_name.sort_by(|a, b| flat[*a as usize].field.name.cmp(&flat[*b as usize].field.name));
            for (rank, at) in by_name.iter().enumerate() {
                flat[*at as usize].rank = rank as u16;
            }
            let printed = (0..flat.len()).filter(|at| flat[*at].printed).map(|at| at as u16).collect();
            let this = &mut schema.structs[i];
            this.printed = printed;
            let mut by_number: Vec<u16> =
                (0..this.fields.len() as u16).filter(|at| this.fields[*at as usize].number > 0).collect();
            by_number.sort_by_key(|at| this.fields[*at as usize].number);
            (this.flat, this.flat_at, this.names, this.by_number) = (flat, flat_at, names, by_number);
        }
        schema.spread(|this| &mut this.defaulted, |field| field.default.is_some());
        schema.spread(|this| &mut this.checked, Field::is_checked);
        for this in &mut schema.structs {
            for at in &this.checked {
                let flat = &mut this.flat[usize::from(*at)];
                flat.checked = true;
                if flat.field.is_needed() {
                    this.needed.push(*at);
                }
            }
        }
        schema
    }

    /// Lists in every struct the fields for which `holds`, and those that contain a struct with such a field.
    fn spread(&mut self, list: fn(&mut Struct) -> &mut Vec<u16>, holds: fn(&Field) -> bool) {
        loop {
            let mut changed = false;
            for i in 0..self.structs.len() {
                let flat = std::mem::take(&mut self.structs[i].flat);
                let found = (0..flat.len()).filter(|at| {
                    let field = &flat[*at].field;
                    let below = field.ty.struct_id().map(|id| list(&mut self.structs[id.0 as usize]));
                    holds(field) || below.is_some_and(|below| !below.is_empty())
                });
                let found: Vec<u16> = found.map(|at| at as u16).collect();
                self.structs[i].flat = flat;
                let listed = list(&mut self.structs[i]);
                changed |= found != *listed;
                *listed = found;
            }
            if !changed {
                return;
            }
        }
    }

    fn flatten(&self, id: StructId, embedded: &Key, flat: &mut Vec<FlatField>) -> Vec<u16> {
        let mut flat_at = Vec::with_capacity(self.get(id).fields.len());
        for field in &self.get(id).fields {
            flat_at.push(flat.len() as u16);
            match (&field.ty, field.inline) {
                (Type::Struct(inner), true) => {
                    let name = self.get(*inner).go.rsplit('.').next().unwrap_or_default();
                    let embedded = Key::Owned(ecow::eco_format!("{embedded}{name}."));
                    self.flatten(*inner, &embedded, flat);
                }
                _ => flat.push(FlatField {
                    printed: field.printed_when_absent(),
                    embedded: embedded.clone(),
                    field: field.clone(),
                    rank: 0,
                    checked: false,
                }),
            }
        }
        flat_at
    }

    /// The struct at `id`.
    #[inline]
    pub fn get(&self, id: StructId) -> &Struct {
        &self.structs[id.0 as usize]
    }

    /// The struct with an OpenAPI name.
    pub fn find(&self, name: &str) -> Option<StructId> {
        self.by_name.get(name).copied()
    }
}

impl Field {
    /// A field with a name and type, everything else at its zero value.
    pub fn new(name: Key, ty: Type) -> Field {
        Field {
            head: Key::Owned(ecow::eco_format!("\"{name}\":")),
            name,
            number: 0,
            ty,
            pointer: false,
            inline: false,
            omit: Omit::Never,
            go: Key::Static(""),
            required: false,
            patch: PatchStrategy::default(),
            merge_key: Key::Static(""),
            list: ListType::Default,
            list_keys: Vec::new(),
            default: None,
            enumeration: Vec::new(),
            nullable: false,
            markers: Vec::new(),
        }
    }

    fn printed_when_absent(&self) -> bool {
        match self.omit {
            Omit::Never => true,
            Omit::Empty => !self.pointer && self.ty.is_go_struct(),
            Omit::Zero => false,
        }
    }

    /// Whether Go would take `node` for the zero value of this field, so that it is absent from the tree.
    ///
    /// An empty list, map or byte string that Go always prints is not zero: nil prints `null`.
    #[inline]
    pub fn is_zero(&self, node: &Node) -> bool {
        if self.pointer {
            return matches!(node, Node::Null) && !self.nullable;
        }
        match node {
            Node::Null => true,
            Node::Bool(value) => !value,
            Node::Int(value) => *value == 0,
            Node::Float(value) => *value == 0.0,
            Node::Str(text) => match self.ty {
                Type::String => text.is_empty(),
                Type::Bytes => text.is_empty() && self.omit != Omit::Never,
                Type::Quantity => text == "0",
                Type::Duration => text == "0s",
                _ => false,
            },
            Node::Raw(_) => false,
            Node::List(list) => list.is_empty() && self.omit != Omit::Never,
            Node::Map(map) => {
                map.is_empty() && (self.omit != Omit::Never || matches!(self.ty, Type::Struct(_)))
            }
        }
    }

    /// Whether its absence may be wrong, or that of something in the struct that it always has.
    fn is_needed(&self) -> bool {
        let always_has_struct = matches!(self.ty, Type::Struct(_)) && !self.pointer;
        always_has_struct
            || self.required
            || self.markers.iter().any(|(marker, _)| marker.as_str() == "required")
    }

    fn is_checked(&self) -> bool {
        self.required || !self.enumeration.is_empty() || !self.markers.is_empty()
    }
}

impl Type {
    /// Whether the Go type is a struct, which omitempty never leaves out.
    fn is_go_struct(&self) -> bool {
        match self {
            Type::Struct(_)
            | Type::Time
            | Type::MicroTime
            | Type::Duration
            | Type::Quantity
            | Type::IntOrString
            | Type::FieldsV1
            | Type::RawExtension
            | Type::Json
            | Type::SchemaOr(..) => true,
            Type::Bool
            | Type::Int32
            | Type::Int64
            | Type::Float64
            | Type::String
            | Type::Bytes
            | Type::Any
            | Type::List { .. }
            | Type::Map(_) => false,
        }
    }

    /// What stands in a list or map for an item that is null.
    pub fn zero(&self) -> Node {
        match self {
            Type::Bool => Node::Bool(false),
            Type::Int32 | Type::Int64 | Type::IntOrString => Node::Int(0),
            Type::Float64 => Node::Float(0.0),
            Type::String | Type::Bytes => Node::Str("".into()),
            Type::Duration => Node::Str("0s".into()),
            Type::Quantity => Node::Str("0".into()),
            Type::Struct(_) => Node::Map(Map::new()),
            Type::Time
            | Type::MicroTime
            | Type::FieldsV1
            | Type::RawExtension
            | Type::Json
            | Type::Any
            | Type::SchemaOr(..)
            | Type::List { .. }
            | Type::Map(_) => Node::Null,
        }
    }

    /// The struct that it is, or that its items are.
    pub fn struct_id(&self) -> Option<StructId> {
        match self {
            Type::Struct(id) | Type::SchemaOr(_, id) => Some(*id),
            Type::List { item, .. } => item.struct_id(),
            Type::Map(value) => value.struct_id(),
            _ => None,
        }
    }
}

impl Struct {
    /// A struct with a name and its fields; the rest is filled in by [`Schema::new`].
    pub fn new(name: Key, go: Key, fields: Vec<Arc<Field>>) -> Struct {
        Struct {
            name,
            go,
            fields,
            flat: Vec::new(),
            names: NameTable::default(),
            flat_at: Vec::new(),
            by_number: Vec::new(),
            printed: Vec::new(),
            defaulted: Vec::new(),
            checked: Vec::new(),
            needed: Vec::new(),
            markers: Vec::new(),
            atomic: false,
            open: false,
        }
    }

    /// The order in which the fields of an open struct stand: declared ones, then the others by name.
    pub fn order(&self, a: &Key, b: &Key) -> std::cmp::Ordering {
        let rank = |name: &Key| self.find(name).unwrap_or(usize::MAX);
        rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
    }

    /// The index into `flat` of the field with a JSON name.
    #[inline]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.find(name, &self.flat)
    }

    /// The index into `flat` of the field with a JSON name, and `next` behind it. Keys from decoding know their place;
    /// for others the fields from `next` on are tried first, because entries mostly are in the schema's order.
    #[inline]
    pub fn find_from(&self, name: &Key, next: &mut usize) -> Option<usize> {
        let at = match *name {
            Key::Field(text, at) if self.has_text_at(text, at.into()) => at.into(),
            _ => self.search(name, *next)?,
        };
        *next = at + 1;
        Some(at)
    }

    /// Whether the field at a place is named by this very text.
    #[inline]
    fn has_text_at(&self, text: &'static str, at: usize) -> bool {
        let declared = self.flat.get(at).map(|flat| flat.field.name.as_str());
        declared.is_some_and(|declared| std::ptr::eq(declared, text))
    }

    fn search(&self, name: &Key, next: usize) -> Option<usize> {
        const AHEAD: usize = 4;
        let mut ahead = self.flat.iter().enumerate().skip(next).take(AHEAD);
        let found = ahead.find(|(_, flat)| flat.field.name.is_same(name));
        found.map(|(at, _)| at).or_else(|| self.find(name))
    }

    /// The key of the field at an index of `flat`, as decoders write it.
    #[inline]
    pub fn key(&self, at: usize) -> Key {
        match &self.flat[at].field.name {
            Key::Static(name) => Key::Field(name, at as u16),
            name => name.clone(),
        }
    }

    /// The field with a JSON name.
    #[inline]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.find(name).map(|at| &*self.flat[at].field)
    }

    /// The field with a JSON name; of an open struct also one that is not declared, as a field without a name.
    #[inline]
    pub fn field_or_other(&self, name: &str) -> Option<&Field> {
        self.field(name).or_else(|| self.open.then_some(&*OTHER_FIELD))
    }
}
