//! Schemas of custom resources as OpenAPI publishes them.
//!
//! Keeps: what a definition says of its objects is said as it is; `apiVersion`, `kind` and `metadata` are those of every
//! object. The older dialect knows less, and what it does not know is left out.

use super::definitions::{Definitions, Flavor, group_version_kind};
use super::descriptions;
use crate::registry::Resource;
use crate::structural::{EMBEDDED, PRESERVES_UNKNOWN, is_of_every_object, is_true, property};
use crate::tree::{Key, List, Map, Node};

/// A kind and its list, whose common fields are described as everybody's.
const DESCRIBED_ALIKE: [&str; 2] = ["io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.ConfigMapList"];
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// What the older dialect does not know.
const NOT_IN_V2: [&str; 6] = ["nullable", "default", "oneOf", "anyOf", "allOf", "not"];

/// What a document's tag follows from.
pub(super) fn fingerprint(resource: &Resource) -> String {
    let schema = resource.custom.as_ref().map(|custom| custom.schema.clone()).unwrap_or_default();
    let subresources: Vec<&str> =
        resource.kind.subresources.iter().map(|subresource| subresource.name).collect();
    format!("{} {} {subresources:?} {schema}", resource.group_resource, resource.list_kind)
}

impl Definitions<'_> {
    /// The definition of a custom resource, or of a list of it.
    pub(super) fn custom(&mut self, name: &str) -> Option<Map> {
        let registry = self.registry();
        let resource = registry.custom().find(|resource| {
            name.strip_prefix(resource.version.schema).is_some_and(|rest| matches!(rest, "" | "List"))
        })?;
        let is_list = name.len() > resource.version.schema.len();
        let mut map = if is_list { self.list(resource) } else { self.object(resource) };
        let kind = if is_list { &resource.list_kind } else { resource.kind.names.kind };
        let names = group_version_kind(resource.version.group, resource.version.version, kind);
        map.set("x-kubernetes-group-version-kind", Node::from_iter([names]));
        if !is_list && !resource.kind.selectable.is_empty() {
            let fields = resource.kind.selectable.iter().map(|field| Map::from([("fieldPath", field.name)]));
            map.set("x-kubernetes-selectable-fields", fields.collect::<Node>());
        }
        Some(map)
    }

    fn object(&mut self, resource: &Resource) -> Map {
        let schema = resource.custom.as_ref().map(|custom| custom.schema.clone()).unwrap_or_default();
        // kubectl takes a type with properties for one without others.
        if self.flavor() == Flavor::V2 && is_true(&schema, PRESERVES_UNKNOWN) {
            return Map::from([("type", "object")]);
        }
        let mut map = self.published(&schema);
        let mut properties = self.of_every_object(METADATA, DESCRIBED_ALIKE[0]);
        let declared = map.map("properties").cloned().unwrap_or_default();
        for (name, property) in declared.iter().filter(|(name, _)| !is_of_every_object(name)) {
            properties.set(name.clone(), property.clone());
        }
        map.set("type", "object");
        map.set("properties", properties);
        map
    }

    fn list(&mut self, resource: &Resource) -> Map {
        let item = self.reference(resource.version.schema);
        let mut properties = self.of_every_object(LIST_METADATA, DESCRIBED_ALIKE[1]);
        let items = [("type", Node::from("array")), ("items", item.into())];
        properties.set("items", Map::from(items));
        Map::from([
            ("type", Node::from("object")),
            ("description", format!("A list of {}", resource.kind.names.kind).into()),
            ("required", Node::from_iter(["items"])),
            ("properties", properties.into()),
        ])
    }

    fn of_every_object(&mut self, metadata: &'static str, alike: &'static str) -> Map {
        let described = descriptions::of(alike);
        let text = |name| Node::from(Map::from([("description", described.field(name)), ("type", "string")]));
        let reference = self.reference(metadata);
        let mut metadata = match self.flavor() {
            Flavor::V2 => reference,
            Flavor::V3 => Map::from([("allOf", Node::from_iter([reference]))]),
        };
        metadata.set("description", described.field("metadata"));
        Map::from([("apiVersion", text("apiVersion")), ("kind", text("kind")), ("metadata", metadata.into())])
    }

    fn published(&mut self, schema: &Map) -> Map {
        let is_older = self.flavor() == Flavor::V2;
        let (is_nullable, preserves) = (is_true(schema, "nullable"), is_true(schema, PRESERVES_UNKNOWN));
        // What may have unknown fields, or be null, is of no type there, or kubectl would refuse it.
        let is_untyped = is_older
            && (is_nullable
                || preserves && schema.str("type") == "object"
                || schema.str("type") == "array" && (preserves || !schema.contains("items")));
        let is_left_out = |field: &str| match field {
            "type" => is_untyped,
            "items" | "properties" => is_older && (is_nullable || preserves),
            _ => is_older && NOT_IN_V2.contains(&field),
        };
        let mut published = Map::new();
        for (field, node) in schema.iter().filter(|(field, _)| !is_left_out(field)) {
            let node = match (field.as_str(), node) {
                ("properties", Node::Map(properties)) => {
                    let below = |(name, node): (&Key, &Node)| (name.clone(), self.published_node(node));
                    Node::Map(properties.iter().map(below).collect())
                }
                ("items" | "additionalProperties" | "not", node) => self.published_node(node),
                ("allOf" | "anyOf" | "oneOf", Node::List(schemas)) => {
                    Node::List(schemas.iter().map(|node| self.published_node(node)).collect::<List>())
                }
                ("required", Node::List(names)) if is_older => {
                    let may_be_null = |name: &Node| {
                        let declared = name.as_str().and_then(|name| property(schema, name));
                        declared.is_some_and(|declared| is_true(declared, "nullable"))
                    };
                    Node::List(names.iter().filter(|name| !may_be_null(name)).cloned().collect::<List>())
                }
                (_, node) => node.clone(),
            };
            published.set(field.clone(), node);
        }
        if is_true(schema, EMBEDDED) && !(is_older && preserves) {
            self.embed(&mut published);
        }
        published
    }

    fn published_node(&mut self, node: &Node) -> Node {
        match node {
            Node::Map(below) => Node::Map(self.published(below)),
            other => other.clone(),
        }
    }

    /// An object inside of an object has what every object has, and says what it is.
    fn embed(&mut self, published: &mut Map) {
        let common = self.of_every_object(METADATA, DESCRIBED_ALIKE[0]);
        let properties = published.map_mut("properties");
        common.iter().for_each(|(name, node)| properties.set(name.clone(), node.clone()));
        let required = published.list_mut("required");
        for name in ["kind", "apiVersion"].map(Node::from) {
            if !required.contains(&name) {
                required.push(name);
            }
        }
    }
}
