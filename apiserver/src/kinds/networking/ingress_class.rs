//! IngressClass: who serves Ingresses. Keeps: the controller never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Column, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules;
use crate::names::dns;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.IngressClass")],
    columns: &[
        Column { cell: kind::Cell::Of(name), ..kind::NAME },
        column("Controller", "string", |it, _| it.str_at(&["spec", "controller"]).into()),
        column("Parameters", "string", parameters),
        kind::AGE,
    ],
    generation: Generation::Spec,
    set_defaults,
    validate_request: |_, class, old, errors| {
        // As upstream: first what has changed, then what is wrong.
        if let Some(old) = old {
            validate_update(class, old, errors);
        }
        validate(class, errors);
    },
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";
const CONTROLLER_BYTES_MAX: usize = 250;

fn name(class: &Map, _: i64) -> Node {
    if class.annotation(DEFAULT_ANNOTATION) == Some("true") {
        format!("{} (default)", class.name()).into()
    } else {
        class.name().into()
    }
}

fn parameters(class: &Map, _: i64) -> Node {
    let Some(parameters) = class.map_at(&["spec", "parameters"]) else { return "<none>".into() };
    let dotted_group = match parameters.get("apiGroup").and_then(Node::as_str) {
        Some(group) => format!(".{group}"),
        None => String::new(),
    };
    format!("{}{dotted_group}/{}", parameters.str("kind"), parameters.str("name")).into()
}

fn set_defaults(class: &mut Map) {
    if let Some(parameters) = class.map_mut("spec").existing_map_mut("parameters") {
        parameters.set_default("scope", "Cluster");
    }
}

fn validate(class: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = class.map("spec").unwrap_or(&empty);
    let controller = spec.str("controller");
    let path = SPEC.child("controller");
    if controller.len() > CONTROLLER_BYTES_MAX {
        errors.too_long(&path, CONTROLLER_BYTES_MAX);
    }
    match controller.split_once('/') {
        Some((domain, rest)) if !rest.is_empty() && dns::is_subdomain(domain) => {}
        _ if controller.is_empty() => errors.required(&path, ""),
        _ => errors.invalid(&path, controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    let Some(parameters) = spec.map("parameters") else { return };
    let path = SPEC.child("parameters");
    rules::typed_reference(parameters, &path, errors);
    let namespace = parameters.get("namespace").and_then(Node::as_str);
    let namespace_path = path.child("namespace");
    match (parameters.str("scope"), namespace) {
        ("Cluster", Some(_)) => {
            errors.forbidden(&namespace_path, "`parameters.scope` is set to 'Cluster'");
        }
        ("Namespace", None) => {
            errors.required(&namespace_path, "`parameters.scope` is set to 'Namespace'");
        }
        ("Namespace", Some(namespace)) => rules::dns_label(namespace, &namespace_path, errors),
        ("Cluster", None) => {}
        (scope, _) => errors.not_supported(&path.child("scope"), scope, &["Cluster", "Namespace"]),
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    let controller = ["spec", "controller"];
    errors.immutable(&SPEC.child("controller"), class.at(&controller), old.at(&controller));
}
