//! Exec, attach and port-forward: kubelet and client go on in a protocol of their own.

use super::query::{self, Parameters};
use super::{Outbound, container, relay};
use crate::kind::Connect;
use crate::reply::Reply;
use crate::request::Attributes;
use crate::scope::Scope;
use crate::status::Error;
use crate::tree::Map;

impl Scope<'_> {
    pub(super) async fn stream(&self, outbound: &Outbound, to: Connect) -> Result<Reply, Error> {
        // Browsers can open WebSockets with GET alone; whoever may only look must not run anything.
        if self.attributes().verb != "create" {
            let creating = Attributes { verb: "create".to_owned(), ..self.attributes().clone() };
            self.server.authorize(self.user, &creating).await?;
        }
        let (view, pod) = self.pod().await?;
        let path = self.path(to, &pod)?;
        let kubelet = self
            .kubelet_of(&view, &pod)?
            .ok_or_else(|| Error::BadRequest(format!("pod {} does not have a host assigned", self.name())))?;
        relay::upgrade(outbound, &kubelet.at(&path)?, self.request).await
    }

    /// The path of the request to the kubelet.
    fn path(&self, to: Connect, pod: &Map) -> Result<String, Error> {
        let query = &self.request.query;
        let (namespace, name) = (pod.namespace(), pod.name());
        let mut parameters = Parameters::default();
        if to == Connect::PortForward {
            let ports = query::port_list(query)?;
            if !ports.is_empty() {
                parameters.add("port", &ports);
            }
            return Ok(parameters.after(&format!("/portForward/{namespace}/{name}")));
        }
        let container = container::named(query, pod)?;
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
