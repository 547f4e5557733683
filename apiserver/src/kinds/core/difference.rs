//! What differs between two trees, for people: the text below "may not change" sentences.

use std::fmt::Write as _;

use crate::tree::{Map, Node};

/// One line per field that is gone (`-`) or new (`+`), in the order of the old tree and then the new.
pub(super) fn between(old: &Map, new: &Map) -> String {
    let mut text = String::new();
    compare_maps("", old, new, &mut text);
    text
}

fn compare_maps(path: &str, old: &Map, new: &Map, text: &mut String) {
    for (key, node) in old.iter() {
        compare(&format!("{path}.{key}"), Some(node), new.get(key), text);
    }
    for (key, node) in new.iter().filter(|(key, _)| !old.contains(key)) {
        compare(&format!("{path}.{key}"), None, Some(node), text);
    }
}

fn compare(path: &str, old: Option<&Node>, new: Option<&Node>, text: &mut String) {
    match (old, new) {
        _ if old == new => {}
        (Some(Node::Map(old)), Some(Node::Map(new))) => compare_maps(path, old, new, text),
        (Some(Node::List(old)), Some(Node::List(new))) => {
            for i in 0..old.len().max(new.len()) {
                compare(&format!("{path}[{i}]"), old.get(i), new.get(i), text);
            }
        }
        _ => {
            for (sign, node) in [('-', old), ('+', new)] {
                if let Some(node) = node {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "{sign} {path}: {node}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let old =
            Map::from([("a", Node::Int(1)), ("b", Map::from([("c", "x")]).into()), ("d", Node::Int(4))]);
        let new =
            Map::from([("a", Node::Int(1)), ("b", Map::from([("c", "y")]).into()), ("e", Node::Int(5))]);
        assert_eq!(between(&old, &new), "- .b.c: \"x\"\n+ .b.c: \"y\"\n- .d: 4\n+ .e: 5\n");
    }
}
