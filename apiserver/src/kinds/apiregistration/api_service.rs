//! APIService: who serves a group's version. Keeps: its name is `<version>.<group>`; a local one is available from
//! the start.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Kind, NameRule, Names, Scope, Version, column};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apiregistration.k8s.io",
        kind: "APIService",
        plural: "apiservices",
        singular: "apiservice",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "apiregistration.k8s.io",
        "v1",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    )],
    categories: &["api-extensions"],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Service", "string", service),
        column("Available", "string", available),
        kind::AGE,
    ],
    name_rule: NameRule::PathSegment,
    plain_finalizers: true,
    unconditional_update: false,
    set_defaults,
    prepare_for_create,
    validate,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn service(api_service: &Map, _: i64) -> Node {
    match api_service.map_at(&["spec", "service"]) {
        Some(service) => format!("{}/{}", service.str("namespace"), service.str("name")).into(),
        None => "Local".into(),
    }
}

fn available(api_service: &Map, _: i64) -> Node {
    let condition = api_service
        .map("status")
        .and_then(|status| status.maps("conditions").find(|condition| condition.str("type") == "Available"));
    match condition {
        Some(condition) if condition.str("status") == "True" => "True".into(),
        Some(condition) => format!("{} ({})", condition.str("status"), condition.str("reason")).into(),
        None => "Unknown".into(),
    }
}

fn set_defaults(api_service: &mut Map) {
    if let Some(service) = api_service.map_mut("spec").existing_map_mut("service") {
        service.set_default("port", 443i64);
    }
}

fn prepare_for_create(api_service: &mut Map, context: &Context<'_>) {
    kind::clear_status(api_service, context);
    if api_service.map_at(&["spec", "service"]).is_none() {
        let condition = Map::from([
            ("type", "Available"),
            ("status", "True"),
            ("lastTransitionTime", context.now),
            ("reason", "Local"),
            ("message", "Local APIServices are always available"),
        ]);
        api_service.set("status", Map::from([("conditions", [condition].into_iter().collect::<Node>())]));
    }
}

fn validate(api_service: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = api_service.map("spec").unwrap_or(&empty);
    let (group, version) = (spec.str("group"), spec.str("version"));
    let expected = format!("{version}.{group}");
    if !api_service.name().is_empty() && api_service.name() != expected {
        errors.invalid(
            &Path::new("metadata").child("name"),
            api_service.name(),
            format!("must be `spec.version+\".\"+spec.group`: {expected:?}"),
        );
    }
    if group.is_empty() {
        if version != "v1" {
            errors.required(
                &SPEC.child("group"),
                "only v1 may have an empty group and it better be legacy kube",
            );
        }
    } else {
        names::report(errors, &SPEC.child("group"), group, dns::subdomain(group));
    }
    names::report(errors, &SPEC.child("version"), version, dns::label_1035(version));
    for (field, limit) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let value = spec.int(field).unwrap_or(0);
        if value <= 0 || value > limit {
            errors.invalid(&SPEC.child(field), value, format!("must be positive and less than {limit}"));
        }
    }
    validate_backend(spec, errors);
}

fn validate_backend(spec: &Map, errors: &mut FieldErrors) {
    let has_bundle = !spec.str("caBundle").is_empty();
    let insecure = spec.bool("insecureSkipTLSVerify") == Some(true);
    let insecure_path = SPEC.child("insecureSkipTLSVerify");
    let Some(service) = spec.map("service") else {
        if has_bundle {
            let bytes = spec.str("caBundle").len() / 4 * 3;
            errors.invalid(
                &SPEC.child("caBundle"),
                format!("{bytes} bytes"),
                "local APIServices may not have a caBundle",
            );
        }
        if insecure {
            errors.invalid(&insecure_path, true, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    };
    let path = SPEC.child("service");
    for field in ["namespace", "name"] {
        if service.str(field).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let port = service.int("port").unwrap_or(0);
    let faults = names::port_number(port);
    if !faults.is_empty() {
        errors.invalid(&path.child("port"), port, format!("port is not valid: {}", faults.join(", ")));
    }
    if insecure && has_bundle {
        errors.invalid(&insecure_path, true, "may not be true if caBundle is present");
    }
}

fn validate_status(api_service: &Map, _: &Map, errors: &mut FieldErrors) {
    let status = Path::new("status");
    let path = status.child("conditions");
    let conditions = api_service.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    for (i, condition) in conditions.enumerate() {
        let value = condition.str("status");
        if !matches!(value, "True" | "False" | "Unknown") {
            errors.not_supported(&path.index(i).child("status"), value, &["True", "False", "Unknown"]);
        }
    }
}
