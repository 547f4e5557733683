//! Frames: one message with where it comes from and goes to.
//!
//! Layout: version, lane, cluster, sender, receiver, the sender's boot number, length of the body; then the body.

use crate::codec::{Malformed, Reader};
use crate::peers::{Body, Lane, PeerMessage};

const VERSION: u8 = 1;

/// The length of an encoded [`FrameHeader`].
pub const FRAME_HEADER_LENGTH: usize = 2 + 4 * 8 + 4;
/// No body is longer; a header that announces more is refused before anything is allocated.
pub const FRAME_BODY_BYTES_MAX: usize = 16 << 20;

/// A message on its way from one node to another.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerFrame {
    pub(crate) cluster: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) boot: u64,
    pub(crate) message: PeerMessage,
}

/// The first bytes of an encoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The cluster it belongs to.
    pub cluster: u64,
    /// The node that sent it.
    pub from: u64,
    /// The node that it is meant for.
    pub to: u64,
    /// How often the sender had been started.
    pub boot: u64,
    /// How the body is to be carried.
    pub lane: Lane,
    /// How many bytes of body follow; at most [`FRAME_BODY_BYTES_MAX`].
    pub length: usize,
}

impl PeerFrame {
    /// The node that this frame is meant for.
    pub fn to(&self) -> u64 {
        self.to
    }

    /// The node that sent it.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Whether this node votes for another one with it.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn gives_vote(&self) -> bool {
        let crate::peers::Body::Raft(messages) = &self.message.0 else { return false };
        let gives = |message: &raft::eraftpb::Message| {
            message.get_msg_type() == raft::eraftpb::MessageType::MsgRequestVoteResponse && !message.reject
        };
        messages.iter().any(gives)
    }

    /// Which connection it belongs on.
    pub fn lane(&self) -> Lane {
        self.message.lane()
    }

    /// How many bytes it takes, about; for queues bounded by bytes.
    pub fn size(&self) -> usize {
        FRAME_HEADER_LENGTH + self.message.size()
    }

    /// The header and the body, as they are sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(self.size() + 64);
        buffer.extend_from_slice(&[VERSION, self.lane() as u8]);
        for number in [self.cluster, self.from, self.to, self.boot] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        buffer.extend_from_slice(&[0; 4]);
        self.message.0.encode(&mut buffer);
        // Bodies are bounded far below this when they are made.
        let length = u32::try_from(buffer.len() - FRAME_HEADER_LENGTH).unwrap_or(u32::MAX);
        buffer[FRAME_HEADER_LENGTH - 4..FRAME_HEADER_LENGTH].copy_from_slice(&length.to_le_bytes());
        buffer
    }

    /// Decodes the body that follows `header`.
    pub fn decode(header: FrameHeader, body: &[u8]) -> Result<PeerFrame, Malformed> {
        if body.len() != header.length {
            return Err(Malformed("frame length"));
        }
        let message = PeerMessage(Body::decode(body)?);
        if message.lane() != header.lane {
            return Err(Malformed("frame lane"));
        }
        let FrameHeader { cluster, from, to, boot, .. } = header;
        Ok(PeerFrame { cluster, from, to, boot, message })
    }
}

impl FrameHeader {
    /// Decodes and checks a header; the body has not been read yet.
    pub fn decode(bytes: &[u8; FRAME_HEADER_LENGTH]) -> Result<FrameHeader, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed("frame version"));
        }
        let lane = Lane::from_number(reader.u8()?).ok_or(Malformed("frame lane"))?;
        let (cluster, from, to, boot) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
        let length = reader.u32()? as usize;
        if length > FRAME_BODY_BYTES_MAX {
            return Err(Malformed("frame length"));
        }
        Ok(FrameHeader { cluster, from, to, boot, lane, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Chunk, SnapshotAnswer};
    use raft::eraftpb::{Entry, Message};

    fn frame(body: Body) -> PeerFrame {
        PeerFrame { cluster: 7, from: 1, to: 2, boot: 3, message: PeerMessage(body) }
    }

    fn samples() -> Vec<PeerFrame> {
        let entries = vec![Entry { index: 4, term: 2, data: b"data".to_vec(), ..Entry::default() }];
        let message = Message { from: 1, to: 2, term: 2, entries, ..Message::default() };
        vec![
            frame(Body::Raft(vec![message.clone(), message])),
            frame(Body::Forward(vec![b"a".to_vec(), Vec::new()])),
            frame(Body::Snapshot(Box::new(Chunk {
                id: 9,
                after: 3,
                meta: b"m".to_vec(),
                records: b"records".to_vec(),
                hash: Some(77),
            }))),
            frame(Body::SnapshotAnswer { id: 9, answer: SnapshotAnswer::ResumesAt(4) }),
        ]
    }

    fn split(bytes: &[u8]) -> (FrameHeader, &[u8]) {
        let (header, body) = bytes.split_first_chunk().expect("a header");
        (FrameHeader::decode(header).expect("a good header"), body)
    }

    #[test]
    fn frames_round_trip() {
        for frame in samples() {
            let bytes = frame.encode();
            let (header, body) = split(&bytes);
            assert_eq!(PeerFrame::decode(header, body), Ok(frame));
        }
    }

    #[test]
    fn truncated_and_changed_bodies_are_refused_or_decode_to_something_else() {
        for frame in samples() {
            let bytes = frame.encode();
            let (header, body) = split(&bytes);
            for length in 0..body.len() {
                assert!(PeerFrame::decode(header, &body[..length]).is_err());
                let shorter = FrameHeader { length, ..header };
                assert_ne!(PeerFrame::decode(shorter, &body[..length]), Ok(frame.clone()));
            }
            for at in 0..body.len() {
                let mut changed = body.to_vec();
                changed[at] ^= 0x55;
                assert_ne!(PeerFrame::decode(header, &changed), Ok(frame.clone()));
            }
        }
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused() {
        let mut bytes = samples()[0].encode();
        bytes[FRAME_HEADER_LENGTH - 4..FRAME_HEADER_LENGTH].copy_from_slice(&u32::MAX.to_le_bytes());
        let header = bytes.first_chunk().expect("a header");
        assert_eq!(FrameHeader::decode(header), Err(Malformed("frame length")));
        bytes[0] = 9;
        let header = bytes.first_chunk().expect("a header");
        assert_eq!(FrameHeader::decode(header), Err(Malformed("frame version")));
    }
}
