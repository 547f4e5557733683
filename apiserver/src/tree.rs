//! The decoded form of an object: a tree of [`Node`]s.
//!
//! Keeps: a clone is O(1) (lists, maps and long strings are reference counted and copied on write), so a
//! retried write starts again from a clone; keys known to a schema are `'static` and never allocate; no type
//! of a parser leaves this module's children. A value that Go would omit is absent, never `Null`: decoding
//! removes nulls and canonicalises leaves (see `tree/json.rs`), and encoding fills in what Go prints.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use ecow::{EcoString, EcoVec};

use large::Large;
use stored::Stored;
pub(crate) use stored::Unread;

mod large;
mod stored;

/// One value. Numbers are `i64` where they fit, else `f64`.
#[derive(Clone, Debug, Default)]
pub enum Node {
    /// JSON null. Only in untyped trees (patches, raw JSON); typed decoding drops it.
    #[default]
    Null,
    /// true or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction or beyond `i64`.
    Float(f64),
    /// A string; also every canonicalised leaf (quantity, time, duration, base64 bytes).
    Str(EcoString),
    /// JSON text kept as it came, compact and escaped as Go escapes (FieldsV1, RawExtension, JSON).
    Raw(EcoString),
    /// An array.
    List(List),
    /// An object.
    Map(Map),
}

/// A text of its own, copied as a block: `EcoString::from` copies byte by byte.
#[inline]
pub fn text(text: &str) -> EcoString {
    let mut own = EcoString::with_capacity(text.len());
    own.push_str(text);
    own
}

/// An array of nodes; cloned in O(1), copied on write.
pub type List = EcoVec<Node>;

/// A key of a [`Map`]: a schema's static name, or a name from a document.
#[derive(Clone)]
pub enum Key {
    /// A name that lives as long as the program.
    Static(&'static str),
    /// The name of a declared field and its place in its struct, which is where a struct looks for it first.
    Field(&'static str, u16),
    /// A name from input.
    Owned(EcoString),
}

/// An object: entries in insertion order. Typed maps are printed in the schema's order, others by key.
///
/// A struct of a stored object may still be the text that it was stored as; whoever looks into it finds entries. A map
/// of very many entries knows where each stands, and when one is removed the last takes its place.
#[derive(Clone)]
pub struct Map {
    content: Content,
}

#[derive(Clone)]
enum Content {
    Entries(EcoVec<(Key, Node)>),
    Behind(Arc<Behind>),
}

/// What is seldom, and too large for a [`Content`].
#[derive(Clone)]
enum Behind {
    Stored(Stored),
    Large(Large),
}

impl Key {
    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Key::Static(name) | Key::Field(name, _) => name,
            Key::Owned(name) => name.as_str(),
        }
    }

    /// Whether it is `name`. Most names of a map differ in length or first letter, which costs no call.
    #[inline]
    fn is(&self, name: &str) -> bool {
        let (own, name) = (self.as_str().as_bytes(), name.as_bytes());
        own.len() == name.len() && own.first() == name.first() && own == name
    }

    /// Equality, for keys that mostly are the schema's own text: then comparing places is enough.
    #[inline]
    pub fn is_same(&self, other: &Key) -> bool {
        let (a, b) = (self.as_str(), other.as_str());
        a.len() == b.len() && (std::ptr::eq(a.as_ptr(), b.as_ptr()) || a == b)
    }
}

impl std::ops::Deref for Key {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for Key {
    fn from(name: &'static str) -> Key {
        Key::Static(name)
    }
}

impl From<EcoString> for Key {
    fn from(name: EcoString) -> Key {
        Key::Owned(name)
    }
}

impl Map {
    /// An empty map.
    pub fn new() -> Map {
        Map::default()
    }

    /// An empty map with room for `entries`.
    pub fn with_capacity(entries: usize) -> Map {
        Map::from_entries(EcoVec::with_capacity(entries))
    }

    /// A map of entries whose keys are known to differ (from a decoder that has checked).
    pub fn from_entries(entries: EcoVec<(Key, Node)>) -> Map {
        if entries.len() < large::ENTRIES_MIN {
            Map { content: Content::Entries(entries) }
        } else {
            Map::behind(Behind::Large(Large::new(entries)))
        }
    }

    fn behind(content: Behind) -> Map {
        Map { content: Content::Behind(Arc::new(content)) }
    }

    /// A struct of a stored object that is read when somebody looks into it.
    pub(crate) fn unread(text: Unread) -> Map {
        Map::behind(Behind::Stored(Stored::new(text)))
    }

    /// The same with the text that it is stored as.
    pub(crate) fn with_text(&self, text: Unread) -> Map {
        Map::behind(Behind::Stored(Stored::with_entries(text, self.all().clone())))
    }

    /// The text that a struct was stored as, as long as nobody has changed it.
    #[inline]
    pub(crate) fn stored_text(&self) -> Option<&Unread> {
        match &self.content {
            Content::Entries(_) => None,
            Content::Behind(behind) => match &**behind {
                Behind::Stored(stored) => Some(stored.text()),
                Behind::Large(_) => None,
            },
        }
    }

    /// Whether it is a struct of a stored object that nobody has changed.
    #[inline]
    pub fn is_as_stored(&self) -> bool {
        self.stored_text().is_some()
    }

    #[inline]
    fn all(&self) -> &EcoVec<(Key, Node)> {
        match &self.content {
            Content::Entries(entries) => entries,
            Content::Behind(behind) => match &**behind {
                Behind::Stored(stored) => stored.entries(),
                Behind::Large(large) => large.entries(),
            },
        }
    }

    fn large(&self) -> Option<&Large> {
        match &self.content {
            Content::Behind(behind) => match &**behind {
                Behind::Large(large) => Some(large),
                Behind::Stored(_) => None,
            },
            Content::Entries(_) => None,
        }
    }

    fn large_mut(&mut self) -> Option<&mut Large> {
        self.large()?;
        match &mut self.content {
            Content::Behind(behind) => match Arc::make_mut(behind) {
                Behind::Large(large) => Some(large),
                Behind::Stored(_) => None,
            },
            Content::Entries(_) => None,
        }
    }

    /// The entries, to be changed: what is stored is no longer the text of this map.
    #[inline]
    fn all_mut(&mut self) -> &mut EcoVec<(Key, Node)> {
        if let Content::Behind(_) = &self.content {
            let entries = self.all().clone();
            self.content = Content::Entries(entries);
        }
        match &mut self.content {
            Content::Entries(entries) => entries,
            Content::Behind(_) => unreachable!("the content was just made entries"),
        }
    }

    /// The entries, of which only the values may be changed.
    fn values_mut(&mut self) -> &mut [(Key, Node)] {
        if self.large().is_none() {
            return self.all_mut().make_mut();
        }
        self.large_mut().map(Large::values_mut).unwrap_or_default()
    }

    /// Appends an entry whose key is new.
    fn push(&mut self, key: Key, value: Node) {
        match self.large_mut() {
            Some(large) => large.push(key, value),
            None => {
                let entries = self.all_mut();
                entries.push((key, value));
                if entries.len() >= large::ENTRIES_MIN {
                    *self = Map::from_entries(std::mem::take(entries));
                }
            }
        }
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether it has no entry. What nobody has read yet has some.
    pub fn is_empty(&self) -> bool {
        self.read().is_some_and(EcoVec::is_empty)
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, &Node)> + ExactSizeIterator {
        self.all().iter().map(|(key, node)| (key, node))
    }

    /// The entries in their order, values writable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Node)> {
        self.values_mut().iter_mut().map(|(key, node)| (&*key, node))
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.all().iter().map(|(key, _)| key)
    }

    /// The entry at `position`.
    pub fn entry_at(&self, position: usize) -> Option<(&Key, &Node)> {
        self.all().get(position).map(|(key, node)| (key, node))
    }

    fn position(&self, key: &str) -> Option<usize> {
        if let Some(large) = self.large() {
            return large.position(key);
        }
        self.all().iter().position(|(candidate, _)| candidate.is(key))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        if let Some(large) = self.large() {
            return large.position(key).map(|place| &large.entries()[place].1);
        }
        self.all().iter().find(|(candidate, _)| candidate.is(key)).map(|(_, node)| node)
    }

    /// Whether `key` is present.
    pub fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The value of `key`, writable.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let position = self.position(key)?;
        self.values_mut().get_mut(position).map(|(_, node)| node)
    }

    /// Sets `key`, replacing a value that is there.
    pub fn set(&mut self, key: impl Into<Key>, value: impl Into<Node>) {
        let key = key.into();
        match self.position(&key) {
            Some(position) => self.values_mut()[position].1 = value.into(),
            None => self.push(key, value.into()),
        }
    }

    /// Sets `key` unless it is present; answers whether it was set.
    pub fn set_default(&mut self, key: impl Into<Key>, value: impl Into<Node>) -> bool {
        let key = key.into();
        if self.contains(&key) {
            return false;
        }
        self.push(key, value.into());
        true
    }

    /// Appends an entry that the caller knows to be new (a decoder that has checked for duplicates).
    pub fn push_new(&mut self, key: Key, value: Node) {
        self.push(key, value);
    }

    /// Removes `key` and answers its value.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        if self.large().is_some() {
            return self.large_mut()?.remove(key);
        }
        let position = self.position(key)?;
        Some(self.all_mut().remove(position).1)
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Key, &mut Node) -> bool) {
        let mut entries = std::mem::take(self).into_entries();
        entries.retain(|(key, node)| keep(key, node));
        *self = Map::from_entries(entries);
    }

    /// The entries, in their order, as a slice.
    #[inline]
    pub fn entries(&self) -> &[(Key, Node)] {
        self.all().as_slice()
    }

    /// Sorts the entries by `order` of their keys.
    pub fn sort_by(&mut self, mut order: impl FnMut(&Key, &Key) -> std::cmp::Ordering) {
        let mut entries = std::mem::take(self).into_entries();
        entries.make_mut().sort_by(|a, b| order(&a.0, &b.0));
        *self = Map::from_entries(entries);
    }

    /// The map at `key`, made empty when absent or not a map.
    pub fn map_mut(&mut self, key: &'static str) -> &mut Map {
        if !matches!(self.get(key), Some(Node::Map(_))) {
            self.set(key, Map::new());
        }
        match self.get_mut(key) {
            Some(Node::Map(map)) => map,
            _ => unreachable!("the entry was just made a map"),
        }
    }

    /// The list at `key`, made empty when absent or not a list.
    pub fn list_mut(&mut self, key: &'static str) -> &mut List {
        if !matches!(self.get(key), Some(Node::List(_))) {
            self.set(key, List::new());
        }
        match self.get_mut(key) {
            Some(Node::List(list)) => list,
            _ => unreachable!("the entry was just made a list"),
        }
    }

    /// The map at `key`.
    pub fn map(&self, key: &str) -> Option<&Map> {
        self.get(key).and_then(Node::as_map)
    }

    /// The map at `key`, writable, if there is one.
    pub fn existing_map_mut(&mut self, key: &str) -> Option<&mut Map> {
        self.get_mut(key).and_then(Node::as_map_mut)
    }

    /// The list at `key`, writable, if there is one.
    pub fn existing_list_mut(&mut self, key: &str) -> Option<&mut [Node]> {
        match self.get_mut(key) {
            Some(Node::List(list)) => Some(list.make_mut()),
            _ => None,
        }
    }

    /// The items of the list at `key`; empty when absent.
    pub fn list(&self, key: &str) -> &[Node] {
        match self.get(key) {
            Some(Node::List(list)) => list.as_slice(),
            _ => &[],
        }
    }

    /// The maps among the items of the list at `key`.
    pub fn maps(&self, key: &str) -> impl Iterator<Item = &Map> {
        self.list(key).iter().filter_map(Node::as_map)
    }

    /// The strings among the items of the list at `key`.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.list(key).iter().filter_map(Node::as_str)
    }

    /// The string at `key`; empty when absent, as Go's zero value.
    pub fn str(&self, key: &str) -> &str {
        self.get(key).and_then(Node::as_str).unwrap_or("")
    }

    /// The integer at `key`, if present.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Node::as_int)
    }

    /// The boolean at `key`, if present.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(Node::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The node at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let (last, parents) = path.split_last()?;
        let mut map = self;
        for key in parents {
            map = map.map(key)?;
        }
        map.get(last)
    }

    /// Sets the value at a path of keys; what is on the way and no map is made one.
    pub fn set_at(&mut self, path: &[&'static str], value: impl Into<Node>) {
        match path {
            [] => {}
            [key] => self.set(*key, value),
            [key, rest @ ..] => self.map_mut(key).set_at(rest, value),
        }
    }

    /// The string at a path of keys; empty when absent.
    pub fn str_at(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Node::as_str).unwrap_or("")
    }

    /// The map at a path of keys.
    pub fn map_at(&self, path: &[&str]) -> Option<&Map> {
        self.at(path).and_then(Node::as_map)
    }

    /// `metadata` of an object.
    pub fn metadata(&self) -> Option<&Map> {
        self.map("metadata")
    }

    /// `metadata` of an object, made when absent.
    pub fn metadata_mut(&mut self) -> &mut Map {
        self.map_mut("metadata")
    }

    /// `metadata.name`; empty when absent.
    pub fn name(&self) -> &str {
        self.str_at(&["metadata", "name"])
    }

    /// `metadata.namespace`; empty when absent.
    pub fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"])
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.map_at(&["metadata", "annotations"])?.get(key)?.as_str()
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.map_at(&["metadata", "labels"])?.get(key)?.as_str()
    }

    /// Whether a field is there and is what `other` has, seen without a look into it.
    pub fn shares(&self, key: &str, other: &Map) -> bool {
        self.get(key).zip(other.get(key)).is_some_and(|(own, other)| own.is_shared_with(other))
    }

    /// Whether both are clones of one map that neither has changed: equal without a look at the entries.
    #[inline]
    pub fn is_shared_with(&self, other: &Map) -> bool {
        if let (Content::Behind(a), Content::Behind(b)) = (&self.content, &other.content)
            && Arc::ptr_eq(a, b)
        {
            return true;
        }
        match (self.read(), other.read()) {
            (Some(a), Some(b)) => a.len() == b.len() && std::ptr::eq(a.as_ptr(), b.as_ptr()),
            _ => false,
        }
    }

    /// The entries, unless nobody has read them yet.
    #[inline]
    fn read(&self) -> Option<&EcoVec<(Key, Node)>> {
        match &self.content {
            Content::Entries(entries) => Some(entries),
            Content::Behind(behind) => match &**behind {
                Behind::Stored(stored) => stored.read(),
                Behind::Large(large) => Some(large.entries()),
            },
        }
    }

    fn into_entries(mut self) -> EcoVec<(Key, Node)> {
        std::mem::take(self.all_mut())
    }
}

impl Default for Map {
    fn default() -> Map {
        Map::from_entries(EcoVec::new())
    }
}

impl PartialEq for Map {
    /// Equal when they hold the same entries, in any order. What both share is not walked.
    fn eq(&self, other: &Map) -> bool {
        if self.is_shared_with(other) {
            return true;
        }
        if self.len() != other.len() {
            return false;
        }
        self.all().iter().zip(other.all().iter()).all(|((key, node), (other_key, other_node))| {
            let other_node = if key == other_key { Some(other_node) } else { other.get(key) };
            other_node == Some(node)
        })
    }
}

impl PartialEq for Node {
    /// Equal when they have one type and value. What both share is not walked.
    fn eq(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Null, Node::Null) => true,
            (Node::Bool(a), Node::Bool(b)) => a == b,
            (Node::Int(a), Node::Int(b)) => a == b,
            (Node::Float(a), Node::Float(b)) => a == b,
            (Node::Str(a), Node::Str(b)) | (Node::Raw(a), Node::Raw(b)) => a == b,
            (Node::List(a), Node::List(b)) => same_list(a, b) || a == b,
            (Node::Map(a), Node::Map(b)) => a == b,
            _ => false,
        }
    }
}

/// No number of a document is `NaN`.
impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Node::Null => {}
            Node::Bool(value) => value.hash(state),
            Node::Int(value) => value.hash(state),
            // Both zeros are equal.
            Node::Float(value) => (value + 0.0).to_bits().hash(state),
            Node::Str(text) | Node::Raw(text) => text.hash(state),
            Node::List(list) => list.hash(state),
            Node::Map(map) => {
                let of_entry = |entry: (&Key, &Node)| {
                    let mut state = DefaultHasher::new();
                    entry.hash(&mut state);
                    state.finish()
                };
                map.len().hash(state);
                map.iter().map(of_entry).fold(0, u64::wrapping_add).hash(state);
            }
        }
    }
}

/// Whether both are clones of one list that neither has changed.
#[inline]
fn same_list(a: &List, b: &List) -> bool {
    a.len() == b.len() && std::ptr::eq(a.as_ptr(), b.as_ptr())
}

impl IntoIterator for Map {
    type Item = (Key, Node);
    type IntoIter = ecow::vec::IntoIter<(Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_entries().into_iter()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Key>, V: Into<Node>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Map {
        Map::from_entries(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<Key>, V: Into<Node>, const N: usize> From<[(K, V); N]> for Map {
    fn from(entries: [(K, V); N]) -> Map {
        entries.into_iter().collect()
    }
}

impl Node {
    /// Whether both are surely equal, seen without walking a list or map.
    #[inline]
    pub fn is_shared_with(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Map(a), Node::Map(b)) => a.is_shared_with(b),
            (Node::List(a), Node::List(b)) => same_list(a, b),
            _ => self == other,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Node::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The value of an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The entries of a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Node::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entries of a map, writable.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Node::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// The items of a list, writable.
    pub fn as_list_mut(&mut self) -> Option<&mut List> {
        match self {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// What the value is, in Go's words for JSON: `object`, `array`, `string`, `number`, `bool`, `null`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "bool",
            Node::Int(_) | Node::Float(_) => "number",
            Node::Str(_) => "string",
            Node::Raw(_) => "raw",
            Node::List(_) => "array",
            Node::Map(_) => "object",
        }
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Node {
        Node::Bool(value)
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Node {
        Node::Int(value)
    }
}

impl From<&str> for Node {
    fn from(value: &str) -> Node {
        Node::Str(text(value))
    }
}

impl From<String> for Node {
    fn from(value: String) -> Node {
        Node::Str(text(&value))
    }
}

impl From<EcoString> for Node {
    fn from(value: EcoString) -> Node {
        Node::Str(value)
    }
}

impl From<Map> for Node {
    fn from(value: Map) -> Node {
        Node::Map(value)
    }
}

impl From<List> for Node {
    fn from(value: List) -> Node {
        Node::List(value)
    }
}

impl<T: Into<Node>> FromIterator<T> for Node {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Node {
        Node::List(items.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Node {
    /// Compact JSON, entries in their order: for messages, not for documents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Null => f.write_str("null"),
            Node::Bool(value) => value.fmt(f),
            Node::Int(value) => value.fmt(f),
            Node::Float(value) => value.fmt(f),
            Node::Str(text) => write_text(text, f),
            Node::Raw(text) => f.write_str(text),
            Node::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Node::Map(map) => map.fmt(f),
        }
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (key, node)) in self.iter().enumerate() {
            f.write_str(if i > 0 { "," } else { "" })?;
            write_text(key, f)?;
            f.write_str(":")?;
            node.fmt(f)?;
        }
        f.write_str("}")
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).unwrap_or_default())
}
