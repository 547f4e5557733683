//! StatefulSet: pods with identity and storage. Keeps: what identity and storage rest on never changes, so it is judged
//! when a set is made; that of a stored set is taken as it is.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, NameRule, Names, Scope, Version, column};
use crate::kinds::core::claim_spec;
use crate::kinds::core::pod::defaults::set_claim_spec_defaults;
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::{count, selector, workload};
use crate::names::{self, dns};
use crate::tree::{List, Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short: &["sts"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.StatefulSet")],
    categories: &["all"],
    subresources: &[
        kind::scale(workload::scale_selector),
        kind::status(kind::keep_all_but_status, validate_status),
    ],
    columns: &[
        kind::NAME,
        column("Ready", "string", super::deployment::ready),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
    ],
    name_rule: NameRule::DnsLabel,
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    validate_request,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const IMMUTABLE: [&str; 4] = ["selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"];

fn set_defaults(set: &mut Map) {
    let spec = set.map_mut("spec");
    spec.set_default("podManagementPolicy", "OrderedReady");
    let strategy = spec.map_mut("updateStrategy");
    if strategy.set_default("type", "RollingUpdate") {
        strategy.map_mut("rollingUpdate");
    }
    if strategy.str("type") == "RollingUpdate"
        && let Some(rolling) = strategy.existing_map_mut("rollingUpdate")
    {
        rolling.set_default("partition", 0i64);
        rolling.set_default("maxUnavailable", 1i64);
    }
    let retention = spec.map_mut("persistentVolumeClaimRetentionPolicy");
    retention.set_default("whenDeleted", "Retain");
    retention.set_default("whenScaled", "Retain");
    spec.set_default("replicas", 1i64);
    spec.set_default("revisionHistoryLimit", 10i64);
    set_template_defaults(spec.map_mut("template"));
    for claim in spec.existing_list_mut("volumeClaimTemplates").into_iter().flatten() {
        if let Some(claim) = claim.as_map_mut() {
            set_claim_defaults(claim);
        }
    }
}

/// A claim template is a whole PersistentVolumeClaim, type and status included.
fn set_claim_defaults(claim: &mut Map) {
    claim.set("apiVersion", "v1");
    claim.set("kind", "PersistentVolumeClaim");
    set_claim_spec_defaults(claim.map_mut("spec"));
    claim.map_mut("status").set_default("phase", "Pending");
}

fn validate(set: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = set.map("spec").unwrap_or(&empty);
    let policy = spec.str("podManagementPolicy");
    match policy {
        "OrderedReady" | "Parallel" => {}
        "" => errors.required(&SPEC.child("podManagementPolicy"), ""),
        _ => {
            errors.invalid(&SPEC.child("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'")
        }
    }
    validate_strategy(spec.map("updateStrategy").unwrap_or(&empty), errors);
    validate_retention(spec, errors);
    count::non_negative(spec, &["replicas", "minReadySeconds"], &SPEC, errors);
    if let Some(ordinals) = spec.map("ordinals") {
        count::non_negative(ordinals, &["start"], &SPEC.child("ordinals"), errors);
    }
    workload::validate_selector(spec, "statefulset", "", &SPEC, errors);
    if spec.map("selector").is_none() || !selector::is_empty(spec.map("selector")) {
        workload::validate_selected(spec, &SPEC, errors);
    }
    workload::validate_template(&with_claims_as_volumes(spec), &SPEC, errors);
    workload::validate_runs_for_ever(spec, "StatefulSet", &SPEC, errors);
}

fn validate_request(_: &Version, set: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    let Some(spec) = set.map("spec").filter(|_| old.is_none()) else { return };
    let service = spec.str("serviceName");
    if !service.is_empty() {
        names::report(errors, &SPEC.child("serviceName"), service, dns::label(service));
    }
    for (i, claim) in spec.maps("volumeClaimTemplates").enumerate() {
        let empty = Map::new();
        let path = SPEC.child("volumeClaimTemplates");
        claim_spec::validate(claim.map("spec").unwrap_or(&empty), &path.index(i).child("spec"), errors);
    }
}

/// The spec with a volume in the template for each claim template, as its pods will have: mounts refer to them.
fn with_claims_as_volumes(spec: &Map) -> Map {
    let mut spec = spec.clone();
    let of_claim = |claim: &Map| {
        let source = Map::from([("claimName", claim.name())]);
        Map::from([("name", Node::from(claim.name())), ("persistentVolumeClaim", source.into())])
    };
    let claims: Vec<Map> = spec.maps("volumeClaimTemplates").map(of_claim).collect();
    if claims.is_empty() {
        return spec;
    }
    let pod = spec.map_mut("template").map_mut("spec");
    // A claim takes the place of claims and volumes of its name; volumes of one name are a mistake.
    let mut named = HashSet::new();
    let mut volumes: Vec<&Map> = claims.iter().filter(|claim| named.insert(claim.str("name"))).collect();
    volumes.extend(pod.maps("volumes").filter(|volume| !named.contains(volume.str("name"))));
    let volumes: List = volumes.into_iter().cloned().map(Node::from).collect();
    pod.set("volumes", volumes);
    spec
}

fn validate_strategy(strategy: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("updateStrategy");
    let rolling = strategy.map("rollingUpdate");
    match (strategy.str("type"), rolling) {
        ("", _) => errors.required(&path, ""),
        ("OnDelete", Some(rolling)) => errors.invalid(
            &path.child("rollingUpdate"),
            rolling.clone(),
            "only allowed for updateStrategy 'RollingUpdate'",
        ),
        ("OnDelete", None) | ("RollingUpdate", None) => {}
        ("RollingUpdate", Some(rolling)) => {
            let path = path.child("rollingUpdate");
            count::non_negative(rolling, &["partition"], &path, errors);
            if let Some(unavailable) = rolling.get("maxUnavailable") {
                let path = path.child("maxUnavailable");
                count::positive_or_percent(unavailable, &path, errors);
                if count::number(Some(unavailable)) == 0 {
                    errors.invalid(&path, unavailable.clone(), "cannot be 0");
                }
                count::at_most_all(unavailable, &path, errors);
            }
        }
        _ => errors.invalid(&path, strategy.clone(), "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

fn validate_retention(spec: &Map, errors: &mut FieldErrors) {
    let Some(retention) = spec.map("persistentVolumeClaimRetentionPolicy") else { return };
    let path = SPEC.child("persistentVolumeClaimRetentionPolicy");
    for field in ["whenDeleted", "whenScaled"] {
        let policy = retention.str(field);
        if !matches!(policy, "Retain" | "Delete") {
            errors.not_supported(&path.child(field), policy, &["Retain", "Delete"]);
        }
    }
}

fn validate_update(set: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in IMMUTABLE {
        errors.immutable(&SPEC.child(field), set.at(&["spec", field]), old.at(&["spec", field]));
    }
}

fn validate_status(set: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let bound = "cannot be greater than status.replicas";
    workload::validate_status_counts(
        set.map("status").unwrap_or(&empty),
        &[
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ],
        &[
            ("readyReplicas", "replicas", bound),
            ("currentReplicas", "replicas", bound),
            ("updatedReplicas", "replicas", bound),
            ("availableReplicas", "replicas", bound),
            ("availableReplicas", "readyReplicas", "cannot be greater than status.readyReplicas"),
        ],
        errors,
    );
    workload::validate_collisions(set, old, errors);
}

fn warnings(set: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    if set.at(&["spec", "revisionHistoryLimit"]).and_then(Node::as_int).is_some_and(|limit| limit < 0) {
        warnings.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .to_owned(),
        );
    }
}
