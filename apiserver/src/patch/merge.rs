//! JSON merge patch (RFC 7386): maps merge, null deletes, everything else replaces.

use crate::codec::json;
use crate::patch::PatchError;
use crate::tree::{Map, Node};

/// Applies a patch. Only the maps that it names are touched.
pub fn apply(patch: &Node, document: &mut Map) -> Result<(), PatchError> {
    match patch {
        Node::Map(patch) => {
            merge(patch, document);
            Ok(())
        }
        Node::Null => Err(PatchError::Malformed("Invalid JSON Patch".into())),
        other => Err(PatchError::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            other.type_name()
        ))),
    }
}

fn merge(patch: &Map, document: &mut Map) {
    for (key, value) in patch.entries() {
        match (value, document.get_mut(key)) {
            (Node::Null, _) => {
                document.remove(key);
            }
            (Node::Map(patch), Some(Node::Map(map))) => merge(patch, map),
            (Node::Map(patch), Some(raw @ Node::Raw(_))) => {
                let mut map = unpacked(raw);
                merge(patch, &mut map);
                *raw = Node::Map(map);
            }
            (value, Some(old)) => *old = without_nulls(value),
            (value, None) => document.push_new(key.clone(), without_nulls(value)),
        }
    }
}

/// Raw JSON of a typed tree as a map.
pub(super) fn unpacked(raw: &Node) -> Map {
    match raw {
        Node::Raw(text) => match json::decode_untyped(text.as_bytes()) {
            Ok(Node::Map(map)) => map,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// A value that is merged into nothing: nulls in it delete nothing.
fn without_nulls(value: &Node) -> Node {
    match value {
        Node::Map(map) => {
            let kept = map.entries().iter().filter(|(_, value)| !matches!(value, Node::Null));
            Node::Map(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Node::List(list) => Node::List(list.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::decode_untyped;

    fn read(text: &str) -> Node {
        decode_untyped(text.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(document: &str, patch: &str, expected: Result<&str, &str>) {
        let Node::Map(mut map) = read(document) else { panic!("{document} is no object") };
        let outcome =
            apply(&read(patch), &mut map).map(|()| Node::Map(map)).map_err(|error| error.to_string());
        assert_eq!(outcome, expected.map(read).map_err(str::to_owned), "{document} + {patch}");
    }

    #[test]
    fn merging_follows_the_examples_of_the_rfc() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, Ok(r#"{"a":"c"}"#));
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, Ok(r#"{"a":"b","b":"c"}"#));
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, Ok("{}"));
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, Ok(r#"{"b":"c"}"#));
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, Ok(r#"{"a":"c"}"#));
        check(r#"{"a":"c"}"#, r#"{"a":["b"]}"#, Ok(r#"{"a":["b"]}"#));
        check(r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, Ok(r#"{"a":{"b":"d"}}"#));
        check(r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, Ok(r#"{"a":[1]}"#));
        check(r#"{"a":"foo"}"#, r#"{"a":{"b":{"c":null},"d":1}}"#, Ok(r#"{"a":{"b":{},"d":1}}"#));
        check("{}", r#"{"a":{"bb":{"ccc":null}}}"#, Ok(r#"{"a":{"bb":{}}}"#));
    }

    #[test]
    fn what_is_no_object_is_no_patch() {
        let words = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}";
        check("{}", "[]", Err(words));
        check("{}", "null", Err("Invalid JSON Patch"));
    }

    #[test]
    fn maps_that_are_not_named_stay_shared() {
        let Node::Map(live) = read(r#"{"metadata":{"labels":{"a":"b"}},"spec":{"x":1}}"#) else {
            unreachable!()
        };
        let mut map = live.clone();
        apply(&read(r#"{"metadata":{"labels":{"a":"c"}}}"#), &mut map).unwrap();
        let places = |map: &Map| map.map("spec").map(|spec| spec.entries().as_ptr());
        assert_eq!(places(&map), places(&live));
    }
}
