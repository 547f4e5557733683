//! VolumeAttachment: the wish to attach a volume to a node. Keeps: the spec never changes.

use super::volume_attributes_class::validate_driver;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "VolumeAttachment",
        plural: "volumeattachments",
        singular: "volumeattachment",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.VolumeAttachment")],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("Attacher", "string", |it, _| it.str_at(&["spec", "attacher"]).into()),
        column("PV", "string", |it, _| it.str_at(&["spec", "source", "persistentVolumeName"]).into()),
        column("Node", "string", |it, _| it.str_at(&["spec", "nodeName"]).into()),
        column("Attached", "boolean", |it, _| {
            it.at(&["status", "attached"]).and_then(Node::as_bool).unwrap_or(false).into()
        }),
        kind::AGE,
    ],
    unconditional_update: false,
    delete_returns_object: true,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

fn validate(attachment: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = attachment.map("spec").unwrap_or(&empty);
    validate_driver(spec.str("attacher"), &SPEC.child("attacher"), errors);
    let node = spec.str("nodeName");
    names::report(errors, &SPEC.child("nodeName"), node, dns::subdomain(node));
    let source = spec.map("source").unwrap_or(&empty);
    let path = SPEC.child("source");
    let volume = source.get("persistentVolumeName").and_then(Node::as_str);
    match (source.contains("inlineVolumeSpec"), volume) {
        (false, None) => {
            errors.required(&path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        }
        (true, Some(_)) => {
            errors.forbidden(&path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        }
        (false, Some("")) => errors
            .required(&path.child("persistentVolumeName"), "must specify non empty persistentVolumeName"),
        _ => {}
    }
}

fn validate_update(attachment: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&SPEC, attachment.get("spec"), old.get("spec"));
}
