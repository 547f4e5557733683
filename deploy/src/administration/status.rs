//! What this node knows of itself.

use pintle_apiserver::Server;
use pintle_store::{Health, Link, Member, MemberRole};

use super::Administration;
use crate::{
    node_id::NodeId,
    size::Size,
    wire::{LinkReport, StatusReport},
};

/// From this part of the quota on an operator should do something.
const QUOTA_ALARM_PERCENT: u64 = 80;

impl Administration {
    pub(super) fn status(&self, server: &Server) -> StatusReport {
        let status = self.store.status();
        let members = self.store.members();
        let own = members.iter().find(|member| member.node == status.node);
        let role = match own.map(|member| member.role) {
            _ if status.leader == status.node => "leader",
            Some(role) => role_name(role),
            None => "none",
        };
        let links = self.links();
        let mut report = StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kubernetes_version: crate::server::API_VERSION.to_owned(),
            cluster: NodeId(status.cluster),
            node: NodeId(status.node),
            role: role.to_owned(),
            leader: Some(NodeId(status.leader)).filter(|leader| leader.0 != 0),
            term: status.term,
            committed: status.commit_index,
            applied: status.applied_index,
            revision: status.revision,
            floor: status.floor,
            stored_bytes: status.stored_bytes,
            quota_bytes: status.quota_bytes,
            health: health_name(status.health).to_owned(),
            api_address: self.api_address.to_string(),
            service_cidr: self.service_cidr.clone(),
            unix_seconds: server.clock.unix_seconds(),
            links,
            alarms: status.alarms,
        };
        report.alarms.extend(alarms(&report, &members));
        report
    }

    fn links(&self) -> Vec<LinkReport> {
        let Some(links) = &self.links else { return Vec::new() };
        let report = |((node, lane), link): (&(u64, pintle_store::Lane), &Link)| LinkReport {
            node: NodeId(*node),
            lane: format!("{lane:?}").to_lowercase(),
            down: match link {
                Link::Up => None,
                Link::Down(why) => Some(why.clone()),
            },
        };
        links.borrow().outgoing.iter().map(report).collect()
    }
}

/// What an operator should look at.
fn alarms(report: &StatusReport, members: &[Member]) -> Vec<String> {
    let mut alarms = Vec::new();
    if report.leader.is_none() {
        alarms.push("there is no leader: start the other members, or look at the links below".to_owned());
    }
    if report.stored_bytes >= report.quota_bytes / 100 * QUOTA_ALARM_PERCENT {
        let (stored, quota) = (Size(report.stored_bytes), Size(report.quota_bytes));
        alarms.push(format!("{stored} of {quota} are used: delete objects, or raise --storage-quota"));
    }
    for member in members.iter().filter(|member| member.active == Some(false)) {
        let (node, address) = (NodeId(member.node), &member.address);
        alarms.push(format!(
            "member {node} ({address}) is not reached: start it, or remove it with `pintle member remove {node}`"
        ));
    }
    for member in members.iter().filter(|member| member.disk_full == Some(true)) {
        let node = NodeId(member.node);
        alarms.push(format!(
            "the disk of member {node} is full: make room on it, growth is refused until then"
        ));
    }
    let mut down: Vec<_> =
        report.links.iter().filter_map(|link| Some((link.node, link.down.as_ref()?))).collect();
    down.dedup_by_key(|(node, _)| *node);
    alarms.extend(down.into_iter().map(|(node, why)| format!("node {node} cannot be reached: {why}")));
    alarms
}

pub(super) fn role_name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Voter => "voter",
        MemberRole::Learner => "learner",
        MemberRole::Leaving => "leaving",
    }
}

fn health_name(health: Health) -> &'static str {
    health.name()
}
