//! Facts: what selection needs to know of a stored object without parsing it.
//!
//! Keeps: computed once by the node that proposes the write; the encoding is the store's opaque `facts`.
//! Layout: version byte, flags byte, then length-prefixed strings: labels (count, key, value …), selectable
//! fields in the kind's order (count, value …), owner uids (count, uid …).

use bytes::Bytes;
use ecow::EcoString;

use crate::kind::Kind;
use crate::storage::Term;
use crate::tree::Map;

const VERSION: u8 = 1;
const DELETING: u8 = 1;

/// Tag of the first indexed selectable field; the second has the next tag, and so on.
const FIRST_FIELD_TAG: u8 = 1;

/// The facts of an object about to be stored.
#[derive(Debug, Default)]
pub struct Facts {
    labels: Vec<(EcoString, EcoString)>,
    fields: Vec<EcoString>,
    owners: Vec<EcoString>,
    deleting: bool,
}

impl Facts {
    /// The facts of an object of the storage version.
    pub fn of(kind: &Kind, object: &Map) -> Facts {
        let metadata = object.metadata();
        let text = |node: &crate::tree::Node| node.as_str().map(EcoString::from).unwrap_or_default();
        let labels = metadata.and_then(|metadata| metadata.map("labels"));
        let owners = metadata.map(|metadata| metadata.maps("ownerReferences").map(|owner| owner.str("uid").into()).collect());
        Facts {
            labels: labels.map_or_else(Vec::new, |labels| {
                labels.iter().map(|(key, value)| (key.as_str().into(), text(value))).collect()
            }),
            fields: kind.selectable.iter().map(|field| (field.value)(object)).collect(),
            owners: owners.unwrap_or_default(),
            deleting: metadata.is_some_and(|metadata| metadata.contains("deletionTimestamp")),
        }
    }

    /// The store's index terms: one per indexed field that has a value.
    pub fn terms(&self, kind: &Kind) -> smallvec::SmallVec<[Term; 2]> {
        indexed(kind)
            .filter_map(|(tag, at)| {
                let value = self.fields[at].clone();
                (!value.is_empty()).then_some(Term { tag, value })
            })
            .collect()
    }

    /// The encoded form.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        out.push(VERSION);
        out.push(if self.deleting { DELETING } else { 0 });
        put_count(self.labels.len(), &mut out);
        for (key, value) in &self.labels {
            put_text(key, &mut out);
            put_text(value, &mut out);
        }
        for list in [&self.fields, &self.owners] {
            put_count(list.len(), &mut out);
            list.iter().for_each(|text| put_text(text, &mut out));
        }
        Bytes::from(out)
    }
}

/// Tags and positions of the indexed selectable fields of a kind.
pub fn indexed(kind: &Kind) -> impl Iterator<Item = (u8, usize)> {
    kind.selectable
        .iter()
        .enumerate()
        .filter(|(_, field)| field.indexed)
        .enumerate()
        .map(|(nth, (at, _))| (FIRST_FIELD_TAG + nth as u8, at))
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_count(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// The facts of a stored object, read in place. Damaged facts read as empty.
#[derive(Clone, Copy, Debug)]
pub struct FactsView<'a> {
    bytes: &'a [u8],
}

impl<'a> FactsView<'a> {
    /// Reads the facts of an entry.
    pub fn new(bytes: &'a [u8]) -> FactsView<'a> {
        FactsView { bytes: if bytes.first() == Some(&VERSION) { bytes } else { &[] } }
    }

    /// Whether the object has a deletionTimestamp.
    pub fn deleting(&self) -> bool {
        self.bytes.get(1).is_some_and(|flags| flags & DELETING != 0)
    }

    fn sections(&self) -> Reader<'a> {
        Reader { rest: self.bytes.get(2..).unwrap_or_default() }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        let mut reader = self.sections();
        let count = reader.count();
        (0..count).map(|_| (reader.text(), reader.text())).find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// The value of the selectable field at `position` of the kind's list.
    pub fn field(&self, position: usize) -> &'a str {
        let mut reader = self.sections();
        for _ in 0..reader.count() * 2 {
            reader.text();
        }
        let count = reader.count();
        if position >= count {
            return "";
        }
        for _ in 0..position {
            reader.text();
        }
        reader.text()
    }

    /// The uids of the owners.
    pub fn owners(&self) -> Vec<&'a str> {
        let mut reader = self.sections();
        for _ in 0..reader.count() * 2 {
            reader.text();
        }
        for _ in 0..reader.count() {
            reader.text();
        }
        let count = reader.count();
        (0..count).map(|_| reader.text()).collect()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn count(&mut self) -> usize {
        match self.rest.split_first_chunk::<4>() {
            Some((count, rest)) => {
                self.rest = rest;
                // A count is never larger than the bytes that follow.
                (u32::from_le_bytes(*count) as usize).min(rest.len())
            }
            None => {
                self.rest = &[];
                0
            }
        }
    }

    fn text(&mut self) -> &'a str {
        let length = self.count();
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        std::str::from_utf8(text).unwrap_or_default()
    }
}
