//! Label selectors of objects (`metav1.LabelSelector` as a tree): their text, what they match, what is wrong with them.
//!
//! Keeps: an absent selector matches nothing, an empty one everything; the text is the one that list requests accept.

use crate::field::{FieldErrors, Path};
use crate::metadata;
use crate::names::{self, label};
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
pub(crate) fn matches(selector: Option<&Map>, labels: Option<&Map>) -> bool {
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
pub(crate) fn is_empty(selector: Option<&Map>) -> bool {
    selector.is_none_or(|selector| {
        selector.map("matchLabels").is_none_or(Map::is_empty) && selector.list("matchExpressions").is_empty()
    })
}

/// Whether nothing is wrong with a selector.
pub(in crate::kinds) fn is_valid(selector: Option<&Map>) -> bool {
    let mut errors = FieldErrors::new();
    validate(selector, &Path::new(""), &mut errors);
    errors.is_empty()
}

/// Reports what is wrong with a selector; an absent one is fine.
pub(in crate::kinds) fn validate(selector: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(selector) = selector else { return };
    metadata::validate_labels(selector.map("matchLabels"), &path.child("matchLabels"), errors);
    let expressions = path.child("matchExpressions");
    for (i, requirement) in selector.maps("matchExpressions").enumerate() {
        validate_requirement(requirement, &expressions.index(i), errors);
    }
}

fn validate_requirement(requirement: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = requirement.list("values");
    let values_path = path.child("values");
    match requirement.str("operator") {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.forbidden(
                &values_path,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            );
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        operator => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
    }
    let key = requirement.str("key");
    names::report(errors, &path.child("key"), key, label::key(key));
    for (i, value) in values.iter().filter_map(Node::as_str).enumerate() {
        names::report(errors, &values_path.index(i), value, label::value(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(key: &str, operator: &str, values: &[&str]) -> Node {
        let mut map = Map::from([("key", key), ("operator", operator)]);
        if !values.is_empty() {
            map.set("values", values.iter().copied().collect::<Node>());
        }
        map.into()
    }

    fn selector(labels: &[(&'static str, &str)], expressions: &[(&str, &str, &[&str])]) -> Map {
        let mut selector = Map::new();
        if !labels.is_empty() {
            selector.set("matchLabels", labels.iter().copied().collect::<Map>());
        }
        if !expressions.is_empty() {
            selector.set(
                "matchExpressions",
                expressions
                    .iter()
                    .map(|(key, operator, values)| requirement(key, operator, values))
                    .collect::<Node>(),
            );
        }
        selector
    }

    #[test]
    fn text_is_sorted_by_key_and_quotes_no_values() {
        let cases = [
            (selector(&[], &[]), ""),
            (selector(&[("b", "2"), ("a", "1")], &[]), "a=1,b=2"),
            (selector(&[("app", "x")], &[("tier", "In", &["z", "y"])]), "app=x,tier in (y,z)"),
            (
                selector(&[], &[("a", "NotIn", &["b"]), ("c", "Exists", &[]), ("d", "DoesNotExist", &[])]),
                "a notin (b),c,!d",
            ),
        ];
        for (selector, expected) in cases {
            assert_eq!(text(Some(&selector)), expected);
        }
        assert_eq!(text(None), "");
        assert_eq!(cell(None), Node::from("<none>"));
    }

    #[test]
    fn absent_matches_nothing_and_empty_everything() {
        let labels = Map::from([("app", "x")]);
        assert!(!matches(None, Some(&labels)));
        assert!(matches(Some(&Map::new()), None));
        for (selector, expected) in [
            (selector(&[("app", "x")], &[]), true),
            (selector(&[("app", "y")], &[]), false),
            (selector(&[], &[("app", "In", &["y", "x"])]), true),
            (selector(&[], &[("app", "NotIn", &["x"])]), false),
            (selector(&[], &[("zone", "NotIn", &["x"])]), true),
            (selector(&[], &[("zone", "Exists", &[])]), false),
            (selector(&[], &[("zone", "DoesNotExist", &[])]), true),
        ] {
            assert_eq!(matches(Some(&selector), Some(&labels)), expected, "{selector:?}");
        }
    }

    #[test]
    fn requirements_are_checked_against_their_operator() {
        let broken =
            selector(&[("a b", "x")], &[("k", "In", &[]), ("k", "Exists", &["v"]), ("k", "Gt", &[])]);
        let mut errors = FieldErrors::new();
        validate(Some(&broken), &Path::new("spec").child("selector"), &mut errors);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.selector.matchLabels",
                "spec.selector.matchExpressions[0].values",
                "spec.selector.matchExpressions[1].values",
                "spec.selector.matchExpressions[2].operator"
            ]
        );
    }
}
