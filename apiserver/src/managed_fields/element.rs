//! One step of a path to a field: a field's name, the keys of a list item, the value of a set item, an index.
//!
//! Keeps: elements sort as upstream sorts them (names, keys, values, indexes), so sets print in upstream's order;
//! reading what was printed gives the element back.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use crate::codec::json;
use crate::tree::{Key, Map, Node};

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Element {
    /// `f:name`: an entry of a map or struct.
    Field(Key),
    /// `k:{"name":"x"}`: the item of a list with these keys, sorted by name.
    Keys(Box<[(Key, Node)]>),
    /// `v:"x"`: the item of a set.
    Value(Box<Node>),
    /// `i:0`: the item at an index.
    Index(i64),
}

impl Element {
    /// The field `name`.
    pub fn field(name: impl Into<Key>) -> Element {
        Element::Field(name.into())
    }

    /// Reads an element from its text; `Ok(None)` when it is of a type that nobody knows yet.
    pub fn parse(text: &str) -> Result<Option<Element>, String> {
        if text.len() < 2 {
            return Err("key must be 2 characters long:".into());
        }
        let Some((kind, rest)) = text.split_at_checked(2).filter(|(kind, _)| kind.ends_with(':')) else {
            return Err(format!("missing colon: {text}"));
        };
        match kind {
            "f:" => Ok(Some(Element::Field(Key::Owned(rest.into())))),
            "k:" if let Some(element) = plain_key(rest) => Ok(Some(element)),
            "k:" => match json::decode_untyped(rest.as_bytes()) {
                Ok(Node::Map(map)) => Ok(Some(Element::keys(map))),
                Ok(_) => Err(format!("expected an object: {rest}")),
                Err(error) => Err(error.message),
            },
            "v:" => match json::decode_untyped(rest.as_bytes()) {
                Ok(value) => Ok(Some(Element::Value(Box::new(value)))),
                Err(error) => Err(error.message),
            },
            "i:" => rest.parse().map(|index| Some(Element::Index(index))).map_err(|error| error.to_string()),
            _ => Ok(None),
        }
    }

    /// The item with these keys.
    pub fn keys(map: Map) -> Element {
        let mut keys: Vec<(Key, Node)> = map.into_iter().collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Element::Keys(keys.into())
    }

    /// Writes the element as the name of a JSON entry, in its quotes.
    pub(super) fn write(&self, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        match self {
            Element::Field(name) => return Element::write_field(name, out, scratch),
            Element::Keys(keys)
                if keys.iter().all(|(name, value)| is_plain_name(name) && is_plain_value(value)) =>
            {
                return write_plain_keys(keys, out);
            }
            _ => {}
        }
        scratch.clear();
        match self {
            Element::Field(_) => {}
            Element::Keys(keys) => {
                scratch.extend_from_slice(b"k:{");
                for (at, (name, value)) in keys.iter().enumerate() {
                    if at > 0 {
                        scratch.push(b',');
                    }
                    json::encode_string(name, scratch);
                    scratch.push(b':');
                    json::encode_untyped(value, scratch);
                }
                scratch.push(b'}');
            }
            Element::Value(value) => {
                scratch.extend_from_slice(b"v:");
                json::encode_untyped(value, scratch);
            }
            Element::Index(index) => scratch.extend_from_slice(format!("i:{index}").as_bytes()),
        }
        write_quoted(scratch, out);
    }

    /// Writes the element of the field `name`.
    pub(super) fn write_field(name: &str, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        if is_plain_name(name) {
            out.extend_from_slice(b"\"f:");
            out.extend_from_slice(name.as_bytes());
            out.push(b'"');
        } else {
            scratch.clear();
            scratch.extend_from_slice(b"f:");
            scratch.extend_from_slice(name.as_bytes());
            write_quoted(scratch, out);
        }
    }

    /// Writes the item whose only key has a plain text.
    pub(super) fn write_plain_key(name: &str, text: &str, out: &mut Vec<u8>) {
        for part in ["\"k:{\\\"", name, "\\\":\\\"", text, "\\\"}\""] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Whether a text needs no escapes.
    pub(super) fn is_plain_text(text: &str) -> bool {
        text.bytes().all(|byte| is_plain(byte) || matches!(byte, b':' | b' '))
    }

    /// The order of kinds of elements.
    fn rank(&self) -> u8 {
        match self {
            Element::Field(_) => 0,
            Element::Keys(_) => 1,
            Element::Value(_) => 2,
            Element::Index(_) => 3,
        }
    }
}

/// Writes keys that need no escapes but those of their quotes.
fn write_plain_keys(keys: &[(Key, Node)], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"k:{");
    for (at, (name, value)) in keys.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\\\"" } else { b"\\\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\\\":");
        match value {
            Node::Str(text) => {
                out.extend_from_slice(b"\\\"");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\\\"");
            }
            other => json::encode_untyped(other, out),
        }
    }
    out.extend_from_slice(b"}\"");
}

fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    // What was written into the scratch buffer came from strings.
    json::encode_string(std::str::from_utf8(text).unwrap_or_default(), out);
}

/// Whether a name stands in JSON as it is.
#[inline]
fn is_plain_name(name: &str) -> bool {
    name.bytes().all(is_plain)
}

fn is_plain_value(value: &Node) -> bool {
    match value {
        Node::Str(text) => Element::is_plain_text(text),
        Node::Int(_) | Node::Bool(_) => true,
        _ => false,
    }
}

/// Whether a byte stands in JSON as it is.
#[inline]
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'/' | b'-' | b'_')
}

/// One key of plain text or digits: `{"name":"x"}`, by far the most common; `None` for anything else.
fn plain_key(text: &str) -> Option<Element> {
    let (name, value) = text.strip_prefix("{\"")?.strip_suffix('}')?.split_once("\":")?;
    let value = match value.strip_prefix('"') {
        Some(value) => Node::from(value.strip_suffix('"').filter(|value| value.bytes().all(is_plain))?),
        None if value.len() < 18 && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            Node::Int(value.parse().ok()?)
        }
        None => return None,
    };
    is_plain_name(name).then(|| Element::Keys(Box::new([(Key::Owned(name.into()), value)])))
}

impl Ord for Element {
    fn cmp(&self, other: &Element) -> Ordering {
        match (self, other) {
            (Element::Field(a), Element::Field(b)) => a.cmp(b),
            (Element::Keys(a), Element::Keys(b)) => compare_keys(a, b),
            (Element::Value(a), Element::Value(b)) => compare_values(a, b),
            (Element::Index(a), Element::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Element) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

fn compare_keys(a: &[(Key, Node)], b: &[(Key, Node)]) -> Ordering {
    for ((name, value), (other_name, other)) in a.iter().zip(b) {
        let order = name.cmp(other_name).then_with(|| compare_values(value, other));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Numbers before strings before booleans before lists before maps before null.
pub(super) fn compare_values(a: &Node, b: &Node) -> Ordering {
    fn rank(node: &Node) -> u8 {
        match node {
            Node::Int(_) | Node::Float(_) => 0,
            Node::Str(_) => 1,
            Node::Bool(_) => 2,
            Node::List(_) => 3,
            Node::Map(_) => 4,
            Node::Null => 5,
            Node::Raw(_) => 6,
        }
    }
    match (a, b) {
        (Node::Int(a), Node::Int(b)) => a.cmp(b),
        (Node::Int(a), Node::Float(b)) => (*a as f64).total_cmp(b),
        (Node::Float(a), Node::Int(b)) => a.total_cmp(&(*b as f64)),
        (Node::Float(a), Node::Float(b)) => a.total_cmp(b),
        (Node::Str(a), Node::Str(b)) | (Node::Raw(a), Node::Raw(b)) => a.as_str().cmp(b.as_str()),
        (Node::Bool(a), Node::Bool(b)) => a.cmp(b),
        (Node::List(a), Node::List(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Node::Map(a), Node::Map(b)) => {
            let sorted = |map: &Map| {
                let mut entries: Vec<(Key, Node)> = map.entries().to_vec();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries
            };
            compare_keys(&sorted(a), &sorted(b))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

impl fmt::Display for Element {
    /// As it stands in paths of conflicts and errors: `.spec`, `[name="x"]`, `[="x"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Keys(keys) => {
                f.write_char('[')?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    write!(f, "{name}={}", Shown(value))?;
                }
                f.write_char(']')
            }
            Element::Value(value) => write!(f, "[={}]", Shown(value)),
            Element::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value in a path: strings quoted, everything else as JSON.
struct Shown<'a>(&'a Node);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Str(text) => write!(f, "{:?}", text.as_str()),
            other => write!(f, "{other}"),
        }
    }
}
