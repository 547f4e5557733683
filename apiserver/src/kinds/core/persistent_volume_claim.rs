//! PersistentVolumeClaim: a wish for storage. Keeps: the spec changes only in what a bound claim may grow and in the
//! volume it gets; both ways of naming a data source say the same.

use super::persistent_volume::{
    BETA_CLASS, access_modes, capacity, or_unset, phase, storage_class, warn_of_annotation,
};
use super::{claim_spec, difference, pod};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Kind, Names, Scope, Version, column, wide};
use crate::quantity::Quantity;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        short: &["pvc"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.PersistentVolumeClaim")],
    subresources: &[kind::status(kind::keep_all_but_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Status", "string", |it, _| phase(it).into()),
        column("Volume", "string", |it, _| it.str_at(&["spec", "volumeName"]).into()),
        column("Capacity", "string", |it, _| {
            if_bound(it, |it| capacity(it.map_at(&["status", "capacity"])).to_owned())
        }),
        column("Access Modes", "string", |it, _| if_bound(it, |it| access_modes(it.map("status")))),
        column("StorageClass", "string", |it, _| storage_class(it).into()),
        column("VolumeAttributesClass", "string", |it, _| or_unset(it, "volumeAttributesClassName").into()),
        kind::AGE,
        wide("VolumeMode", "string", |it, _| or_unset(it, "volumeMode").into()),
    ],
    delete_returns_object: true,
    set_defaults,
    prepare_for_create,
    prepare_for_update: |it, old, _| prepare_sources(it, Some(old)),
    validate: |it, errors| claim_spec::validate(it.map("spec").unwrap_or(&Map::new()), &SPEC, errors),
    validate_update,
    warnings: |it, _, warnings| {
        warn_of_annotation(it, BETA_CLASS, r#"deprecated since v1.8; use "storageClassName""#, warnings);
    },
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

/// What is known once the claim has a volume.
fn if_bound(claim: &Map, cell: impl Fn(&Map) -> String) -> Node {
    if claim.str_at(&["spec", "volumeName"]).is_empty() { "".into() } else { cell(claim).into() }
}

fn set_defaults(claim: &mut Map) {
    pod::defaults::set_claim_spec_defaults(claim.map_mut("spec"));
    let status = claim.map_mut("status");
    pod::defaults::default_text(status, "phase", "Pending");
    for list in ["capacity", "allocatedResources"] {
        pod::defaults::round_resources(status.existing_map_mut(list));
    }
}

fn prepare_for_create(claim: &mut Map, _: &Context<'_>) {
    claim.set("status", Map::from([("phase", "Pending")]));
    prepare_sources(claim, None);
}

fn prepare_sources(claim: &mut Map, old: Option<&Map>) {
    let had_source = old.is_some_and(|old| {
        old.map("spec").is_some_and(|spec| spec.contains("dataSource") || spec.contains("dataSourceRef"))
    });
    let spec = claim.map_mut("spec");
    if !had_source
        && !spec.contains("dataSourceRef")
        && !spec.map("dataSource").is_some_and(is_volume_or_snapshot)
    {
        spec.remove("dataSource");
    }
    let mirrored = |source: &Map| {
        let mut copy = source.clone();
        copy.retain(|key, _| matches!(key.as_str(), "apiGroup" | "kind" | "name"));
        copy
    };
    match (spec.map("dataSource"), spec.map("dataSourceRef")) {
        (Some(source), None) => {
            let reference = mirrored(source);
            spec.set("dataSourceRef", reference);
        }
        (None, Some(reference)) if reference.str("namespace").is_empty() => {
            let source = mirrored(reference);
            spec.set("dataSource", source);
        }
        _ => {}
    }
}

/// The old field could name only these; others were dropped without a word.
fn is_volume_or_snapshot(source: &Map) -> bool {
    match source.str("kind") {
        "PersistentVolumeClaim" => source.str("apiGroup").is_empty(),
        "VolumeSnapshot" => source.str("apiGroup") == "snapshot.storage.k8s.io",
        _ => false,
    }
}

fn storage(resources: Option<&Map>) -> Quantity {
    Quantity::parse(capacity(resources)).unwrap_or(Quantity::ZERO)
}

fn validate_update(claim: &Map, old: &Map, errors: &mut FieldErrors) {
    const CLASS: &str = "volumeAttributesClassName";
    let empty = Map::new();
    let mut spec = claim.map("spec").unwrap_or(&empty).clone();
    let mut old_spec = old.map("spec").unwrap_or(&empty).clone();
    let requests = ["resources", "requests"];
    let (size, old_size) = (storage(spec.map_at(&requests)), storage(old_spec.map_at(&requests)));
    let (class, old_class) = (spec.get(CLASS).cloned(), old_spec.get(CLASS).cloned());
    let (mode, old_mode) = (spec.get("volumeMode").cloned(), old_spec.get("volumeMode").cloned());
    // A volume is given once.
    if old_spec.str("volumeName").is_empty() {
        spec.remove("volumeName");
        old_spec.remove("volumeName");
    }
    // A class is given once, where there was none.
    if !old_spec.contains("storageClassName") {
        spec.remove("storageClassName");
    }
    if claim.str_at(&["status", "phase"]) == "Bound" {
        if let (Some(requests), Some(amount)) = (
            spec.existing_map_mut("resources").and_then(|it| it.existing_map_mut("requests")),
            old_spec.map_at(&requests).and_then(|it| it.get("storage")),
        ) {
            requests.set("storage", amount.clone());
        }
        spec.remove(CLASS);
        old_spec.remove(CLASS);
    }
    if spec != old_spec {
        let sentence = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(&SPEC, format!("{sentence}\n{}", difference::between(&old_spec, &spec)));
    }
    if size < old_size && size <= storage(old.map_at(&["status", "capacity"])) {
        let path = SPEC.child("resources");
        let path = path.child("requests");
        errors.forbidden(&path.child("storage"), "field can not be less than status.capacity");
    }
    errors.immutable(&Path::new("volumeMode"), mode.as_ref(), old_mode.as_ref());
    let was_applied = old.at(&["status", "currentVolumeAttributesClassName"]).is_some();
    if class != old_class
        && was_applied
        && class.as_ref().and_then(Node::as_str).unwrap_or_default().is_empty()
    {
        let to = if class.is_none() { "nil" } else { "empty string" };
        let detail =
            format!("update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil");
        errors.forbidden(&SPEC.child(CLASS), detail);
    }
}

fn validate_status(claim: &Map, _: &Map, errors: &mut FieldErrors) {
    const RESIZE: &[&str] = &[
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizePending",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
    ];
    let Some(status) = claim.map("status") else { return };
    let path = Path::new("status");
    for (name, amount) in pod::resources::entries(status, "capacity").filter(|(_, amount)| amount.sign() < 0)
    {
        let path = path.child("capacity");
        errors.invalid(&path.key(name), amount.value(), "must be a valid resource quantity");
    }
    for (name, state) in status.map("allocatedResourceStatuses").into_iter().flat_map(Map::iter) {
        if !state.as_str().is_some_and(|state| RESIZE.contains(&state)) {
            errors.not_supported(&path.child("allocatedResourceStatuses"), name.as_str(), RESIZE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(phase: &str, size: &str, volume: &str) -> Map {
        let requests = Map::from([("requests", Map::from([("storage", size)]))]);
        let mut spec = Map::from([("resources", Node::from(requests)), ("volumeMode", "Filesystem".into())]);
        if !volume.is_empty() {
            spec.set("volumeName", volume);
        }
        let status =
            Map::from([("phase", Node::from(phase)), ("capacity", Map::from([("storage", "1Gi")]).into())]);
        Map::from([("spec", spec), ("status", status)])
    }

    fn check(new: &Map, old: &Map, expected: &str) {
        let mut errors = FieldErrors::new();
        validate_update(new, old, &mut errors);
        assert_eq!(errors.to_string(), expected);
    }

    #[test]
    fn bound_claims_grow_and_others_do_not() {
        check(&claim("Bound", "2Gi", "v"), &claim("Bound", "1Gi", "v"), "[]");
        check(&claim("Pending", "1Gi", "v"), &claim("Pending", "1Gi", ""), "[]");
        check(
            &claim("Pending", "2Gi", ""),
            &claim("Pending", "1Gi", ""),
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n- .resources.requests.storage: \"1Gi\"\n+ .resources.requests.storage: \"2Gi\"\n",
        );
        check(
            &claim("Bound", "1Gi", "v"),
            &claim("Bound", "2Gi", "v"),
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        );
    }

    #[test]
    fn data_sources_mirror_each_other() {
        let mut claim = Map::from([(
            "spec",
            Map::from([("dataSource", Map::from([("kind", "PersistentVolumeClaim"), ("name", "a")]))]),
        )]);
        prepare_sources(&mut claim, None);
        assert_eq!(claim.at(&["spec", "dataSource"]), claim.at(&["spec", "dataSourceRef"]));
        let mut other =
            Map::from([("spec", Map::from([("dataSource", Map::from([("kind", "Other"), ("name", "a")]))]))]);
        prepare_sources(&mut other, None);
        assert_eq!(other.to_string(), r#"{"spec":{}}"#);
    }
}
