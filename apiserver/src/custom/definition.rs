//! From a definition to what it makes: a resource for each version that is served.

use std::sync::{Arc, OnceLock};

use super::Custom;
use super::conversion::{Conversion, Converted};
use super::made::{self, is};
use crate::registry::Resource;
use crate::storage::Revision;
use crate::structural::ready;
use crate::tree::Map;

/// The resources of a definition that was last changed at `modified`; those of `before` that are as they should be stay.
pub(super) fn resources(
    definition: &Map,
    modified: Revision,
    before: &[Arc<Resource>],
) -> Vec<Arc<Resource>> {
    if !has_condition(definition, "Established") && !has_condition(definition, "NamesAccepted") {
        return Vec::new();
    }
    // On its way out, a definition serves its storage version in any case, so that the objects can be deleted.
    let goes = is_terminating(definition);
    let versions = || definition.map("spec").into_iter().flat_map(|spec| spec.maps("versions"));
    let make = Making { definition, modified, before, conversion: Conversion::of(definition).map(Arc::new) };
    // What a webhook converts is stored as what it makes, be that served or not.
    let storage = versions().find(|version| is(version, "storage")).filter(|_| make.conversion.is_some());
    let storage = storage.map(|version| make.resource(version, None));
    versions()
        .filter(|version| is(version, "served") || goes && is(version, "storage"))
        .map(|version| match &storage {
            Some(storage) if is(version, "storage") => storage.clone(),
            storage => make.resource(version, storage.clone()),
        })
        .collect()
}

/// What the resources of a definition are made of.
struct Making<'a> {
    definition: &'a Map,
    modified: Revision,
    before: &'a [Arc<Resource>],
    conversion: Option<Arc<Conversion>>,
}

fn has_condition(definition: &Map, name: &str) -> bool {
    let mut conditions = definition.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    conditions.any(|condition| condition.str("type") == name && condition.str("status") == "True")
}

fn stored_schema(definition: &Map) -> Map {
    let versions = definition.map("spec").into_iter().flat_map(|spec| spec.maps("versions"));
    let stored = versions.filter(|version| is(version, "storage")).find_map(schema_of);
    stored.map(ready).unwrap_or_default()
}

fn schema_of(version: &Map) -> Option<&Map> {
    version.map_at(&["schema", "openAPIV3Schema"])
}

fn is_terminating(definition: &Map) -> bool {
    definition.metadata().is_some_and(|metadata| metadata.contains("deletionTimestamp"))
        || has_condition(definition, "Terminating")
}

impl Making<'_> {
    fn resource(&self, version: &Map, storage: Option<Arc<Resource>>) -> Arc<Resource> {
        let Making { definition, modified, before, conversion } = self;
        let (kind, own) = made::kind(definition, version);
        let schema = schema_of(version).map(ready).unwrap_or_default();
        let is_storage = is(version, "storage");
        let stored = match is_storage {
            true => Map::new(),
            false => stored_schema(definition),
        };
        let names = made::names(definition);
        let last = before.iter().find(|last| last.version.version == own.version);
        let same_schema = last
            .and_then(|last| last.custom.as_ref())
            .filter(|custom| custom.schema == schema && custom.is_storage == is_storage)
            .map(|custom| custom.since);
        let spec = |conversion: &Option<Arc<Conversion>>| conversion.as_ref().map(|it| it.spec.clone());
        if let (Some(last), Some(_)) = (last, same_schema)
            && let Some(custom) = &last.custom
            && std::ptr::eq(last.kind, kind)
            && last.list_kind == names.str("listKind")
            && custom.stored == stored
            && spec(&custom.conversion) == spec(conversion)
        {
            return last.clone();
        }
        let custom = Custom {
            compiled: OnceLock::new(),
            is_storage,
            conversion: conversion.clone(),
            storage,
            converted: Converted::default(),
            since: same_schema.unwrap_or(*modified),
            retired: tokio::sync::watch::Sender::new(false),
            schema,
            stored,
        };
        Arc::new(Resource::custom(kind, own, names.str("listKind"), custom))
    }
}
