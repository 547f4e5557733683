//! Requests that are passed on: logs, exec, attach and port-forward to kubelets, proxied ones to nodes, pods and services.
//!
//! Keeps: where a request goes follows from stored objects alone, read behind a barrier; what a client proves itself with
//! stays here; such requests take no permit and no deadline, since they last as long as their users like.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kind::{Action, Connect};
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::reply::Reply;
use crate::request::Attributes;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::Map;

mod container;
mod destination;
mod dial;
mod headers;
mod log;
mod proxy;
mod query;
mod relay;
mod service;
mod stream;

/// Connections to others at once.
const CONNECTIONS_MAX: usize = 5_000;

/// How the server proves itself to others, and whom it believes.
pub struct Configurations {
    /// For kubelets.
    pub kubelets: Arc<ClientConfig>,
    /// For kubelets whose certificate the client of a log does not want to be checked.
    pub unchecked_kubelets: Arc<ClientConfig>,
    /// For what pods, services and other ports of nodes serve over HTTPS.
    pub others: Arc<ClientConfig>,
}

/// The connections to others.
pub struct Outbound {
    configurations: Configurations,
    connections: Arc<Semaphore>,
}

impl Outbound {
    /// None is open yet.
    pub fn new(configurations: Configurations) -> Outbound {
        Outbound { configurations, connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }

    /// One connection more, as long as the permit lives.
    fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.connections.clone().try_acquire_owned().map_err(|_| Error::TooManyRequests {
            message: "Too many requests are passed on at once, please try again later.".to_owned(),
            retry_after: 1,
            causes: Vec::new(),
        })
    }
}

impl Server {
    /// Whether a request is passed on: its body is not for this server.
    pub fn passes_on(&self, attributes: &Attributes) -> bool {
        let Attributes { group, version, resource, subresource, verb, .. } = attributes;
        // A watch asks for the rights of a watch, and there is none of what others have.
        !subresource.is_empty()
            && verb != "watch"
            && Registry::builtin()
                .find(group, version, resource)
                .and_then(|found| found.kind.subresource(subresource))
                .is_some_and(|found| matches!(found.action, Action::Connect(_)))
    }
}

impl Scope<'_> {
    /// Passes the request on.
    pub async fn connect(&mut self, to: Connect) -> Result<Reply, Error> {
        let outbound = self.server.outbound.as_ref().ok_or_else(|| {
            Error::NotImplemented("this server has no certificate to show to kubelets".to_owned())
        })?;
        match to {
            Connect::Proxy => self.proxy(outbound).await,
            Connect::Log => self.log(outbound).await,
            Connect::Attach | Connect::Exec | Connect::PortForward => self.stream(outbound, to).await,
        }
    }

    /// The pod in the path, and the view it is from.
    async fn pod(&self) -> Result<(View, Map), Error> {
        let view = View::new(self.server.reader().latest().await?);
        let pod = storage::decode(&self.resource, &*self.current(&view)?);
        Ok((view, pod))
    }
}

#[cfg(test)]
mod tests;
