//! The members, as the leader last described them to this node; and removing one.

use std::time::Duration;

use pintle_apiserver::{Server, status::Error};
use pintle_store::{Member, MemberChange};

use super::{Administration, refused, status::role_name};
use crate::{
    directory,
    node_id::NodeId,
    wire::{MemberReport, MembersReport},
};

/// How long the leader may take to describe the members.
const DESCRIPTION_PATIENCE: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

impl Administration {
    pub(super) async fn members(&self, server: &Server) -> MembersReport {
        let known = directory::read(server);
        // A leader that was just elected describes the members a moment later.
        let described = async {
            while self.store.members().iter().any(|member| member.active.is_none()) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(DESCRIPTION_PATIENCE, described).await;
        let report = |member: Member| {
            let id = NodeId(member.node);
            let entry = known.get(&id);
            MemberReport {
                id,
                health: health(&member).to_owned(),
                peer_address: member.address,
                api_address: entry.map(|entry| entry.api_address.clone()),
                role: role_name(member.role).to_owned(),
                leader: member.leads,
                // A node that has just joined has not said yet what it has applied.
                applied: member.applied.filter(|applied| *applied > 0).or(member.matched),
                lag: member.lag,
                version: entry.map(|entry| entry.version.clone()),
            }
        };
        let members = self.store.members().into_iter().map(report).collect();
        MembersReport { cluster: NodeId(self.store.status().cluster), members }
    }

    /// Removes a member and what is known of it.
    pub(super) async fn remove(&self, server: &Server, id: NodeId) -> Result<MembersReport, Error> {
        let change = MemberChange::Remove { node: id.0 };
        self.store.change_members(change).await.map_err(|error| refused(&error))?;
        tracing::info!(node = %id, "a member was removed");
        if let Err(error) = directory::forget(server, id).await {
            tracing::warn!(%error, node = %id, "the address of a removed member could not be forgotten");
        }
        Ok(self.members(server).await)
    }
}

fn health(member: &Member) -> &'static str {
    match member.active {
        None => "unknown",
        Some(false) => "not reached",
        Some(true) if member.disk_full == Some(true) => "disk full",
        Some(true) => "good",
    }
}
