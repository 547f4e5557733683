//! The OpenAPI v2 document: all groups in one.
//!
//! Keeps: parameters that many operations share stand once, below `parameters`, named after their content.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecow::EcoString;
use sha2::{Digest as _, Sha256};

use super::Form;
use super::definitions::{Definitions, Flavor};
use super::operations::{self, Body, Operation, Path};
use super::parameters::Parameter;
use super::v3;
use super::writer::{Section, Writer};
use crate::document::Compressed;
use crate::registry::Registry;
use crate::tree::{List, Map, Node};

/// The whole document.
pub(super) fn document(form: Form, registry: &Registry) -> Compressed {
    let mut shapes =
        Shapes { definitions: Definitions::new(Flavor::V2, None, registry), parameters: BTreeMap::new() };
    let mut writer = Writer::new(Flavor::V2, form);
    operations::all(registry.catalog(), &mut |path| {
        writer.entry(Section::Paths, &path.path, shapes.path(&path))
    });
    shapes.definitions.write(&mut writer);
    for (name, parameter) in shapes.parameters {
        writer.entry(Section::Parameters, &name, parameter);
    }
    writer.finish()
}

/// What stands in front of the paths.
pub(super) fn head() -> Map {
    Map::from([("swagger", Node::from("2.0")), ("info", v3::info().into())])
}

/// What stands behind the parameters.
pub(super) fn tail() -> Map {
    Map::from([
        ("securityDefinitions", Node::from(Map::from([("BearerToken", v3::bearer())]))),
        ("security", Node::from_iter([Map::from([("BearerToken", List::new())])])),
    ])
}

/// The shapes of v2.
struct Shapes<'a> {
    definitions: Definitions<'a>,
    parameters: BTreeMap<EcoString, Map>,
}

impl Shapes<'_> {
    fn path(&mut self, path: &Path) -> Map {
        let mut map = Map::with_capacity(path.operations.len() + 1);
        for operation in &path.operations {
            map.set(operation.method, self.operation(operation));
        }
        if !path.parameters.is_empty() {
            let parameters: List =
                path.parameters.iter().map(|it| Node::from(self.shared(&it.name, parameter(it)))).collect();
            map.set("parameters", parameters);
        }
        map
    }

    fn operation(&mut self, operation: &Operation) -> Map {
        let consumes = operation.body.as_ref().map_or(operations::ANY, |body| body.consumes);
        let texts = |texts: &[&str]| -> Node { texts.iter().copied().collect() };
        let mut map = Map::from([
            ("description", Node::from(operation.description.as_str())),
            ("operationId", operation.id.as_str().into()),
            ("tags", texts(&[&operation.tag])),
            ("consumes", texts(consumes)),
            ("produces", texts(operation.produces)),
            ("schemes", texts(&["https"])),
        ]);
        let mut parameters = List::new();
        if let Some(body) = &operation.body {
            parameters.push(self.body(body).into());
        }
        for it in &operation.parameters {
            parameters.push(self.shared(&it.name, parameter(it)).into());
        }
        if !parameters.is_empty() {
            map.set("parameters", parameters);
        }
        map.set("responses", self.responses(operation));
        v3::extensions(operation, &mut map);
        map
    }

    fn body(&mut self, body: &Body) -> Map {
        let schema = self.definitions.reference(body.schema);
        let mut map =
            Map::from([("name", Node::from("body")), ("in", "body".into()), ("schema", schema.into())]);
        if body.required {
            map.set("required", true);
        }
        self.shared("body", map)
    }

    fn responses(&mut self, operation: &Operation) -> Map {
        let schema = match operation.answer {
            Some(name) => self.definitions.reference(name),
            None => Map::from([("type", "string")]),
        };
        let mut map = Map::new();
        for (code, words) in operation.successes {
            let response = [("description", Node::from(*words)), ("schema", schema.clone().into())];
            map.set(*code, Map::from(response));
        }
        map.set("401", Map::from([("description", "Unauthorized")]));
        map
    }

    /// A reference to a parameter that stands below `parameters`.
    fn shared(&mut self, name: &str, parameter: Map) -> Map {
        let digest = Sha256::digest(parameter.to_string());
        let key: EcoString = format!("{name}-{}", URL_SAFE_NO_PAD.encode(&digest[..6])).into();
        let reference = Map::from([("$ref", Node::from(format!("#/parameters/{key}")))]);
        self.parameters.entry(key).or_insert(parameter);
        reference
    }
}

fn parameter(parameter: &Parameter) -> Map {
    let mut map = Map::from([
        ("name", Node::from(&*parameter.name)),
        ("in", if parameter.in_path { "path" } else { "query" }.into()),
        ("type", parameter.ty.into()),
        ("uniqueItems", true.into()),
    ]);
    if !parameter.description.is_empty() {
        map.set("description", &*parameter.description);
    }
    if parameter.in_path {
        map.set("required", true);
    }
    map
}
