use super::*;
use crate::schema;

fn pod() -> StructId {
    schema::kind("", "v1", "Pod").unwrap()
}

fn decoded(kind: StructId, text: &str) -> Result<(String, Findings), String> {
    let mut findings = Findings::default();
    let schema = schema::builtin();
    let map = decode(text.as_bytes(), schema, kind, Some(&mut findings)).map_err(|error| error.message)?;
    let untyped = match decode_untyped(text.as_bytes()).unwrap() {
        Node::Map(map) => map,
        _ => Map::new(),
    };
    let converted = typed(untyped, schema, kind, None).unwrap();
    assert_eq!(converted, map, "both ways to a typed tree agree on {text}");
    let mut out = Vec::new();
    encode(&map, schema, kind, &mut out);
    let again = decode(&out, schema, kind, None).unwrap();
    assert_eq!(again, map, "what was written is read back: {text}");
    Ok((String::from_utf8(out).unwrap(), findings))
}

#[track_caller]
fn check(kind: StructId, text: &str, expected: &str) {
    let (text, findings) = decoded(kind, text).unwrap();
    assert_eq!(text, expected);
    assert!(findings.is_empty(), "{findings:?}");
}

#[track_caller]
fn check_error(kind: StructId, text: &str, expected: &str) {
    assert_eq!(decoded(kind, text).unwrap_err(), expected);
}

#[test]
fn zero_values_are_printed_where_go_prints_them() {
    check(pod(), "{}", r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#);
    check(
        pod(),
        r#"{"status":{},"metadata":{"creationTimestamp":null,"labels":{}},"spec":{"containers":[{}],"volumes":[]}}"#,
        r#"{"metadata":{},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}}"#,
    );
    let service = schema::kind("", "v1", "Service").unwrap();
    check(
        service,
        r#"{"spec":{"ports":[{"port":80}]}}"#,
        r#"{"metadata":{},"spec":{"ports":[{"port":80,"targetPort":0}]},"status":{"loadBalancer":{}}}"#,
    );
    let role = schema::kind("rbac.authorization.k8s.io", "v1", "Role").unwrap();
    check(role, r#"{"rules":[]}"#, r#"{"metadata":{},"rules":[]}"#);
    check(role, r#"{"rules":null}"#, r#"{"metadata":{},"rules":null}"#);
}

#[test]
fn pointers_keep_zero_and_empty() {
    let deployment = schema::kind("apps", "v1", "Deployment").unwrap();
    check(
        deployment,
        r#"{"spec":{"replicas":0,"selector":{},"minReadySeconds":0}}"#,
        concat!(
            r#"{"metadata":{},"spec":{"replicas":0,"selector":{},"template":{"metadata":{},"#,
            r#""spec":{"containers":null}},"strategy":{}},"status":{}}"#
        ),
    );
    check(
        pod(),
        r#"{"spec":{"volumes":[{"emptyDir":{},"name":"a"}],"securityContext":{}}}"#,
        concat!(
            r#"{"metadata":{},"spec":{"volumes":[{"name":"a","emptyDir":{}}],"containers":null,"#,
            r#""securityContext":{}},"status":{}}"#
        ),
    );
}

#[test]
fn leaves_become_canonical() {
    check(
        pod(),
        concat!(
            r#"{"metadata":{"name":"<a>","creationTimestamp":"2024-01-01T01:00:00.5+01:00","#,
            r#""managedFields":[{"fieldsV1": { "f:a" : {"<": [ 1 ]} }}]},"#,
            r#""spec":{"containers":[{"name":"a","resources":{"limits":{"memory":"1024Mi","cpu":0.5}}}]}}"#
        ),
        concat!(
            r#"{"metadata":{"name":"\u003ca\u003e","creationTimestamp":"2024-01-01T00:00:00Z","#,
            r#""managedFields":[{"fieldsV1":{"f:a":{"\u003c":[1]}}}]},"#,
            r#""spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}]},"status":{}}"#
        ),
    );
}

#[test]
fn unknown_and_duplicate_fields_are_reported_with_their_paths() {
    let text = concat!(
        r#"{"foo":1,"spec":{"containers":[{"name":"a"},{"imagee":{"a":[1]},"name":"b","name":"c"}],"Hostname":"x"},"#,
        r#""metadata":{"labels":{"b":"1","a":"1","b":"2"}},"metadata":{"name":"last"}}"#
    );
    let schema = schema::builtin();
    let mut findings = Findings::default();
    let map = decode(text.as_bytes(), schema, pod(), Some(&mut findings)).unwrap();
    assert_eq!(findings.unknown, ["foo", "spec.containers[1].imagee", "spec.Hostname"]);
    assert_eq!(findings.duplicate, ["spec.containers[1].name", "metadata.labels.b", "metadata"]);
    assert_eq!(
        findings.sentences(),
        [
            "unknown field \"foo\"",
            "unknown field \"spec.containers[1].imagee\"",
            "duplicate field \"spec.containers[1].name\"",
            "unknown field \"spec.Hostname\"",
            "duplicate field \"metadata.labels.b\"",
            "duplicate field \"metadata\"",
        ]
    );
    assert_eq!((map.name(), map.label("b")), ("last", Some("2")), "Go decodes both into one struct");
    let mut spec = map.map("spec").unwrap().maps("containers");
    assert_eq!(spec.nth(1).unwrap().str("name"), "c");
}

#[test]
fn what_a_strategic_patch_made_is_refused_in_the_converters_words() {
    let pod = schema::kind("", "v1", "Pod").unwrap();
    for (text, expected) in [
        (r#"{"spec":[]}"#, "cannot restore struct from: slice"),
        (r#"{"spec":{"containers":{}}}"#, "cannot restore slice from map"),
        (r#"{"spec":{"nodeSelector":1.5}}"#, "cannot restore map from float64"),
        (r#"{"spec":{"restartPolicy":5}}"#, "cannot convert int64 to v1.RestartPolicy"),
        (r#"{"spec":{"restartPolicy":true}}"#, "unrecognized type: string"),
        (r#"{"spec":{"priority":"x"}}"#, "unrecognized type: int32"),
        (r#"{"spec":{"priority":1.5}}"#, "cannot convert float64 to int32"),
        (r#"{"spec":{"hostNetwork":1}}"#, "unrecognized type: bool"),
        (
            r#"{"metadata":{"creationTimestamp":{}}}"#,
            "json: cannot unmarshal object into Go value of type string",
        ),
    ] {
        let Node::Map(map) = decode_untyped(text.as_bytes()).unwrap() else { panic!("{text}") };
        let error = restored(map, None, schema::builtin(), pod, None).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn wrong_types_are_refused_in_gos_words() {
    let deployment = schema::kind("apps", "v1", "Deployment").unwrap();
    let cases = [
        (
            r#"{"spec":{"replicas":"3"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"replicas":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"replicas":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":[]}"#,
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"metadata":{"labels":[]}}"#,
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[1]}}}}"#,
            "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.containers of type v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"restartPolicy":true}}}}"#,
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":true}}}}"#,
            "json: cannot unmarshal bool into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (
            r#"{"spec":{"template":{"spec":{"overhead":{"cpu":"x"}}}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"x"}}"#,
            r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
        ),
        (
            r#"{"kind":1}"#,
            "json: cannot unmarshal number into Go struct field Deployment.TypeMeta.kind of type string",
        ),
        ("[]", "json: cannot unmarshal array into Go value of type v1.Deployment"),
    ];
    for (text, expected) in cases {
        check_error(deployment, text, expected);
    }
}

#[test]
fn broken_text_is_refused_in_gos_words() {
    let cases = [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        (r#"{"a""#, "unexpected end of JSON input"),
        (r#"{"a":"#, "unexpected end of JSON input"),
        (r#"{"a":"b"#, "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b":2}"#, "invalid character '\"' after object key:value pair"),
        (r#"{"a":[1 2]}"#, "invalid character '2' after array element"),
        (r#"{"a":[1,]}"#, "invalid character ']' looking for beginning of value"),
        (r#"{} {}"#, "invalid character '{' after top-level value"),
        ("{\"a\":\"\n\"}", r"invalid character '\n' in string literal"),
        (r#"{"a":"\x"}"#, "invalid character 'x' in string escape code"),
        (r#"{"a":"\u12x4"}"#, r"invalid character 'x' in \u hexadecimal character escape"),
        (r#"{"a":tru}"#, "invalid character '}' in literal true (expecting 'e')"),
        (r#"{"a":-}"#, "invalid character '}' in numeric literal"),
        (r#"{"a":1.}"#, "invalid character '}' after decimal point in numeric literal"),
        (r#"{"a":1e}"#, "invalid character '}' in exponent of numeric literal"),
        (r#"{"a":01}"#, "invalid character '1' after object key:value pair"),
        // A syntax error later in the text wins over a value of the wrong type.
        (r#"{"spec":1,"a":}"#, "invalid character '}' looking for beginning of value"),
    ];
    for (text, expected) in cases {
        check_error(pod(), text, expected);
        assert_eq!(decode_untyped(text.as_bytes()).unwrap_err().message, expected, "untyped {text}");
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(decode_untyped(deep(500).as_bytes()).is_ok());
        assert_eq!(decode_untyped(deep(100_000).as_bytes()).unwrap_err().message, "exceeded max depth");
        let unknown = format!(r#"{{"x":{}}}"#, deep(100_000));
        assert_eq!(
            decode(unknown.as_bytes(), schema::builtin(), pod(), None).unwrap_err().message,
            "exceeded max depth"
        );
    }
}

#[test]
fn strings_survive_with_every_escape() {
    let text = r#"{"a":"\u00e9\ud83d\ude00\ud800x\/\b\f\n\r\t\"\\\u2028é","b":1e21,"c":-0.0000001,"d":100,"e":0.5,"f":12345678901234567890}"#;
    let mut out = Vec::new();
    encode_untyped(&decode_untyped(text.as_bytes()).unwrap(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"a\":\"é😀\u{fffd}x/\\b\\f\\n\\r\\t\\\"\\\\\\u2028é\",\"b\":1e+21,\"c\":-1e-7,\"d\":100,\"e\":0.5,\"f\":12345678901234567000}"
    );
    assert_eq!(decode_untyped(b"{\"a\":\"\xff\"}").unwrap().as_map().unwrap().str("a"), "\u{fffd}");
}

#[test]
fn the_stored_form_has_a_place_for_the_resource_version() {
    let map = decode(
        br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7","generation":2}}"#,
        schema::builtin(),
        pod(),
        None,
    )
    .unwrap();
    let mut out = Vec::new();
    let at = encode_object(&map, schema::builtin(), pod(), Head::Stored, &mut out).unwrap();
    assert!(out[at..].starts_with(br#"","generation""#));
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        r#""metadata":{"name":"a","resourceVersion":"","generation":2},"spec":{"containers":null},"status":{}}"#
    );
    assert_eq!(decode_stored(&out, schema::builtin(), pod()).unwrap().name(), "a");
    let mut out = Vec::new();
    let head = r#"{"kind":"Pod","apiVersion":"v1","#;
    encode_object(&map, schema::builtin(), pod(), Head::Text(head), &mut out);
    assert!(decode(&out, schema::builtin(), pod(), None).is_ok());
}

#[test]
fn order_and_left_over_zeros_do_not_change_the_text() {
    let mut map = decode(br#"{"spec":{"hostname":"x"}}"#, schema::builtin(), pod(), None).unwrap();
    let spec = map.map_mut("spec");
    spec.set("restartPolicy", "Always");
    spec.set("nodeName", "");
    spec.set("volumes", crate::tree::List::new());
    map.metadata_mut().set("labels", Map::new());
    let mut out = Vec::new();
    encode(&map, schema::builtin(), pod(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"metadata":{},"spec":{"containers":null,"restartPolicy":"Always","hostname":"x"},"status":{}}"#
    );
}

#[test]
fn what_a_live_object_shares_with_a_changed_one_need_not_be_made_typed_again() {
    let live = r#"{"metadata":{"name":"p","annotations":{"a":"1"}},"spec":{"containers":[{"name":"c","image":"i",
        "resources":{"limits":{"cpu":"1","memory":"1Gi"}}},{"name":"d"}]},"status":{"phase":"Running"}}"#;
    let live = decode(live.as_bytes(), schema::builtin(), pod(), None).unwrap();
    let mut changed = live.clone();
    changed.metadata_mut().map_mut("annotations").set("b", "2");
    changed.metadata_mut().set("unknown", 1_i64);
    changed.metadata_mut().set("creationTimestamp", "2026-01-02T03:04:05+01:00");
    let container = changed.map_mut("spec").existing_list_mut("containers").unwrap()[0].as_map_mut().unwrap();
    container.map_mut("resources").map_mut("limits").set("cpu", "0.5");
    container.set("stdin", false);
    container.set("image", Node::Null);
    let mut findings = [Findings::default(), Findings::default()];
    let [all, some] = &mut findings;
    let expected = typed(changed.clone(), schema::builtin(), pod(), Some(all)).unwrap();
    let again = typed_again(changed, &live, schema::builtin(), pod(), Some(some)).unwrap();
    assert_eq!(again, expected);
    assert_eq!(findings[0].sentences(), findings[1].sentences());
    assert!(again.get("status").unwrap().is_shared_with(live.get("status").unwrap()));
    assert_eq!(again.map("spec").unwrap().maps("containers").next().unwrap().str("image"), "");
}

/// A pod as it is stored, with a spec and a container that are long enough to be left unread.
fn stored_pod() -> bytes::Bytes {
    let words = "word ".repeat(80);
    let pod_text = format!(
        r#"{{"metadata":{{"name":"p","annotations":{{"a":"1"}}}},"spec":{{"nodeName":"n","containers":[{{"name":"c",
        "args":["{words}","<&>\u2028\""],"resources":{{"limits":{{"cpu":"1"}}}}}},{{"name":"d"}}]}}}}"#
    );
    let map = decode(pod_text.as_bytes(), schema::builtin(), pod(), None).unwrap();
    stored(&map)
}

fn stored(map: &Map) -> bytes::Bytes {
    let mut out = Vec::new();
    encode_stored(map, schema::builtin(), pod(), &mut out);
    out.into()
}

#[test]
fn what_a_write_does_not_look_into_is_stored_again_unread() {
    let text = stored_pod();
    let map = decode_stored_for_write(&text, pod()).unwrap();
    assert!(map.map("spec").unwrap().stored_text().is_some());
    assert!(map.metadata().unwrap().stored_text().is_none());
    assert_eq!(stored(&map), text);
    assert_eq!(map, decode_stored(&text, schema::builtin(), pod()).unwrap());
    // Reading changes nothing.
    assert!(map.map("spec").unwrap().stored_text().is_some());
    assert_eq!(stored(&map), text);
}

#[test]
fn what_a_write_changes_is_encoded_anew() {
    let text = stored_pod();
    let change = |map: &mut Map| {
        let spec = map.map_mut("spec");
        spec.set("hostname", "h");
        let containers = spec.existing_list_mut("containers").unwrap();
        containers[0].as_map_mut().unwrap().set("image", "i");
        map.clone()
    };
    let mut lazy = decode_stored_for_write(&text, pod()).unwrap();
    let before = lazy.clone();
    let mut eager = decode_stored(&text, schema::builtin(), pod()).unwrap();
    assert_eq!(stored(&change(&mut lazy)), stored(&change(&mut eager)));
    assert_ne!(stored(&lazy), text);
    assert_eq!(stored(&before), text);
    assert!(!lazy.shares("spec", &before) && lazy.shares("metadata", &before));
}

#[test]
fn a_struct_in_which_nothing_is_set_is_never_left_unread() {
    for kind in schema::builtin_kinds() {
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![kind.id];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let mut out = Vec::new();
            encode(&Map::new(), schema::builtin(), id, &mut out);
            let this = schema::builtin().get(id);
            // An object itself is never left unread.
            assert!(
                id == kind.id || out.len() < decode::UNREAD_BYTES_MIN,
                "{} is {} long",
                this.name,
                out.len()
            );
            open.extend(this.flat.iter().filter_map(|flat| flat.field.ty.struct_id()));
        }
    }
}
