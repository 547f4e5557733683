//! ServiceAllocation: cluster IPs and node ports are given to services and taken back.
//!
//! Keeps: an address is held by its IPAddress object and a node port by a bare key; both are written in the
//! service's own transaction, on condition that nobody else holds them. So they can neither leak nor be given
//! twice, and no repair loop is needed. A dry run chooses without holding.

use super::{Attributes, Operation, Plugin};
use crate::status::Error;
use crate::tree::Map;

mod addresses;
mod families;
mod linked;
mod node_ports;

pub(crate) use addresses::address_object;

pub(super) struct ServiceAllocation;

impl Plugin for ServiceAllocation {
    fn name(&self) -> &'static str {
        "ServiceAllocation"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, service: &mut Map) -> Result<(), Error> {
        if !attributes.is_for("services", "") {
            return Ok(());
        }
        match attributes.operation {
            Operation::Create => {
                linked::sync_on_create(service);
                let refused = families::complete(service, None, attributes.cluster);
                refuse(service, refused)?;
                addresses::allocate(attributes, service, None)?;
                node_ports::allocate(attributes, service, None)
            }
            Operation::Update => {
                let Some(old) = attributes.old else { return Ok(()) };
                linked::carry_over(service, old);
                linked::sync_on_update(service, old);
                let refused = families::complete(service, Some(old), attributes.cluster);
                refuse(service, refused)?;
                addresses::allocate(attributes, service, Some(old))?;
                node_ports::allocate(attributes, service, Some(old))
            }
            _ => Ok(()),
        }
    }

    /// What the service no longer has is free again.
    fn validate(&self, attributes: &mut Attributes<'_>, service: Option<&Map>) -> Result<(), Error> {
        let Some(old) = attributes.old.filter(|_| attributes.resource.group_resource == "services") else {
            return Ok(());
        };
        let kept = service.filter(|_| !attributes.removes && attributes.operation != Operation::Delete);
        if attributes.removes || (kept.is_some() && attributes.subresource.is_empty()) {
            addresses::release(attributes, old, kept);
            node_ports::release(attributes, old, kept);
        }
        Ok(())
    }
}

fn refuse(service: &Map, errors: crate::field::FieldErrors) -> Result<(), Error> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid {
        group: String::new(),
        kind: "Service".to_owned(),
        name: service.name().to_owned(),
        errors,
    })
}

fn spec_text<'a>(service: &'a Map, key: &str) -> &'a str {
    service.str_at(&["spec", key])
}

/// An absent type means ClusterIP.
fn kind(service: &Map) -> &str {
    match spec_text(service, "type") {
        "" => "ClusterIP",
        kind => kind,
    }
}

fn has_cluster_ip(service: &Map) -> bool {
    kind(service) != "ExternalName"
}

fn has_node_ports(service: &Map) -> bool {
    matches!(kind(service), "NodePort" | "LoadBalancer")
}

/// A load balancer may do without node ports.
fn wants_node_ports(service: &Map) -> bool {
    let balanced = || service.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(|it| it.as_bool());
    match kind(service) {
        "NodePort" => true,
        "LoadBalancer" => balanced().unwrap_or(true),
        _ => false,
    }
}

/// The port at which load balancers ask whether a node has local endpoints.
fn has_health_check_port(service: &Map) -> bool {
    kind(service) == "LoadBalancer" && spec_text(service, "externalTrafficPolicy") == "Local"
}

#[cfg(test)]
mod tests;
