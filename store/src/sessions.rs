//! Sessions: which proposals of which node were applied, so that one that reaches the log twice is applied once.
//!
//! Keeps per node the newest boot number and a window of its sequences. The window is held as the newest
//! sequence and the few missing ones below it, so it stays some bytes long. Deterministic: it is part of the
//! replicated state.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Malformed, Reader, put_varint};
use crate::command::Session;

/// How far behind the newest sequence a proposal may be and still be applied. A node therefore keeps its
/// unanswered proposals within this distance.
pub(crate) const SESSION_WINDOW: u64 = 8_192;

/// All nodes' sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    nodes: BTreeMap<u64, Window>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    boot: u64,
    newest: u64,
    missing: BTreeSet<u64>,
}

impl Sessions {
    /// Notes a proposal; false when it was applied before, or is too old to tell.
    pub(crate) fn admit(&mut self, session: Session) -> bool {
        let window = self.nodes.entry(session.node).or_default();
        if session.boot < window.boot {
            return false;
        }
        if session.boot > window.boot {
            *window = Window { boot: session.boot, ..Window::default() };
        }
        window.admit(session.sequence)
    }

    /// Forgets a node whose proposals are not taken any more.
    pub(crate) fn forget(&mut self, node: u64) {
        self.nodes.remove(&node);
    }

    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        put_varint(buffer, self.nodes.len() as u64);
        for (node, window) in &self.nodes {
            for number in [*node, window.boot, window.newest, window.missing.len() as u64] {
                put_varint(buffer, number);
            }
            for sequence in &window.missing {
                put_varint(buffer, window.newest - sequence);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Sessions, Malformed> {
        let mut sessions = Sessions::default();
        for _ in 0..reader.varint()? {
            let node = reader.varint()?;
            let mut window =
                Window { boot: reader.varint()?, newest: reader.varint()?, missing: BTreeSet::new() };
            for _ in 0..reader.varint()? {
                let below = reader.varint()?;
                window.missing.insert(window.newest.checked_sub(below).ok_or(Malformed("session"))?);
            }
            sessions.nodes.insert(node, window);
        }
        Ok(sessions)
    }
}

impl Window {
    fn admit(&mut self, sequence: u64) -> bool {
        if sequence <= self.newest {
            return self.missing.remove(&sequence);
        }
        let oldest_kept = sequence.saturating_sub(SESSION_WINDOW);
        let first_missing = (self.newest + 1).max(oldest_kept);
        self.missing.extend(first_missing..sequence);
        self.missing = self.missing.split_off(&oldest_kept);
        self.newest = sequence;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(boot: u64, sequence: u64) -> Session {
        Session { node: 1, boot, sequence }
    }

    #[test]
    fn a_sequence_is_admitted_once_in_any_order() {
        let mut sessions = Sessions::default();
        for sequence in [1, 2, 5, 3, 4] {
            assert!(sessions.admit(session(1, sequence)));
        }
        for sequence in 1..=5 {
            assert!(!sessions.admit(session(1, sequence)));
        }
    }

    #[test]
    fn an_older_boot_is_refused_and_a_newer_one_starts_over() {
        let mut sessions = Sessions::default();
        assert!(sessions.admit(session(2, 9)));
        assert!(!sessions.admit(session(1, 10)));
        assert!(sessions.admit(session(3, 1)));
        assert!(!sessions.admit(session(2, 11)));
    }

    #[test]
    fn what_fell_out_of_the_window_counts_as_applied() {
        let mut sessions = Sessions::default();
        assert!(sessions.admit(session(1, 3)));
        assert!(sessions.admit(session(1, 3 + 2 * SESSION_WINDOW)));
        assert!(!sessions.admit(session(1, 2)));
        assert!(sessions.admit(session(1, 3 + 2 * SESSION_WINDOW - 1)));
    }

    #[test]
    fn encoding_round_trips() {
        let mut sessions = Sessions::default();
        for (boot, sequence) in [(1, 4), (1, 9), (1, 7)] {
            sessions.admit(session(boot, sequence));
        }
        sessions.admit(Session { node: 7, boot: 3, sequence: 1 });
        let mut buffer = Vec::new();
        sessions.encode(&mut buffer);
        assert_eq!(Sessions::decode(&mut Reader::new(&buffer)), Ok(sessions));
    }
}
