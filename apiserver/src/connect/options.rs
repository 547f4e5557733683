//! What a connection is opened with, as admission sees it: PodExecOptions and the like, from the query.

use super::query;
use crate::kind::Connect;
use crate::request::{Attributes, Query};
use crate::status::Error;
use crate::tree::{List, Map, Node};

/// The options of a connection.
pub(super) fn of(to: Connect, attributes: &Attributes, query: &Query) -> Result<Map, Error> {
    let mut options = Map::new();
    match to {
        Connect::Proxy | Connect::Log => {
            // There is none where nothing follows the subresource.
            if !attributes.rest.is_empty() {
                options.set("path", format!("/{}", attributes.rest));
            }
        }
        Connect::PortForward => {
            let ports = query::port_list(query)?;
            let ports = ports.split(',').filter_map(|port| port.parse::<i64>().ok());
            options.set("ports", ports.map(Node::Int).collect::<List>());
        }
        Connect::Attach | Connect::Exec => {
            for flag in ["stdin", "stdout", "stderr", "tty"] {
                if query.flag(flag) {
                    options.set(flag, true);
                }
            }
            if let Some(container) = query.non_empty("container") {
                options.set("container", container);
            }
            if to == Connect::Exec {
                options.set("command", query.all("command").map(Node::from).collect::<List>());
            }
        }
    }
    Ok(options)
}
