//! OpenAPI v3 documents: one per group version and one per other path.
//!
//! Keeps: a document is complete: every `$ref` in it points into it.

use super::Form;
use super::definitions::{self, Definitions, Flavor};
use super::operations::{self, Operation, Path};
use super::parameters::Parameter;
use super::writer::{Section, Writer};
use crate::document::Compressed;
use crate::registry::Registry;
use crate::tree::{List, Map, Node};
use crate::version;

/// The document of a key of the index (`api/v1`, `apis/apps`, `version`).
pub(super) fn document(key: &str, form: Form, registry: &Registry) -> Compressed {
    let catalog = registry.catalog();
    let mut segments = key.split('/');
    let served = match (segments.next(), segments.next(), segments.next()) {
        (Some("api"), Some(version), None) => catalog.find("", version),
        (Some("apis"), Some(group), Some(version)) => catalog.find(group, version),
        _ => None,
    };
    let scope = served.map(|served| (served.group, served.version));
    let mut shapes = Shapes { definitions: Definitions::new(Flavor::V3, scope, registry) };
    let mut writer = Writer::new(Flavor::V3, form);
    let mut each = |path: Path| writer.entry(Section::Paths, &path.path, shapes.path(&path));
    match served {
        Some(served) => operations::paths(served, &mut each),
        None => each(operations::discovery(key)),
    }
    shapes.definitions.write(&mut writer);
    writer.finish()
}

/// What stands in front of the paths.
pub(super) fn head() -> Map {
    Map::from([("openapi", Node::from("3.0.0")), ("info", info().into())])
}

/// What stands beside the types.
pub(super) fn tail() -> Map {
    Map::from([("securitySchemes", Map::from([("BearerToken", bearer())]))])
}

/// `info` of every document.
pub(super) fn info() -> Map {
    Map::from([("title", Node::from("Kubernetes")), ("version", version::GIT_VERSION.into())])
}

/// How clients may authenticate besides certificates.
pub(super) fn bearer() -> Map {
    Map::from(
        [
            ("type", "apiKey"),
            ("name", "authorization"),
            ("in", "header"),
            ("description", "Bearer Token authentication"),
        ]
        .map(|(key, text)| (key, Node::from(text))),
    )
}

/// The shapes of v3.
struct Shapes<'a> {
    definitions: Definitions<'a>,
}

impl Shapes<'_> {
    fn path(&mut self, path: &Path) -> Map {
        let mut map = Map::with_capacity(path.operations.len() + 1);
        for operation in &path.operations {
            map.set(operation.method, self.operation(operation));
        }
        if !path.parameters.is_empty() {
            map.set("parameters", parameters(&path.parameters));
        }
        map
    }

    fn operation(&mut self, operation: &Operation) -> Map {
        let mut map = Map::from([
            ("description", Node::from(operation.description.as_str())),
            ("operationId", operation.id.as_str().into()),
            ("tags", Node::from_iter([operation.tag.as_str()])),
        ]);
        if !operation.parameters.is_empty() {
            map.set("parameters", parameters(&operation.parameters));
        }
        if let Some(body) = &operation.body {
            let schema = self.definitions.reference(body.schema);
            let mut request = Map::from([("content", content(&schema, body.consumes))]);
            if body.required {
                request.set("required", true);
            }
            map.set("requestBody", request);
        }
        map.set("responses", self.responses(operation));
        extensions(operation, &mut map);
        map
    }

    fn responses(&mut self, operation: &Operation) -> Map {
        let schema = match operation.answer {
            Some(name) => self.definitions.reference(name),
            None => Map::from([("type", "string")]),
        };
        let content = content(&schema, operation.produces);
        let mut map = Map::new();
        for (code, words) in operation.successes {
            let response = [("description", Node::from(*words)), ("content", content.clone().into())];
            map.set(*code, Map::from(response));
        }
        map.set("401", Map::from([("description", "Unauthorized")]));
        map
    }
}

/// `x-kubernetes-action` and `x-kubernetes-group-version-kind`, by which kubectl finds an operation.
pub(super) fn extensions(operation: &Operation, map: &mut Map) {
    if !operation.action.is_empty() {
        map.set("x-kubernetes-action", operation.action);
    }
    if let Some(kind) = &operation.kind {
        map.set("x-kubernetes-group-version-kind", definitions::of_body(kind));
    }
}

fn content(schema: &Map, media: &'static [&'static str]) -> Map {
    let entry = Map::from([("schema", schema.clone())]);
    media.iter().map(|media| (*media, entry.clone())).collect()
}

fn parameters(parameters: &[Parameter]) -> List {
    parameters.iter().map(|it| Node::from(parameter(it))).collect()
}

fn parameter(parameter: &Parameter) -> Map {
    let schema = Map::from([("type", Node::from(parameter.ty)), ("uniqueItems", true.into())]);
    let mut map = Map::from([
        ("name", Node::from(&*parameter.name)),
        ("in", if parameter.in_path { "path" } else { "query" }.into()),
        ("schema", schema.into()),
    ]);
    if !parameter.description.is_empty() {
        map.set("description", &*parameter.description);
    }
    if parameter.in_path {
        map.set("required", true);
    }
    map
}
