//! What nodes say to each other: Raft's own messages, proposals on their way to the leader, and parts of snapshots.
//!
//! A forwarded proposal needs no answer when it is applied: the node that it came from recognises its session in the
//! log, as it does its own proposals.

use prost::Message as _;
use raft::eraftpb::Message;

use crate::asks::{Ask, AskAnswer};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::entry::Revision;
use crate::standing::{Roll, Standing};

const RAFT: u8 = 1;
const FORWARD: u8 = 2;
const ASK: u8 = 5;
const ASK_ANSWER: u8 = 6;
const STANDING: u8 = 7;
const ROLL: u8 = 8;
const STATE_WANTED: u8 = 9;
const SNAPSHOT: u8 = 10;
const SNAPSHOT_ANSWER: u8 = 11;

/// From this size on, what remains goes into another message.
const MESSAGE_BYTES: usize = 1 << 20;

/// How a message is to be carried: a slow lane must never hold up a faster one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Raft's messages, heartbeats among them.
    Raft = 1,
    /// Proposals on their way to the leader.
    Requests = 2,
    /// Parts of snapshots.
    Snapshots = 3,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 3] = [Lane::Raft, Lane::Requests, Lane::Snapshots];

    pub(crate) fn from_number(number: u8) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| *lane as u8 == number)
    }
}

/// A message between nodes. What is in it is the store's own business.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerMessage(pub(crate) Body);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Raft(Vec<Message>),
    /// Proposals with their sessions filled in. There is no refusal: it could never speak for another copy of the
    /// same message, which may have entered a log before or may do so later.
    Forward(Vec<Vec<u8>>),
    Snapshot(Box<Chunk>),
    /// What the receiver of a snapshot says about it.
    SnapshotAnswer {
        id: u64,
        answer: SnapshotAnswer,
    },
    /// The sender's state was damaged: it wants another one.
    StateWanted,
    /// A wish for the members as a whole, to the leader.
    Ask(Ask),
    AskAnswer(AskAnswer),
    /// How the sender stands, to the leader.
    Standing(Standing),
    /// How all members stand, from the leader.
    Roll(Roll),
}

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// Which of the sender's snapshots this belongs to.
    pub(crate) id: u64,
    /// The newest record before this part, 0 for the first one.
    pub(crate) after: Revision,
    /// The meta that belongs to the records; in the first part.
    pub(crate) meta: Vec<u8>,
    /// Revisions and values.
    pub(crate) records: Vec<u8>,
    /// The hash of the whole; in the last part.
    pub(crate) hash: Option<u64>,
}

/// What the receiver of a snapshot says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotAnswer {
    /// Everything up to this record is here: the next part is wanted.
    Has(Revision),
    /// This process has not received this snapshot so far: it shall go on behind this record.
    ResumesAt(Revision),
    /// All of it is here.
    Whole,
    /// It would not bring this node forward, or was changed on its way.
    NotNeeded,
}

impl PeerMessage {
    pub(crate) fn lane(&self) -> Lane {
        match self.0 {
            Body::Raft(_) => Lane::Raft,
            Body::Forward(_)
            | Body::Ask(_)
            | Body::AskAnswer(_)
            | Body::Standing(_)
            | Body::Roll(_)
            | Body::StateWanted => Lane::Requests,
            Body::Snapshot(_) | Body::SnapshotAnswer { .. } => Lane::Snapshots,
        }
    }

    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Body::Raft(messages) => messages.iter().map(raft_size).sum(),
            Body::Forward(proposals) => proposals.iter().map(|data| data.len() + 8).sum(),
            Body::Snapshot(chunk) => chunk.meta.len() + chunk.records.len() + 64,
            Body::SnapshotAnswer { .. } | Body::AskAnswer(_) | Body::Standing(_) | Body::StateWanted => 32,
            Body::Ask(_) => 1_200,
            Body::Roll(roll) => 32 + roll.entries.len() * 64,
        }
    }
}

fn raft_size(message: &Message) -> usize {
    let entries: usize = message.entries.iter().map(|entry| entry.data.len() + 32).sum();
    entries + message.context.len() + 64
}

/// Sorts messages by receiver, keeping their order, in portions of bounded size.
pub(crate) fn batches(messages: Vec<Message>) -> Vec<(u64, Vec<Message>)> {
    let mut batches: Vec<(u64, Vec<Message>, usize)> = Vec::new();
    for message in messages {
        let size = raft_size(&message);
        let last = batches.iter_mut().rfind(|(to, ..)| *to == message.to);
        match last {
            Some((_, batch, bytes)) if *bytes + size <= MESSAGE_BYTES => {
                *bytes += size;
                batch.push(message);
            }
            _ => batches.push((message.to, vec![message], size)),
        }
    }
    batches.into_iter().map(|(to, batch, _)| (to, batch)).collect()
}

impl Body {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        match self {
            Body::Raft(messages) => {
                buffer.push(RAFT);
                put_varint(buffer, messages.len() as u64);
                for message in messages {
                    put_bytes(buffer, &message.encode_to_vec());
                }
            }
            Body::Forward(proposals) => {
                buffer.push(FORWARD);
                put_varint(buffer, proposals.len() as u64);
                proposals.iter().for_each(|data| put_bytes(buffer, data));
            }
            Body::Snapshot(chunk) => {
                buffer.push(SNAPSHOT);
                put_varint(buffer, chunk.id);
                put_varint(buffer, chunk.after);
                put_bytes(buffer, &chunk.meta);
                put_bytes(buffer, &chunk.records);
                buffer.push(u8::from(chunk.hash.is_some()));
                buffer.extend(chunk.hash.iter().flat_map(|hash| hash.to_le_bytes()));
            }
            Body::SnapshotAnswer { id, answer } => {
                buffer.push(SNAPSHOT_ANSWER);
                put_varint(buffer, *id);
                let (kind, revision) = match answer {
                    SnapshotAnswer::Has(revision) => (1, *revision),
                    SnapshotAnswer::ResumesAt(revision) => (2, *revision),
                    SnapshotAnswer::Whole => (3, 0),
                    SnapshotAnswer::NotNeeded => (4, 0),
                };
                buffer.push(kind);
                put_varint(buffer, revision);
            }
            Body::StateWanted => buffer.push(STATE_WANTED),
            Body::Ask(ask) => {
                buffer.push(ASK);
                ask.encode(buffer);
            }
            Body::AskAnswer(answer) => {
                buffer.push(ASK_ANSWER);
                answer.encode(buffer);
            }
            Body::Standing(standing) => {
                buffer.push(STANDING);
                standing.encode(buffer);
            }
            Body::Roll(roll) => {
                buffer.push(ROLL);
                roll.encode(buffer);
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Body, Malformed> {
        let mut reader = Reader::new(bytes);
        let body = match reader.u8()? {
            RAFT => Body::Raft(many(&mut reader, |reader| {
                Message::decode(reader.bytes()?).map_err(|_| Malformed("Raft message"))
            })?),
            FORWARD => Body::Forward(many(&mut reader, |reader| Ok(reader.bytes()?.to_vec()))?),
            SNAPSHOT => Body::Snapshot(Box::new(Chunk {
                id: reader.varint()?,
                after: reader.varint()?,
                meta: reader.bytes()?.to_vec(),
                records: reader.bytes()?.to_vec(),
                hash: match reader.u8()? {
                    0 => None,
                    1 => Some(reader.u64()?),
                    _ => return Err(Malformed("snapshot hash")),
                },
            })),
            SNAPSHOT_ANSWER => {
                let (id, kind, revision) = (reader.varint()?, reader.u8()?, reader.varint()?);
                let answer = match kind {
                    1 => SnapshotAnswer::Has(revision),
                    2 => SnapshotAnswer::ResumesAt(revision),
                    3 => SnapshotAnswer::Whole,
                    4 => SnapshotAnswer::NotNeeded,
                    _ => return Err(Malformed("snapshot answer")),
                };
                Body::SnapshotAnswer { id, answer }
            }
            STATE_WANTED => Body::StateWanted,
            ASK => Body::Ask(Ask::decode(&mut reader)?),
            ASK_ANSWER => Body::AskAnswer(AskAnswer::decode(&mut reader)?),
            STANDING => Body::Standing(Standing::decode(&mut reader)?),
            ROLL => Body::Roll(Roll::decode(&mut reader)?),
            _ => return Err(Malformed("message kind")),
        };
        if reader.is_empty() { Ok(body) } else { Err(Malformed("message tail")) }
    }
}

/// Reads a counted list; memory grows with what was read, not with what was announced.
fn many<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items = Vec::new();
    for _ in 0..reader.varint()? {
        items.push(read(reader)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::eraftpb::Entry;

    #[test]
    fn messages_are_sorted_by_receiver_in_bounded_portions() {
        let message = |to, bytes| Message {
            to,
            index: bytes as u64,
            entries: vec![Entry { data: vec![0; bytes], ..Entry::default() }],
            ..Message::default()
        };
        let batches =
            batches(vec![message(2, 10), message(3, 20), message(2, MESSAGE_BYTES), message(2, 30)]);
        let shape: Vec<(u64, Vec<u64>)> = batches
            .iter()
            .map(|(to, batch)| (*to, batch.iter().map(|message| message.index).collect()))
            .collect();
        assert_eq!(shape, [(2, vec![10]), (3, vec![20]), (2, vec![MESSAGE_BYTES as u64]), (2, vec![30])]);
    }
}
