//! Free trees as Go's fmt prints them, for messages that upstream makes with `%v`, `%#v` and `%T`.

use std::fmt;

use crate::tree::{Key, Map, Node};

/// `%v`: `map[a:1 b:[x y]]`.
pub(crate) struct Plain<'a>(pub(crate) &'a Node);

/// `%v` of a map.
pub(crate) struct PlainMap<'a>(pub(crate) &'a Map);

/// `%#v`: `map[string]interface {}{"a":1}`.
pub(crate) struct Syntax<'a>(pub(crate) &'a Node);

/// `%T`.
pub(crate) fn type_name(node: &Node) -> &'static str {
    match node {
        Node::Null => "<nil>",
        Node::Bool(_) => "bool",
        Node::Int(_) => "int64",
        Node::Float(_) => "float64",
        Node::Str(_) => "string",
        Node::List(_) => "[]interface {}",
        Node::Map(_) | Node::Raw(_) => "map[string]interface {}",
    }
}

fn sorted(map: &Map) -> Vec<&(Key, Node)> {
    let mut entries: Vec<&(Key, Node)> = map.entries().iter().collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Null => f.write_str("<nil>"),
            Node::Str(text) => f.write_str(text),
            Node::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { " " } else { "" })?;
                    Plain(item).fmt(f)?;
                }
                f.write_str("]")
            }
            Node::Map(map) => PlainMap(map).fmt(f),
            other => other.fmt(f),
        }
    }
}

impl fmt::Display for PlainMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map[")?;
        for (at, (key, value)) in sorted(self.0).into_iter().enumerate() {
            f.write_str(if at > 0 { " " } else { "" })?;
            write!(f, "{key}:{}", Plain(value))?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Syntax<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Null => f.write_str("interface {}(nil)"),
            Node::Str(text) => write!(f, "{:?}", text.as_str()),
            Node::List(items) => {
                f.write_str("[]interface {}{")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    Syntax(item).fmt(f)?;
                }
                f.write_str("}")
            }
            Node::Map(map) => {
                f.write_str("map[string]interface {}{")?;
                for (at, (key, value)) in sorted(map).into_iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    write!(f, "{:?}:{}", key.as_str(), Syntax(value))?;
                }
                f.write_str("}")
            }
            other => other.fmt(f),
        }
    }
}
