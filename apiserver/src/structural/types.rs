//! Who may own what: a schema as types of server-side apply.
//!
//! Keeps: kinds of lists and maps, keys and the defaults of keys are those of the schema; `metadata` is that of every
//! object. A type here says nothing of how values are read or printed.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{EMBEDDED, INT_OR_STRING, PRESERVES_UNKNOWN, is_of_every_object, is_true};
use crate::schema::{self, CUSTOM_OBJECT, Field, ListType, Schema, Struct, StructId, Type};
use crate::tree::{Key, Map};

/// The types of an object with this schema, and the object's own.
pub(crate) fn of(schema: &Map) -> (Schema, StructId) {
    let mut types = Types { structs: Vec::new(), imported: FxHashMap::default() };
    let builtin = schema::builtin();
    let object = builtin.find(CUSTOM_OBJECT).expect("the table has what all objects have");
    let declared = builtin.get(object).flat.iter().map(|flat| types.imported_field(&flat.field)).collect();
    let id = types.structure(schema, declared);
    (Schema::new(types.structs), id)
}

/// A struct counts its fields in 16 bits; what has more properties has an owner for each value instead.
const PROPERTIES_MAX: usize = 60_000;

struct Types {
    structs: Vec<Struct>,
    /// Built-in structs and what they are here.
    imported: FxHashMap<StructId, StructId>,
}

impl Types {
    /// Keeps a place for a struct that others refer to before it is made.
    fn reserve(&mut self) -> StructId {
        let id = StructId(self.structs.len() as u32);
        self.structs.push(Struct::new(numbered(id), numbered(id), Vec::new()));
        id
    }

    /// A struct of `declared` fields and of the properties of a schema.
    fn structure(&mut self, schema: &Map, declared: Vec<Arc<Field>>) -> StructId {
        let id = self.reserve();
        let has_common = !declared.is_empty();
        let mut fields = declared;
        let properties = schema.map("properties").filter(|properties| properties.len() <= PROPERTIES_MAX);
        for (name, property) in properties.into_iter().flat_map(Map::iter) {
            if let Some(property) = property.as_map()
                && !(has_common && is_of_every_object(name))
            {
                fields.push(Arc::new(self.field(Key::Owned(name.as_str().into()), property)));
            }
        }
        let this = &mut self.structs[id.0 as usize];
        this.fields = fields;
        this.open = is_true(schema, PRESERVES_UNKNOWN) || properties.is_none();
        id
    }

    fn field(&mut self, name: Key, schema: &Map) -> Field {
        let mut field = Field::new(name, self.type_of(schema));
        // A value that is there is never taken for an absent one.
        (field.pointer, field.nullable) = (true, true);
        field.omit = crate::schema::Omit::Empty;
        field.default = schema.get("default").cloned();
        field.list = match (schema.str("x-kubernetes-list-type"), schema.str("x-kubernetes-map-type")) {
            ("set", _) => ListType::Set,
            ("map", _) => ListType::Map,
            ("atomic", _) | (_, "atomic") => ListType::Atomic,
            _ => ListType::Default,
        };
        field.list_keys =
            schema.texts("x-kubernetes-list-map-keys").map(|key| Key::Owned(key.into())).collect();
        field
    }

    fn type_of(&mut self, schema: &Map) -> Type {
        if is_true(schema, INT_OR_STRING) {
            return Type::IntOrString;
        }
        match schema.str("type") {
            "string" => Type::String,
            "integer" => Type::Int64,
            "number" => Type::Float64,
            "boolean" => Type::Bool,
            "array" => {
                let item = schema.map("items").map_or(Type::Any, |items| self.type_of(items));
                Type::List { item: Box::new(item), wrapped: false }
            }
            _ if is_true(schema, EMBEDDED) => {
                let declared =
                    ["apiVersion", "kind"].map(|name| Arc::new(self.field(name.into(), &text_schema())));
                let metadata = Field::new("metadata".into(), Type::Any);
                let declared = declared.into_iter().chain([Arc::new(metadata)]).collect();
                Type::Struct(self.structure(schema, declared))
            }
            _ if schema.contains("properties") => Type::Struct(self.structure(schema, Vec::new())),
            _ => match schema.map("additionalProperties") {
                Some(value) => Type::Map(Box::new(self.type_of(value))),
                None => Type::Any,
            },
        }
    }

    /// A field of the built-in schema, whose structs become structs here.
    fn imported_field(&mut self, field: &Arc<Field>) -> Arc<Field> {
        if field.ty.struct_id().is_none() {
            return field.clone();
        }
        let ty = self.imported_type(&field.ty);
        Arc::new(Field { ty, ..(**field).clone() })
    }

    fn imported_type(&mut self, ty: &Type) -> Type {
        match ty {
            Type::Struct(id) => Type::Struct(self.imported_struct(*id)),
            Type::List { item, wrapped } => {
                Type::List { item: Box::new(self.imported_type(item)), wrapped: *wrapped }
            }
            Type::Map(value) => Type::Map(Box::new(self.imported_type(value))),
            other => other.clone(),
        }
    }

    fn imported_struct(&mut self, builtin: StructId) -> StructId {
        if let Some(id) = self.imported.get(&builtin) {
            return *id;
        }
        let id = self.reserve();
        self.imported.insert(builtin, id);
        let this = schema::builtin().get(builtin);
        let fields = this.fields.iter().map(|field| self.imported_field(field)).collect();
        let own = &mut self.structs[id.0 as usize];
        (own.go, own.fields, own.atomic) = (this.go.clone(), fields, this.atomic);
        id
    }
}

fn text_schema() -> Map {
    Map::from([("type", "string")])
}

fn numbered(id: StructId) -> Key {
    Key::Owned(ecow::eco_format!("{}", id.0))
}
