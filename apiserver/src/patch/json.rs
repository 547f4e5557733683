//! JSON patch (RFC 6902): a list of operations, all applied or none.
//!
//! Keeps: upstream's reading of the RFC: `replace` sets a key that is not there, a negative index counts from the
//! end, nothing can be added at the root. A patch is bounded in operations and in what copying may add.

use crate::codec::DEPTH_MAX;
use crate::patch::PatchError;
use crate::tree::{Map, Node};

/// Operations of one patch.
const OPERATIONS_MAX: usize = 10_000;

/// Bytes that copy operations may add in all.
const COPIED_BYTES_MAX: usize = 3 << 20;

/// Applies a patch to a document; on failure the document is as it was.
pub fn apply(patch: &Node, document: &mut Node) -> Result<(), PatchError> {
    let operations = checked(patch)?;
    let mut work = document.clone();
    let mut copied = 0;
    for operation in operations {
        // Nobody could read a deeper document again.
        let value = match operation.str("op") {
            "add" | "replace" => operation.get("value").map_or(0, depth),
            "copy" | "move" => depth(&work),
            _ => 0,
        };
        if operation.str("path").matches('/').count() + value > DEPTH_MAX {
            let why = format!("the result is nested more than {DEPTH_MAX} levels deep");
            return Err(PatchError::TooLarge(why));
        }
        Step { operation, copied: &mut copied }.apply(&mut work).map_err(PatchError::Failed)?;
    }
    *document = work;
    Ok(())
}

/// How deeply a value is nested.
fn depth(node: &Node) -> usize {
    match node {
        Node::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Node::Map(map) => 1 + map.iter().map(|(_, below)| depth(below)).max().unwrap_or(0),
        _ => 0,
    }
}

fn checked(patch: &Node) -> Result<Vec<&Map>, PatchError> {
    let malformed =
        |what: String| PatchError::Malformed(format!("error decoding patch: json: cannot unmarshal {what}"));
    let operations = match patch {
        Node::List(operations) => operations.as_slice(),
        Node::Null => &[],
        other => {
            let text = format!("{} into Go value of type []handlers.jsonPatchOp", other.type_name());
            return Err(malformed(text));
        }
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    let mut maps = Vec::with_capacity(operations.len());
    for node in operations {
        let Node::Map(operation) = node else {
            return Err(malformed(format!(
                "{} into Go value of type handlers.jsonPatchOp",
                node.type_name()
            )));
        };
        for field in ["op", "path", "from"] {
            if let Some(node) = operation.get(field).filter(|node| !matches!(node, Node::Null | Node::Str(_)))
            {
                let name = node.type_name();
                return Err(malformed(format!(
                    "{name} into Go struct field jsonPatchOp.{field} of type string"
                )));
            }
        }
        maps.push(operation);
    }
    Ok(maps)
}

struct Step<'a> {
    operation: &'a Map,
    copied: &'a mut usize,
}

type Outcome<T> = Result<T, String>;

impl Step<'_> {
    fn apply(mut self, document: &mut Node) -> Outcome<()> {
        match self.operation.str("op") {
            "add" => self.add(document),
            "remove" => self.remove(document),
            "replace" => self.replace(document),
            "move" => self.move_(document),
            "copy" => self.copy(document),
            "test" => self.test(document),
            "" => Err("Unexpected kind: unknown".into()),
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn text(&self, field: &str, sentence: &str) -> Outcome<&str> {
        self.operation.get(field).and_then(Node::as_str).ok_or_else(|| format!("{sentence}: missing value"))
    }

    fn value(&self) -> Node {
        self.operation.get("value").cloned().unwrap_or_default()
    }

    fn add(&self, document: &mut Node) -> Outcome<()> {
        let path = self.text("path", "add operation failed to decode path")?;
        let (container, key) = find(document, path).ok_or_else(|| {
            format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
        })?;
        container.add(&key, self.value()).map_err(|cause| format!("error in add for path: '{path}': {cause}"))
    }

    fn remove(&self, document: &mut Node) -> Outcome<()> {
        let path = self.text("path", "remove operation failed to decode path")?;
        let (mut container, key) = find(document, path).ok_or_else(|| {
            format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
        })?;
        container.remove(&key).map_err(|cause| format!("error in remove for path: '{path}': {cause}"))
    }

    fn replace(&self, document: &mut Node) -> Outcome<()> {
        let missing = "replace operation failed to decode path: operation missing path field";
        let path = self.text("path", missing)?;
        if path.is_empty() {
            let value = self.value();
            if !matches!(value, Node::Map(_) | Node::List(_)) {
                return Err("replace operation value must be object or array: %!w(<nil>)".into());
            }
            *document = value;
            return Ok(());
        }
        let (mut container, key) = find(document, path).ok_or_else(|| {
            format!("replace operation does not apply: doc is missing path: {path}: missing value")
        })?;
        container.get(&key).map_err(|_| {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        })?;
        container
            .set(&key, self.value())
            .map_err(|cause| format!("error in remove for path: '{path}': {cause}"))
    }

    fn move_(&self, document: &mut Node) -> Outcome<()> {
        let from =
            self.text("from", "move operation failed to decode from: operation, missing from field")?;
        let (mut container, key) = find(document, from).ok_or_else(|| {
            format!("move operation does not apply: doc is missing from path: {from}: missing value")
        })?;
        let wrong = |key: &str, cause: String| format!("error in move for path: '{key}': {cause}");
        let value = container.get(&key).map_err(|cause| wrong(&key, cause))?.cloned().unwrap_or_default();
        container.remove(&key).map_err(|cause| wrong(&key, cause))?;
        let path = self.text("path", "move operation failed to decode path: operation missing path field")?;
        let (container, key) = find(document, path).ok_or_else(|| {
            format!("move operation does not apply: doc is missing destination path: {path}: missing value")
        })?;
        container.add(&key, value).map_err(|cause| wrong(path, cause))
    }

    fn copy(&mut self, document: &mut Node) -> Outcome<()> {
        let from =
            self.text("from", "copy operation failed to decode from: operation, missing from field")?;
        let (container, key) = find(document, from).ok_or_else(|| {
            format!("copy operation does not apply: doc is missing from path: {from}: missing value")
        })?;
        let value =
            container.get(&key).map_err(|cause| format!("error in copy for from: '{from}': {cause}"))?;
        let value = value.cloned().unwrap_or_default();
        let path = self.text("path", "copy operation failed to decode path")?;
        let (container, key) = find(document, path).ok_or_else(|| {
            format!("copy operation does not apply: doc is missing destination path: {path}: missing value")
        })?;
        *self.copied += size(&value);
        if *self.copied > COPIED_BYTES_MAX {
            return Err(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {}",
                self.copied, COPIED_BYTES_MAX
            ));
        }
        container.add(&key, value).map_err(|cause| format!("error while adding value during copy: {cause}"))
    }

    fn test(&self, document: &mut Node) -> Outcome<()> {
        let path = self.text("path", "test operation failed to decode path: operation missing path field")?;
        let failed = || format!("testing value {path} failed: test failed");
        let expected = self.value();
        if path.is_empty() {
            return if *document == expected { Ok(()) } else { Err(failed()) };
        }
        let (container, key) = find(document, path).ok_or_else(|| {
            format!("test operation does not apply: is missing path: {path}: missing value")
        })?;
        let value =
            container.get(&key).map_err(|cause| format!("error in test for path: '{path}': {cause}"))?;
        if *value.unwrap_or(&Node::Null) == expected { Ok(()) } else { Err(failed()) }
    }
}

/// The map or list that the last token of a path is looked up in.
enum Container<'d> {
    Map(&'d mut Map),
    List(&'d mut crate::tree::List),
}

/// The container of what a path names, and the last token.
fn find<'d>(document: &'d mut Node, path: &str) -> Option<(Container<'d>, String)> {
    let mut tokens = path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    let mut key = tokens.next()?;
    let mut node = document;
    for next in tokens {
        node = match node {
            Node::Map(map) => map.get_mut(&key)?,
            Node::List(list) => {
                let at = index(&key, list.len()).ok()?;
                list.make_mut().get_mut(at)?
            }
            _ => return None,
        };
        key = next;
    }
    match node {
        Node::Map(map) => Some((Container::Map(map), key)),
        Node::List(list) => Some((Container::List(list), key)),
        _ => None,
    }
}

/// The place that a token names in a list of `length`.
fn index(token: &str, length: usize) -> Outcome<usize> {
    let number: i64 =
        token.parse().map_err(|_| format!("strconv.Atoi: parsing {token:?}: invalid syntax"))?;
    let at = if number < 0 { number + length as i64 } else { number };
    usize::try_from(at)
        .ok()
        .filter(|at| *at < length)
        .ok_or_else(|| format!("Unable to access invalid index: {number}: invalid index referenced"))
}

impl Container<'_> {
    fn get(&self, key: &str) -> Outcome<Option<&Node>> {
        match self {
            Container::Map(map) => Ok(map.get(key)),
            Container::List(list) => index(key, list.len()).map(|at| list.get(at)),
        }
    }

    fn set(&mut self, key: &str, value: Node) -> Outcome<()> {
        match self {
            Container::Map(map) => map.set(ecow::EcoString::from(key), value),
            Container::List(list) => {
                let at = index(key, list.len())?;
                list.make_mut()[at] = value;
            }
        }
        Ok(())
    }

    fn add(self, key: &str, value: Node) -> Outcome<()> {
        match self {
            Container::Map(map) => map.set(ecow::EcoString::from(key), value),
            Container::List(list) if key == "-" => list.push(value),
            Container::List(list) => {
                if key.parse::<i64>().is_err() {
                    let cause = format!("strconv.Atoi: parsing {key:?}: invalid syntax");
                    return Err(format!("value was not a proper array index: '{key}': {cause}"));
                }
                let at = index(key, list.len() + 1)?;
                list.insert(at, value);
            }
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Outcome<()> {
        match self {
            Container::Map(map) => {
                let missing = || format!("Unable to remove nonexistent key: {key}: missing value");
                map.remove(key).map(drop).ok_or_else(missing)
            }
            Container::List(list) => {
                let at = index(key, list.len())?;
                list.remove(at);
                Ok(())
            }
        }
    }
}

/// How many bytes of JSON a node takes.
fn size(node: &Node) -> usize {
    let mut text = Vec::new();
    crate::codec::json::encode_untyped(node, &mut text);
    text.len()
}

#[cfg(test)]
mod tests;
