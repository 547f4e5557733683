//! Asks: what any node wants of the leader for the members as a whole. A node that does not lead sends it there.
//!
//! Keeps: an ask is carried out at most once. It is sent once, to the leader of the term that it names, which takes no ask
//! of another term and no number twice. An asker that hears nothing until the leader changes, or its time is over, knows
//! that the outcome is unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::members::{MemberChange, MemberError};

/// How many asks may wait on one node.
pub(crate) const ASKS_MAX: usize = 64;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Another membership.
    Change(MemberChange),
    /// Another leader: this one, or the one that is furthest.
    HandOver(Option<u64>),
}

/// An ask on its way to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) number: u64,
    /// The term whose leader is asked.
    pub(crate) term: u64,
    pub(crate) wish: Wish,
}

/// What became of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskAnswer {
    pub(crate) number: u64,
    pub(crate) result: Result<(), MemberError>,
}

/// Where the answer goes.
#[derive(Debug)]
pub(crate) enum Asker {
    Here(oneshot::Sender<Result<(), MemberError>>),
    /// Another node, in the term in which it asked.
    There {
        node: u64,
        number: u64,
        term: u64,
    },
}

/// A wish that nobody has answered yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) wish: Wish,
    pub(crate) asker: Asker,
    pub(crate) deadline: Duration,
    /// Number, term and leader, once it was sent to one.
    pub(crate) sent: Option<(u64, u64, u64)>,
    /// The hand-over was begun a second time.
    pub(crate) is_second: bool,
}

/// The newest ask taken of every node.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    newest: BTreeMap<u64, u64>,
}

impl Taken {
    /// Whether an ask is new; numbers of a node only grow, also over its restarts.
    pub(crate) fn admit(&mut self, node: u64, number: u64) -> bool {
        let newest = self.newest.entry(node).or_default();
        let is_new = number > *newest;
        *newest = number.max(*newest);
        is_new
    }
}

const ADD: u8 = 1;
const PROMOTE: u8 = 2;
const REMOVE: u8 = 3;
const HAND_OVER: u8 = 4;

impl Ask {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        put_varint(buffer, self.number);
        put_varint(buffer, self.term);
        match &self.wish {
            Wish::Change(MemberChange::Add { node, address }) => {
                buffer.push(ADD);
                put_varint(buffer, *node);
                put_bytes(buffer, address.as_bytes());
            }
            Wish::Change(MemberChange::Promote { node, replaces }) => {
                buffer.push(PROMOTE);
                put_varint(buffer, *node);
                put_varint(buffer, replaces.unwrap_or(0));
            }
            Wish::Change(MemberChange::Remove { node }) => {
                buffer.push(REMOVE);
                put_varint(buffer, *node);
            }
            Wish::HandOver(to) => {
                buffer.push(HAND_OVER);
                put_varint(buffer, to.unwrap_or(0));
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Ask, Malformed> {
        let (number, term) = (reader.varint()?, reader.varint()?);
        // No node has the id 0.
        let optional = |node| Some(node).filter(|node| *node != 0);
        let wish = match reader.u8()? {
            ADD => {
                Wish::Change(MemberChange::Add { node: reader.varint()?, address: reader.text()?.to_owned() })
            }
            PROMOTE => Wish::Change(MemberChange::Promote {
                node: reader.varint()?,
                replaces: optional(reader.varint()?),
            }),
            REMOVE => Wish::Change(MemberChange::Remove { node: reader.varint()? }),
            HAND_OVER => Wish::HandOver(optional(reader.varint()?)),
            _ => return Err(Malformed("ask")),
        };
        Ok(Ask { number, term, wish })
    }
}

impl AskAnswer {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        put_varint(buffer, self.number);
        let (tag, first, second) = match &self.result {
            Ok(()) => (0, 0, 0),
            Err(MemberError::NoLeader) => (1, 0, 0),
            Err(MemberError::Busy) => (2, 0, 0),
            Err(MemberError::NoSuchMember(node)) => (3, *node, 0),
            Err(MemberError::VotesAlready(node)) => (4, *node, 0),
            Err(MemberError::NotCaughtUp { node, behind }) => (5, *node, *behind),
            Err(MemberError::Needed(node)) => (6, *node, 0),
            Err(MemberError::AddressTooLong) => (7, 0, 0),
            Err(MemberError::NotActive(node)) => (8, *node, 0),
            Err(MemberError::NoOther) => (9, 0, 0),
            Err(MemberError::NotTaken) => (10, 0, 0),
            Err(MemberError::Unknown) => (11, 0, 0),
            Err(MemberError::WasRemoved(node)) => (12, *node, 0),
        };
        buffer.push(tag);
        put_varint(buffer, first);
        put_varint(buffer, second);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<AskAnswer, Malformed> {
        let number = reader.varint()?;
        let tag = reader.u8()?;
        let (node, behind) = (reader.varint()?, reader.varint()?);
        let result = match tag {
            0 => Ok(()),
            1 => Err(MemberError::NoLeader),
            2 => Err(MemberError::Busy),
            3 => Err(MemberError::NoSuchMember(node)),
            4 => Err(MemberError::VotesAlready(node)),
            5 => Err(MemberError::NotCaughtUp { node, behind }),
            6 => Err(MemberError::Needed(node)),
            7 => Err(MemberError::AddressTooLong),
            8 => Err(MemberError::NotActive(node)),
            9 => Err(MemberError::NoOther),
            10 => Err(MemberError::NotTaken),
            11 => Err(MemberError::Unknown),
            12 => Err(MemberError::WasRemoved(node)),
            _ => return Err(Malformed("answer to an ask")),
        };
        Ok(AskAnswer { number, result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_and_answers_round_trip() {
        let wishes = [
            Wish::Change(MemberChange::Add { node: 7, address: "host:1".to_owned() }),
            Wish::Change(MemberChange::Promote { node: 7, replaces: Some(3) }),
            Wish::Change(MemberChange::Promote { node: 7, replaces: None }),
            Wish::Change(MemberChange::Remove { node: 7 }),
            Wish::HandOver(None),
            Wish::HandOver(Some(7)),
        ];
        for wish in wishes {
            let ask = Ask { number: 5, term: 2, wish };
            let mut buffer = Vec::new();
            ask.encode(&mut buffer);
            assert_eq!(Ask::decode(&mut Reader::new(&buffer)), Ok(ask));
        }
        let results = [
            Ok(()),
            Err(MemberError::NoLeader),
            Err(MemberError::Busy),
            Err(MemberError::NoSuchMember(7)),
            Err(MemberError::VotesAlready(7)),
            Err(MemberError::NotCaughtUp { node: 7, behind: 5_000 }),
            Err(MemberError::Needed(7)),
            Err(MemberError::AddressTooLong),
            Err(MemberError::NotActive(7)),
            Err(MemberError::NoOther),
            Err(MemberError::NotTaken),
            Err(MemberError::Unknown),
            Err(MemberError::WasRemoved(7)),
        ];
        for result in results {
            let answer = AskAnswer { number: 5, result };
            let mut buffer = Vec::new();
            answer.encode(&mut buffer);
            assert_eq!(AskAnswer::decode(&mut Reader::new(&buffer)), Ok(answer));
        }
    }

    #[test]
    fn an_ask_that_arrives_twice_is_taken_once() {
        let mut taken = Taken::default();
        assert!(taken.admit(1, 5));
        assert!(!taken.admit(1, 5));
        assert!(!taken.admit(1, 4));
        assert!(taken.admit(2, 4));
        assert!(taken.admit(1, 6));
    }
}
