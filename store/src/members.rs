//! Members: who belongs to the cluster, in which role and at which address, and how that changes.
//!
//! Keeps: membership is part of the replicated state and nowhere else. One change is under way at a time; a node joins
//! as a learner, becomes a voter once it has caught up, and takes another one's place in one joint change. An id is
//! never used again.

use std::collections::{BTreeMap, BTreeSet};

use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::entry::Revision;
use crate::standing::RollEntry;

/// A learner may become a voter when it lacks at most this many entries.
pub(crate) const CAUGHT_UP_ENTRIES: u64 = 1_000;
/// No address is longer.
const ADDRESS_BYTES_MAX: usize = 1_024;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It votes.
    Voter,
    /// It receives everything and does not vote.
    Learner,
    /// It votes until the change that replaces it is complete.
    Leaving,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub node: u64,
    /// Where its peers reach it; empty when it was founded without one.
    pub address: String,
    /// What it is.
    pub role: MemberRole,
    /// Whether it leads, as far as this node knows.
    pub leads: bool,
    /// The newest log index that the leader knows it to have; none while the leader has not said.
    pub matched: Option<u64>,
    /// How many committed log entries it lacks, as the leader knows.
    pub lag: Option<u64>,
    /// The newest log index that it has applied, as it said itself.
    pub applied: Option<u64>,
    /// The newest revision that it shows, as it said itself.
    pub revision: Option<Revision>,
    /// Whether the leader heard it within an election timeout.
    pub active: Option<bool>,
    /// Room on its disk, as it said itself.
    pub free_bytes: Option<u64>,
    /// Whether it lacks the room on its disk for growth, as it said itself.
    pub disk_full: Option<bool>,
}

/// A change of membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Takes a node in as a learner, or gives a member another address.
    Add {
        /// A new id, or that of a member.
        node: u64,
        /// Where its peers reach it.
        address: String,
    },
    /// Makes a learner that has caught up a voter; in the same step the voter that it replaces leaves.
    Promote {
        /// The learner.
        node: u64,
        /// The voter that it replaces.
        replaces: Option<u64>,
    },
    /// Removes a member.
    Remove {
        /// The member.
        node: u64,
    },
}

/// Why a change of membership did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// Only the leader changes the membership, and none was found.
    #[error("no leader was found in time; a majority of the voters must run and reach each other")]
    NoLeader,
    /// Another change is under way.
    #[error("another change of membership is under way; try again in a moment")]
    Busy,
    /// There is no such member, or it is not a learner.
    #[error("node {0:016x} is not a member in the role that this change needs")]
    NoSuchMember(u64),
    /// A voter cannot become a learner.
    #[error("node {0:016x} votes already")]
    VotesAlready(u64),
    /// The learner lacks too much.
    #[error("node {node:016x} has not caught up: it lacks {behind} log entries; try again in a moment")]
    NotCaughtUp {
        /// The learner.
        node: u64,
        /// How many entries it lacks.
        behind: u64,
    },
    /// The leader, or the last voter, cannot be removed.
    #[error("node {0:016x} leads or is the last voter: hand leadership over first")]
    Needed(u64),
    /// It was a member before. What it promised then is forgotten, so its id is never used again.
    #[error(
        "node {0:016x} was removed from this cluster, and an id is never used again: move its data directory away and start it with --join, so that it joins as a new node"
    )]
    WasRemoved(u64),
    /// The address is too long.
    #[error("the address is too long")]
    AddressTooLong,
    /// Leadership cannot go to a node that was not heard lately.
    #[error("node {0:016x} was not heard lately, so leadership cannot go there")]
    NotActive(u64),
    /// Nobody else could lead.
    #[error("there is no other voter that was heard lately")]
    NoOther,
    /// The other node did not take over.
    #[error("the other node did not take over in time; the leader is still the same")]
    NotTaken,
    /// It may or may not happen.
    #[error("the outcome is unknown; look at the members before you try again")]
    Unknown,
}

/// How far the leader knows a member to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) node: u64,
    pub(crate) matched: u64,
}

impl MemberChange {
    /// What Raft is asked for, given the membership.
    pub(crate) fn conf_change(&self, conf: &ConfState) -> ConfChangeV2 {
        let single = |kind: ConfChangeType, node| {
            let mut single = ConfChangeSingle { node_id: node, ..ConfChangeSingle::default() };
            single.set_change_type(kind);
            single
        };
        let mut change = ConfChangeV2::default();
        match self {
            MemberChange::Add { node, address } => {
                // A voter that moves goes on voting.
                let votes = conf.voters.contains(node);
                let kind = if votes { ConfChangeType::AddNode } else { ConfChangeType::AddLearnerNode };
                change.changes = vec![single(kind, *node)];
                change.context = encode_addresses(&BTreeMap::from([(*node, address.clone())]));
            }
            MemberChange::Promote { node, replaces } => {
                change.changes = vec![single(ConfChangeType::AddNode, *node)];
                change.changes.extend(replaces.map(|old| single(ConfChangeType::RemoveNode, old)));
            }
            MemberChange::Remove { node } => {
                change.changes = vec![single(ConfChangeType::RemoveNode, *node)];
            }
        }
        change
    }

    /// Whether a membership is what this change asked for.
    pub(crate) fn is_done(&self, conf: &ConfState) -> bool {
        let settled = conf.voters_outgoing.is_empty();
        match self {
            MemberChange::Add { node, .. } => conf.learners.contains(node) || conf.voters.contains(node),
            MemberChange::Promote { node, replaces } => {
                let left = replaces.is_none_or(|old| !is_member(conf, old));
                settled && conf.voters.contains(node) && left
            }
            MemberChange::Remove { node } => settled && !is_member(conf, *node),
        }
    }

    /// Whether it may be asked for, given the membership and how far its members are.
    pub(crate) fn check(
        &self,
        conf: &ConfState,
        own: u64,
        commit: u64,
        reach: &[Reach],
        removed: &BTreeSet<u64>,
    ) -> Result<(), MemberError> {
        match self {
            MemberChange::Add { node, .. } if removed.contains(node) => Err(MemberError::WasRemoved(*node)),
            MemberChange::Add { address, .. } if address.len() > ADDRESS_BYTES_MAX => {
                Err(MemberError::AddressTooLong)
            }
            MemberChange::Add { .. } => Ok(()),
            MemberChange::Promote { node, replaces } => {
                if !conf.learners.contains(node) {
                    return Err(MemberError::NoSuchMember(*node));
                }
                match replaces {
                    Some(old) if *old == own => return Err(MemberError::Needed(*old)),
                    Some(old) if !conf.voters.contains(old) => return Err(MemberError::NoSuchMember(*old)),
                    _ => {}
                }
                let matched = reach.iter().find(|reach| reach.node == *node).map_or(0, |reach| reach.matched);
                let behind = commit.saturating_sub(matched);
                let caught_up = behind <= CAUGHT_UP_ENTRIES;
                if caught_up { Ok(()) } else { Err(MemberError::NotCaughtUp { node: *node, behind }) }
            }
            MemberChange::Remove { node } if *node == own => Err(MemberError::Needed(*node)),
            MemberChange::Remove { node } if !is_member(conf, *node) => Err(MemberError::NoSuchMember(*node)),
            MemberChange::Remove { .. } => Ok(()),
        }
    }
}

/// Whether a node is a member in any role.
pub(crate) fn is_member(conf: &ConfState, node: u64) -> bool {
    [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next]
        .into_iter()
        .any(|nodes| nodes.contains(&node))
}

/// Every node that is a member in any role.
pub(crate) fn nodes_of(conf: &ConfState) -> BTreeSet<u64> {
    let nodes = [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next];
    nodes.into_iter().flatten().copied().collect()
}

/// The members of a membership, by id, with what the leader said about each.
pub(crate) fn members_of(
    conf: &ConfState,
    addresses: &BTreeMap<u64, String>,
    leader: u64,
    commit: u64,
    said: impl Fn(u64) -> Option<RollEntry>,
) -> Vec<Member> {
    let mut roles = BTreeMap::new();
    for (nodes, role) in [
        (&conf.voters_outgoing, MemberRole::Leaving),
        (&conf.learners_next, MemberRole::Learner),
        (&conf.learners, MemberRole::Learner),
        (&conf.voters, MemberRole::Voter),
    ] {
        roles.extend(nodes.iter().map(|node| (*node, role)));
    }
    let member = |(node, role)| {
        let address = addresses.get(&node).cloned().unwrap_or_default();
        let said = said(node);
        let standing = said.and_then(|said| said.standing);
        Member {
            node,
            address,
            role,
            leads: node == leader,
            matched: said.map(|said| said.matched),
            lag: said.map(|said| commit.saturating_sub(said.matched)),
            applied: standing.map(|standing| standing.applied),
            revision: standing.map(|standing| standing.revision),
            active: said.map(|said| said.active),
            free_bytes: standing.and_then(|standing| standing.free_bytes),
            disk_full: standing.map(|standing| standing.disk_full),
        }
    };
    roles.into_iter().map(member).collect()
}

pub(crate) fn encode_addresses(addresses: &BTreeMap<u64, String>) -> Vec<u8> {
    let mut buffer = Vec::new();
    put_addresses(&mut buffer, addresses);
    buffer
}

pub(crate) fn put_addresses(buffer: &mut Vec<u8>, addresses: &BTreeMap<u64, String>) {
    put_varint(buffer, addresses.len() as u64);
    for (node, address) in addresses {
        put_varint(buffer, *node);
        put_bytes(buffer, address.as_bytes());
    }
}

pub(crate) fn read_addresses(reader: &mut Reader<'_>) -> Result<BTreeMap<u64, String>, Malformed> {
    let mut addresses = BTreeMap::new();
    for _ in 0..reader.varint()? {
        addresses.insert(reader.varint()?, reader.text()?.to_owned());
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(voters: &[u64], learners: &[u64]) -> ConfState {
        ConfState { voters: voters.to_vec(), learners: learners.to_vec(), ..ConfState::default() }
    }

    #[test]
    fn a_learner_votes_only_when_it_has_caught_up() {
        let promote = MemberChange::Promote { node: 4, replaces: Some(2) };
        let conf = conf(&[1, 2, 3], &[4]);
        let reach = |matched| [Reach { node: 4, matched }];
        let none = BTreeSet::new();
        let check = |own, matched| promote.check(&conf, own, 5_000, &reach(matched), &none);
        assert_eq!(check(1, 4_000), Ok(()));
        assert_eq!(check(1, 10), Err(MemberError::NotCaughtUp { node: 4, behind: 4_990 }));
        assert_eq!(check(2, 5_000), Err(MemberError::Needed(2)), "the leader cannot be replaced");
    }

    #[test]
    fn a_replacement_is_done_when_the_old_voter_is_gone() {
        let promote = MemberChange::Promote { node: 4, replaces: Some(2) };
        let joint = ConfState { voters_outgoing: vec![1, 2, 3], ..conf(&[1, 3, 4], &[]) };
        assert!(!promote.is_done(&joint));
        assert!(promote.is_done(&conf(&[1, 3, 4], &[])));
    }

    #[test]
    fn a_voter_that_moves_goes_on_voting() {
        let moved = |node| MemberChange::Add { node, address: "c:1".to_owned() };
        let conf = conf(&[1, 2, 3], &[4]);
        let kind = |node| moved(node).conf_change(&conf).changes[0].change_type();
        assert_eq!(moved(2).check(&conf, 1, 0, &[], &BTreeSet::new()), Ok(()));
        assert_eq!(moved(9).check(&conf, 1, 0, &[], &BTreeSet::from([9])), Err(MemberError::WasRemoved(9)));
        assert_eq!(kind(2), ConfChangeType::AddNode);
        assert_eq!(kind(4), ConfChangeType::AddLearnerNode);
        assert_eq!(kind(5), ConfChangeType::AddLearnerNode);
    }

    #[test]
    fn members_have_one_role_each() {
        let joint = ConfState { voters_outgoing: vec![1, 2], ..conf(&[1, 3], &[5]) };
        let addresses = BTreeMap::from([(3, "c:1".to_owned())]);
        let members = members_of(&joint, &addresses, 2, 50, |_| None);
        let roles: Vec<_> = members.iter().map(|member| (member.node, member.role)).collect();
        let expected = [
            (1, MemberRole::Voter),
            (2, MemberRole::Leaving),
            (3, MemberRole::Voter),
            (5, MemberRole::Learner),
        ];
        assert_eq!(roles, expected);
        assert_eq!(members[2].address, "c:1");
        assert!(members[1].leads && !members[0].leads);
    }
}
