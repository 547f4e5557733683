//! Label selectors of objects (`metav1.LabelSelector` as a tree): their text, what they match, what is wrong with them.
//!
//! Keeps: an absent selector matches nothing, an empty one everything; the text is the one that list requests accept.

use crate::tree::{Map, Node};

/// The text form, as in `status.selector` of a Scale: `a=b,c in (d,e),!f`. Empty for an absent and an empty selector.
pub(in crate::kinds) fn text(selector: Option<&Map>) -> String {
    let Some(selector) = selector else { return String::new() };
    let mut parts: Vec<(&str, String)> = Vec::new();
    for (key, value) in selector.map("matchLabels").into_iter().flat_map(Map::iter) {
        parts.push((key, format!("{}={}", key.as_str(), value.as_str().unwrap_or(""))));
    }
    for requirement in selector.maps("matchExpressions") {
        let key = requirement.str("key");
        parts.push((key, requirement_text(key, requirement)));
    }
    parts.sort_by(|a, b| a.0.cmp(b.0));
    parts.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(",")
}

fn requirement_text(key: &str, requirement: &Map) -> String {
    let values = || {
        let mut values: Vec<&str> = requirement.list("values").iter().filter_map(Node::as_str).collect();
        values.sort_unstable();
        values.join(",")
    };
    match requirement.str("operator") {
        "In" => format!("{key} in ({})", values()),
        "NotIn" => format!("{key} notin ({})", values()),
        "DoesNotExist" => format!("!{key}"),
        _ => key.to_owned(),
    }
}

/// The text form as a table cell: `<none>` when empty.
pub(in crate::kinds) fn cell(selector: Option<&Map>) -> Node {
    or_none(text(selector))
}

/// A map of labels as a table cell: `a=b,c=d`, `<none>` when empty.
pub(in crate::kinds) fn labels_cell(labels: Option<&Map>) -> Node {
    let mut pairs: Vec<String> = labels
        .into_iter()
        .flat_map(Map::iter)
        .map(|(key, value)| format!("{}={}", key.as_str(), value.as_str().unwrap_or("")))
        .collect();
    pairs.sort_unstable();
    or_none(pairs.join(","))
}

fn or_none(text: String) -> Node {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

/// Whether the selector matches `labels`.
pub(in crate::kinds) fn matches(selector: Option<&Map>, labels: Option<&Map>) -> bool {
    let Some(selector) = selector else { return false };
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Node::as_str);
    let by_labels = selector
        .map("matchLabels")
        .into_iter()
        .flat_map(Map::iter)
        .all(|(key, value)| label(key) == Some(value.as_str().unwrap_or("")));
    by_labels
        && selector.maps("matchExpressions").all(|requirement| {
            let found = label(requirement.str("key"));
            let listed =
                |value: &str| requirement.list("values").iter().any(|node| node.as_str() == Some(value));
            match requirement.str("operator") {
                "In" => found.is_some_and(listed),
                "NotIn" => !found.is_some_and(listed),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// Whether the selector has no terms (an absent one counts as empty).
pub(in crate::kinds) fn is_empty(selector: Option<&Map>) -> bool {
    selector.is_none_or(|selector| {
        selector.map("matchLabels").is_none_or(Map::is_empty) && selector.list("matchExpressions").is_empty()
    })
}
