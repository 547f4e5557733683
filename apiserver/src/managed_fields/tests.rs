use super::*;
use crate::codec::{json, yaml};
use crate::schema;

const NOW: &str = "2026-01-02T03:04:05Z";
const POD: (&str, &str) = ("v1", "Pod");
const CONFIG_MAP: (&str, &str) = ("v1", "ConfigMap");
const SERVICE: (&str, &str) = ("v1", "Service");

fn context(manager: &str) -> Context<'_> {
    Context {
        manager,
        api_version: "v1",
        subresource: "",
        now: NOW,
        reset: &[&["status"]],
        known: None,
        elsewhere: &[],
    }
}

fn id((version, kind): (&str, &str)) -> StructId {
    schema::kind("", version, kind).unwrap()
}

/// A typed tree from YAML.
fn object(kind: (&str, &str), text: &str) -> Map {
    let json = yaml::to_json(text.as_bytes(), None).unwrap();
    json::decode(&json, schema::builtin(), id(kind), None).unwrap()
}

/// An object as its first write leaves it.
fn created(kind: (&str, &str), text: &str, manager: &str, time: &str) -> Map {
    let mut map = object(kind, text);
    update(None, &mut map, schema::builtin(), id(kind), &Context { now: time, ..context(manager) });
    map
}

/// The managed fields of an object, a line each: `manager operation[/subresource] time fields`.
fn shown(map: &Map) -> Vec<String> {
    let list = managed_fields(map).cloned().unwrap_or_default();
    read_stored(&list)
        .unwrap()
        .iter()
        .map(|entry| {
            let slash = if entry.subresource.is_empty() { "" } else { "/" };
            let operation = format!("{}{slash}{}", entry.operation.name(), entry.subresource);
            let time = entry.time.as_deref().unwrap_or("-");
            format!("{} {operation} {time} {}", entry.manager, write_set(&entry.set()))
        })
        .collect()
}

#[track_caller]
fn check_create(kind: (&str, &str), text: &str, expected: &str) {
    assert_eq!(shown(&created(kind, text, "m", NOW)), [format!("m Update {NOW} {expected}")]);
}

/// Updates an object that `first` created last year.
#[track_caller]
fn check_update(kind: (&str, &str), live: &str, new: &str, context: &Context<'_>, expected: &[&str]) -> Map {
    let live = created(kind, live, "first", "2025-01-01T00:00:00Z");
    let mut map = object(kind, new);
    update(Some(&live), &mut map, schema::builtin(), id(kind), context);
    assert_eq!(shown(&map), expected);
    map
}

#[test]
fn a_create_owns_every_field() {
    check_create(CONFIG_MAP, "data: {a: x, b: q}", r#"{"f:data":{".":{},"f:a":{},"f:b":{}}}"#);
    check_create(
        SERVICE,
        "{metadata: {name: s, uid: u}, spec: {selector: {app: x}, ports: [{port: 80, protocol: TCP}]}, status: {loadBalancer: {}}}",
        r#"{"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{}}}"#,
    );
    check_create(
        POD,
        "spec: {containers: [{name: c, image: i, env: [{name: A, value: b}], args: [x]}], nodeSelector: {a: b}}",
        r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:env":{".":{},"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:name":{},"f:resources":{}}},"f:nodeSelector":{}}}"#,
    );
    check_create(
        POD,
        "metadata: {finalizers: [b/c, a/b], labels: {\"x\\\"<q\": z}}",
        r#"{"f:metadata":{"f:finalizers":{".":{},"v:\"a/b\"":{},"v:\"b/c\"":{}},"f:labels":{".":{},"f:x\"\u003cq":{}}}}"#,
    );
}

#[test]
fn an_object_without_fields_has_no_managers() {
    assert!(shown(&created(CONFIG_MAP, "metadata: {name: x, namespace: q, uid: z}", "m", NOW)).is_empty());
}

#[test]
fn a_write_takes_what_it_changes() {
    check_update(
        CONFIG_MAP,
        "data: {a: x, b: q}",
        "data: {a: x, b: z, c: w}",
        &context("second"),
        &[
            r#"first Update 2025-01-01T00:00:00Z {"f:data":{".":{},"f:a":{}}}"#,
            &format!(r#"second Update {NOW} {{"f:data":{{"f:b":{{}},"f:c":{{}}}}}}"#),
        ],
    );
}

#[test]
fn what_is_removed_is_owned_by_nobody() {
    // Nothing was set, so the time stays, even of the manager's own entry.
    for manager in ["first", "second"] {
        check_update(
            CONFIG_MAP,
            "data: {a: x, b: q}",
            "data: {a: x}",
            &context(manager),
            &[r#"first Update 2025-01-01T00:00:00Z {"f:data":{".":{},"f:a":{}}}"#],
        );
    }
    check_update(CONFIG_MAP, "data: {a: x}", "metadata: {name: x}", &context("second"), &[]);
}

#[test]
fn a_write_that_changes_nothing_changes_no_entry() {
    let live = "{metadata: {labels: {a: b}}, data: {a: x}}";
    let fields = r#"{"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{".":{},"f:a":{}}}}"#;
    check_update(
        CONFIG_MAP,
        live,
        live,
        &context("second"),
        &[&format!("first Update 2025-01-01T00:00:00Z {fields}")],
    );
}

#[test]
fn fields_of_an_endpoint_that_are_never_owned_are_left_out() {
    let live = "{spec: {nodeName: a}}";
    let new = "{metadata: {uid: x, generation: 3}, spec: {nodeName: b}, status: {phase: Running}}";
    check_update(
        POD,
        live,
        new,
        &context("m"),
        &[&format!(r#"m Update {NOW} {{"f:spec":{{"f:nodeName":{{}}}}}}"#)],
    );
    let status = Context { subresource: "status", reset: &[&["spec"]], ..context("kubelet") };
    check_update(
        POD,
        live,
        new,
        &status,
        &[
            r#"first Update 2025-01-01T00:00:00Z {"f:spec":{"f:nodeName":{}}}"#,
            &format!(r#"kubelet Update/status {NOW} {{"f:status":{{"f:phase":{{}}}}}}"#),
        ],
    );
}

#[test]
fn items_of_lists_have_owners_of_their_own() {
    check_update(
        POD,
        "spec: {containers: [{name: a, image: x}, {name: b, image: x}]}",
        "spec: {containers: [{name: c, image: x}, {name: b, image: q}]}",
        &context("m"),
        &[
            r#"first Update 2025-01-01T00:00:00Z {"f:spec":{"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:name":{},"f:resources":{}}}}}"#,
            &format!(
                r#"m Update {NOW} {{"f:spec":{{"f:containers":{{"k:{{\"name\":\"b\"}}":{{"f:image":{{}}}},"k:{{\"name\":\"c\"}}":{{".":{{}},"f:image":{{}},"f:name":{{}},"f:resources":{{}}}}}}}}}}"#
            ),
        ],
    );
}

#[test]
fn managed_fields_of_a_request_count_on_the_object_itself_only() {
    let live = created(CONFIG_MAP, "data: {a: x}", "first", "2025-01-01T00:00:00Z");
    let sent = |fields: &str| {
        let mut map =
            object(CONFIG_MAP, &format!("{{metadata: {{managedFields: {fields}}}, data: {{a: x}}}}"));
        update(Some(&live), &mut map, schema::builtin(), id(CONFIG_MAP), &context("m"));
        shown(&map)
    };
    let stored = shown(&live);
    assert_eq!(sent("null"), stored);
    assert_eq!(sent("[{}]"), [""; 0]);
    assert_eq!(
        sent(
            "[{manager: x, operation: Apply, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {'f:data': {'f:b': {}, 'f:a': {}}}}]"
        ),
        [r#"x Apply - {"f:data":{"f:a":{},"f:b":{}}}"#]
    );
    assert_eq!(
        sent("[{manager: x, operation: Other, apiVersion: v1, fieldsType: FieldsV1}]"),
        stored,
        "not valid"
    );
    assert_eq!(
        sent("[{manager: x, operation: Apply, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {'f': {}}}]"),
        stored
    );
    let mut map = object(CONFIG_MAP, "{metadata: {managedFields: [{}]}, data: {a: x}}");
    let status = Context { subresource: "status", ..context("m") };
    update(Some(&live), &mut map, schema::builtin(), id(CONFIG_MAP), &status);
    assert_eq!(shown(&map), stored, "a subresource does not write managed fields");
}

#[test]
fn an_object_whose_managed_fields_were_cleared_stays_untracked() {
    let live = object(CONFIG_MAP, "data: {a: x}");
    let mut map = object(CONFIG_MAP, "data: {a: q}");
    update(Some(&live), &mut map, schema::builtin(), id(CONFIG_MAP), &context("m"));
    assert!(shown(&map).is_empty());
}

#[test]
fn old_update_entries_become_one() {
    let mut live = created(CONFIG_MAP, "data: {k0: x}", "m0", "2025-01-01T00:00:00Z");
    for n in 1..=12 {
        let mut map = live.clone();
        map.map_mut("data").set(ecow::eco_format!("k{n}"), "x");
        let (manager, now) = (format!("m{n}"), format!("2025-01-01T00:00:{n:02}Z"));
        update(
            Some(&live),
            &mut map,
            schema::builtin(),
            id(CONFIG_MAP),
            &Context { now: &now, ..context(&manager) },
        );
        live = map;
    }
    let lines = shown(&live);
    assert_eq!(lines.len(), 10);
    assert_eq!(
        lines[0],
        r#"ancient-changes Update 2025-01-01T00:00:03Z {"f:data":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:k3":{}}}"#
    );
    assert!(lines[9].starts_with("m12 Update"));
}

#[test]
fn text_is_searched_as_it_would_be_decoded() {
    let text = r#"{"f:metadata":{"f:annotations":{".":{},"f:a":{},"f:b":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:x\"q":{}}},"f:finalizers":{"v:\"a\"":{}}}}"#;
    let all = read_set(text).unwrap();
    assert_eq!(write_set(&all), text);
    let mut paths = Vec::new();
    all.each(&mut |path| paths.push(path.to_vec()));
    assert_eq!(paths.len(), 7);
    for path in &paths {
        let mut one = Set::new();
        one.insert(path);
        assert_eq!(text::count(text, &one), 1, "{path:?}");
        one.insert(&[Element::field("metadata"), Element::field("annotations"), Element::field("zz")]);
        one.insert(&[Element::field("aa")]);
        assert_eq!(text::count(text, &one), 1, "{path:?}");
    }
    assert_eq!(text::count(text, &all), 7);
    assert_eq!(text::count(text, &Set::of_fields(&["spec"])), 0);
    assert_eq!(text::count(text, &Set::of_fields(&["status", "phase"])), 0);
}

#[test]
fn text_that_is_no_set_is_refused() {
    for text in [
        "",
        "[]",
        "{",
        r#"{"f:a":1}"#,
        r#"{"x":{}}"#,
        r#"{"f":{}}"#,
        r#"{"i:x":{}}"#,
        r#"{"f:a":{}} x"#,
        r#"{"k:{":{}}"#,
    ] {
        assert!(read_set(text).is_err(), "{text}");
    }
    assert_eq!(
        read_set(r#" { "f:b" : { } , "f:a" : {} , "z:future" : {"f:x":{}} } "#).map(|set| write_set(&set)),
        Ok(r#"{"f:a":{},"f:b":{}}"#.into())
    );
}

#[test]
fn the_text_of_a_whole_object_is_what_its_difference_from_nothing_gives() {
    for (kind, text) in [
        (
            CONFIG_MAP,
            "{metadata: {labels: {b: x, a: x}, finalizers: [z/z, a/a, a/a]}, data: {}, immutable: true}",
        ),
        (CONFIG_MAP, "{}"),
        (
            POD,
            "{spec: {containers: [{name: b}, {name: a, env: [{name: A}, {name: A, value: x}]}], securityContext: {}}}",
        ),
        (
            POD,
            "{spec: {volumes: [{name: 'a b\"', emptyDir: {}}], overhead: {cpu: 1}}, status: {conditions: [{type: Ready}]}}",
        ),
        (
            SERVICE,
            "{spec: {ports: [{port: 443}, {port: 80, protocol: UDP}], externalIPs: [x]}, status: {loadBalancer: {ingress: [{ip: x}]}}}",
        ),
    ] {
        let map = object(kind, text);
        for reset in [&[][..], &[&["status"][..], &["metadata", "labels"]]] {
            let changes = compare(&Map::new(), &map, schema::builtin(), id(kind), reset);
            let whole = whole::write(&map, schema::builtin(), id(kind), reset, None);
            assert_eq!(whole, write_set(&changes.changed), "{text}");
        }
    }
}

#[test]
fn text_is_edited_as_its_set_would_be() {
    let base = r#"{"f:a":{},"f:m":{".":{},"f:x":{},"f:z":{}},"f:n":{"f:only":{}},"k:{\"name\":\"b\"}":{".":{},"f:i":{}},"v:\"s\"":{}}"#;
    let sets = [
        "{}",
        r#"{"f:a":{}}"#,
        r#"{"f:a":{"f:b":{}},"f:zz":{}}"#,
        r#"{"f:":{},"f:m":{"f:a":{},"f:x":{},"f:y":{"f:q":{}},"f:zz":{}},"f:mm":{}}"#,
        r#"{"f:m":{},"f:n":{"f:only":{}}}"#,
        r#"{"f:m":{".":{},"f:x":{},"f:z":{}}}"#,
        r#"{"f:n":{".":{},"f:only":{}},"k:{\"name\":\"a\"}":{},"k:{\"name\":\"b\"}":{".":{},"f:j":{}},"k:{\"name\":\"c\"}":{"f:x":{}}}"#,
        r#"{"v:\"r\"":{},"v:\"s\"":{},"v:\"t\"":{},"i:3":{}}"#,
        base,
    ];
    let base_set = read_set(base).unwrap();
    for add in sets.iter().map(|text| read_set(text).unwrap()) {
        for remove in sets.iter().map(|text| read_set(text).unwrap()) {
            let expected = write_set(&base_set.difference(&remove).union(&add));
            let edited = text::edit(base, &add, &remove).unwrap();
            let context = format!("- {} + {}", write_set(&remove), write_set(&add));
            assert_eq!(edited.is_none(), expected == base, "{context}");
            assert_eq!(edited.unwrap_or_else(|| base.into()), expected, "{context}");
        }
    }
}
