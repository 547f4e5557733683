use super::*;

fn definition(versions: &[(&str, bool)]) -> Map {
    let version = |(name, storage): &(&str, bool)| {
        let schema = Map::from([("openAPIV3Schema", Map::from([("type", "object")]))]);
        Map::from([("name", Node::from(*name)), ("storage", (*storage).into()), ("schema", schema.into())])
    };
    let mut definition = Map::from([
        ("metadata", Map::from([("name", "things.example.com")])),
        (
            "spec",
            Map::from([
                ("group", Node::from("example.com")),
                ("scope", "Namespaced".into()),
                ("names", Map::from([("plural", "things"), ("kind", "Thing")]).into()),
                ("versions", versions.iter().map(version).collect()),
            ]),
        ),
    ]);
    set_defaults(&mut definition);
    definition
}

fn check(definition: &Map, expected: &[&str]) {
    let mut errors = FieldErrors::new();
    validate(definition, &mut errors);
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn names_and_stored_versions_are_filled_in() {
    let definition = definition(&[("v1", true)]);
    assert_eq!(definition.str_at(&["spec", "names", "singular"]), "thing");
    assert_eq!(definition.str_at(&["spec", "names", "listKind"]), "ThingList");
    assert_eq!(definition.at(&["status", "storedVersions"]), Some(&["v1"].into_iter().collect()));
    check(&definition, &[]);
}

#[test]
fn a_version_that_was_stored_must_stay() {
    let mut moved = definition(&[("v2", true)]);
    moved.set("status", Map::from([("storedVersions", ["v1"].into_iter().collect::<Node>())]));
    add_stored_version(&mut moved);
    let mut errors = FieldErrors::new();
    validate(&moved, &mut errors);
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["status.storedVersions[0]"]);
}

/// A definition of one version with more in it, as JSON.
fn with(version: &str) -> Map {
    let mut definition = definition(&[("v1", true)]);
    let more = crate::codec::json::decode_untyped(version.as_bytes()).expect("JSON");
    let versions = definition.map_mut("spec").existing_list_mut("versions").expect("versions");
    let version = versions[0].as_map_mut().expect("a version");
    for (field, value) in more.as_map().expect("an object").iter() {
        version.set(field.clone(), value.clone());
    }
    definition
}

#[test]
fn what_all_versions_share_is_reported_once() {
    let column = |version: &str| {
        with(&format!(
            r#"{{"additionalPrinterColumns":[{{"name":"a","type":"{version}","jsonPath":".a"}}]}}"#
        ))
    };
    check(&column("date"), &[]);
    check(
        &column("text"),
        &[
            "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
        ],
    );
}

#[test]
fn scales_and_selectors_lead_into_the_object() {
    check(
        &with(
            r#"{"subresources":{"scale":{"specReplicasPath":".a","statusReplicasPath":".status.b"}},
                "selectableFields":[{"jsonPath":".spec"}]}"#,
        ),
        &[
            "spec.subresources.scale.specReplicasPath: Invalid value: \".a\": should be a json path under .spec",
            "spec.selectableFields[0].jsonPath: Invalid value: \".spec\": is an invalid path: does not refer to a valid field",
        ],
    );
}

#[test]
fn a_conversion_by_webhook_says_whom_to_call() {
    let mut definition = definition(&[("v1", true)]);
    definition.map_mut("spec").set("conversion", Map::from([("strategy", "Webhook")]));
    check(
        &definition,
        &[
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value",
        ],
    );
}

#[test]
fn formats_that_nobody_checks_are_told_once() {
    let new = with(r#"{"schema":{"openAPIV3Schema":{"type":"string","format":"colour"}}}"#);
    let told = |old: Option<&Map>| {
        let mut found = Warnings::new();
        warnings(&new, old, &mut found);
        found.to_vec()
    };
    assert_eq!(told(None), ["unrecognized format \"colour\""]);
    assert_eq!(told(Some(&new)), Vec::<String>::new());
}

#[test]
fn an_established_definition_keeps_its_kind_and_scope() {
    let mut old = definition(&[("v1", true)]);
    let mut new = old.clone();
    new.map_mut("spec").set("scope", "Cluster");
    new.map_mut("spec").map_mut("names").set("plural", "others");
    let fields = |old: &Map| {
        let mut errors = FieldErrors::new();
        validate_update(&new, old, &mut errors);
        errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
    };
    assert_eq!(fields(&old), ["spec.names.plural"]);
    let established = Map::from([("type", "Established"), ("status", "True")]);
    old.map_mut("status").set("conditions", [established].into_iter().collect::<Node>());
    assert_eq!(fields(&old), ["spec.scope", "spec.names.plural"]);
}

#[test]
fn cells_show_the_versions_that_are_served_and_which_is_stored() {
    let mut definition = definition(&[("v2", false), ("v1", true), ("v1alpha1", false)]);
    let versions = definition.map_mut("spec").existing_list_mut("versions").unwrap();
    for version in versions.iter_mut().filter_map(Node::as_map_mut) {
        let served = version.str("name") != "v1alpha1";
        version.set("served", served);
    }
    let cells: Vec<Node> = KIND.columns.iter().map(|column| column.cell(&definition, 0)).collect();
    assert_eq!(cells[1..3], [Node::from("Namespaced"), "v1(storage),v2".into()]);
    assert_eq!(cells.last(), Some(&Node::Bool(false)));
}
