//! The body of an apply request, as written: which fields it states, and whether it may state them.
//!
//! Keeps: what is stated is owned even when it is null, zero or empty; nothing that the schema does not declare
//! gets through; errors are upstream's, path and words.

use crate::managed_fields::shape::{self, Items, Shape};
use crate::managed_fields::{Element, Set, is_never_owned};
use crate::patch::go_text::{Plain, Syntax, type_name};
use crate::schema::{Schema, StructId, Type};
use crate::tree::{Map, Node};

/// The set of fields that a body states, without those that nobody owns.
///
/// The error is the list of what is wrong, as upstream joins it.
pub(super) fn field_set(body: &Map, schema: &Schema, id: StructId) -> Result<Set, String> {
    let mut reader = Reader { schema, path: String::new(), errors: Vec::new() };
    let set = reader.structure(body, id, Level::Object);
    match reader.errors.as_slice() {
        [] => Ok(set),
        [one] => Err(one.clone()),
        several => Err(format!("errors:\n  {}", several.join("\n  "))),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Object,
    Metadata,
    Inner,
}

struct Reader<'a> {
    schema: &'a Schema,
    path: String,
    errors: Vec<String>,
}

impl Reader<'_> {
    fn error(&mut self, message: impl std::fmt::Display) {
        self.errors.push(match self.path.as_str() {
            "" => message.to_string(),
            path => format!("{path}: {message}"),
        });
    }

    fn at<T>(&mut self, element: &Element, inside: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(&element.to_string());
        let result = inside(self);
        self.path.truncate(length);
        result
    }

    fn structure(&mut self, map: &Map, id: StructId, level: Level) -> Set {
        let this = self.schema.get(id);
        let mut set = Set::new();
        for (name, node) in map.entries() {
            let element = Element::Field(name.clone());
            let Some(field) = this.field_or_other(name) else {
                self.at(&element, |reader| reader.error("field not declared in schema"));
                break;
            };
            let is_metadata = level == Level::Object && name.as_str() == "metadata";
            let inner = if is_metadata { Level::Metadata } else { Level::Inner };
            let shape = shape::of_field(self.schema, field);
            let (member, below) = self.at(&element, |reader| reader.value(node, &field.ty, shape, inner));
            let owned = match level {
                Level::Object => !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"),
                Level::Metadata => !is_never_owned(name),
                Level::Inner => true,
            };
            if owned || is_metadata {
                set.push(element, member && owned, below);
            }
        }
        set.finish();
        set
    }

    /// The fields below a value, and whether the value itself is one.
    fn value(&mut self, node: &Node, ty: &Type, shape: Shape<'_>, level: Level) -> (bool, Set) {
        match (shape, node) {
            (_, Node::Null) => (true, Set::new()),
            (Shape::Map(Type::Any), node) if !matches!(node, Node::Map(_)) => (true, Set::new()),
            (Shape::Leaf, node) => {
                self.check(node, ty);
                (true, Set::new())
            }
            (Shape::Struct(id), Node::Map(map)) => (map.is_empty(), self.structure(map, id, level)),
            (Shape::Map(value), Node::Map(map)) => (map.is_empty(), self.entries(map, value)),
            (Shape::Items(items), Node::List(list)) => (false, self.items(list, items)),
            (Shape::Set, Node::List(list)) => (false, self.set(list)),
            (Shape::Struct(_) | Shape::Map(_), node) => {
                self.error(format_args!("expected map, got &{{{}}}", Plain(node)));
                (true, Set::new())
            }
            (Shape::Items(_) | Shape::Set, node) => {
                self.error(format_args!("expected list, got &{{{}}}", Plain(node)));
                (true, Set::new())
            }
        }
    }

    fn entries(&mut self, map: &Map, value: &Type) -> Set {
        let shape = shape::of_type(self.schema, value);
        let mut set = Set::new();
        for (name, node) in map.entries() {
            let element = Element::Field(name.clone());
            let (_, below) = self.at(&element, |reader| reader.value(node, value, shape, Level::Inner));
            set.push(element, true, below);
        }
        set.finish();
        set
    }

    fn items(&mut self, list: &[Node], items: Items<'_>) -> Set {
        let ty = Type::Struct(items.item);
        let shape = shape::of_type(self.schema, &ty);
        let mut set = Set::new();
        let mut seen = Set::new();
        for (index, node) in list.iter().enumerate() {
            let Some(element) = items.written_element(self.schema, node) else {
                self.error(format_args!("element {index}: {}", nameless(node, items)));
                break;
            };
            self.note_twice(&element, &mut seen);
            let (_, below) = self.at(&element, |reader| reader.value(node, &ty, shape, Level::Inner));
            set.push(element, true, below);
        }
        set.finish();
        set
    }

    fn set(&mut self, list: &[Node]) -> Set {
        let mut set = Set::new();
        for (index, node) in list.iter().enumerate() {
            let wrong = match node {
                Node::Map(_) => "associative list without keys has an element that's a map type",
                Node::List(_) => "not supported: associative list with lists as elements",
                Node::Null => "associative list without keys has an element that's an explicit null",
                _ => "",
            };
            if !wrong.is_empty() {
                self.error(format_args!("element {index}: {wrong}"));
                break;
            }
            self.note_twice(&Element::Value(Box::new(node.clone())), &mut set);
        }
        set
    }

    fn note_twice(&mut self, element: &Element, seen: &mut Set) {
        if seen.get(element).is_some() {
            self.error(format_args!("duplicate entries for key {element}"));
        }
        seen.insert(std::slice::from_ref(element));
    }

    /// Checks a value with one owner, at any depth.
    fn check(&mut self, node: &Node, ty: &Type) {
        match (ty, node) {
            (_, Node::Null) => {}
            (Type::Struct(id), Node::Map(map)) => {
                self.structure(map, *id, Level::Inner);
            }
            (Type::Map(value), Node::Map(map)) => {
                for (name, node) in map.entries() {
                    self.at(&Element::Field(name.clone()), |reader| reader.check(node, value));
                }
            }
            (Type::List { item, .. }, Node::List(list)) => {
                for (index, node) in list.iter().enumerate() {
                    self.at(&Element::Index(index as i64), |reader| reader.check(node, item));
                }
            }
            (Type::Struct(_) | Type::Map(_), node) => {
                self.error(format_args!("expected map, got &{{{}}}", Plain(node)));
            }
            (Type::List { .. }, node) => self.error(format_args!("expected list, got &{{{}}}", Plain(node))),
            (Type::Bool, Node::Bool(_)) => {}
            (Type::Bool, node) => self.error(format_args!("expected boolean, got &{{{}}}", Plain(node))),
            (Type::Int32 | Type::Int64 | Type::Float64, Node::Int(_) | Node::Float(_)) => {}
            (Type::Int32 | Type::Int64 | Type::Float64, node) => {
                self.error(format_args!("expected numeric (int or float), got {}", type_name(node)));
            }
            (Type::String | Type::Bytes | Type::Duration, Node::Str(_)) => {}
            (Type::String | Type::Bytes | Type::Duration, node) => {
                let value = Syntax(node);
                self.error(format_args!("expected string, got &value.valueUnstructured{{Value:{value}}}"));
            }
            (
                Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString,
                Node::Map(_) | Node::List(_),
            ) => {
                self.error(format_args!("expected any scalar, got &{{{}}}", Plain(node)));
            }
            _ => {}
        }
    }
}

fn nameless(node: &Node, items: Items<'_>) -> String {
    match node {
        Node::Null => "associative list with keys may not have a null element".into(),
        Node::Map(_) => {
            let keys: Vec<String> = items.keys.iter().map(|key| format!("{:?}", key.as_str())).collect();
            format!(
                "associative list with keys has an element that omits all key fields [{}] \
                 (and doesn't have default values for any key fields)",
                keys.join(" ")
            )
        }
        _ => "associative list with keys may not have non-map elements".into(),
    }
}
