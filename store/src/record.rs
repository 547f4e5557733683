//! Records: the state on disk. Record `r`+revision is one change: its key, what it made of it, and the revision
//! of the key's previous version.
//!
//! Keeps: current state, watch history and object history are the same records; there is no second copy.

use std::sync::Arc;

use crate::codec::{Malformed, Reader, put_bytes, put_terms, put_varint};
use crate::entry::{Entry, Revision, Splice, ValueParts};
use crate::key::Key;

const VERSION: u8 = 1;
/// No encryption; other key ids come with encryption at rest.
const KEY_ID_PLAIN: u32 = 0;
const FLAG_DELETE: u8 = 1;
const FLAG_SPLICE: u8 = 2;

/// One change of one key.
#[derive(Clone, Debug)]
pub struct Record {
    /// The revision of the change.
    pub revision: Revision,
    /// The changed key.
    pub key: Key,
    /// The revision of the key's previous version, 0 when it did not exist.
    pub previous: Revision,
    /// The new entry, none for a delete.
    pub entry: Option<Arc<Entry>>,
}

impl Record {
    /// Appends the record's value; its revision is the record's key.
    pub(crate) fn encode_into(&self, buffer: &mut Vec<u8>) {
        buffer.push(VERSION);
        buffer.extend_from_slice(&KEY_ID_PLAIN.to_le_bytes());
        let splice = self.entry.as_ref().and_then(|entry| entry.splice_parts());
        let delete = if self.entry.is_none() { FLAG_DELETE } else { 0 };
        let spliced = if splice.is_some() { FLAG_SPLICE } else { 0 };
        buffer.push(delete | spliced);
        put_varint(buffer, self.previous);
        put_bytes(buffer, self.key.as_str().as_bytes());
        if let Some(entry) = &self.entry {
            put_varint(buffer, entry.created);
            if let Some(splice) = splice {
                put_varint(buffer, u64::from(splice.position));
                buffer.push(splice.length);
            }
            put_terms(buffer, entry.terms());
            put_bytes(buffer, entry.facts());
            buffer.extend_from_slice(entry.bytes());
        }
    }

    #[cfg(test)]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.encode_into(&mut buffer);
        buffer
    }

    /// Decodes a record's value.
    pub(crate) fn decode(revision: Revision, value: &[u8]) -> Result<Record, Malformed> {
        let (head, mut reader) = RecordHead::read(revision, value)?;
        let key = Key::new(head.key);
        if head.delete {
            return Ok(Record { revision, key, previous: head.previous, entry: None });
        }
        let created = reader.varint()?;
        let splice = if head.spliced {
            let position = u32::try_from(reader.varint()?).map_err(|_| Malformed("record splice"))?;
            Some(Splice { position, length: reader.u8()? })
        } else {
            None
        };
        let terms = reader.terms()?;
        let facts = reader.bytes()?;
        let bytes = reader.rest();
        if splice.is_some_and(|at| at.position as usize + usize::from(at.length) > bytes.len()) {
            return Err(Malformed("record splice"));
        }
        let value = ValueParts { bytes, facts };
        let entry = Entry::stored(key.clone(), created, revision, splice, terms, value);
        Ok(Record { revision, key, previous: head.previous, entry: Some(Arc::new(entry)) })
    }
}

/// The part of a record that says which key changed, readable without copying the value.
pub(crate) struct RecordHead<'a> {
    pub(crate) key: &'a str,
    pub(crate) previous: Revision,
    delete: bool,
    spliced: bool,
}

impl<'a> RecordHead<'a> {
    pub(crate) fn decode(revision: Revision, value: &'a [u8]) -> Result<RecordHead<'a>, Malformed> {
        Ok(RecordHead::read(revision, value)?.0)
    }

    fn read(revision: Revision, value: &'a [u8]) -> Result<(RecordHead<'a>, Reader<'a>), Malformed> {
        let mut reader = Reader::new(value);
        if reader.u8()? != VERSION {
            return Err(Malformed("record version"));
        }
        if reader.u32()? != KEY_ID_PLAIN {
            return Err(Malformed("record key id"));
        }
        let flags = reader.u8()?;
        if flags & !(FLAG_DELETE | FLAG_SPLICE) != 0 {
            return Err(Malformed("record flags"));
        }
        let previous = reader.varint()?;
        if previous >= revision {
            return Err(Malformed("record previous revision"));
        }
        let key = reader.text()?;
        let delete = flags & FLAG_DELETE != 0;
        let spliced = flags & FLAG_SPLICE != 0;
        Ok((RecordHead { key, previous, delete, spliced }, reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Term, Terms};

    #[test]
    fn put_round_trips() {
        let mut terms = Terms::new();
        terms.push(Term { tag: 1, value: "node".into() });
        let value = ValueParts { bytes: b"{}", facts: b"ff" };
        let entry = Entry::spliced("/registry/a/b".into(), 3, 12, Some(1), terms, value);
        let record =
            Record { revision: 12, key: entry.key.clone(), previous: 7, entry: Some(Arc::new(entry)) };
        let back = Record::decode(12, &record.encode()).expect("decodes");
        let entry = back.entry.expect("a put");
        assert_eq!((back.previous, entry.created, entry.modified), (7, 3, 12));
        assert_eq!((entry.bytes().as_ref(), entry.facts().as_ref()), (&b"{12}"[..], &b"ff"[..]));
        assert_eq!(entry.splice(), Some((1, 2)));
        assert_eq!(entry.terms()[0].value, "node");
    }

    #[test]
    fn delete_round_trips() {
        let record = Record { revision: 9, key: "/registry/a/b".into(), previous: 4, entry: None };
        let back = Record::decode(9, &record.encode()).expect("decodes");
        assert!(back.entry.is_none());
        assert_eq!((back.key.as_str(), back.previous), ("/registry/a/b", 4));
    }

    #[test]
    fn damaged_heads_are_refused() {
        let record = Record { revision: 9, key: "/registry/a/b".into(), previous: 4, entry: None };
        let value = record.encode();
        assert!(Record::decode(4, &value).is_err(), "previous must be older");
        for length in 0..value.len() {
            assert!(Record::decode(9, &value[..length]).is_err());
        }
        let mut other_key = value.clone();
        other_key[1] = 1;
        assert_eq!(Record::decode(9, &other_key).err(), Some(Malformed("record key id")));
    }
}
