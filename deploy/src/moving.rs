//! A member whose peer address differs from the one on record says so: after a restart with another `--peer-listen` or
//! `--peer-address`, or with the first one of a node that was alone. Keeps: the record is changed like any other part of
//! the membership, and only when it differs.

use std::time::Duration;

use pintle_store::{MemberChange, Store};

/// How often it is tried again: until a majority runs, nothing changes.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until the task is dropped.
pub(crate) async fn run(store: Store, address: String) {
    let own = store.status().node;
    loop {
        // Asked for before looking, so that no change is overlooked.
        let changed = store.members_changed();
        let differs = store.members().iter().any(|member| member.node == own && member.address != address);
        if !differs {
            changed.await;
            continue;
        }
        let change = MemberChange::Add { node: own, address: address.clone() };
        match store.change_members(change).await {
            Ok(()) => tracing::info!(address, "the members know this node's new address"),
            Err(error) => {
                tracing::debug!(%error, address, "the members do not know this node's new address yet");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}
