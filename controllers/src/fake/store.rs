//! The objects of the API in memory and the rules by which they change: versions, conflicts, finalizers, grace.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::{
    ApiError, DeleteOptions, Deleted, ListOptions, Object, Page, PatchType, Propagation, Resource,
    ServedResource, Target, Version,
};
use crate::settings::Settings;

use super::api::Fault;
use super::patch;

/// Seconds of grace that a scheduled pod gets.
const GRACE_SECONDS: i64 = 30;

/// A place: group, plural, namespace, name.
pub(super) type Place = (String, String, String, String);

#[derive(Default)]
pub(super) struct State {
    pub(super) version: Version,
    pub(super) uids: u64,
    pub(super) objects: BTreeMap<Place, Value>,
    pub(super) log: Vec<(Place, Change, Value)>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) calls: Vec<String>,
    pub(super) held: bool,
    pub(super) served: Vec<ServedResource>,
    pub(super) failed_groups: Vec<String>,
    pub(super) activity: u64,
    pub(super) now: String,
    pub(super) settings: Settings,
}

#[derive(Clone, Copy)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

pub(super) fn place(resource: &Resource, namespace: &str, name: &str) -> Place {
    (resource.group.to_string(), resource.plural.to_string(), namespace.to_owned(), name.to_owned())
}

pub(super) fn place_of(resource: &Resource, object: &Value) -> Place {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("");
    place(resource, text("namespace"), text("name"))
}

pub(super) fn object(value: &Value) -> Object {
    Object::parse(Bytes::from(value.to_string())).unwrap()
}

pub(super) fn refuse(code: u16, reason: &str, message: &str) -> ApiError {
    ApiError { code, reason: reason.to_owned(), message: message.to_owned(), ..ApiError::default() }
}

pub(super) fn not_found() -> ApiError {
    refuse(404, "NotFound", "not found")
}

pub(super) fn finalizers(object: &Value) -> Vec<Value> {
    object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default()
}

/// Whether an object on its way out has nothing left that holds it.
pub(super) fn is_finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && finalizers(object).is_empty()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

impl State {
    pub(super) fn born(&mut self, mut object: Value) -> Value {
        self.uids += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = json!(self.now);
        }
        object
    }

    pub(super) fn store(&mut self, place: Place, mut object: Value, change: Change) -> Value {
        if is_finished(&object) {
            self.erase(&place);
            return object;
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(place.clone(), object.clone());
        self.log.push((place, change, object.clone()));
        object
    }

    pub(super) fn erase(&mut self, place: &Place) {
        let Some(mut object) = self.objects.remove(place) else { return };
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log.push((place.clone(), Change::Deleted, object));
    }

    pub(super) fn create(&mut self, target: Target<'_>, body: &Bytes) -> Result<Object, ApiError> {
        let mut body: Value = serde_json::from_slice(body).unwrap();
        let namespace = place(NAMESPACES, "", target.namespace);
        if self.objects.get(&namespace).is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string()) {
            let mut error = refuse(403, "Forbidden", "because it is being terminated");
            error.causes.push(crate::api::Cause {
                reason: "NamespaceTerminating".to_owned(),
                ..crate::api::Cause::default()
            });
            return Err(error);
        }
        if body["metadata"]["name"].is_null()
            && let Some(prefix) = body["metadata"]["generateName"].as_str()
        {
            body["metadata"]["name"] = json!(format!("{prefix}{}", self.uids + 1));
        }
        let place = place_of(target.resource, &body);
        if self.objects.contains_key(&place) {
            return Err(refuse(409, "AlreadyExists", "already exists"));
        }
        if target.resource.namespaced {
            body["metadata"]["namespace"] = json!(target.namespace);
        }
        let born = self.born(body);
        Ok(object(&self.store(place, born, Change::Added)))
    }

    pub(super) fn replace(
        &mut self,
        target: Target<'_>,
        subresource: &str,
        mut new: Value,
    ) -> Result<Object, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(old) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        for field in ["resourceVersion", "uid"] {
            let stated = &new["metadata"][field];
            if stated.is_string() && *stated != old["metadata"][field] {
                return Err(refuse(409, "Conflict", "the object has been modified"));
            }
        }
        for field in
            ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"]
        {
            new["metadata"][field] = old["metadata"][field].clone();
        }
        let mut merged = match subresource {
            "status" => {
                // Labels and what else stands in metadata go with a status.
                let mut merged = old.clone();
                merged["metadata"] = new["metadata"].clone();
                merged["status"] = new["status"].clone();
                merged
            }
            "finalize" => {
                let mut merged = old.clone();
                merged["spec"]["finalizers"] = new["spec"]["finalizers"].clone();
                merged
            }
            _ => {
                new["status"] = old["status"].clone();
                new
            }
        };
        if let Some(metadata) = merged["metadata"].as_object_mut() {
            metadata.retain(|_, value| !value.is_null());
        }
        if merged["status"].is_null()
            && let Some(fields) = merged.as_object_mut()
        {
            fields.remove("status");
        }
        if merged == old {
            return Ok(object(&old));
        }
        Ok(object(&self.store(place, merged, Change::Modified)))
    }

    pub(super) fn patch(
        &mut self,
        target: Target<'_>,
        subresource: &str,
        kind: PatchType,
        body: &Bytes,
    ) -> Result<Object, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(mut new) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        let body: Value = serde_json::from_slice(body).unwrap();
        match kind {
            PatchType::Json => panic!("no controller sends JSON patches"),
            PatchType::Merge => patch::merge(&mut new, &body, false),
            PatchType::Strategic | PatchType::Apply => patch::merge(&mut new, &body, true),
        }
        self.replace(target, subresource, new)
    }

    pub(super) fn delete(
        &mut self,
        target: Target<'_>,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(old) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        let metadata = &old["metadata"];
        if options.uid.as_deref().is_some_and(|uid| metadata["uid"] != uid)
            || options.version.is_some_and(|version| metadata["resourceVersion"] != *version.to_string())
        {
            return Err(refuse(409, "Conflict", "the precondition does not hold"));
        }
        let mut new = old.clone();
        if let Some(propagation) = options.propagation {
            let mut kept = finalizers(&old);
            kept.retain(|it| it != "orphan" && it != "foregroundDeletion");
            match propagation {
                Propagation::Orphan => kept.push(json!("orphan")),
                Propagation::Foreground => kept.push(json!("foregroundDeletion")),
                Propagation::Background => {}
            }
            new["metadata"]["finalizers"] = Value::Array(kept);
        }
        let scheduled = target.resource.plural == "pods"
            && old["spec"]["nodeName"].is_string()
            && !matches!(old["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let grace = match options.grace {
            Some(grace) => grace.as_secs() as i64,
            None if scheduled => GRACE_SECONDS,
            None => 0,
        };
        let grace = if scheduled { grace } else { 0 };
        if !metadata["deletionTimestamp"].is_string()
            || metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > grace
        {
            new["metadata"]["deletionTimestamp"] = json!(self.now);
            new["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if target.resource.plural == "namespaces" {
                new["status"]["phase"] = json!("Terminating");
            }
        }
        if is_finished(&new) {
            self.erase(&place);
            return Ok(Deleted::Gone);
        }
        if new == old {
            return Ok(Deleted::Held(object(&old)));
        }
        Ok(Deleted::Held(object(&self.store(place, new, Change::Modified))))
    }

    pub(super) fn list(&self, resource: &Resource, namespace: &str, options: &ListOptions) -> Page {
        let name = options.field_selector.strip_prefix("metadata.name=");
        let items = self
            .objects
            .iter()
            .filter(|(place, _)| selected(place, resource, namespace))
            .filter(|((_, _, _, at), _)| name.is_none_or(|name| name == at))
            .map(|(_, value)| object(value))
            .collect();
        Page { items, version: self.version, next: String::new() }
    }
}

const NAMESPACES: &Resource = &Resource::cluster("", "v1", "namespaces", "Namespace");

pub(super) fn selected(place: &Place, resource: &Resource, namespace: &str) -> bool {
    let (group, plural, space, _) = place;
    *group == resource.group && *plural == resource.plural && (namespace.is_empty() || space == namespace)
}
