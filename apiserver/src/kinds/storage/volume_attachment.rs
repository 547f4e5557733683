//! VolumeAttachment: the wish to attach a volume to a node. Keeps: the spec never changes.

use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{self, Column, Kind, Names, Scope, Version, column};
use crate::kinds::core::{persistent_volume, rules};
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
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |it, _, errors| {
        validate(it, errors)
    })],
    columns: &[
        kind::NAME,
        Column {
            format: "name",
            ..column("Attacher", "string", |it, _| it.str_at(&["spec", "attacher"]).into())
        },
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
const VOLUME: &str = "persistentVolumeName";
const INLINE: &str = "inlineVolumeSpec";

fn validate(attachment: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = attachment.map("spec").unwrap_or(&empty);
    validate_status(attachment, errors);
    validate_source(spec.map("source").unwrap_or(&empty), errors);
    rules::dns_subdomain(spec.str("nodeName"), &SPEC.child("nodeName"), errors);
    if let Some(volume) = spec.at(&["source", VOLUME]).and_then(Node::as_str) {
        rules::dns_subdomain(volume, &SPEC.child("source").child(VOLUME), errors);
    }
    validate_attacher(spec.str("attacher"), &SPEC.child("attacher"), errors);
}

fn validate_status(attachment: &Map, errors: &mut FieldErrors) {
    const METADATA_BYTES_MAX: usize = 256 * 1024;
    const MESSAGE_BYTES_MAX: usize = 1024;
    let Some(status) = attachment.map("status") else { return };
    let path = Path::new("status");
    let metadata = status.map("attachmentMetadata").into_iter().flat_map(Map::iter);
    let bytes: usize = metadata.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes > METADATA_BYTES_MAX {
        errors.too_long(&path.child("attachmentMetadata"), METADATA_BYTES_MAX);
    }
    for field in ["attachError", "detachError"] {
        let Some(error) = status.map(field) else { continue };
        let path = path.child(field);
        if error.str("message").len() > MESSAGE_BYTES_MAX {
            errors.too_long(&path.child("message"), MESSAGE_BYTES_MAX);
        }
        rules::within(error, "errorCode", (0, i64::from(i32::MAX)), &path, errors);
    }
}

fn validate_attacher(attacher: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const ATTACHER_BYTES_MAX: usize = 63;
    if attacher.is_empty() {
        errors.required(path, "");
        return;
    }
    names::report(errors, path, attacher, dns::long_name_caseless(attacher));
    if attacher.len() > ATTACHER_BYTES_MAX {
        let detail = format!("may not be more than {ATTACHER_BYTES_MAX} characters");
        errors.add_without_value(Cause::TooLong, path, &detail);
    }
}

fn validate_source(source: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("source");
    let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (source.map(INLINE), source.get(VOLUME).and_then(Node::as_str)) {
        (None, None) => errors.required(&path, detail),
        (Some(_), Some(_)) => errors.forbidden(&path, detail),
        (None, Some("")) => {
            errors.required(&path.child(VOLUME), "must specify non empty persistentVolumeName");
        }
        (None, Some(_)) => {}
        (Some(inline), None) => persistent_volume::validate_inline(inline, &path.child(INLINE), errors),
    }
}

fn validate_update(attachment: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.fixed(&SPEC, attachment.get("spec"), old.get("spec"));
}
