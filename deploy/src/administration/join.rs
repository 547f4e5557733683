//! The cluster's side of joining: the keys for a node that has shown its token, and then its place among the members.
//!
//! Keeps: a node is taken in only when its port can be reached from here; an address is used by one living member; a
//! node that asks again after a crash of either side gets the same answer. That a learner becomes a voter, and takes
//! the place of the dead member whose address it has, is the leader's business (`promotion.rs`).

use std::time::Duration;

use pintle_apiserver::{Server, status::Error};
use pintle_certs::Bundle;
use pintle_store::{Member, MemberChange, MemberRole};
use tokio::net::TcpStream;

use super::{Administration, refused};
use crate::{
    address::HostPort,
    node_id::NodeId,
    wire::{JoinAnswer, JoinRequest, MemberAddress, MemberRequest, MembersReport},
};

/// How long the port of a new node may take to answer.
const REACH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the leader may take to miss a member that died.
const MISSED_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Administration {
    /// Hands out the keys, with an id that was never used.
    pub(super) async fn join(&self, server: &Server, request: &JoinRequest) -> Result<JoinAnswer, Error> {
        self.check_address(&request.peer_address, None).await?;
        let internal = |error: pintle_certs::Error| Error::Internal(error.to_string());
        let mut bundle = Vec::new();
        Bundle::open(&self.pki).and_then(|it| it.write_to(&mut bundle)).map_err(internal)?;
        let bundle = String::from_utf8(bundle).map_err(|error| Error::Internal(error.to_string()))?;
        let status = self.store.status();
        let members = self.store.members();
        let address =
            |member: &Member| MemberAddress { node: NodeId(member.node), address: member.address.clone() };
        tracing::info!(address = request.peer_address, "a node that joins was given the keys of the cluster");
        Ok(JoinAnswer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bundle,
            cluster: NodeId(status.cluster),
            node: new_id(server),
            members: members.iter().filter(|member| !member.address.is_empty()).map(address).collect(),
            stored_bytes: status.stored_bytes,
            service_cidr: self.service_cidr.clone(),
            unix_seconds: server.clock.unix_seconds(),
        })
    }

    /// Takes a node that listens in as a learner.
    pub(super) async fn take_in(
        &self,
        server: &Server,
        request: &MemberRequest,
    ) -> Result<MembersReport, Error> {
        let MemberRequest { node, peer_address } = request;
        let members = self.store.members();
        let same = |member: &Member| member.node == node.0 && member.address == *peer_address;
        if !members.iter().any(same) {
            self.check_address(peer_address, Some(*node)).await?;
            check_reachable(peer_address).await?;
            self.remove_unfinished(&members, request).await?;
            let change = MemberChange::Add { node: node.0, address: peer_address.clone() };
            self.store.change_members(change).await.map_err(|error| refused(&error))?;
            tracing::info!(%node, address = peer_address, "a node was taken in as a learner");
        }
        Ok(self.members(server).await)
    }

    /// Refuses an address at which another member lives. One that has just died is given the time to be missed.
    async fn check_address(&self, address: &str, node: Option<NodeId>) -> Result<(), Error> {
        let _: HostPort = address.parse().map_err(Error::BadRequest)?;
        let free = async {
            while self.living_at(address, node).is_some() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(MISSED_TIMEOUT, free).await;
        match self.living_at(address, node) {
            None => Ok(()),
            Some(id) => Err(Error::BadRequest(format!(
                "a live member ({id}) has the address {address} already: start this node with another --peer-listen, \
                 or stop that member first"
            ))),
        }
    }

    /// The member other than `node` that lives at an address.
    fn living_at(&self, address: &str, node: Option<NodeId>) -> Option<NodeId> {
        let own = self.store.status().node;
        let lives = |member: &Member| member.node == own || member.active != Some(false);
        let taken = |member: &&Member| {
            member.address == address && node.is_none_or(|node| node.0 != member.node) && lives(member)
        };
        self.store.members().iter().find(taken).map(|member| NodeId(member.node))
    }

    /// A learner at this address never finished to join and has lost its disk: its place is free.
    async fn remove_unfinished(&self, members: &[Member], request: &MemberRequest) -> Result<(), Error> {
        let unfinished = members.iter().filter(|member| {
            member.role == MemberRole::Learner
                && member.address == request.peer_address
                && member.node != request.node.0
        });
        for member in unfinished {
            let change = MemberChange::Remove { node: member.node };
            self.store.change_members(change).await.map_err(|error| refused(&error))?;
            tracing::info!(
                node = %NodeId(member.node),
                address = member.address,
                "a learner was removed, because another node joins at its address"
            );
        }
        Ok(())
    }
}

/// Makes sure that the port of a new node can be reached, before the cluster counts on it.
async fn check_reachable(address: &str) -> Result<(), Error> {
    let attempt = tokio::time::timeout(REACH_TIMEOUT, TcpStream::connect(address)).await;
    let why = match attempt {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    Err(Error::BadRequest(format!(
        "the new node's peer port {address} cannot be reached from the cluster ({why}): open it in the firewall, or \
         give the address at which other nodes reach it with --peer-address"
    )))
}

/// A random id below 2^63 that is not 0.
fn new_id(server: &Server) -> NodeId {
    let mut bytes = [0; 8];
    server.clock.random(&mut bytes);
    NodeId((u64::from_le_bytes(bytes) >> 1).max(1))
}
