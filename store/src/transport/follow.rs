//! Follows the membership: whoever joins is dialed, whoever moves is found again, whoever left is shut out. Keeps:
//! only a node that was seen as a member is shut out for not being one; a node that joins knows the others by the
//! addresses that it was given, before it knows the members.

use std::collections::BTreeSet;

use crate::transport::{Context, told};

/// Follows the membership until the transport stops.
pub(super) async fn run(context: Context) {
    let mut stopping = context.shared.stage.subscribe();
    let mut known = BTreeSet::new();
    loop {
        // Asked for before looking, so that no change is overlooked.
        let changed = context.store.members_changed();
        let members = context.store.members();
        let others = || members.iter().filter(|member| member.node != context.node);
        for member in others().filter(|member| !member.address.is_empty()) {
            context.shared.book.set(member.node, &member.address);
        }
        let now: BTreeSet<u64> = others().map(|member| member.node).collect();
        // Also those that were removed before this node started.
        let removed = context.store.removed_members();
        for node in known.difference(&now).chain(&removed) {
            context.shared.remove(*node);
        }
        known = now;
        tokio::select! {
            biased;
            () = told(&mut stopping) => return,
            () = changed => {}
        }
    }
}
