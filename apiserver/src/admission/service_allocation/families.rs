//! IP families of a Service: what is left open is filled in from the addresses and the cluster's networks.

use std::net::IpAddr;

use super::{has_cluster_ip, spec_text};
use crate::cluster::{Cluster, Family};
use crate::field::{FieldErrors, Path};
use crate::kinds::validate_cluster_ips;
use crate::tree::{List, Map, Node};

const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

/// Completes `ipFamilyPolicy` and `ipFamilies`; answers what cannot be met.
pub(super) fn complete(service: &mut Map, old: Option<&Map>, cluster: &Cluster) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if !has_cluster_ip(service) {
        return errors;
    }
    if let Some(old) = old.filter(|old| has_cluster_ip(old)) {
        keep(service, old);
        downgrade(service, old);
    }
    if let Some(spec) = service.map("spec") {
        validate_cluster_ips(spec, &mut errors);
    }
    if !errors.is_empty() {
        return errors;
    }
    infer_families(service, &mut errors);
    let headless = service.map("spec").is_some_and(|spec| is_none(spec.list("clusterIPs")));
    let selected = service.map_at(&["spec", "selector"]).is_some_and(|selector| !selector.is_empty());
    let given = service
        .map("spec")
        .map_or(0, |spec| spec.list("ipFamilies").len().max(spec.list("clusterIPs").len()));
    let policy = match spec_text(service, "ipFamilyPolicy") {
        // Without a selector the endpoints are the client's, so nothing says that they have one family.
        "" if headless && !selected => REQUIRE,
        "" => SINGLE,
        PREFER => PREFER,
        REQUIRE => REQUIRE,
        _ => SINGLE,
    };
    let spec = service.map_mut("spec");
    if spec.str("ipFamilyPolicy").is_empty() {
        spec.set("ipFamilyPolicy", policy);
    }
    let dual_cluster = cluster.service_networks.len() > 1;
    let path = Path::new("spec");
    if !headless || selected {
        if policy == REQUIRE && !dual_cluster {
            let detail = "this cluster is not configured for dual-stack services";
            errors.invalid(&path.child("ipFamilyPolicy"), policy, detail);
        }
        let families = path.child("ipFamilies");
        for (at, family) in spec.list("ipFamilies").iter().enumerate() {
            let known = family.as_str().and_then(Family::parse);
            if known.is_some_and(|family| cluster.service_network(family).is_none()) {
                errors.invalid(&families.index(at), family.clone(), "not configured on this cluster");
            }
        }
    }
    if policy == SINGLE && given > 1 {
        let detail = format!("must be '{REQUIRE}' or '{PREFER}' when multiple cluster IPs are specified");
        errors.invalid(&path.child("ipFamilyPolicy"), policy, detail);
    }
    if errors.is_empty() {
        let dual = policy != SINGLE && (dual_cluster || (headless && !selected));
        fill(spec, cluster.default_family(), dual);
    }
    errors
}

/// A client that leaves the families out does not mean to change them.
fn keep(service: &mut Map, old: &Map) {
    let spec = service.map_mut("spec");
    for key in ["ipFamilyPolicy", "ipFamilies"] {
        if let Some(value) = old.at(&["spec", key]) {
            spec.set_default(key, value.clone());
        }
    }
}

/// Who asks for one family instead of two keeps the first, and need not say that the second one goes.
fn downgrade(service: &mut Map, old: &Map) {
    let was_dual = [PREFER, REQUIRE].contains(&spec_text(old, "ipFamilyPolicy"));
    if !was_dual || spec_text(service, "ipFamilyPolicy") != SINGLE {
        return;
    }
    let spec = service.map_mut("spec");
    for key in ["clusterIPs", "ipFamilies"] {
        if spec.list(key).len() > 1 {
            let first: List = spec.list(key).iter().take(1).cloned().collect();
            spec.set(key, first);
        }
    }
}

fn is_none(addresses: &[Node]) -> bool {
    addresses.first().and_then(Node::as_str) == Some("None")
}

/// Addresses say which family they are of.
fn infer_families(service: &mut Map, errors: &mut FieldErrors) {
    let spec = service.map_mut("spec");
    if is_none(spec.list("clusterIPs")) {
        return;
    }
    let of_addresses: Vec<Family> = spec
        .list("clusterIPs")
        .iter()
        .filter_map(|address| address.as_str()?.parse::<IpAddr>().ok())
        .map(|address| Family::of(&address))
        .collect();
    let mut families: Vec<Node> = spec.list("ipFamilies").to_vec();
    let path = Path::new("spec");
    let path = path.child("ipFamilies");
    for (at, family) in of_addresses.into_iter().enumerate() {
        match families.get(at).and_then(Node::as_str) {
            None => families.push(Node::from(family.as_str())),
            Some(given) if given != family.as_str() => {
                let detail =
                    format!("expected an {} value as indicated by `clusterIPs[{at}]`", family.as_str());
                errors.invalid(&path.index(at), given, detail);
            }
            Some(_) => {}
        }
    }
    if !families.is_empty() {
        spec.set("ipFamilies", families.into_iter().collect::<List>());
    }
}

fn fill(spec: &mut Map, default: Family, dual: bool) {
    let families = spec.list_mut("ipFamilies");
    if families.is_empty() {
        families.push(Node::from(default.as_str()));
    }
    if dual && families.len() == 1 {
        let first = families.first().and_then(Node::as_str).and_then(Family::parse).unwrap_or(default);
        families.push(Node::from(first.other().as_str()));
    }
}
