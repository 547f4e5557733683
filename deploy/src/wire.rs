//! What is said below `/pintle/v1/`, as JSON. Keeps: fields are only ever added, so that a command and a server of
//! neighbouring versions understand each other.

use serde::{Deserialize, Serialize};

use crate::node_id::NodeId;

/// Where everything of this is served.
pub(crate) const PREFIX: &str = "/pintle/v1/";
/// GET: the authority's certificate, for anybody.
pub(crate) const AUTHORITY: &str = "/pintle/v1/authority";
/// POST: the keys of the cluster, for a node that joins.
pub(crate) const JOIN: &str = "/pintle/v1/join";
/// POST: takes a node that listens in as a learner.
pub(crate) const JOIN_MEMBER: &str = "/pintle/v1/join/member";
/// GET: what is wrong with the token in the header [`TOKEN_HEADER`], for anybody.
pub(crate) const JOIN_TOKEN: &str = "/pintle/v1/join/token";
/// Not `Authorization`, by which nobody gets in with a token that is wrong.
pub(crate) const TOKEN_HEADER: &str = "x-pintle-join-token";
/// GET: all members, as the leader last described them.
pub(crate) const MEMBERS: &str = "/pintle/v1/members";
/// POST: hands leadership over.
pub(crate) const LEADER: &str = "/pintle/v1/leader";
/// GET: what this node knows of itself.
pub(crate) const STATUS: &str = "/pintle/v1/status";
/// GET: a backup of everything.
pub(crate) const SNAPSHOT: &str = "/pintle/v1/snapshot";

/// The groups of whoever shows a token for joining the control plane.
pub(crate) const JOIN_GROUP: &str = "system:bootstrappers:pintle:control-plane";

/// What a node knows of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusReport {
    pub(crate) version: String,
    pub(crate) kubernetes_version: String,
    pub(crate) cluster: NodeId,
    pub(crate) node: NodeId,
    /// `leader`, `voter`, `learner`, `leaving` or `none`.
    pub(crate) role: String,
    /// The leader, when one is known.
    pub(crate) leader: Option<NodeId>,
    pub(crate) term: u64,
    pub(crate) committed: u64,
    pub(crate) applied: u64,
    pub(crate) revision: u64,
    pub(crate) floor: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) quota_bytes: u64,
    pub(crate) health: String,
    pub(crate) api_address: String,
    pub(crate) service_cidr: String,
    pub(crate) unix_seconds: i64,
    pub(crate) links: Vec<LinkReport>,
    /// What an operator should look at, one sentence each.
    pub(crate) alarms: Vec<String>,
}

/// The way to another node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkReport {
    pub(crate) node: NodeId,
    pub(crate) lane: String,
    /// None while it is up.
    pub(crate) down: Option<String>,
}

/// All members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MembersReport {
    pub(crate) cluster: NodeId,
    pub(crate) members: Vec<MemberReport>,
}

/// One member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberReport {
    pub(crate) id: NodeId,
    pub(crate) peer_address: String,
    /// Where it serves the Kubernetes API, when it has said so.
    pub(crate) api_address: Option<String>,
    /// `voter`, `learner` or `leaving`.
    pub(crate) role: String,
    pub(crate) leader: bool,
    /// The newest log index that it has applied, or that the leader knows it to have.
    pub(crate) applied: Option<u64>,
    /// How many entries it lacks.
    pub(crate) lag: Option<u64>,
    /// `good`, or what is wrong.
    pub(crate) health: String,
    pub(crate) version: Option<String>,
}

/// A node asks for the keys of the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinRequest {
    /// Where it will listen for its peers.
    pub(crate) peer_address: String,
}

/// The keys of the cluster and who is in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinAnswer {
    pub(crate) version: String,
    pub(crate) bundle: String,
    pub(crate) cluster: NodeId,
    /// An id that was never used.
    pub(crate) node: NodeId,
    pub(crate) members: Vec<MemberAddress>,
    /// About how much a new node will receive.
    #[serde(default)]
    pub(crate) stored_bytes: u64,
    pub(crate) service_cidr: String,
    pub(crate) unix_seconds: i64,
}

/// Where a member listens for its peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberAddress {
    pub(crate) node: NodeId,
    pub(crate) address: String,
}

/// What a token is good for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenReport {
    pub(crate) state: TokenState,
    /// When it expired.
    #[serde(default)]
    pub(crate) expiration: Option<String>,
}

/// What is wrong with a token. An id is no secret, as with kubeadm, which publishes them; all else is told only to who
/// has the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TokenState {
    /// Nothing.
    Good,
    /// There is none with this id.
    Unknown,
    /// There is one with this id and another secret.
    OtherSecret,
    /// Its time is over.
    Expired,
    /// It is for something else.
    OtherUse,
}

/// A node that listens asks to be taken in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberRequest {
    pub(crate) node: NodeId,
    pub(crate) peer_address: String,
}

/// Hand leadership over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaderRequest {
    /// To this voter, or to the one that is furthest.
    pub(crate) to: Option<NodeId>,
}

/// Who leads now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaderAnswer {
    pub(crate) leader: NodeId,
}
