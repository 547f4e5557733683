//! Which pod behind a service a request goes to: another one every time, of the first address family that has any.
//!
//! Keeps: anybody may write a slice, so nothing is within reach through one but pods of its namespace.

use super::destination::{self, Named};
use super::dial::Address;
use crate::registry::Registry;
use crate::scope::Scope;
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{Map, Node};

/// On the slices of a service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Scope<'_> {
    /// A port of one of the pods behind a service.
    pub(super) fn service_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("service", self.name())?;
        let port = self.port_name(view, &named)?;
        let slices = self.slices(view, named.name)?;
        let found = slices.iter().find_map(|slice| self.endpoint(view, slice, &port));
        let (host, port) = found.ok_or_else(|| {
            Error::Unreachable(format!("no endpoints available for service {:?}", named.name))
        })?;
        Ok(Address { host, port: port.to_string(), tls: named.tls })
    }

    /// The name of the port that is asked for, be it by its number.
    fn port_name(&self, view: &View, named: &Named<'_>) -> Result<String, Error> {
        let Ok(number) = named.port.parse::<i64>() else { return Ok(named.port.to_owned()) };
        let service = self.other(view, "services", self.namespace(), named.name)?;
        let mut ports = service.map("spec").into_iter().flat_map(|spec| spec.maps("ports"));
        let found = ports.find(|port| port.int("port") == Some(number));
        found.map(|port| port.str("name").to_owned()).ok_or_else(|| {
            Error::Unreachable(format!("no service port {number} found for service {:?}", named.name))
        })
    }

    /// The slices of a service, those of the first address family first.
    fn slices(&self, view: &View, service: &str) -> Result<Vec<Map>, Error> {
        let slices =
            Registry::builtin().storage_of("discovery.k8s.io", "endpointslices").ok_or(Error::NoResource)?;
        let selector = format!("{SERVICE_NAME}={service}");
        let selection = Selection::new(slices, self.namespace(), "", &selector, "")?;
        let entries = view.entries(slices, self.namespace());
        let selected = entries.filter(|entry| selection.matches(entry));
        let mut found = self.turned(selected.map(|entry| storage::decode(slices, entry)).collect());
        let first = self.server.cluster.default_family().as_str();
        found.sort_by_key(|slice| slice.str("addressType") != first);
        Ok(found)
    }

    /// Address and port of an endpoint of the slice that has the port.
    fn endpoint(&self, view: &View, slice: &Map, port: &str) -> Option<(String, i64)> {
        let mut ports = slice.maps("ports").filter(|found| found.str("name") == port);
        let number = ports.find_map(|found| found.int("port"))?;
        let endpoints = self.turned(slice.maps("endpoints").collect());
        let ip = endpoints.into_iter().find_map(|endpoint| self.pod_behind(view, endpoint))?;
        Some((ip, number))
    }

    /// The address of a ready endpoint that is a pod of the namespace.
    fn pod_behind(&self, view: &View, endpoint: &Map) -> Option<String> {
        if endpoint.at(&["conditions", "ready"]) == Some(&Node::Bool(false)) {
            return None;
        }
        let address = endpoint.list("addresses").first()?.as_str()?;
        let target =
            endpoint.map("targetRef").filter(|target| target.str("namespace") == self.namespace())?;
        let pod = self.other(view, "pods", self.namespace(), target.str("name")).ok()?;
        let is_allowed = address.parse().is_ok_and(destination::is_global_unicast);
        (is_allowed && destination::ips(&pod).any(|own| own == address)).then(|| address.to_owned())
    }

    /// The same, beginning anywhere.
    fn turned<T>(&self, mut items: Vec<T>) -> Vec<T> {
        let first = self.server.clock.below(items.len() as u64) as usize;
        items.rotate_left(first);
        items
    }
}
