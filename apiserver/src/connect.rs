//! Requests that are passed on: logs, exec, attach and port-forward to kubelets, proxied ones to nodes, pods and services.
//!
//! Keeps: where a request goes follows from stored objects alone, read behind a barrier; what a client proves itself with
//! stays here; such requests take no permit and no deadline, since they last as long as their users like.

use std::sync::Arc;

use http::Method;
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

/// Connections to others at once.
const CONNECTIONS_MAX: usize = 5_000;

/// How the server proves itself to others, and whom it believes.
pub struct Outbound {
    /// For kubelets.
    pub kubelets: Arc<ClientConfig>,
    /// For kubelets whose certificate the client of a log does not want to be checked.
    pub unchecked_kubelets: Arc<ClientConfig>,
    /// For what pods, services and other ports of nodes serve over HTTPS.
    pub others: Arc<ClientConfig>,
    connections: Arc<Semaphore>,
}

impl Outbound {
    /// The configurations for kubelets, for kubelets that are not checked, and for all others.
    pub fn new([kubelets, unchecked_kubelets, others]: [Arc<ClientConfig>; 3]) -> Outbound {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Outbound { kubelets, unchecked_kubelets, others, connections }
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
        if to == Connect::Proxy {
            return self.proxy(outbound).await;
        }
        if to == Connect::Log && self.request.method != Method::GET {
            return Err(Error::MethodNotAllowed);
        }
        if to != Connect::Log {
            // Browsers can open WebSockets with GET alone; whoever may only look must not run anything.
            let creating = Attributes { verb: "create".to_owned(), ..self.attributes().clone() };
            self.server.authorize(self.user, &creating).await?;
        }
        let view = View::new(self.server.reader().latest().await?);
        let pod = storage::decode(&self.resource, &*self.current(&view)?);
        match to {
            Connect::Log => self.log(outbound, &view, &pod).await,
            _ => {
                let path = self.streaming_path(to, &pod)?;
                let kubelet = self.kubelet_of(&view, &pod)?.ok_or_else(|| {
                    Error::BadRequest(format!("pod {} does not have a host assigned", self.name()))
                })?;
                relay::upgrade(outbound, &kubelet.at(&path)?, self.request).await
            }
        }
    }

    /// The path of a streaming request to a kubelet.
    fn streaming_path(&self, to: Connect, pod: &Map) -> Result<String, Error> {
        let query = &self.request.query;
        let (namespace, name) = (pod.namespace(), pod.name());
        if to == Connect::PortForward {
            let ports = query::port_list(query)?;
            let mut parameters = query::Parameters::default();
            if !ports.is_empty() {
                parameters.add("port", &ports);
            }
            return Ok(parameters.after(&format!("/portForward/{namespace}/{name}")));
        }
        let container = container::named(query.get("container").unwrap_or(""), pod)?;
        let mut parameters = query::Parameters::default();
        if to == Connect::Exec {
            query.all("command").for_each(|argument| parameters.add("command", argument));
        }
        for (flag, parameter) in
            [("stderr", "error"), ("stdin", "input"), ("stdout", "output"), ("tty", "tty")]
        {
            if query.flag(flag) {
                parameters.add(parameter, "1");
            }
        }
        let action = if to == Connect::Exec { "exec" } else { "attach" };
        Ok(parameters.after(&format!("/{action}/{namespace}/{name}/{container}")))
    }
}

#[cfg(test)]
mod tests;
