//! The condition of the connections, for whoever shows it or waits for it.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::peers::Lane;
use crate::transport::ConnectionError;

/// The condition of the connections to and from other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The way to each node and lane that was tried.
    pub outgoing: BTreeMap<(u64, Lane), Link>,
    /// How often a connection of somebody else was refused for what it said or whom it named.
    pub refused: u64,
    /// Why, the last time.
    pub last_refusal: Option<String>,
}

/// The condition of the way to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Connected.
    Up,
    /// Not connected, and why.
    Down(String),
}

#[derive(Debug, Default)]
pub(super) struct LinkLog {
    links: watch::Sender<Links>,
}

impl LinkLog {
    pub(super) fn subscribe(&self) -> watch::Receiver<Links> {
        self.links.subscribe()
    }

    /// Notes that a node is connected, in words where that is news.
    pub(super) fn up(&self, node: u64, lane: Lane) {
        self.links.send_if_modified(|links| {
            let was = links.outgoing.insert((node, lane), Link::Up);
            if was != Some(Link::Up) {
                tracing::info!(node = format_args!("{node:016x}"), ?lane, "connected to a node");
            }
            was != Some(Link::Up)
        });
    }

    /// Notes that a node is not connected, in words where that is news.
    pub(super) fn down(&self, node: u64, lane: Lane, why: &ConnectionError) {
        let down = Link::Down(why.to_string());
        self.links.send_if_modified(|links| {
            let was = links.outgoing.insert((node, lane), down.clone());
            if was.as_ref() == Some(&down) {
                return false;
            }
            tracing::warn!(node = format_args!("{node:016x}"), ?lane, %why, "a node cannot be reached");
            true
        });
    }

    pub(super) fn forget(&self, node: u64) {
        self.links.send_modify(|links| links.outgoing.retain(|(known, _), _| *known != node));
    }

    /// Notes that a connection was refused, in words where that is news.
    pub(super) fn refuse(&self, from: std::net::SocketAddr, why: &ConnectionError) {
        let text = why.to_string();
        self.links.send_modify(|links| {
            if links.last_refusal.as_ref() != Some(&text) {
                tracing::warn!(%from, %why, "a connection of another node was refused");
            }
            links.refused += 1;
            links.last_refusal = Some(text);
        });
    }
}
