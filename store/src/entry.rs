//! Entries: one version of one object, as bytes.
//!
//! Keeps: an entry never changes after it was made, its bytes already contain its own revision, and its
//! buffers hold nothing but this entry (they are never a window into a larger batch).

use bytes::Bytes;
use ecow::EcoString;
use smallvec::SmallVec;

use crate::key::Key;
use crate::txn::NewValue;

/// A number that counts changes; it is assigned once and never used again.
pub type Revision = u64;

/// An index term of an entry: entries of a bucket can be listed and watched by term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Which of the caller's indexes this is.
    pub tag: u8,
    /// The value under that index.
    pub value: EcoString,
}

/// The index terms of one entry.
pub type Terms = SmallVec<[Term; 2]>;

/// Where the revision stands inside an entry's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) position: u32,
    pub(crate) length: u8,
}

/// One version of one object.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The revision that created the object.
    pub created: Revision,
    /// The revision of this version.
    pub modified: Revision,
    splice: Option<Splice>,
    facts_head: [u8; FACTS_HEAD_BYTES],
    terms: Terms,
    facts: Bytes,
    bytes: Bytes,
}

/// How many of its facts' first bytes an entry keeps in itself.
const FACTS_HEAD_BYTES: usize = 16;

/// The borrowed parts of a value from which an entry is made.
#[derive(Clone, Copy)]
pub(crate) struct ValueParts<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) facts: &'a [u8],
}

impl Entry {
    /// Makes the entry that a put at `modified` leaves behind: the revision is written into the bytes.
    pub(crate) fn spliced(
        key: Key,
        created: Revision,
        modified: Revision,
        splice_at: Option<u32>,
        terms: Terms,
        value: ValueParts<'_>,
    ) -> Entry {
        let digits = Decimal::new(modified);
        let digits: &[u8] = if splice_at.is_some() { digits.as_bytes() } else { &[] };
        let cut = splice_at.map_or(value.bytes.len(), |at| (at as usize).min(value.bytes.len()));
        let length = value.bytes.len() + digits.len();
        let mut buffer = Vec::with_capacity(length + value.facts.len());
        buffer.extend_from_slice(&value.bytes[..cut]);
        buffer.extend_from_slice(digits);
        buffer.extend_from_slice(&value.bytes[cut..]);
        buffer.extend_from_slice(value.facts);
        let splice = splice_at.map(|_| Splice { position: cut as u32, length: digits.len() as u8 });
        Entry::from_buffer(key, created, modified, splice, terms, buffer, length)
    }

    /// Makes an entry of finished bytes, as a record holds them.
    pub(crate) fn stored(
        key: Key,
        created: Revision,
        modified: Revision,
        splice: Option<Splice>,
        terms: Terms,
        value: ValueParts<'_>,
    ) -> Entry {
        let mut buffer = Vec::with_capacity(value.bytes.len() + value.facts.len());
        buffer.extend_from_slice(value.bytes);
        buffer.extend_from_slice(value.facts);
        Entry::from_buffer(key, created, modified, splice, terms, buffer, value.bytes.len())
    }

    fn from_buffer(
        key: Key,
        created: Revision,
        modified: Revision,
        splice: Option<Splice>,
        terms: Terms,
        buffer: Vec<u8>,
        length: usize,
    ) -> Entry {
        // One allocation holds bytes and facts.
        let mut bytes = Bytes::from(buffer);
        let facts = bytes.split_off(length);
        let mut facts_head = [0; FACTS_HEAD_BYTES];
        let head = &facts[..facts.len().min(FACTS_HEAD_BYTES)];
        facts_head[..head.len()].copy_from_slice(head);
        Entry { key, created, modified, splice, facts_head, terms, facts, bytes }
    }

    /// The same version of the same object with another value, for those to whom it is shown otherwise than it is
    /// stored.
    pub fn with_value(&self, value: &NewValue) -> Entry {
        let NewValue { bytes, splice_at, facts, terms } = value;
        let parts = ValueParts { bytes, facts };
        Entry::spliced(self.key.clone(), self.created, self.modified, *splice_at, terms.clone(), parts)
    }

    /// The finished bytes, revision included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The opaque facts that travelled with the value.
    pub fn facts(&self) -> &Bytes {
        &self.facts
    }

    /// The first bytes of the facts, filled up with zeros. Scans that can decide by them touch no memory but the entry's.
    pub fn facts_head(&self) -> &[u8] {
        &self.facts_head
    }

    /// The index terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Position and length of the revision inside the bytes, when the value has one.
    pub fn splice(&self) -> Option<(usize, usize)> {
        self.splice.map(|splice| (splice.position as usize, splice.length as usize))
    }

    pub(crate) fn splice_parts(&self) -> Option<Splice> {
        self.splice
    }

    /// The same bytes with another revision in place of this entry's own, as deletions and selector
    /// transitions show it.
    pub fn restamped(&self, revision: Revision) -> Bytes {
        let Some((position, length)) = self.splice() else { return self.bytes.clone() };
        let digits = Decimal::new(revision);
        let mut buffer = Vec::with_capacity(self.bytes.len() - length + digits.as_bytes().len());
        buffer.extend_from_slice(&self.bytes[..position]);
        buffer.extend_from_slice(digits.as_bytes());
        buffer.extend_from_slice(&self.bytes[position + length..]);
        Bytes::from(buffer)
    }

    /// How many bytes of memory this entry holds on to, about.
    pub(crate) fn weight(&self) -> usize {
        ENTRY_OVERHEAD_BYTES + self.key.as_str().len() + self.bytes.len() + self.facts.len()
    }
}

/// Struct, allocation headers and map slots of one entry, rounded.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// The decimal digits of a number, without an allocation.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Decimal {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Decimal { digits, start };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(splice_at: Option<u32>) -> Entry {
        let value = ValueParts { bytes: br#"{"rv":"","x":1}"#, facts: b"facts" };
        Entry::spliced("/registry/a/b".into(), 5, 120, splice_at, Terms::new(), value)
    }

    #[test]
    fn revision_is_spliced_into_the_bytes() {
        let entry = entry(Some(7));
        assert_eq!(entry.bytes().as_ref(), br#"{"rv":"120","x":1}"#);
        assert_eq!(entry.facts().as_ref(), b"facts");
        assert_eq!(entry.splice(), Some((7, 3)));
    }

    #[test]
    fn restamping_replaces_only_the_revision() {
        assert_eq!(entry(Some(7)).restamped(98765).as_ref(), br#"{"rv":"98765","x":1}"#);
        assert_eq!(entry(None).restamped(98765).as_ref(), br#"{"rv":"","x":1}"#);
    }

    #[test]
    fn another_value_is_of_the_same_revision() {
        let entry = entry(Some(7));
        let value = NewValue {
            bytes: br#"{"y":1,"rv":""}"#.as_slice().into(),
            splice_at: Some(13),
            facts: b"others".as_slice().into(),
            terms: Terms::new(),
        };
        let shown = entry.with_value(&value);
        assert_eq!(shown.bytes().as_ref(), br#"{"y":1,"rv":"120"}"#);
        assert_eq!(shown.facts().as_ref(), b"others");
        assert_eq!((&shown.key, shown.created, shown.modified), (&entry.key, 5, 120));
    }

    #[test]
    fn decimal_writes_every_digit() {
        for number in [0, 9, 10, 1 << 53, u64::MAX] {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
