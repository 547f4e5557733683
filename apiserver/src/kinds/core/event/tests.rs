use super::*;

fn core_event() -> Map {
    Map::from([
        ("metadata", Node::from(Map::from([("name", "p.17"), ("namespace", "ns")]))),
        ("involvedObject", Map::from([("kind", "Pod"), ("name", "p"), ("namespace", "ns")]).into()),
        ("reason", "Started".into()),
        ("message", " up \n".into()),
        ("source", Map::from([("component", "kubelet"), ("host", "n1")]).into()),
        ("firstTimestamp", "2026-01-01T00:00:00Z".into()),
        ("lastTimestamp", "2026-01-01T00:05:00Z".into()),
        ("count", Node::Int(3)),
        ("type", "Normal".into()),
        ("reportingComponent", "".into()),
    ])
}

fn new_event() -> Map {
    Map::from([
        ("metadata", Node::from(Map::from([("name", "p.18"), ("namespace", "ns")]))),
        ("eventTime", "2026-01-01T00:00:00.000000Z".into()),
        ("reportingController", "example.com/c".into()),
        ("reportingInstance", "c-1".into()),
        ("action", "Start".into()),
        ("reason", "Started".into()),
        ("regarding", Map::from([("kind", "Pod"), ("name", "p"), ("namespace", "ns")]).into()),
        ("note", "up".into()),
        ("type", "Normal".into()),
    ])
}

fn check(version: usize, event: &Map, old: Option<&Map>, expected: &str) {
    let mut errors = FieldErrors::new();
    validate_request(&KIND.versions[version], event, old, &mut errors);
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn both_groups_are_views_of_one_object() {
    let mut event = core_event();
    from_storage(&mut event);
    assert_eq!(event.str("note"), " up \n");
    assert_eq!(event.int("deprecatedCount"), Some(3));
    to_storage(&mut event);
    assert_eq!(event, core_event());
}

#[test]
fn core_judges_the_old_style_leniently() {
    check(0, &core_event(), None, "[]");
    let mut elsewhere = core_event();
    elsewhere.map_mut("involvedObject").set("namespace", "other");
    check(
        0,
        &elsewhere,
        None,
        "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace",
    );
}

#[test]
fn the_events_group_judges_strictly() {
    let mut event = new_event();
    to_storage(&mut event);
    check(1, &event, None, "[]");
    check(0, &event, None, "[]");
    let mut bad = event.clone();
    bad.set("type", "Loud");
    bad.set("count", 2_i64);
    bad.remove("action");
    check(
        1,
        &bad,
        None,
        "[action: Required value, type: Invalid value: \"\": has invalid value: Loud, count: Invalid value: \"\": needs to be unset]",
    );
    let mut changed = event.clone();
    changed.set("reason", "Stopped");
    check(1, &changed, Some(&event), "reason: Invalid value: \"Stopped\": field is immutable");
    check(0, &changed, Some(&event), "[]");
    let mut series = event.clone();
    series.set("series", Map::from([("count", 1_i64)]));
    check(
        1,
        &series,
        Some(&event),
        "[series.count: Invalid value: \"\": should be at least 2, series.lastObservedTime: Required value]",
    );
}

#[test]
fn an_event_lives_an_hour_after_its_last_write() {
    let mut event = core_event();
    assert_eq!(expires(&event), None);
    event.metadata_mut().set("creationTimestamp", "1970-01-01T00:00:10Z");
    assert_eq!(expires(&event), Some(3610));
    let entry = Map::from([("time", "1970-01-01T00:01:00Z")]);
    event.metadata_mut().set("managedFields", crate::tree::List::from([Node::from(entry)]));
    assert_eq!(expires(&event), Some(3660));
}

#[test]
fn cells_tell_when_what_and_from_whom() {
    let now = "2026-01-01T00:10:00Z".parse::<jiff::Timestamp>().map(|time| time.as_second()).unwrap();
    let cells = |event: &Map| {
        columns::COLUMNS
            .iter()
            .map(|column| column.cell(event, now).to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        cells(&core_event()),
        r#""5m" "Normal" "Started" "pod/p" "" "kubelet, n1" "up" "10m" 3 "p.17""#
    );
    let mut event = new_event();
    to_storage(&mut event);
    assert_eq!(
        cells(&event),
        r#""10m" "Normal" "Started" "pod/p" "" "example.com/c, c-1" "up" "10m" 1 "p.18""#
    );
}
