//! Requests that are passed on: logs, exec, attach and port-forward to kubelets, proxied ones to nodes, pods and services.
//!
//! Keeps: where a request goes follows from stored objects alone, read behind a barrier; what a client proves itself with
//! stays here; such requests take no permit and no deadline, since they last as long as their users like.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::Operation;
use crate::admission::subject::Body;
use crate::kind::{Action, Connect};
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::reply::Reply;
use crate::request::Attributes;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::Map;
use crate::write::Stage;

mod container;
mod destination;
pub(crate) mod dial;
pub(crate) mod headers;
mod log;
mod options;
mod proxy;
mod query;
pub(crate) mod relay;
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
    pub(crate) fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
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
        let Attributes { group, version, resource, subresource, verb, path, .. } = attributes;
        if self.is_of_others(path) {
            return true;
        }
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
        self.review_connection(to).await?;
        match to {
            Connect::Proxy => self.proxy(outbound).await,
            Connect::Log => self.log(outbound).await,
            Connect::Attach | Connect::Exec | Connect::PortForward => self.stream(outbound, to).await,
        }
    }

    /// Shows webhooks what is connected to, and how. A log is only read.
    async fn review_connection(&mut self, to: Connect) -> Result<(), Error> {
        if to == Connect::Log {
            return Ok(());
        }
        let view = self.server.view();
        let subresource = self.resource.kind.subresource(&self.attributes().subresource);
        let kind = subresource.and_then(|found| found.body).ok_or(Error::NoResource)?;
        let mut options = options::of(to, self.attributes(), &self.request.query)?;
        let stage = Stage::new(Operation::Connect, &view, false)
            .through(&self.attributes().subresource)
            .showing(Body::Own(kind));
        self.review(&stage, Some(&mut options)).await
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
