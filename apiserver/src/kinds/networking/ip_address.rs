//! IPAddress: one allocated address. Keeps: its name is a canonical IP; the parent never changes.

use crate::age;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, NameRule, Names, Scope, Version, column};
use crate::kinds::core::rules;
use crate::names::address;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "IPAddress",
        plural: "ipaddresses",
        singular: "ipaddress",
        short: &["ip"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.IPAddress")],
    columns: &[
        kind::NAME,
        column("ParentRef", "string", parent),
        // Upstream's rows have an age that no header announces.
        column("", "string", |it, now| age::age(it.str_at(&["metadata", "creationTimestamp"]), now).into()),
    ],
    name_rule: NameRule::Custom(|name, _| address::canonical_ip(name)),
    validate,
    validate_update,
    ..Kind::DEFAULT
};

fn parent(ip: &Map, _: i64) -> Node {
    let Some(parent) = ip.map_at(&["spec", "parentRef"]) else { return "<none>".into() };
    let mut text = parent.str("resource").to_owned();
    for (separator, part) in [(".", parent.str("group")), ("/", parent.str("namespace"))] {
        if !part.is_empty() {
            text.push_str(separator);
            text.push_str(part);
        }
    }
    format!("{}/{}", text.to_lowercase(), parent.str("name")).into()
}

fn validate(ip: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("parentRef");
    let Some(parent) = ip.map_at(&["spec", "parentRef"]) else {
        errors.required(&path, "");
        return;
    };
    if !parent.str("group").is_empty() {
        rules::dns_subdomain(parent.str("group"), &path.child("group"), errors);
    }
    for field in ["resource", "name"] {
        rules::require_path_segment(parent, field, &path, errors);
    }
    rules::path_segment(parent.str("namespace"), &path.child("namespace"), errors);
}

fn validate_update(ip: &Map, old: &Map, errors: &mut FieldErrors) {
    let parent = ["spec", "parentRef"];
    errors.fixed(&Path::new("spec").child("parentRef"), ip.at(&parent), old.at(&parent));
}
