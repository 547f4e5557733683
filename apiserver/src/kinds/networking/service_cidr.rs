//! ServiceCIDR: a range for cluster IPs. Keeps: at most one range per family; a single one may get its twin, no more.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names::{self, address};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "ServiceCIDR",
        plural: "servicecidrs",
        singular: "servicecidr",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.ServiceCIDR")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, column("CIDRs", "string", |it, _| ranges(it).join(",").into()), kind::AGE],
    prepare_for_create: kind::clear_status,
    validate_request: |_, cidr, old, errors| match old {
        None => validate(cidr, errors),
        Some(old) => validate_update(cidr, old, errors),
    },
    ..Kind::DEFAULT
};

fn ranges(cidr: &Map) -> Vec<&str> {
    let spec = cidr.map("spec").into_iter();
    spec.flat_map(|spec| spec.list("cidrs")).filter_map(Node::as_str).collect()
}

fn validate(cidr: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("cidrs");
    let ranges = ranges(cidr);
    let whole = || ranges.iter().copied().collect::<Node>();
    if ranges.is_empty() {
        errors.required(&path, "at least one CIDR required");
    } else if ranges.len() > 2 {
        errors.invalid(&path, whole(), "may only hold up to 2 values");
        return;
    }
    for (i, range) in ranges.iter().enumerate() {
        names::report(errors, &path.index(i), range, address::canonical_cidr(range));
    }
    let is_v4 = |range: &str| Some(address::parse_cidr_lenient(range)?.0.is_ipv4());
    if let [first, second] = ranges[..]
        && is_v4(first).is_some()
        && is_v4(first) == is_v4(second)
    {
        let detail =
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(&path, whole(), detail);
    }
}

fn validate_update(cidr: &Map, old: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("cidrs");
    let (ranges, before) = (ranges(cidr), ranges(old));
    let gets_twin = before.len() == 1 && ranges.len() == 2;
    if !gets_twin && ranges.len() != before.len() {
        errors.invalid(&path, ranges.into_iter().collect::<Node>(), "field is immutable");
        return;
    }
    for (i, (range, before)) in ranges.into_iter().zip(before).enumerate() {
        if range != before {
            errors.invalid(&path.index(i), range, "field is immutable");
        }
    }
    if gets_twin {
        validate(cidr, errors);
    }
}
