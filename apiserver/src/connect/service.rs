//! Which endpoint of a service a request goes to: another one every time, of the first address family that has any.
//!
//! Keeps: anybody may write a slice, so nothing that a user asks for is within reach through one but pods of its
//! namespace. What proves by a certificate to be the service may be anywhere.

use super::destination::{self, Named};
use super::dial::Address;
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::scope::Scope;
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{Map, Node};

/// On the slices of a service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Finds endpoints of services of a namespace.
struct Finder<'a> {
    server: &'a Server,
    view: &'a View,
    namespace: &'a str,
    /// No other endpoint is taken.
    only_pods: bool,
}

impl Scope<'_> {
    /// A port of one of the pods behind a service.
    pub(super) fn service_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("service", self.name())?;
        let finder = Finder { server: self.server, view, namespace: self.namespace(), only_pods: true };
        let port = match named.port.parse() {
            Ok(number) => finder.port_name(named.name, &finder.service(named.name)?, number)?,
            Err(_) => named.port.to_owned(),
        };
        let (host, port) = finder.endpoint(named.name, &port)?;
        Ok(Address { host, port: port.to_string(), tls: named.tls })
    }
}

impl Server {
    /// Host and port of an endpoint of a service that proves to be the service.
    pub(crate) fn endpoint_of(
        &self,
        view: &View,
        namespace: &str,
        name: &str,
        port: i64,
    ) -> Result<(String, i64), Error> {
        let finder = Finder { server: self, view, namespace, only_pods: false };
        let service = finder.service(name)?;
        if service.str_at(&["spec", "type"]) == "ExternalName" {
            return Ok((service.str_at(&["spec", "externalName"]).to_owned(), port));
        }
        finder.endpoint(name, &finder.port_name(name, &service, port)?)
    }
}

impl Finder<'_> {
    fn object(&self, plural: &str, name: &str) -> Result<Map, Error> {
        let resource = Registry::builtin().storage_of("", plural).ok_or(Error::NoResource)?;
        self.view.object(resource, self.namespace, name).ok_or_else(|| Error::not_found(plural, name))
    }

    fn service(&self, name: &str) -> Result<Map, Error> {
        self.object("services", name).map_err(|error| match error {
            Error::NotFound { name, .. } if !self.only_pods => Error::not_found("service", name),
            other => other,
        })
    }

    /// The name of the port with a number.
    fn port_name(&self, name: &str, service: &Map, number: i64) -> Result<String, Error> {
        let mut ports = service.map("spec").into_iter().flat_map(|spec| spec.maps("ports"));
        let found = ports.find(|port| port.int("port") == Some(number));
        found
            .map(|port| port.str("name").to_owned())
            .ok_or_else(|| Error::Unreachable(format!("no service port {number} found for service {name:?}")))
    }

    /// Address and port of an endpoint that has the port.
    fn endpoint(&self, service: &str, port: &str) -> Result<(String, i64), Error> {
        let slices = self.slices(service)?;
        let found = slices.iter().find_map(|slice| self.endpoint_in(slice, port));
        found.ok_or_else(|| Error::Unreachable(format!("no endpoints available for service {service:?}")))
    }

    /// The slices of a service, those of the first address family first.
    fn slices(&self, service: &str) -> Result<Vec<Map>, Error> {
        let slices =
            Registry::builtin().storage_of("discovery.k8s.io", "endpointslices").ok_or(Error::NoResource)?;
        let selector = format!("{SERVICE_NAME}={service}");
        let selection = Selection::new(slices, self.namespace, "", &selector, "")?;
        let entries = self.view.entries(slices, self.namespace);
        let selected = entries.filter(|entry| selection.matches(entry));
        let mut found = self.turned(selected.map(|entry| storage::decode(slices, entry)).collect());
        let first = self.server.cluster.default_family().as_str();
        found.sort_by_key(|slice| slice.str("addressType") != first);
        Ok(found)
    }

    fn endpoint_in(&self, slice: &Map, port: &str) -> Option<(String, i64)> {
        let mut ports = slice.maps("ports").filter(|found| found.str("name") == port);
        let number = ports.find_map(|found| found.int("port"))?;
        let endpoints = self.turned(slice.maps("endpoints").collect());
        let address = endpoints.into_iter().find_map(|endpoint| self.ready_at(endpoint))?;
        Some((address, number))
    }

    /// The address of a ready endpoint.
    fn ready_at(&self, endpoint: &Map) -> Option<String> {
        if endpoint.at(&["conditions", "ready"]) == Some(&Node::Bool(false)) {
            return None;
        }
        let address = endpoint.list("addresses").first()?.as_str()?;
        (!self.only_pods || self.is_pods(endpoint, address)).then(|| address.to_owned())
    }

    /// Whether an address is that of the pod of the namespace that the endpoint names.
    fn is_pods(&self, endpoint: &Map, address: &str) -> bool {
        let target = endpoint.map("targetRef").filter(|target| target.str("namespace") == self.namespace);
        let pod = target.and_then(|target| self.object("pods", target.str("name")).ok());
        let is_allowed = address.parse().is_ok_and(destination::is_global_unicast);
        is_allowed && pod.is_some_and(|pod| destination::ips(&pod).any(|own| own == address))
    }

    /// The same, beginning anywhere.
    fn turned<T>(&self, mut items: Vec<T>) -> Vec<T> {
        let first = self.server.clock.below(items.len() as u64) as usize;
        items.rotate_left(first);
        items
    }
}
