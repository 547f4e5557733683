use serde_json::json;

use super::*;
use crate::codec::json as codec;
use crate::fixture;
use crate::schema;
use crate::tree::Node;

fn definition(version: serde_json::Value) -> Map {
    fixture::object(
        definitions(),
        &json!({
            "metadata": { "name": "widgets.example.com" },
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": { "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList" },
                "versions": [version],
            },
            "status": { "conditions": [{ "type": "Established", "status": "True" }] },
        }),
    )
}

fn version(spec: serde_json::Value) -> serde_json::Value {
    json!({
        "name": "v1",
        "served": true,
        "storage": true,
        "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
    })
}

fn widgets(spec: serde_json::Value) -> Arc<Resource> {
    definition::resources(&definition(version(spec)), 1, &[]).remove(0)
}

fn object(text: &serde_json::Value) -> Map {
    let id = schema::builtin().find(schema::CUSTOM_OBJECT).unwrap();
    codec::decode(text.to_string().as_bytes(), schema::builtin(), id, None).unwrap()
}

fn spec(spec: serde_json::Value) -> Map {
    object(&json!({ "metadata": { "name": "a" }, "spec": spec }))
}

fn text(object: &Map) -> String {
    let mut text = Vec::new();
    codec::encode_untyped(object.get("spec").unwrap_or(&Node::Null), &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_stored_of_a_custom_object_is_read_back_as_it_was() {
    let resource = widgets(json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
    let text = json!({
        "zulu": null, "alpha": [1, 1.5, "x", {}, [], null, false, 0, ""], "metadata": { "name": "a", "labels": {} },
        "spec": { "b": { "z": 1, "a": {} }, "a": 12345678901_i64 },
    });
    let tree = object(&text);
    let stored = crate::storage::encode(&resource, &tree);
    let bytes = std::str::from_utf8(&stored.bytes).unwrap();
    assert!(bytes.starts_with(r#""metadata":{"name":"a""#), "{bytes}");
    assert!(bytes.ends_with(
        r#""alpha":[1,1.5,"x",{},[],null,false,0,""],"spec":{"a":12345678901,"b":{"a":{},"z":1}},"zulu":null}"#
    ));
    let again = crate::storage::decode_bytes(&resource, &stored.bytes);
    assert_eq!(again.get("alpha"), tree.get("alpha"));
    assert_eq!(crate::storage::encode(&resource, &again).bytes, stored.bytes);
}

#[test]
fn fields_that_the_schema_does_not_know_go_and_are_told() {
    let resource = widgets(json!({
        "type": "object",
        "properties": {
            "known": { "type": "string" },
            "items": { "type": "array", "items": { "type": "object", "properties": { "a": { "type": "string" } } } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": { "strict": { "type": "object", "properties": {} } } },
            "each": { "type": "object", "additionalProperties": { "type": "object", "properties": {} } },
            "whole": { "type": "object", "x-kubernetes-embedded-resource": true, "properties": {} },
        },
    }));
    let custom = resource.custom.as_ref().unwrap();
    let mut tree = object(&json!({
        "top": 1,
        "spec": {
            "known": "x", "unknown": 1, "items": [{ "a": "x", "b": 1 }], "each": { "k": { "x": 1 } },
            "free": { "any": { "thing": 1 }, "strict": { "x": 1 } },
            "whole": { "kind": "K", "apiVersion": "v1", "metadata": { "name": "x" }, "more": 1 },
        },
    }));
    let mut findings = Findings::default();
    custom.prune(&mut tree, Some(&mut findings));
    assert_eq!(
        findings.sentences(),
        [
            r#"unknown field "spec.each.k.x""#,
            r#"unknown field "spec.free.strict.x""#,
            r#"unknown field "spec.items[0].b""#,
            r#"unknown field "spec.unknown""#,
            r#"unknown field "spec.whole.more""#,
            r#"unknown field "top""#,
        ]
    );
    assert!(!tree.contains("top"));
    assert_eq!(
        text(&tree),
        r#"{"each":{"k":{}},"free":{"any":{"thing":1},"strict":{}},"items":[{"a":"x"}],"known":"x","whole":{"apiVersion":"v1","kind":"K","metadata":{"name":"x"}}}"#
    );
    let before = tree.clone();
    custom.prune(&mut tree, None);
    assert!(tree.is_shared_with(&before));
}

#[test]
fn defaults_fill_what_is_absent_or_a_null_that_is_not_allowed() {
    let resource = widgets(json!({
        "type": "object",
        "properties": {
            "a": { "type": "integer", "default": 1 },
            "b": { "type": "integer", "default": 2, "nullable": true },
            "c": { "type": "string" },
            "d": { "type": "string", "nullable": true },
            "in": { "type": "object", "default": {}, "properties": { "e": { "type": "string", "default": "x" } } },
            "list": { "type": "array", "items": { "type": "object", "properties": { "f": { "type": "integer", "default": 3 } } } },
            "map": { "type": "object", "additionalProperties": { "type": "object", "properties": { "g": { "type": "integer", "default": 4 } } } },
        },
    }));
    let custom = resource.custom.as_ref().unwrap();
    let mut tree = spec(json!({
        "a": null, "b": null, "c": null, "d": null, "list": [{}, { "f": 9 }], "map": { "k": {} },
    }));
    custom.set_defaults(&mut tree);
    assert_eq!(
        text(&tree),
        r#"{"a":1,"b":null,"d":null,"in":{"e":"x"},"list":[{"f":3},{"f":9}],"map":{"k":{"g":4}}}"#
    );
    let before = tree.clone();
    custom.set_defaults(&mut tree);
    assert!(tree.is_shared_with(&before));
}

#[test]
fn values_are_judged_and_what_an_update_leaves_as_it_was_is_not() {
    let resource = widgets(json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "pattern": "^[a-z]+$" },
            "size": { "x-kubernetes-int-or-string": true },
            "at": { "type": "string", "format": "date-time" },
            "ports": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": { "type": "object", "properties": { "name": { "type": "string" }, "n": { "type": "integer", "maximum": 9 } } },
            },
            "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "whole": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
        },
    }));
    let custom = resource.custom.as_ref().unwrap();
    let faults = |object: &Map, old: Option<&Map>| -> Vec<String> {
        let mut errors = FieldErrors::new();
        custom.validate(object, old, ("example.com/v1", "Widget"), &mut errors, &mut Warnings::new());
        let mut told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        told.sort();
        told
    };
    let wrong = spec(json!({
        "name": "A", "size": true, "at": "noon", "ports": [{ "name": "p", "n": 10 }, { "name": "p" }],
        "tags": ["a", "b", "a"], "whole": { "kind": "" },
    }));
    assert_eq!(
        faults(&wrong, None),
        [
            r#"spec.at: Invalid value: "noon": spec.at in body must be of type date-time: "noon""#,
            r#"spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'"#,
            r#"spec.ports[0].n: Invalid value: 10: spec.ports[0].n in body should be less than or equal to 9"#,
            r#"spec.ports[1]: Duplicate value: {"name":"p"}"#,
            r#"spec.size: Invalid value: "boolean": spec.size in body must be of type integer,string: "boolean""#,
            r#"spec.tags[2]: Duplicate value: "a""#,
            r#"spec.whole.apiVersion: Required value: must not be empty"#,
            r#"spec.whole.kind: Invalid value: "": must not be empty"#,
        ]
    );
    assert_eq!(faults(&spec(json!({})), None), ["spec.name: Required value"]);
    let old = spec(
        json!({ "name": "A", "ports": [{ "name": "p", "n": 10 }, { "name": "q", "n": 1 }], "tags": ["a", "a"] }),
    );
    let new = spec(
        json!({ "name": "A", "ports": [{ "name": "q", "n": 11 }, { "name": "p", "n": 10 }], "tags": ["a", "a"] }),
    );
    assert_eq!(
        faults(&new, Some(&old)),
        [r#"spec.ports[0].n: Invalid value: 11: spec.ports[0].n in body should be less than or equal to 9"#]
    );
}

#[test]
fn a_definition_that_changes_in_nothing_that_is_served_keeps_its_resource() {
    let first = definition(version(json!({ "type": "object" })));
    let made = definition::resources(&first, 1, &[]);
    let mut later = first.clone();
    later.metadata_mut().set("labels", Map::from([("a", "b")]));
    assert!(Arc::ptr_eq(&made[0], &definition::resources(&later, 2, &made)[0]));
    let other = definition(version(json!({ "type": "object", "properties": { "a": { "type": "string" } } })));
    let changed = definition::resources(&other, 3, &made);
    assert!(!Arc::ptr_eq(&made[0], &changed[0]));
    assert_eq!(changed[0].custom.as_ref().unwrap().since, 3);
    assert!(std::ptr::eq(made[0].kind, changed[0].kind), "a kind does not depend on its schema");
    assert!(!changed[0].serves_as_stored(2) && changed[0].serves_as_stored(3));
}

#[test]
fn nothing_is_served_before_names_are_accepted_and_only_the_stored_version_at_the_end() {
    let mut unaccepted = definition(version(json!({ "type": "object" })));
    unaccepted.remove("status");
    assert!(definition::resources(&unaccepted, 1, &[]).is_empty());
    let mut unserved = version(json!({ "type": "object" }));
    unserved["served"] = false.into();
    let mut going = definition(unserved);
    assert!(definition::resources(&going, 1, &[]).is_empty());
    going.metadata_mut().set("deletionTimestamp", fixture::NOW);
    assert_eq!(definition::resources(&going, 2, &[]).len(), 1);
}

#[test]
fn what_is_built_in_is_not_displaced() {
    let widget = widgets(json!({ "type": "object" }));
    let registry = Registry::with(std::slice::from_ref(&widget));
    assert!(Arc::ptr_eq(registry.find("example.com", "v1", "widgets").unwrap(), &widget));
    assert!(registry.find("apps", "v1", "deployments").is_some());
    assert!(registry.catalog().find("example.com", "v1").is_some_and(|served| served.kinds[0].is_custom));
    assert_eq!(registry.custom_in("apis/example.com/v1").count(), 1);
    assert_eq!(registry.custom_in("apis/apps/v1").count(), 0);
}

#[test]
fn a_version_that_becomes_the_stored_one_looks_at_what_was_stored_before() {
    let of = |name: &str, storage: bool| {
        let mut version =
            version(json!({ "type": "object", "properties": { "a": { "type": "integer", "default": 1 } } }));
        (version["name"], version["storage"]) = (name.into(), storage.into());
        version
    };
    let both = |first: bool| {
        let mut both = definition(of("v1", first));
        let second = definition(of("v2", !first));
        let second = second.map("spec").unwrap().list("versions")[0].clone();
        both.map_mut("spec").list_mut("versions").push(second);
        both
    };
    let before = definition::resources(&both(true), 1, &[]);
    assert!(before[0].serves_as_stored(1) && !before[1].serves_as_stored(1));
    let after = definition::resources(&both(false), 5, &before);
    assert!(!after[0].serves_as_stored(9), "objects of other versions are made of the stored one");
    assert!(!after[1].serves_as_stored(4) && after[1].serves_as_stored(5));
    let mut object = spec(json!({ "b": 2 }));
    after[0].from_storage(&mut object);
    assert_eq!(text(&object), r#"{"a":1}"#);
}

#[test]
fn objects_state_the_version_that_they_are_stored_in() {
    let is = |version: serde_json::Value, name: &str, storage: bool| {
        let mut version = version;
        version["name"] = json!(name);
        version["storage"] = json!(storage);
        version
    };
    let free = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let (first, second) = (is(version(free.clone()), "v1", true), is(version(free), "v2", false));
    let stored_as = |conversion: serde_json::Value| {
        let mut definition = definition(first.clone());
        let versions = [&first, &second].map(fixture::untyped).map(Node::Map);
        let mut spec = definition.map("spec").cloned().unwrap();
        spec.set("versions", versions.into_iter().collect::<Node>());
        spec.set("conversion", fixture::untyped(&conversion));
        definition.set("spec", spec);
        definition::resources(&definition, 1, &[])
            .iter()
            .map(|resource| {
                let value = crate::storage::encode(resource, &self::spec(json!({})));
                crate::facts::FactsView::new(&value.facts).version().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(stored_as(json!({ "strategy": "None" })), ["v1", "v1"]);
    let webhook =
        json!({ "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1" } });
    assert_eq!(stored_as(json!({ "strategy": "Webhook", "webhook": webhook })), ["v1", "v2"]);
}
