//! Commands: what a log entry asks the state machine to do.
//!
//! Layout: version, kind, node id, boot number, sequence (fixed width, so that the owner thread can fill in
//! the session without encoding again), then the body. Keeps: decoding is total; an unknown version or kind is
//! reported as such, because a node that cannot apply an entry must stop rather than diverge.

use crate::codec::{Malformed, Reader, put_bytes, put_terms, put_varint};
use crate::entry::{Revision, Terms};
use crate::txn::{Compare, Op, Txn};

const VERSION: u8 = 1;
const KIND_TXN: u8 = 1;
const KIND_COMPACT: u8 = 2;
const KIND_MARK: u8 = 3;
const KIND_LEVEL: u8 = 4;
const SESSION_OFFSET: usize = 2;
const HEADER_LENGTH: usize = SESSION_OFFSET + 24;

const COMPARE_ABSENT: u8 = 0;
const COMPARE_PRESENT: u8 = 1;
const COMPARE_MODIFIED: u8 = 2;
const OP_PUT: u8 = 0;
const OP_DELETE: u8 = 1;

/// Who proposed a command, and which of its proposals this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) node: u64,
    pub(crate) boot: u64,
    pub(crate) sequence: u64,
}

/// A decoded command that borrows the log entry's bytes.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) session: Session,
    pub(crate) body: Body<'a>,
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    Txn(TxnParts<'a>),
    Compact {
        floor: Revision,
    },
    /// Every node notes the hash of its state.
    Mark,
    /// From here on the formats of this level may be used.
    Level {
        level: u64,
    },
}

/// A transaction as it stands in the log.
#[derive(Debug)]
pub(crate) struct TxnParts<'a> {
    pub(crate) fence: Option<u64>,
    pub(crate) compares: Vec<ComparePart<'a>>,
    pub(crate) ops: Vec<OpPart<'a>>,
}

#[derive(Debug)]
pub(crate) struct ComparePart<'a> {
    pub(crate) key: &'a str,
    pub(crate) expect: Expect,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    Absent,
    Present,
    Modified(Revision),
}

#[derive(Debug)]
pub(crate) enum OpPart<'a> {
    Put { key: &'a str, splice_at: Option<u32>, terms: Terms, facts: &'a [u8], bytes: &'a [u8] },
    Delete { key: &'a str },
}

/// An encoded command whose session is still to be filled in.
#[derive(Debug)]
pub(crate) struct Encoded(Vec<u8>);

impl Encoded {
    /// Encodes a transaction; the only copy of its values on the way to the log.
    pub(crate) fn txn(txn: &Txn) -> Encoded {
        let mut buffer = header(KIND_TXN, txn_size_hint(txn));
        match txn.fence {
            None => buffer.push(0),
            Some(term) => {
                buffer.push(1);
                put_varint(&mut buffer, term);
            }
        }
        put_varint(&mut buffer, txn.compares.len() as u64);
        for compare in &txn.compares {
            put_compare(&mut buffer, compare);
        }
        put_varint(&mut buffer, txn.ops.len() as u64);
        for op in &txn.ops {
            put_op(&mut buffer, op);
        }
        Encoded(buffer)
    }

    /// Encodes a move of the floor.
    pub(crate) fn compact(floor: Revision) -> Encoded {
        let mut buffer = header(KIND_COMPACT, 10);
        put_varint(&mut buffer, floor);
        Encoded(buffer)
    }

    /// Encodes the wish that every node notes the hash of its state.
    pub(crate) fn mark() -> Encoded {
        Encoded(header(KIND_MARK, 0))
    }

    /// Encodes a raise of the cluster level.
    pub(crate) fn level(level: u64) -> Encoded {
        let mut buffer = header(KIND_LEVEL, 10);
        put_varint(&mut buffer, level);
        Encoded(buffer)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fills in the session and gives the log entry's data.
    pub(crate) fn into_data(mut self, session: Session) -> Vec<u8> {
        let numbers = [session.node, session.boot, session.sequence];
        let slots = self.0[SESSION_OFFSET..HEADER_LENGTH].chunks_exact_mut(8);
        for (slot, number) in slots.zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        self.0
    }
}

fn header(kind: u8, body_length: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEADER_LENGTH + body_length);
    buffer.extend_from_slice(&[VERSION, kind]);
    buffer.resize(HEADER_LENGTH, 0);
    buffer
}

fn txn_size_hint(txn: &Txn) -> usize {
    let compares: usize = txn.compares.iter().map(|compare| compare.key().as_str().len() + 16).sum();
    let ops: usize = txn.ops.iter().map(op_size_hint).sum();
    compares + ops + 32
}

fn op_size_hint(op: &Op) -> usize {
    let value = match op {
        Op::Put { value, .. } => {
            let terms: usize = value.terms.iter().map(|term| term.value.len() + 4).sum();
            value.bytes.len() + value.facts.len() + terms
        }
        Op::Delete { .. } => 0,
    };
    op.key().as_str().len() + value + 32
}

fn put_compare(buffer: &mut Vec<u8>, compare: &Compare) {
    let tag = match compare {
        Compare::Absent(_) => COMPARE_ABSENT,
        Compare::Present(_) => COMPARE_PRESENT,
        Compare::Modified(..) => COMPARE_MODIFIED,
    };
    buffer.push(tag);
    put_bytes(buffer, compare.key().as_str().as_bytes());
    if let Compare::Modified(_, revision) = compare {
        put_varint(buffer, *revision);
    }
}

fn put_op(buffer: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Put { key, value } => {
            buffer.push(OP_PUT);
            put_bytes(buffer, key.as_str().as_bytes());
            put_varint(buffer, value.splice_at.map_or(0, |at| u64::from(at) + 1));
            put_terms(buffer, &value.terms);
            put_bytes(buffer, &value.facts);
            put_bytes(buffer, &value.bytes);
        }
        Op::Delete { key } => {
            buffer.push(OP_DELETE);
            put_bytes(buffer, key.as_str().as_bytes());
        }
    }
}

/// Reads only the session of a log entry's data.
pub(crate) fn session_of(data: &[u8]) -> Result<Session, Malformed> {
    let mut reader = Reader::new(data);
    reader.take(SESSION_OFFSET)?;
    read_session(&mut reader)
}

fn read_session(reader: &mut Reader<'_>) -> Result<Session, Malformed> {
    Ok(Session { node: reader.u64()?, boot: reader.u64()?, sequence: reader.u64()? })
}

impl<'a> Command<'a> {
    /// Decodes a log entry's data.
    pub(crate) fn decode(data: &'a [u8]) -> Result<Command<'a>, Malformed> {
        let mut reader = Reader::new(data);
        if reader.u8()? != VERSION {
            return Err(Malformed("command version"));
        }
        let kind = reader.u8()?;
        let session = read_session(&mut reader)?;
        let body = match kind {
            KIND_TXN => Body::Txn(read_txn(&mut reader)?),
            KIND_MARK => Body::Mark,
            KIND_LEVEL => Body::Level { level: reader.varint()? },
            KIND_COMPACT => Body::Compact { floor: reader.varint()? },
            _ => return Err(Malformed("command kind")),
        };
        if !reader.is_empty() {
            return Err(Malformed("command tail"));
        }
        Ok(Command { session, body })
    }
}

fn read_txn<'a>(reader: &mut Reader<'a>) -> Result<TxnParts<'a>, Malformed> {
    let fence = match reader.u8()? {
        0 => None,
        1 => Some(reader.varint()?),
        _ => return Err(Malformed("fence")),
    };
    let mut compares = Vec::new();
    for _ in 0..reader.varint()? {
        compares.push(read_compare(reader)?);
    }
    let mut ops = Vec::new();
    for _ in 0..reader.varint()? {
        ops.push(read_op(reader)?);
    }
    Ok(TxnParts { fence, compares, ops })
}

fn read_compare<'a>(reader: &mut Reader<'a>) -> Result<ComparePart<'a>, Malformed> {
    let tag = reader.u8()?;
    let key = reader.text()?;
    let expect = match tag {
        COMPARE_ABSENT => Expect::Absent,
        COMPARE_PRESENT => Expect::Present,
        COMPARE_MODIFIED => Expect::Modified(reader.varint()?),
        _ => return Err(Malformed("compare")),
    };
    Ok(ComparePart { key, expect })
}

fn read_op<'a>(reader: &mut Reader<'a>) -> Result<OpPart<'a>, Malformed> {
    let tag = reader.u8()?;
    let key = reader.text()?;
    match tag {
        OP_PUT => {
            let splice_at = match reader.varint()? {
                0 => None,
                at => Some(u32::try_from(at - 1).map_err(|_| Malformed("splice"))?),
            };
            let terms = reader.terms()?;
            let facts = reader.bytes()?;
            let bytes = reader.bytes()?;
            if splice_at.is_some_and(|at| at as usize > bytes.len()) {
                return Err(Malformed("splice"));
            }
            Ok(OpPart::Put { key, splice_at, terms, facts, bytes })
        }
        OP_DELETE => Ok(OpPart::Delete { key }),
        _ => Err(Malformed("operation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Term;
    use crate::txn::NewValue;
    use bytes::Bytes;
    use smallvec::smallvec;

    fn sample() -> Txn {
        let value = NewValue {
            bytes: Bytes::from_static(b"bytes"),
            splice_at: Some(2),
            facts: Bytes::from_static(b"facts"),
            terms: smallvec![Term { tag: 3, value: "node-1".into() }],
        };
        Txn {
            fence: Some(9),
            compares: smallvec![Compare::Modified("/registry/a/b".into(), 77)],
            ops: smallvec![
                Op::Put { key: "/registry/a/b".into(), value },
                Op::Delete { key: "/registry/a/c".into() }
            ],
        }
    }

    #[test]
    fn txn_round_trips() {
        let session = Session { node: 1, boot: 2, sequence: 3 };
        let data = Encoded::txn(&sample()).into_data(session);
        assert_eq!(session_of(&data), Ok(session));
        let command = Command::decode(&data).expect("decodes");
        assert_eq!(command.session, session);
        let Body::Txn(txn) = command.body else { panic!("not a transaction") };
        assert_eq!(txn.fence, Some(9));
        assert_eq!(txn.compares.len(), 1);
        let OpPart::Put { key, splice_at, terms, facts, bytes } = &txn.ops[0] else { panic!("not a put") };
        assert_eq!(
            (*key, *splice_at, *facts, *bytes),
            ("/registry/a/b", Some(2), &b"facts"[..], &b"bytes"[..])
        );
        assert_eq!(terms[0].value, "node-1");
    }

    #[test]
    fn every_truncation_is_refused() {
        let data = Encoded::txn(&sample()).into_data(Session { node: 1, boot: 2, sequence: 3 });
        for length in 0..data.len() {
            assert!(Command::decode(&data[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn unknown_version_and_kind_are_refused() {
        let mut data = Encoded::compact(4).into_data(Session { node: 1, boot: 2, sequence: 3 });
        data[1] = 99;
        assert_eq!(Command::decode(&data).err(), Some(Malformed("command kind")));
        data[0] = 99;
        assert_eq!(Command::decode(&data).err(), Some(Malformed("command version")));
    }
}
