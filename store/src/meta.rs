//! Meta: the small replicated state beside the records. It is written with every batch of records, so that a
//! record and the log index that made it can never part.

use std::collections::{BTreeMap, BTreeSet};

use raft::eraftpb::ConfState;

use crate::codec::{Malformed, Reader, put_varint};
use crate::entry::Revision;
use crate::level::KEEPS_REMOVED;
use crate::members::{put_addresses, read_addresses};
use crate::sessions::Sessions;

/// Without addresses.
const VERSION_1: u8 = 1;
/// Without removed members.
const VERSION_2: u8 = 2;
pub(crate) const VERSION: u8 = 3;

/// What the state machine knows beside its entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    /// The newest log index that was applied, and its term.
    pub(crate) applied: u64,
    pub(crate) term: u64,
    /// The newest revision that was handed out.
    pub(crate) revision: Revision,
    /// The oldest revision from which history is complete.
    pub(crate) floor: Revision,
    /// Which commands and formats all members may use.
    pub(crate) cluster_level: u64,
    pub(crate) sessions: Sessions,
    pub(crate) conf: ConfState,
    /// Where members reach each other, as far as known.
    pub(crate) addresses: BTreeMap<u64, String>,
    /// Who was a member and must never be one again.
    pub(crate) removed: BTreeSet<u64>,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(96);
        let version = if self.cluster_level >= KEEPS_REMOVED { VERSION } else { VERSION_2 };
        buffer.push(version);
        for number in [self.applied, self.term, self.revision, self.floor, self.cluster_level] {
            put_varint(&mut buffer, number);
        }
        self.sessions.encode(&mut buffer);
        let conf = &self.conf;
        for nodes in [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next] {
            put_nodes(&mut buffer, nodes.iter());
        }
        buffer.push(u8::from(conf.auto_leave));
        put_addresses(&mut buffer, &self.addresses);
        if version == VERSION {
            put_nodes(&mut buffer, self.removed.iter());
        }
        buffer
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Meta, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if !(VERSION_1..=VERSION).contains(&version) {
            return Err(Malformed("meta version"));
        }
        let meta = Meta {
            applied: reader.varint()?,
            term: reader.varint()?,
            revision: reader.varint()?,
            floor: reader.varint()?,
            cluster_level: reader.varint()?,
            sessions: Sessions::decode(&mut reader)?,
            conf: ConfState {
                voters: read_nodes(&mut reader)?,
                learners: read_nodes(&mut reader)?,
                voters_outgoing: read_nodes(&mut reader)?,
                learners_next: read_nodes(&mut reader)?,
                auto_leave: reader.u8()? != 0,
            },
            addresses: if version == VERSION_1 { BTreeMap::new() } else { read_addresses(&mut reader)? },
            removed: if version < VERSION {
                BTreeSet::new()
            } else {
                read_nodes(&mut reader)?.into_iter().collect()
            },
        };
        if !reader.is_empty() {
            return Err(Malformed("meta tail"));
        }
        Ok(meta)
    }
}

fn put_nodes<'a>(buffer: &mut Vec<u8>, nodes: impl ExactSizeIterator<Item = &'a u64>) {
    put_varint(buffer, nodes.len() as u64);
    nodes.for_each(|node| put_varint(buffer, *node));
}

fn read_nodes(reader: &mut Reader<'_>) -> Result<Vec<u64>, Malformed> {
    let mut nodes = Vec::new();
    for _ in 0..reader.varint()? {
        nodes.push(reader.varint()?);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Session;

    #[test]
    fn meta_round_trips_at_every_level() {
        let mut meta = Meta { applied: 9, term: 2, revision: 33, floor: 4, ..Meta::default() };
        meta.sessions.admit(Session { node: 1, boot: 1, sequence: 4 });
        meta.conf.voters = vec![1, 2];
        meta.conf.learners = vec![3];
        meta.addresses.insert(3, "host:1".to_owned());
        assert_eq!(meta.encode()[0], VERSION_2, "an earlier release still reads it");
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta.clone()));
        meta.cluster_level = KEEPS_REMOVED;
        meta.removed.insert(4);
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta.clone()));
        let bytes = meta.encode();
        for length in 0..bytes.len() {
            assert!(Meta::decode(&bytes[..length]).is_err());
        }
    }
}
