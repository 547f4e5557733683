//! JSON patch (RFC 6902): a list of operations, all applied or none.

use crate::patch::PatchError;
use crate::tree::{List, Map, Node};

/// Operations of one patch.
const OPERATIONS_MAX: usize = 10_000;

/// Bytes that copy operations may add in all.
const COPIED_BYTES_MAX: usize = 3 << 20;

/// Applies a patch to a document; on failure the document is as it was.
pub fn apply(patch: &Node, document: &mut Node) -> Result<(), PatchError> {
    let Node::List(operations) = patch else {
        return Err(PatchError::Malformed(format!(
            "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
            patch.type_name()
        )));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    let mut work = document.clone();
    let mut copied = 0;
    for operation in operations.iter() {
        let operation = operation.as_map().ok_or_else(|| {
            PatchError::Malformed("an operation of a JSON patch must be an object".to_owned())
        })?;
        step(operation, &mut work, &mut copied)?;
    }
    *document = work;
    Ok(())
}

fn step(operation: &Map, document: &mut Node, copied: &mut usize) -> Result<(), PatchError> {
    let name = operation.str("op");
    let path = pointer(operation, "path", name)?;
    let failed = |cause: String| PatchError::Failed(cause);
    match name {
        "add" => add(document, &path, value(operation)?)
            .map_err(|cause| failed(format!("add operation does not apply: {cause}"))),
        "remove" => remove(document, &path)
            .map(|_| ())
            .map_err(|cause| failed(format!("remove operation does not apply: {cause}"))),
        "replace" => replace(document, &path, value(operation)?)
            .map_err(|cause| failed(format!("replace operation does not apply: {cause}"))),
        "move" => {
            let from = pointer(operation, "from", name)?;
            let node = remove(document, &from)
                .map_err(|cause| failed(format!("move operation does not apply: {cause}")))?;
            add(document, &path, node)
                .map_err(|cause| failed(format!("move operation does not apply: {cause}")))
        }
        "copy" => {
            let from = pointer(operation, "from", name)?;
            let node = find(document, &from)
                .cloned()
                .map_err(|cause| failed(format!("copy operation does not apply: {cause}")))?;
            *copied += weight(&node);
            if *copied > COPIED_BYTES_MAX {
                return Err(failed(format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPIED_BYTES_MAX}"
                )));
            }
            add(document, &path, node)
                .map_err(|cause| failed(format!("copy operation does not apply: {cause}")))
        }
        "test" => {
            let expected = operation.get("value").cloned().unwrap_or_default();
            let found = find(document, &path).cloned().unwrap_or_default();
            if found == expected {
                Ok(())
            } else {
                Err(failed(format!("testing path {} failed: test failed", operation.str("path"))))
            }
        }
        other => Err(failed(format!("Unexpected kind: {other}"))),
    }
}

fn value(operation: &Map) -> Result<Node, PatchError> {
    operation.get("value").cloned().ok_or_else(|| {
        PatchError::Failed(format!("{} operation does not apply: missing value", operation.str("op")))
    })
}

/// The decoded tokens of a pointer; empty for the whole document.
fn pointer(operation: &Map, field: &str, name: &str) -> Result<Vec<String>, PatchError> {
    let text = operation.get(field).and_then(Node::as_str).ok_or_else(|| {
        PatchError::Failed(format!(
            "{name} operation does not apply: operation missing {field} field: missing value"
        ))
    })?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text.strip_prefix('/').ok_or_else(|| {
        PatchError::Failed(format!(
            "{name} operation does not apply: doc is missing path: \"{text}\": missing value"
        ))
    })?;
    Ok(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

fn missing(path: &[String]) -> String {
    let text: String =
        path.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect();
    format!("doc is missing path: {text:?}: missing value")
}

/// The index that a token names in a list of `length`; `end` is allowed when adding.
fn index(token: &str, length: usize, end: bool) -> Result<usize, String> {
    if token == "-" && end {
        return Ok(length);
    }
    let index: usize =
        token.parse().map_err(|_| format!("value was not a proper array index: \"{token}\""))?;
    if index < length || end && index == length {
        return Ok(index);
    }
    Err(format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn child<'a>(node: &'a Node, token: &str) -> Option<&'a Node> {
    match node {
        Node::Map(map) => map.get(token),
        Node::List(list) => list.get(index(token, list.len(), false).ok()?),
        _ => None,
    }
}

fn child_mut<'a>(node: &'a mut Node, token: &str) -> Option<&'a mut Node> {
    match node {
        Node::Map(map) => map.get_mut(token),
        Node::List(list) => {
            let at = index(token, list.len(), false).ok()?;
            list.make_mut().get_mut(at)
        }
        _ => None,
    }
}

fn find<'a>(document: &'a Node, path: &[String]) -> Result<&'a Node, String> {
    path.iter().try_fold(document, |node, token| child(node, token)).ok_or_else(|| missing(path))
}

/// The parent of what a path names, and its last token.
fn parent<'a, 'b>(document: &'a mut Node, path: &'b [String]) -> Result<(&'a mut Node, &'b str), String> {
    let (last, parents) = path.split_last().ok_or_else(|| missing(path))?;
    let node = parents
        .iter()
        .try_fold(document, |node, token| child_mut(node, token))
        .ok_or_else(|| missing(path))?;
    Ok((node, last))
}

fn add(document: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, path)? {
        (Node::Map(map), token) => {
            map.set(ecow::EcoString::from(token), value);
            Ok(())
        }
        (Node::List(list), token) => {
            let at = index(token, list.len(), true)?;
            list.insert(at, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(document: &mut Node, path: &[String]) -> Result<Node, String> {
    match parent(document, path)? {
        (Node::Map(map), token) => map
            .remove(token)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {token}: missing value")),
        (Node::List(list), token) => {
            let at = index(token, list.len(), false)?;
            Ok(list.remove(at))
        }
        _ => Err(missing(path)),
    }
}

fn replace(document: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (node, token) = parent(document, path)?;
    let old = child_mut(node, token).ok_or_else(|| missing(path))?;
    *old = value;
    Ok(())
}

/// About how many bytes of JSON a node takes.
fn weight(node: &Node) -> usize {
    fn list(items: &List) -> usize {
        items.iter().map(weight).sum::<usize>() + items.len() + 2
    }
    match node {
        Node::Str(text) => text.len() + 2,
        Node::Raw(text) => text.len(),
        Node::List(items) => list(items),
        Node::Map(map) => map.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>() + 2,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::decode_untyped;

    fn read(text: &str) -> Node {
        decode_untyped(text.as_bytes()).unwrap()
    }

    fn check(document: &str, patch: &str, expected: Option<&str>) {
        let mut node = read(document);
        let outcome = apply(&read(patch), &mut node);
        match expected {
            Some(expected) => assert_eq!((outcome, node), (Ok(()), read(expected)), "{document} + {patch}"),
            None => {
                assert!(outcome.is_err(), "{patch}");
                assert_eq!(node, read(document), "a failed patch changed the document");
            }
        }
    }

    #[test]
    fn operations_follow_the_rfc() {
        check(r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":2}]"#, Some(r#"{"a":1,"b":2}"#));
        check(r#"{"a":[1,3]}"#, r#"[{"op":"add","path":"/a/1","value":2}]"#, Some(r#"{"a":[1,2,3]}"#));
        check(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-","value":2}]"#, Some(r#"{"a":[1,2]}"#));
        check(r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, Some(r#"{"b":2}"#));
        check(r#"{"a/b":1}"#, r#"[{"op":"replace","path":"/a~1b","value":2}]"#, Some(r#"{"a/b":2}"#));
        check(r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, Some(r#"{"b":1}"#));
        check(r#"{"a":[1]}"#, r#"[{"op":"copy","from":"/a","path":"/b"}]"#, Some(r#"{"a":[1],"b":[1]}"#));
        check(r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1}]"#, Some(r#"{"a":1}"#));
    }

    #[test]
    fn a_patch_that_does_not_fit_changes_nothing() {
        check(r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":2},{"op":"remove","path":"/x"}]"#, None);
        check(r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, None);
        check(r#"{"a":1}"#, r#"[{"op":"replace","path":"/x","value":2}]"#, None);
        check(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/5","value":2}]"#, None);
        check(r#"{"a":1}"#, r#"[{"op":"jump","path":"/a"}]"#, None);
        check(r#"{"a":1}"#, r#"{"op":"remove"}"#, None);
    }
}
