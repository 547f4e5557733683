use super::*;
use crate::codec::json;

/// Judges a schema whose `properties` are given as JSON.
fn check(properties: &str, expected: &[&str]) {
    let text = format!(r#"{{"openAPIV3Schema":{{"type":"object","properties":{properties}}}}}"#);
    let node = json::decode_untyped(text.as_bytes()).expect("JSON");
    let mut errors = FieldErrors::new();
    validate(node.as_map(), false, &Path::new("schema"), &mut errors);
    let prefix = "schema.openAPIV3Schema.properties";
    let found: Vec<String> = errors.iter().map(|error| error.to_string().replace(prefix, "")).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_controllers_generate_is_accepted() {
    check(
        r#"{"metadata":{"type":"object"},"kind":{"type":"string"},"spec":{"type":"object","required":["port"],
            "properties":{"port":{"anyOf":[{"type":"integer"},{"type":"string"}],"x-kubernetes-int-or-string":true},
            "replicas":{"type":"integer","format":"int32","default":1,"minimum":0},
            "labels":{"type":"object","additionalProperties":{"type":"string"}}}}}"#,
        &[],
    );
}

#[test]
fn every_field_has_a_type() {
    check(
        r#"{"a":{},"b":{"type":"array"},"c":{"type":"array","items":{}}}"#,
        &[
            "[a].type: Required value: must not be empty for specified object fields",
            "[b].items: Required value: must be specified",
            "[c].items.type: Required value: must not be empty for specified array items",
        ],
    );
    check(
        r#"{"a":{"type":"text"}}"#,
        &[
            "[a].type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ],
    );
}

#[test]
fn junctors_judge_what_is_declared_outside_of_them() {
    check(
        r#"{"a":{"type":"object","anyOf":[{"type":"object"},{"properties":{"b":{"minLength":1}}}]}}"#,
        &["[a].anyOf[0].type: Forbidden: must be empty to be structural"],
    );
    check(
        r#"{"a":{"type":"string"}},"anyOf":[{"properties":{"b":{"minLength":1}}}]"#,
        &["[b]: Required value: because it is defined in schema.openAPIV3Schema.anyOf[0].properties[b]"],
    );
}

#[test]
fn metadata_stays_what_it_is() {
    check(
        r#"{"metadata":{"type":"object","properties":{"labels":{"type":"object"}}}}"#,
        &[
            "[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ],
    );
}

#[test]
fn defaults_are_values_that_the_schema_allows() {
    check(
        r#"{"a":{"type":"integer","default":"x"},"b":{"type":"object","default":{"c":1}},
            "d":{"type":"string","default":"e","enum":["f"]},"g":{"type":"integer","default":0,"minimum":1}}"#,
        &[
            "[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\"",
            "[b].default: Invalid value: {\"c\":1}: must not have unknown fields",
            "[d].default: Unsupported value: \"e\": supported values: \"f\"",
            "[g].default: Invalid value: 0:  in body should be greater than or equal to 1",
        ],
    );
}

#[test]
fn keys_of_a_list_of_maps_are_there() {
    check(
        r#"{"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["n","m"],
            "items":{"type":"object","properties":{"n":{"type":"string"}}}}}"#,
        &[
            "[a].x-kubernetes-list-map-keys: Invalid value: [\"n\",\"m\"]: entries must all be names of item properties",
            "[a].items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ],
    );
}

#[test]
fn what_cannot_be_served_is_refused() {
    check(
        r##"{"a":{"type":"object","$ref":"#/b"},"c":{"type":"object","x-kubernetes-preserve-unknown-fields":false}}"##,
        &[
            "[a].$ref: Forbidden: $ref is not supported",
            "[c].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ],
    );
}

#[test]
fn paths_lead_through_properties_and_maps() {
    let schema = json::decode_untyped(
        br#"{"properties":{"a":{"additionalProperties":{"type":"object","properties":{"b":{"type":"string"}}}}}}"#,
    )
    .expect("JSON");
    let resolve = |path, notation| {
        field_path::resolve(path, schema.as_map().expect("an object"), notation)
            .map(|(_, found)| found.map_or("", |schema| schema.str("type")).to_owned())
    };
    use field_path::Notation::{Dots, DotsAndBrackets};
    assert_eq!(resolve(".a['x.y'].b", DotsAndBrackets).as_deref(), Ok("string"));
    assert_eq!(resolve(".a.x.b", Dots).as_deref(), Ok("string"));
    assert_eq!(resolve(".a['x']", Dots), Err("array notation is not allowed".to_owned()));
    assert_eq!(resolve(".c", Dots), Err("does not refer to a valid field".to_owned()));
    assert_eq!(resolve("a", Dots), Err("expected [ or . but got: a".to_owned()));
}
