//! CSIDriver: what a storage driver can do. Keeps: what attaching rests on never changes.

use super::volume_attributes_class::validate_driver;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSIDriver",
        plural: "csidrivers",
        singular: "csidriver",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSIDriver")],
    columns: &[
        kind::NAME,
        column("AttachRequired", "boolean", |it, _| flag(it, "attachRequired", true)),
        column("PodInfoOnMount", "boolean", |it, _| flag(it, "podInfoOnMount", false)),
        column("StorageCapacity", "boolean", |it, _| flag(it, "storageCapacity", false)),
        column("TokenRequests", "string", token_requests),
        column("RequiresRepublish", "boolean", |it, _| flag(it, "requiresRepublish", false)),
        column("Modes", "string", modes),
        kind::AGE,
    ],
    generation: Generation::Spec,
    unconditional_update: false,
    delete_returns_object: true,
    set_defaults,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn flag(driver: &Map, field: &str, absent: bool) -> Node {
    driver.at(&["spec", field]).and_then(Node::as_bool).unwrap_or(absent).into()
}

fn token_requests(driver: &Map, _: i64) -> Node {
    let Some(spec) = driver.map("spec").filter(|spec| spec.contains("tokenRequests")) else {
        return "<unset>".into();
    };
    spec.maps("tokenRequests").map(|request| request.str("audience")).collect::<Vec<_>>().join(",").into()
}

fn modes(driver: &Map, _: i64) -> Node {
    let modes = driver.map("spec").into_iter().flat_map(|spec| spec.list("volumeLifecycleModes"));
    match modes.filter_map(Node::as_str).collect::<Vec<_>>().join(",") {
        modes if modes.is_empty() => "<none>".into(),
        modes => modes.into(),
    }
}

fn set_defaults(driver: &mut Map) {
    let spec = driver.map_mut("spec");
    spec.set_default("attachRequired", true);
    for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        spec.set_default(field, false);
    }
    spec.set_default("fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.list("volumeLifecycleModes").is_empty() {
        spec.set("volumeLifecycleModes", ["Persistent"].into_iter().collect::<Node>());
    }
}

fn validate(driver: &Map, errors: &mut FieldErrors) {
    let metadata = Path::new("metadata");
    validate_driver(driver.name(), &metadata.child("name"), errors);
    let empty = Map::new();
    let spec = driver.map("spec").unwrap_or(&empty);
    let path = SPEC.child("volumeLifecycleModes");
    for (i, mode) in spec.list("volumeLifecycleModes").iter().filter_map(Node::as_str).enumerate() {
        if !matches!(mode, "Persistent" | "Ephemeral") {
            errors.not_supported(&path.index(i), mode, &["Ephemeral", "Persistent"]);
        }
    }
    let policy = spec.str("fsGroupPolicy");
    if !matches!(policy, "" | "ReadWriteOnceWithFSType" | "File" | "None") {
        let supported = &["File", "None", "ReadWriteOnceWithFSType"];
        errors.not_supported(&SPEC.child("fsGroupPolicy"), policy, supported);
    }
    validate_token_requests(spec, errors);
}

fn validate_token_requests(spec: &Map, errors: &mut FieldErrors) {
    const EXPIRATION_SECONDS_MIN: i64 = 600;
    let path = SPEC.child("tokenRequests");
    let mut audiences = Vec::new();
    for (i, request) in spec.maps("tokenRequests").enumerate() {
        let path = path.index(i);
        let audience = request.str("audience");
        if audiences.contains(&audience) {
            errors.duplicate(&path.child("audience"), audience);
        }
        audiences.push(audience);
        if let Some(seconds) = request.int("expirationSeconds").filter(|it| *it < EXPIRATION_SECONDS_MIN) {
            errors.invalid(
                &path.child("expirationSeconds"),
                seconds,
                "may not specify a duration less than 10 minutes",
            );
        }
    }
}

fn validate_update(driver: &Map, old: &Map, errors: &mut FieldErrors) {
    for (field, name) in
        [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
    {
        errors.immutable(&SPEC.child(name), driver.at(&["spec", field]), old.at(&["spec", field]));
    }
}
