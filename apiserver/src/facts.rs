//! Facts: what selection needs to know of a stored object without parsing it.
//!
//! Keeps: computed once by the node that proposes the write; the encoding is the store's opaque `facts`.
//! Layout: version byte, flags byte, a sketch of the labels (from version 2 on), then length-prefixed strings: labels
//! (count, key, value …), selectable fields in the kind's order (count, value …), owner uids (count, uid …); last, for
//! kinds that expire, the time in Unix seconds. Of custom resources, whose definitions change, the fields are stated with
//! their names (count, name, value …), and after the owners comes the version that the object is stored in.

use bytes::Bytes;
use ecow::EcoString;
use smallvec::SmallVec;

use crate::kind::{Kind, Selectable};
use crate::storage::Term;
use crate::tree::{Key, Map, Node};

pub(crate) use sketch::Sketch;

mod sketch;

const VERSION: u8 = 2;
const VERSION_WITHOUT_SKETCH: u8 = 1;
/// What stands before the sketch: version and flags.
const PREFIX_BYTES: usize = 2;
const DELETING: u8 = 1;
/// Fields have names, and the version is stated.
const CUSTOM: u8 = 2;

/// Tag of the first indexed selectable field; the second has the next tag, and so on.
const FIRST_FIELD_TAG: u8 = 1;

/// The facts of an object about to be stored.
#[derive(Debug)]
pub struct Facts<'a> {
    labels: &'a [(Key, Node)],
    fields: SmallVec<[EcoString; 8]>,
    owners: &'a [Node],
    deleting: bool,
    expires: Option<i64>,
    custom: Option<Stated>,
}

/// What is stated beside the facts of a custom resource.
#[derive(Clone, Copy, Debug)]
struct Stated {
    version: &'static str,
    fields: &'static [Selectable],
}

impl<'a> Facts<'a> {
    /// The facts of an object of the storage version.
    pub fn of(kind: &Kind, object: &'a Map) -> Facts<'a> {
        let fields = kind.selectable.iter().map(|field| field.value.of(object)).collect();
        Facts::with_fields(fields, kind, object)
    }

    /// As [`Facts::of`], of an object that differs in metadata alone from the one with the facts `stored`: selectable
    /// fields are not in metadata.
    pub fn of_changed_metadata(kind: &Kind, object: &'a Map, stored: FactsView<'_>) -> Facts<'a> {
        let fields = (0..kind.selectable.len()).map(|at| stored.field(at).into()).collect();
        Facts::with_fields(fields, kind, object)
    }

    fn with_fields(fields: SmallVec<[EcoString; 8]>, kind: &Kind, object: &'a Map) -> Facts<'a> {
        let metadata = object.metadata();
        Facts {
            labels: metadata.and_then(|it| it.map("labels")).map(Map::entries).unwrap_or_default(),
            fields,
            owners: metadata.map(|it| it.list("ownerReferences")).unwrap_or_default(),
            deleting: metadata.is_some_and(|metadata| metadata.contains("deletionTimestamp")),
            expires: kind.expires.and_then(|expires| expires(object)),
            custom: None,
        }
    }

    /// States that they are of a custom resource in a version of its kind.
    pub fn stated(self, kind: &'static Kind, version: &'static str) -> Facts<'a> {
        Facts { custom: Some(Stated { version, fields: kind.selectable }), ..self }
    }

    /// The store's index terms: one per indexed field that has a value.
    pub fn terms(&self, kind: &Kind) -> SmallVec<[Term; 2]> {
        indexed(kind)
            .filter_map(|(tag, at)| {
                let value = self.fields[at].clone();
                (!value.is_empty()).then_some(Term { tag, value })
            })
            .collect()
    }

    /// The encoded form.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        out.push(VERSION);
        let deleting = if self.deleting { DELETING } else { 0 };
        out.push(if self.custom.is_some() { deleting | CUSTOM } else { deleting });
        let labels = || self.labels.iter().map(|(key, value)| (key, value.as_str().unwrap_or_default()));
        let sketch = labels().fold(Sketch::default(), |all, (key, value)| all.with(Sketch::of(key, value)));
        out.extend_from_slice(&sketch.to_bytes());
        put_count(self.labels.len(), &mut out);
        for (key, value) in labels() {
            put_text(key, &mut out);
            put_text(value, &mut out);
        }
        match self.custom {
            None => {
                put_count(self.fields.len(), &mut out);
                self.fields.iter().for_each(|text| put_text(text, &mut out));
            }
            Some(Stated { fields, .. }) => {
                put_count(self.fields.len() * 2, &mut out);
                for (field, text) in fields.iter().zip(&self.fields) {
                    put_text(field.name, &mut out);
                    put_text(text, &mut out);
                }
            }
        }
        let owners = || self.owners.iter().filter_map(Node::as_map);
        put_count(owners().count(), &mut out);
        owners().for_each(|owner| put_text(owner.str("uid"), &mut out));
        if let Some(Stated { version, .. }) = self.custom {
            put_text(version, &mut out);
        }
        if let Some(expires) = self.expires {
            out.extend_from_slice(&expires.to_le_bytes());
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

/// The sketch of an entry's labels, from the first bytes of its facts.
pub(crate) fn sketch(head: &[u8]) -> Option<Sketch> {
    match head.split_first_chunk()? {
        ([VERSION, _], rest) => rest.first_chunk().map(Sketch::from_bytes),
        ([_, _], _) => None,
    }
}

/// The facts of a stored object, read in place. Damaged facts read as empty.
#[derive(Clone, Copy, Debug)]
pub struct FactsView<'a> {
    flags: u8,
    sections: &'a [u8],
}

impl<'a> FactsView<'a> {
    /// Reads the facts of an entry.
    pub fn new(bytes: &'a [u8]) -> FactsView<'a> {
        let at = match bytes.first() {
            Some(&VERSION) => PREFIX_BYTES + sketch::BYTES,
            Some(&VERSION_WITHOUT_SKETCH) => PREFIX_BYTES,
            _ => bytes.len(),
        };
        let sections = bytes.get(at..).unwrap_or_default();
        FactsView { flags: bytes.get(1).copied().unwrap_or(0), sections }
    }

    /// Whether the object has a deletionTimestamp.
    pub fn deleting(&self) -> bool {
        self.flags & DELETING != 0
    }

    fn is_custom(&self) -> bool {
        self.flags & CUSTOM != 0
    }

    /// The version that a custom resource is stored in. Those that were written before versions were stated have none.
    pub fn version(&self) -> Option<&'a str> {
        self.is_custom().then(|| {
            let mut reader = self.owner_section();
            for _ in 0..reader.count() {
                reader.bytes();
            }
            text(reader.bytes())
        })
    }

    /// The value of a custom resource's selectable field, if it was one when the object was written.
    pub fn field_named(&self, name: &str) -> Option<&'a str> {
        if !self.is_custom() {
            return None;
        }
        let mut reader = self.field_section();
        (0..reader.count() / 2)
            .map(|_| (reader.bytes(), reader.bytes()))
            .find(|(candidate, _)| *candidate == name.as_bytes())
            .map(|(_, value)| text(value))
    }

    fn sections(&self) -> Reader<'a> {
        Reader { rest: self.sections }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        let mut reader = self.sections();
        (0..reader.count())
            .map(|_| (reader.bytes(), reader.bytes()))
            .find(|(candidate, _)| *candidate == key.as_bytes())
            .map(|(_, value)| text(value))
    }

    /// The value of the selectable field at `position` of the kind's list.
    pub fn field(&self, position: usize) -> &'a str {
        let mut reader = self.field_section();
        let count = reader.count();
        if position >= count {
            return "";
        }
        for _ in 0..position {
            reader.bytes();
        }
        text(reader.bytes())
    }

    /// The uids of the owners.
    pub fn owners(&self) -> Vec<&'a str> {
        let mut reader = self.owner_section();
        let count = reader.count();
        (0..count).map(|_| text(reader.bytes())).collect()
    }

    /// When the object expires, in Unix seconds.
    pub fn expires(&self) -> Option<i64> {
        if self.is_custom() {
            return None;
        }
        let mut reader = self.owner_section();
        for _ in 0..reader.count() {
            reader.bytes();
        }
        reader.rest.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))
    }

    fn field_section(&self) -> Reader<'a> {
        let mut reader = self.sections();
        for _ in 0..reader.count() * 2 {
            reader.bytes();
        }
        reader
    }

    fn owner_section(&self) -> Reader<'a> {
        let mut reader = self.field_section();
        for _ in 0..reader.count() {
            reader.bytes();
        }
        reader
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

    /// The bytes of the next text: most are only skipped or compared.
    fn bytes(&mut self) -> &'a [u8] {
        let length = self.count();
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Map {
        let labels = Map::from([("app", Node::from("web")), ("tier", Node::from(""))]);
        let owner = Map::from([("uid", Node::from("u1"))]);
        let metadata = Map::from([
            ("labels", Node::Map(labels)),
            ("ownerReferences", [Node::Map(owner)].into_iter().collect()),
            ("deletionTimestamp", Node::from("2026-01-01T00:00:00Z")),
        ]);
        Map::from([("metadata", Node::Map(metadata)), ("spec", Node::Map(Map::from([("node", "n1")])))])
    }

    #[test]
    fn facts_are_read_back_in_place() {
        const KIND: Kind = Kind {
            selectable: &[crate::kind::Selectable {
                name: "spec.node",
                value: crate::kind::FieldValue::At(&["spec", "node"]),
                indexed: true,
            }],
            expires: Some(|_| Some(7)),
            ..Kind::DEFAULT
        };
        let object = object();
        let facts = Facts::of(&KIND, &object);
        assert_eq!(facts.terms(&KIND).to_vec(), vec![Term { tag: 1, value: "n1".into() }]);
        let bytes = facts.encode();
        let view = FactsView::new(&bytes);
        assert!(view.deleting());
        assert_eq!(view.label("app"), Some("web"));
        assert_eq!(view.label("tier"), Some(""));
        assert_eq!(view.label("other"), None);
        assert_eq!((view.field(0), view.field(1)), ("n1", ""));
        assert_eq!(view.owners(), vec!["u1"]);
        assert_eq!(view.expires(), Some(7));
    }

    #[test]
    fn facts_of_custom_resources_name_their_fields_and_their_version() {
        const KIND: Kind = Kind {
            selectable: &[crate::kind::Selectable {
                name: "spec.node",
                value: crate::kind::FieldValue::At(&["spec", "node"]),
                indexed: false,
            }],
            ..Kind::DEFAULT
        };
        let object = object();
        let bytes = Facts::of(&KIND, &object).stated(&KIND, "v2").encode();
        let view = FactsView::new(&bytes);
        assert_eq!((view.field_named("spec.node"), view.field_named("spec.size")), (Some("n1"), None));
        assert_eq!((view.version(), view.expires()), (Some("v2"), None));
        assert!(view.deleting() && view.owners() == ["u1"]);
        let bytes = Facts::of(&KIND, &object).encode();
        let plain = FactsView::new(&bytes);
        assert_eq!((plain.version(), plain.field_named("spec.node")), (None, None));
    }

    #[test]
    fn facts_of_the_first_version_are_read_without_a_sketch() {
        let object = object();
        let bytes = Facts::of(&Kind::DEFAULT, &object).encode();
        let mut first = vec![VERSION_WITHOUT_SKETCH, bytes[1]];
        first.extend_from_slice(&bytes[PREFIX_BYTES + sketch::BYTES..]);
        let view = FactsView::new(&first);
        assert!(view.deleting() && super::sketch(&first).is_none());
        assert_eq!((view.label("app"), view.owners()), (Some("web"), vec!["u1"]));
        assert!(super::sketch(&bytes).unwrap().may_hold(Sketch::of("app", "web")));
    }

    #[test]
    fn damaged_facts_read_as_empty() {
        let bytes = Facts::of(&Kind::DEFAULT, &object()).encode();
        for length in 0..bytes.len() {
            let view = FactsView::new(&bytes[..length]);
            let _ = (view.label("app"), view.field(0), view.owners(), view.expires());
        }
    }
}
