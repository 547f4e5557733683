//! Standings: what every member tells the leader about itself, and the roll in which the leader tells them all to everybody.
//!
//! Keeps: a roll is believed only from the leader of the term it names, and only while it is fresh; what is not known is
//! said to be unknown. Nothing here decides anything about the data: it is for operators, readiness and admission.

use std::time::Duration;

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::entry::Revision;
use crate::marks::Mark;

/// How often a member says how it stands.
pub(crate) const STANDING_INTERVAL: Duration = Duration::from_millis(500);
/// A standing or a roll that is older than this says nothing about now.
pub(crate) const STANDING_PATIENCE: Duration = Duration::from_secs(3);
/// Free bytes that nobody could tell.
const FREE_UNKNOWN: u64 = u64::MAX;
/// No roll names more members.
const MEMBERS_MAX: u64 = 1_024;

/// How one member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) applied: u64,
    pub(crate) revision: Revision,
    /// Room on its disk, when it can tell.
    pub(crate) free_bytes: Option<u64>,
    /// Whether it lacks the room for growth.
    pub(crate) disk_full: bool,
    /// The hash of its state at the newest mark.
    pub(crate) mark: Mark,
    /// The newest cluster level that it knows and may use.
    pub(crate) level: u64,
}

/// What the leader knows of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RollEntry {
    pub(crate) node: u64,
    /// The newest log index that the member is known to have.
    pub(crate) matched: u64,
    /// Whether it was heard within an election timeout.
    pub(crate) active: bool,
    pub(crate) standing: Option<Standing>,
}

/// What the leader of a term knows of all members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    pub(crate) term: u64,
    /// The newest committed index.
    pub(crate) commit: u64,
    pub(crate) entries: Vec<RollEntry>,
}

/// The newest roll known here, and when it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownRoll {
    pub(crate) roll: Roll,
    pub(crate) at: Duration,
}

impl KnownRoll {
    /// What it says about a member, if it is fresh and of this term.
    pub(crate) fn entry(&self, node: u64, term: u64, now: Duration) -> Option<RollEntry> {
        if self.roll.term != term || now > self.at + STANDING_PATIENCE {
            return None;
        }
        self.roll.entries.iter().find(|entry| entry.node == node).copied()
    }
}

impl Standing {
    /// A later release appends what it has to say; what follows the known part is skipped.
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        let mut own = Vec::with_capacity(64);
        self.encode_known(&mut own);
        put_bytes(buffer, &own);
    }

    fn encode_known(&self, buffer: &mut Vec<u8>) {
        put_varint(buffer, self.applied);
        put_varint(buffer, self.revision);
        put_varint(buffer, self.free_bytes.unwrap_or(FREE_UNKNOWN));
        buffer.push(u8::from(self.disk_full));
        put_varint(buffer, self.mark.index);
        buffer.extend_from_slice(&self.mark.hash.to_le_bytes());
        put_varint(buffer, self.level);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Standing, Malformed> {
        let reader = &mut Reader::new(reader.bytes()?);
        Ok(Standing {
            applied: reader.varint()?,
            revision: reader.varint()?,
            free_bytes: Some(reader.varint()?).filter(|free| *free != FREE_UNKNOWN),
            disk_full: read_flag(reader)?,
            mark: Mark {
                index: reader.varint()?,
                hash: u128::from(reader.u64()?) | u128::from(reader.u64()?) << 64,
            },
            level: reader.varint()?,
        })
    }
}

impl Roll {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        put_varint(buffer, self.term);
        put_varint(buffer, self.commit);
        put_varint(buffer, self.entries.len() as u64);
        for entry in &self.entries {
            put_varint(buffer, entry.node);
            put_varint(buffer, entry.matched);
            buffer.push(u8::from(entry.active));
            buffer.push(u8::from(entry.standing.is_some()));
            entry.standing.iter().for_each(|standing| standing.encode(buffer));
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Roll, Malformed> {
        let (term, commit) = (reader.varint()?, reader.varint()?);
        let count = reader.varint()?;
        if count > MEMBERS_MAX {
            return Err(Malformed("roll"));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let (node, matched) = (reader.varint()?, reader.varint()?);
            let active = read_flag(reader)?;
            let standing = if read_flag(reader)? { Some(Standing::decode(reader)?) } else { None };
            entries.push(RollEntry { node, matched, active, standing });
        }
        Ok(Roll { term, commit, entries })
    }
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("flag")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll() -> Roll {
        let standing = Standing {
            applied: 4,
            revision: 9,
            free_bytes: Some(1 << 40),
            disk_full: true,
            mark: Mark { index: 3, hash: u128::MAX / 3 },
            level: 2,
        };
        Roll {
            term: 3,
            commit: 10,
            entries: vec![
                RollEntry { node: 1, matched: 10, active: true, standing: Some(standing) },
                RollEntry { node: 2, matched: 7, active: false, standing: None },
            ],
        }
    }

    #[test]
    fn a_roll_round_trips_and_every_truncation_is_refused() {
        let mut buffer = Vec::new();
        roll().encode(&mut buffer);
        assert_eq!(Roll::decode(&mut Reader::new(&buffer)), Ok(roll()));
        for length in 0..buffer.len() {
            assert!(Roll::decode(&mut Reader::new(&buffer[..length])).is_err());
        }
    }

    #[test]
    fn only_a_fresh_roll_of_the_current_term_is_believed() {
        let known = KnownRoll { roll: roll(), at: Duration::from_secs(5) };
        assert_eq!(known.entry(2, 3, Duration::from_secs(6)).map(|entry| entry.matched), Some(7));
        assert_eq!(known.entry(2, 4, Duration::from_secs(6)), None);
        assert_eq!(known.entry(2, 3, Duration::from_secs(9)), None);
    }
}
