//! JSON of any shape to a tree.
//!
//! Keeps: entries stay in the order of the document; of duplicates the last value stands, at the first place.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::super::DecodeError;
use super::super::context::Context;
use super::super::leaf;
use super::read::Reader;
use crate::tree::{Key, List, Map, Node};

pub(super) struct Decoder<'r, 'a> {
    reader: &'r mut Reader<'a>,
    context: &'r mut Context<'a>,
    entries: Vec<(Key, Node)>,
    items: Vec<Node>,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'r, 'a> Decoder<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, context: &'r mut Context<'a>) -> Decoder<'r, 'a> {
        Decoder { reader, context, entries: Vec::new(), items: Vec::new() }
    }

    pub(super) fn value(&mut self) -> Result<Node> {
        match self.reader.peek()? {
            b'"' => Ok(Node::Str(leaf::text(&self.reader.string()?))),
            b'{' => self.map().map(Node::Map),
            b'[' => self.list().map(Node::List),
            b'n' => self.reader.literal("null").map(|()| Node::Null),
            b't' => self.reader.literal("true").map(|()| Node::Bool(true)),
            b'f' => self.reader.literal("false").map(|()| Node::Bool(false)),
            b'-' | b'0'..=b'9' => number(self.reader.number()?),
            _ => Err(self.reader.invalid_value()),
        }
    }

    fn map(&mut self) -> Result<Map> {
        self.reader.open()?;
        let start = self.entries.len();
        let tracked = self.context.is_strict();
        let mut first = true;
        while let Some(name) = self.reader.key(first)? {
            first = false;
            if tracked {
                self.context.enter_key(&name);
            }
            let node = self.value()?;
            if tracked {
                self.context.leave();
            }
            self.entries.push((Key::Owned(leaf::text(&name)), node));
        }
        let context = &mut *self.context;
        drop_duplicates(&mut self.entries, start, |name| context.duplicate(name));
        Ok(Map::from_entries(leaf::take(&mut self.entries, start)))
    }

    fn list(&mut self) -> Result<List> {
        self.reader.open()?;
        let start = self.items.len();
        let tracked = self.context.is_strict();
        let mut index = 0;
        while self.reader.item(index == 0)? {
            if tracked {
                self.context.enter_index(index);
            }
            let node = self.value()?;
            if tracked {
                self.context.leave();
            }
            self.items.push(node);
            index += 1;
        }
        Ok(leaf::take(&mut self.items, start))
    }
}

/// An integer where the text is one and fits, else a float.
fn number(text: &str) -> Result<Node> {
    if let Some(value) = leaf::parse_int(text) {
        return Ok(Node::Int(value));
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Node::Float(value)),
        _ => Err(DecodeError::new(format!(
            "json: cannot unmarshal number {text} into Go value of type float64"
        ))),
    }
}

/// Among `entries[start..]` keeps the last value of each key at its first place.
fn drop_duplicates(entries: &mut Vec<(Key, Node)>, start: usize, mut found: impl FnMut(&str)) {
    let ascending = entries[start..].windows(2).all(|pair| pair[0].0 < pair[1].0);
    if ascending {
        return;
    }
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    let mut kept = start;
    for at in start..entries.len() {
        match places.get(&entries[at].0) {
            Some(place) => {
                found(&entries[at].0);
                let node = std::mem::take(&mut entries[at].1);
                entries[*place].1 = node;
            }
            None => {
                places.insert(entries[at].0.clone(), kept);
                entries.swap(kept, at);
                kept += 1;
            }
        }
    }
    entries.truncate(kept);
}

/// Sorts `entries[start..]` by key and keeps the last value of each.
pub(in super::super) fn sort_keeping_last(
    entries: &mut Vec<(Key, Node)>,
    start: usize,
    found: impl FnMut(&str),
) {
    sort_keeping_last_by(entries, start, Key::cmp, found);
}

/// As [`sort_keeping_last`], in an order of the keys of its own.
pub(super) fn sort_keeping_last_by(
    entries: &mut Vec<(Key, Node)>,
    start: usize,
    mut order: impl FnMut(&Key, &Key) -> Ordering,
    mut found: impl FnMut(&str),
) {
    entries[start..].sort_by(|a, b| order(&a.0, &b.0));
    let mut kept = start;
    for at in start + 1..entries.len() {
        if entries[at].0 == entries[kept].0 {
            found(&entries[at].0);
        } else {
            kept += 1;
        }
        entries.swap(kept, at);
    }
    if entries.len() > start {
        entries.truncate(kept + 1);
    }
}
