//! Learners become voters: the leader's loop. Keeps: only the leader acts; a learner becomes a voter when it has caught
//! up; the dead voter whose address it has leaves in the same change. Nothing is remembered, so the next leader goes on
//! where this one died.

use std::{sync::Arc, time::Duration};

use pintle_apiserver::Server;
use pintle_store::{Member, MemberChange, MemberRole, Store};

use crate::{directory, node_id::NodeId};

/// How often learners are looked at, while there are any.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs until the task is dropped.
pub(crate) async fn run(store: Store, server: Arc<Server>) {
    let mut leadership = store.leadership();
    loop {
        // Asked for before looking, so that no change is overlooked.
        let changed = store.members_changed();
        let leads = leadership.borrow_and_update().leads;
        let members = store.members();
        if !leads || members.iter().all(|member| member.role != MemberRole::Learner) {
            tokio::select! {
                () = changed => {}
                _ = leadership.changed() => {}
            }
            continue;
        }
        for change in promotions(&members, store.status().node) {
            promote(&store, &server, change).await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn promote(store: &Store, server: &Server, change: MemberChange) {
    let MemberChange::Promote { node, replaces } = change else { return };
    match store.change_members(change).await {
        Ok(()) => match replaces {
            Some(old) => {
                tracing::info!(
                    node = %NodeId(node),
                    replaces = %NodeId(old),
                    "a node became a voter in the place of the dead member whose address it has"
                );
                if let Err(error) = directory::forget(server, NodeId(old)).await {
                    tracing::warn!(%error, "the API address of a replaced member could not be forgotten");
                }
            }
            None => tracing::info!(node = %NodeId(node), "a node became a voter"),
        },
        // It is tried again as long as it is a learner.
        Err(error) => tracing::debug!(%error, node = %NodeId(node), "a learner is not yet a voter"),
    }
}

/// The learners that have received something and are there, each with whom it replaces.
fn promotions(members: &[Member], own: u64) -> Vec<MemberChange> {
    let ready = members.iter().filter(|member| {
        member.role == MemberRole::Learner
            && member.active == Some(true)
            && member.matched.is_some_and(|matched| matched > 0)
    });
    let promotion = |learner: &Member| {
        let replaced = members.iter().find(|member| {
            member.role == MemberRole::Voter
                && member.node != own
                && member.active == Some(false)
                && !learner.address.is_empty()
                && member.address == learner.address
        });
        MemberChange::Promote { node: learner.node, replaces: replaced.map(|member| member.node) }
    };
    ready.map(promotion).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: u64, address: &str, role: MemberRole, matched: u64, active: bool) -> Member {
        Member {
            node,
            address: address.to_owned(),
            role,
            leads: false,
            matched: Some(matched),
            lag: None,
            applied: None,
            revision: None,
            active: Some(active),
            free_bytes: None,
            disk_full: None,
        }
    }

    #[test]
    fn a_learner_takes_the_place_of_the_dead_voter_at_its_address() {
        let voters = [
            member(1, "a:1", MemberRole::Voter, 90, true),
            member(2, "b:1", MemberRole::Voter, 90, true),
            member(3, "c:1", MemberRole::Voter, 50, false),
        ];
        let with = |learner: Member| [voters.to_vec(), vec![learner]].concat();
        let promote = |node, replaces| vec![MemberChange::Promote { node, replaces }];
        let learner = |address, matched, active| member(4, address, MemberRole::Learner, matched, active);
        assert_eq!(promotions(&with(learner("c:1", 80, true)), 1), promote(4, Some(3)));
        assert_eq!(promotions(&with(learner("d:1", 80, true)), 1), promote(4, None));
        // Whoever lives is not replaced, and neither is the leader itself.
        assert_eq!(promotions(&with(learner("b:1", 80, true)), 1), promote(4, None));
        assert_eq!(promotions(&with(learner("c:1", 80, true)), 3), promote(4, None));
        // A node that has received nothing yet, or is gone, waits.
        assert_eq!(promotions(&with(learner("c:1", 0, true)), 1), []);
        assert_eq!(promotions(&with(learner("c:1", 80, false)), 1), []);
    }
}
