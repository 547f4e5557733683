//! How a log entry, the hard state and the truncation point are stored.
//!
//! Each entry carries a chain value made of the previous entry's and its own content: an entry that is missing,
//! changed, or from another log breaks the chain. The chain is a damage check, not a signature, so it is built on
//! CRC-32, which costs 1 us per 16 KB, and mixed to 64 bits.

use raft::eraftpb::{Entry, HardState};

use crate::codec::{Malformed, Reader};

const VERSION: u8 = 1;
/// No encryption; other key ids come with encryption at rest.
const KEY_ID_PLAIN: u32 = 0;

/// A log entry as stored, with its place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) entry: Entry,
    pub(crate) chain: u64,
}

/// The chain value of an entry that follows one with `previous`.
pub(crate) fn chain_of(previous: u64, entry: &Entry) -> u64 {
    let content = u64::from(crc32fast::hash(&entry.data)) << 8 | (entry.entry_type as u64 & 0xff);
    let mut chain = previous;
    for number in [entry.index, entry.term, entry.data.len() as u64, content] {
        chain = mix(chain ^ number);
    }
    chain
}

/// An invertible mixing step (the finaliser of splitmix64): each input bit reaches each output bit.
pub(crate) fn mix(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl LogEntry {
    pub(crate) fn encode_into(entry: &Entry, chain: u64, buffer: &mut Vec<u8>) {
        buffer.push(VERSION);
        buffer.extend_from_slice(&KEY_ID_PLAIN.to_le_bytes());
        buffer.push(entry.entry_type as u8);
        buffer.extend_from_slice(&entry.term.to_le_bytes());
        buffer.extend_from_slice(&chain.to_le_bytes());
        buffer.extend_from_slice(&entry.data);
    }

    pub(crate) fn decode(index: u64, value: &[u8]) -> Result<LogEntry, Malformed> {
        let mut reader = Reader::new(value);
        if reader.u8()? != VERSION {
            return Err(Malformed("log entry version"));
        }
        if reader.u32()? != KEY_ID_PLAIN {
            return Err(Malformed("log entry key id"));
        }
        let entry_type = i32::from(reader.u8()?);
        let term = reader.u64()?;
        let chain = reader.u64()?;
        let data = reader.rest().to_vec();
        Ok(LogEntry { entry: Entry { entry_type, term, index, data, ..Entry::default() }, chain })
    }
}

/// Where the stored log begins: everything up to here was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truncation {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) chain: u64,
}

impl Truncation {
    pub(crate) const NAME: &'static str = "truncation";

    pub(crate) fn encode(self) -> Vec<u8> {
        encode_numbers([self.index, self.term, self.chain])
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Truncation, Malformed> {
        let [index, term, chain] = decode_numbers(value)?;
        Ok(Truncation { index, term, chain })
    }
}

/// The hard state as stored.
pub(crate) struct HardStateValue;

impl HardStateValue {
    pub(crate) const NAME: &'static str = "hard-state";

    pub(crate) fn encode(hard_state: &HardState) -> Vec<u8> {
        encode_numbers([hard_state.term, hard_state.vote, hard_state.commit])
    }

    pub(crate) fn decode(value: &[u8]) -> Result<HardState, Malformed> {
        let [term, vote, commit] = decode_numbers(value)?;
        Ok(HardState { term, vote, commit })
    }
}

fn encode_numbers(numbers: [u64; 3]) -> Vec<u8> {
    let mut buffer = vec![VERSION];
    for number in numbers {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    buffer
}

fn decode_numbers(value: &[u8]) -> Result<[u64; 3], Malformed> {
    let mut reader = Reader::new(value);
    if reader.u8()? != VERSION {
        return Err(Malformed("log value version"));
    }
    let numbers = [reader.u64()?, reader.u64()?, reader.u64()?];
    if reader.is_empty() { Ok(numbers) } else { Err(Malformed("log value tail")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, data: &[u8]) -> Entry {
        Entry { index, term: 3, data: data.to_vec(), ..Entry::default() }
    }

    #[test]
    fn entries_round_trip() {
        let entry = entry(5, b"data");
        let chain = chain_of(1, &entry);
        let mut value = Vec::new();
        LogEntry::encode_into(&entry, chain, &mut value);
        let stored = LogEntry::decode(5, &value).expect("decodes");
        assert_eq!(stored, LogEntry { entry, chain });
    }

    #[test]
    fn the_chain_sees_every_difference() {
        let base = chain_of(1, &entry(5, b"data"));
        let mut other_term = entry(5, b"data");
        other_term.term = 4;
        let others = [
            chain_of(2, &entry(5, b"data")),
            chain_of(1, &entry(6, b"data")),
            chain_of(1, &entry(5, b"dat1")),
            chain_of(1, &entry(5, b"")),
            chain_of(1, &other_term),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
