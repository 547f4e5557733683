//! JSON merge patch (RFC 7386): maps merge, null deletes, everything else replaces.

use crate::tree::{Map, Node};

/// Applies a patch.
pub fn apply(patch: &Node, document: &mut Node) {
    let Node::Map(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !matches!(document, Node::Map(_)) {
        *document = Node::Map(Map::new());
    }
    let Node::Map(map) = document else { return };
    for (key, value) in patch.iter() {
        if matches!(value, Node::Null) {
            map.remove(key);
            continue;
        }
        match map.get_mut(key) {
            Some(old) => apply(value, old),
            None => {
                // A new value is merged into nothing, so that nulls inside it vanish.
                let mut fresh = Node::Null;
                apply(value, &mut fresh);
                map.set(key.clone(), fresh);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::decode_untyped;

    fn check(document: &str, patch: &str, expected: &str) {
        let read = |text: &str| decode_untyped(text.as_bytes()).unwrap();
        let mut node = read(document);
        apply(&read(patch), &mut node);
        assert_eq!(node, read(expected), "{document} + {patch}");
    }

    #[test]
    fn merging_follows_the_examples_of_the_rfc() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#);
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#);
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#);
        check(r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#);
        check(r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#);
        check(r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#);
    }
}
