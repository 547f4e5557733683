//! Schema facts: what is true of every field of the API, from one compact table.
//!
//! Keeps: immutable once built; names of built-in fields are `'static`. Built-ins come from the generated
//! table (`schema/table.txt`, made by `schema/generator`), custom resources will build the same type at run time.

use rustc_hash::FxHashMap;

use crate::tree::{Key, Node};

mod table;

pub use table::builtin;

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
    /// Fields in Go order. A Go-inlined struct is one field with `inline` set; its JSON fields appear in `flat`.
    pub fields: Vec<Field>,
    /// Every JSON field in printing order with inlined ones expanded: a path of indexes into `fields`
    /// (the last is in the struct that the earlier ones lead to).
    pub flat: Vec<FlatField>,
    /// JSON name -> index into `flat`.
    pub index: FxHashMap<Key, u16>,
    /// The whole struct has one owner in server-side apply (`+structType=atomic`).
    pub atomic: bool,
}

/// One JSON field of a struct, wherever Go declares it.
#[derive(Clone, Debug)]
pub struct FlatField {
    /// The field itself, a copy of the declaration (also when it comes from an inlined struct).
    pub field: Field,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// JSON name; empty for an inlined struct.
    pub name: Key,
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
    /// Free JSON without a protobuf form of its own (`apiextensions.JSON` and its union types); message {1 raw}.
    Json,
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
    /// Builds a schema; `flat` and `index` of each struct are filled in here.
    pub fn new(structs: Vec<Struct>) -> Schema {
        let by_name =
            structs.iter().enumerate().map(|(i, s)| (s.name.clone(), StructId(i as u32))).collect();
        let mut schema = Schema { structs, by_name };
        for i in 0..schema.structs.len() {
            let mut flat = Vec::new();
            schema.flatten(StructId(i as u32), &mut flat);
            let index =
                flat.iter().enumerate().map(|(at, f): (usize, &FlatField)| (f.field.name.clone(), at as u16)).collect();
            schema.structs[i].flat = flat;
            schema.structs[i].index = index;
        }
        schema
    }

    fn flatten(&self, id: StructId, flat: &mut Vec<FlatField>) {
        for field in &self.get(id).fields {
            match (&field.ty, field.inline) {
                (Type::Struct(inner), true) => self.flatten(*inner, flat),
                _ => flat.push(FlatField { field: field.clone() }),
            }
        }
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

    /// All structs with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (StructId, &Struct)> {
        self.structs.iter().enumerate().map(|(i, s)| (StructId(i as u32), s))
    }
}

impl Struct {
    /// The field with a JSON name.
    #[inline]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.index.get(name).map(|at| &self.flat[*at as usize].field)
    }
}
