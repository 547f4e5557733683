use serde_json::Value;

use super::*;
use crate::api::Resource;
use crate::endpoint_fixture::World;

const MAX: usize = 4;
const OWNER: &Resource = &Resource::namespaced("", "v1", "services", "Service");

/// A stored slice with endpoints of these numbers.
fn slice(name: &str, owner: &str, port: u16, numbers: &[usize]) -> Value {
    let endpoints: Vec<Value> = numbers.iter().map(|at| json!(endpoint(*at, true))).collect();
    json!({
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": format!("uid-{name}"),
            "labels": { SERVICE_NAME: "web", MANAGED_BY: "tests" },
            "ownerReferences": [{ "uid": owner }],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [port_of(port)],
    })
}

fn endpoint(number: usize, ready: bool) -> Endpoint {
    let conditions = crate::digests::endpoint_slice::Conditions { ready: Some(ready), ..Default::default() };
    Endpoint { addresses: vec![format!("10.0.0.{number}").into()], conditions, ..Endpoint::default() }
}

fn port_of(port: u16) -> Value {
    json!({ "name": "http", "port": port, "protocol": "TCP" })
}

fn group(port: u16, numbers: &[usize]) -> Group {
    let candidate = |at: &usize| Candidate { endpoint: endpoint(*at, true), trigger: Some("t".into()) };
    Group {
        address_type: "IPv4".into(),
        ports: vec![serde_json::from_value(port_of(port)).unwrap()],
        candidates: numbers.iter().map(candidate).collect(),
    }
}

/// What is done, in short: `a = 1 2`, `new = 3`, `- b`.
fn done(stored: Vec<Value>, groups: Vec<Group>, always: &[&str]) -> Vec<String> {
    let world = World { slices: stored, ..World::default() };
    let view = world.view();
    let existing: Vec<&Slice> = view.of::<EndpointSlice>().iter().map(|slice| &**slice).collect();
    let key = Key::new("shop", "web");
    let meta = Meta { namespace: "shop".into(), name: "web".into(), uid: "own".into(), version: 1 };
    let origin = Origin {
        service: &key,
        manager: "tests",
        resource: OWNER,
        meta: &meta,
        labels: BTreeMap::new(),
        annotations: None,
        created: None,
        endpoints_max: MAX,
        is_leaving: false,
        always: always.iter().map(|family| (*family).into()).collect(),
    };
    let short = |object: &Value| {
        let numbers = object["endpoints"].as_array().unwrap().iter();
        let numbers =
            numbers.map(|it| it["addresses"][0].as_str().unwrap().rsplit('.').next().unwrap().to_owned());
        numbers.collect::<Vec<_>>().join(" ")
    };
    let line = |action| match action {
        Action::Create { object, .. } => format!("new = {}", short(&object)),
        Action::Update { object, .. } => {
            format!("{} = {}", object["metadata"]["name"].as_str().unwrap(), short(&object))
        }
        Action::Delete { name, .. } => format!("- {name}"),
        other => panic!("{other:?}"),
    };
    origin.plan(&existing, groups, &view).actions.into_iter().map(line).collect()
}

/// What is tried, the stored slices, the wanted endpoints, and what is done.
type Case = (&'static str, Vec<Value>, Vec<usize>, Vec<&'static str>);

#[test]
fn slices_change_as_little_as_possible() {
    let own = |name, numbers: &[usize]| slice(name, "own", 80, numbers);
    let cases: Vec<Case> = vec![
        ("the first", vec![], vec![1, 2], vec!["new = 1 2"]),
        ("more than one slice holds", vec![], vec![1, 2, 3, 4, 5], vec!["new = 1 2 3 4", "new = 5"]),
        ("nothing new", vec![own("a", &[1, 2])], vec![2, 1], vec![]),
        ("one more", vec![own("a", &[1, 2])], vec![1, 2, 3], vec!["a = 1 2 3"]),
        ("one less", vec![own("a", &[1, 2])], vec![2], vec!["a = 2"]),
        ("one for another", vec![own("a", &[1, 2])], vec![2, 3], vec!["a = 2 3"]),
        (
            "written slices are filled first",
            vec![own("a", &[1, 2, 3]), own("b", &[4, 5, 6])],
            vec![1, 2, 3, 4, 5, 7],
            vec!["b = 4 5 7"],
        ),
        (
            "then the slice that is filled best",
            vec![own("a", &[1]), own("b", &[2, 3, 4])],
            vec![1, 2, 3, 4, 5],
            vec!["b = 2 3 4 5"],
        ),
        (
            "no slice has room for all",
            vec![own("a", &[1, 2, 3]), own("b", &[4, 5, 6])],
            vec![1, 2, 3, 4, 5, 6, 7, 8],
            vec!["new = 7 8"],
        ),
        ("an empty one goes", vec![own("a", &[1]), own("b", &[2])], vec![1], vec!["- b"]),
        ("all others take its place", vec![own("a", &[1])], vec![2], vec!["a = 2"]),
        (
            "an earlier owner's are removed",
            vec![slice("old", "earlier", 80, &[1])],
            vec![1],
            vec!["new = 1", "- old"],
        ),
    ];
    for (what, stored, wanted, expected) in cases {
        assert_eq!(done(stored, vec![group(80, &wanted)], &[]), expected, "{what}");
    }
}

#[test]
fn ports_have_slices_of_their_own() {
    let stored = vec![slice("a", "own", 80, &[1, 2])];
    let moved = done(stored.clone(), vec![group(80, &[1]), group(81, &[2])], &[]);
    assert_eq!(moved, ["a = 1", "new = 2"]);
    assert_eq!(done(stored, vec![group(81, &[1, 2])], &[]), ["a = 1 2"], "the slice is used again");
}

#[test]
fn a_family_that_must_have_a_slice_has_one_without_endpoints() {
    assert_eq!(done(vec![], vec![], &["IPv4", "IPv6"]), ["new = ", "new = "]);
    let mut empty = slice("a", "own", 80, &[]);
    empty["ports"] = json!(null);
    assert_eq!(done(vec![empty.clone()], vec![], &["IPv4"]), Vec::<String>::new());
    assert_eq!(done(vec![empty], vec![group(80, &[1])], &["IPv4"]), ["a = 1"]);
    assert_eq!(done(vec![slice("a", "own", 80, &[1])], vec![], &["IPv4"]), ["a = "]);
    assert_eq!(done(vec![slice("a", "own", 80, &[1])], vec![], &[]), ["- a"]);
}

#[test]
fn a_thousand_endpoints_come_and_go_without_touching_others() {
    let all: Vec<usize> = (0..200).collect();
    let stored: Vec<Value> = all
        .chunks(MAX)
        .enumerate()
        .map(|(at, numbers)| slice(&format!("s{at:03}"), "own", 80, numbers))
        .collect();
    let without: Vec<usize> = all.iter().copied().filter(|at| *at != 57).collect();
    assert_eq!(done(stored.clone(), vec![group(80, &without)], &[]), ["s014 = 56 58 59"]);
    let with: Vec<usize> = (0..201).collect();
    assert_eq!(done(stored, vec![group(80, &with)], &[]), ["new = 200"]);
}
