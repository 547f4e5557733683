//! Requests that are passed on: logs, exec, attach and port-forward to kubelets, proxied ones to nodes, pods and services.
//!
//! Keeps: where a request goes follows from stored objects alone, read behind a barrier; what a client proves itself with
//! stays here; such requests take no permit and no deadline, since they last as long as their users like.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::kind::{Action, Connect};
use crate::pipeline::Server;
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

/// How the server proves itself to others, and whom it believes.
#[derive(Clone)]
pub struct Outbound {
    /// For kubelets.
    pub kubelets: Arc<ClientConfig>,
    /// For what pods, services and other ports of nodes serve over HTTPS.
    pub others: Arc<ClientConfig>,
}

impl Server {
    /// Whether a request is passed on: its body is not for this server.
    pub fn passes_on(&self, attributes: &Attributes) -> bool {
        let Attributes { group, version, resource, subresource, .. } = attributes;
        !subresource.is_empty()
            && self
                .registry
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
                let origin = self.request.origin.as_deref();
                relay::upgrade(outbound, kubelet.at(path), self.request, origin).await
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
