//! CSIDriver: what a storage driver can do. Keeps: what attaching rests on never changes.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules;
use crate::kinds::count;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

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
    unconditional_update: false,
    delete_returns_object: true,
    set_defaults,
    prepare_for_update: count_generation,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const MODES: &[&str] = &["Persistent", "Ephemeral"];
const TOKEN_IN_SECRETS: &str = "serviceAccountTokenInSecrets";
const UPDATE_PERIOD_SECONDS_MIN: i64 = 10;
const EXPIRATION_SECONDS_MIN: i64 = 600;
const EXPIRATION_SECONDS_MAX: i64 = 1 << 32;

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
    for field in [
        "podInfoOnMount",
        "storageCapacity",
        "requiresRepublish",
        "seLinuxMount",
        "preventPodSchedulingIfMissing",
    ] {
        spec.set_default(field, false);
    }
    spec.set_default("fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.list("volumeLifecycleModes").is_empty() {
        spec.set("volumeLifecycleModes", ["Persistent"].into_iter().collect::<Node>());
    }
}

/// A driver is born without a generation: its changes are counted from there.
fn count_generation(driver: &mut Map, old: &Map, _: &Context<'_>) {
    if driver.get("spec") != old.get("spec") {
        let generation = old.metadata().and_then(|metadata| metadata.int("generation")).unwrap_or(0);
        driver.metadata_mut().set("generation", generation + 1);
    }
}

fn validate(driver: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = driver.map("spec").unwrap_or(&empty);
    rules::choice(spec, "fsGroupPolicy", &["File", "None", "ReadWriteOnceWithFSType"], &SPEC, errors);
    validate_token_requests(spec, errors);
    let path = SPEC.child("volumeLifecycleModes");
    for mode in spec.texts("volumeLifecycleModes").filter(|mode| !MODES.contains(mode)) {
        errors.not_supported_in_order(&path, mode, MODES);
    }
    count::at_least(
        spec,
        "nodeAllocatableUpdatePeriodSeconds",
        UPDATE_PERIOD_SECONDS_MIN,
        "must be greater than or equal to 10 seconds",
        &SPEC,
        errors,
    );
    if let Some(value) = spec.get(TOKEN_IN_SECRETS).filter(|_| spec.list("tokenRequests").is_empty()) {
        let detail = format!("{TOKEN_IN_SECRETS} is set but no tokenRequests are specified");
        errors.invalid(&SPEC.child(TOKEN_IN_SECRETS), value.clone(), detail);
    }
}

fn validate_token_requests(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("tokenRequests");
    let mut audiences = HashSet::new();
    for (i, request) in spec.maps("tokenRequests").enumerate() {
        let path = path.index(i);
        let audience = request.str("audience");
        if !audiences.insert(audience) {
            errors.duplicate(&path.child("audience"), audience);
            continue;
        }
        let path = path.child("expirationSeconds");
        match request.int("expirationSeconds") {
            Some(seconds) if seconds < EXPIRATION_SECONDS_MIN => {
                errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
            }
            Some(seconds) if seconds > EXPIRATION_SECONDS_MAX => {
                errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            _ => {}
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

fn warnings(driver: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let empty = Map::new();
    let spec = driver.map("spec").unwrap_or(&empty);
    let requests = spec.list("tokenRequests");
    let same = old.and_then(|old| old.map("spec")).is_some_and(|old| old.list("tokenRequests") == requests);
    if !requests.is_empty() && !same && !spec.contains(TOKEN_IN_SECRETS) {
        warnings.push(format!(
            "spec.{TOKEN_IN_SECRETS} is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"
        ));
    }
}
