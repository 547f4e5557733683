//! Descriptions of types and fields, written by the build script.
//!
//! Keeps: the texts stay in the read-only part of the binary; looking one up copies nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

static TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/descriptions.txt"));
static INDEX: &str = include_str!(concat!(env!("OUT_DIR"), "/descriptions.index"));

/// The index by line; lines are in the order of type names.
static LINES: LazyLock<Vec<(&'static str, &'static str)>> =
    LazyLock::new(|| INDEX.lines().filter_map(|line| line.split_once('\t')).collect());

/// The descriptions of one type.
#[derive(Clone, Copy)]
pub(super) struct Described {
    name: &'static str,
    /// `place \t field=place …`; empty for a type that is not described.
    columns: &'static str,
}

/// The descriptions of the type with an OpenAPI name.
pub(super) fn of(name: &'static str) -> Described {
    let at = LINES.binary_search_by_key(&name, |(name, _)| name);
    Described { name, columns: at.map_or("", |at| LINES[at].1) }
}

impl Described {
    /// What the type is.
    pub(super) fn text(&self) -> Cow<'static, str> {
        let text = self.columns.split('\t').next().and_then(place).unwrap_or_default();
        match self.item() {
            Some(item) if text.is_empty() => format!("A list of {item} objects.").into(),
            _ => text.into(),
        }
    }

    /// What a field of it is.
    pub(super) fn field(&self, field: &str) -> &'static str {
        let column = self.columns.split('\t').skip(1).find_map(|column| {
            let (name, at) = column.split_once('=')?;
            (name == field).then_some(at)
        });
        match column.and_then(place) {
            Some(text) => text,
            None if self.item().is_some() => list_field(field),
            None => "",
        }
    }

    /// The kind of the items when this is a list type; the build script does not see those.
    fn item(&self) -> Option<&'static str> {
        let kind = self.name.rsplit('.').next().unwrap_or_default();
        kind.strip_suffix("List").filter(|item| !item.is_empty())
    }
}

fn list_field(field: &str) -> &'static str {
    match field {
        "apiVersion" => "The group and version of this list, for example apps/v1.",
        "kind" => "The kind of this list, in CamelCase.",
        "metadata" => "The resource version of the list and, for a part of a list, where to go on.",
        "items" => "The objects.",
        _ => "",
    }
}

/// The text at `offset,length`.
fn place(column: &str) -> Option<&'static str> {
    let (offset, length) = column.split_once(',')?;
    let offset: usize = offset.parse().ok()?;
    let length: usize = length.parse().ok()?;
    TEXT.get(offset..offset + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_fields_have_their_texts() {
        let spec = of("io.k8s.api.apps.v1.DeploymentSpec");
        assert!(spec.text().contains("Deployment"), "{}", spec.text());
        assert!(spec.field("replicas").contains("pods"), "{}", spec.field("replicas"));
        assert_eq!(spec.field("nonsense"), "");
    }

    #[test]
    fn a_list_is_described_by_its_items() {
        let list = of("io.k8s.api.apps.v1.DeploymentList");
        assert_eq!(list.text(), "A list of Deployment objects.");
        assert_eq!(list.field("items"), "The objects.");
    }

    #[test]
    fn an_unknown_type_has_no_text() {
        assert_eq!(of("io.k8s.api.apps.v1.Nonsense").text(), "");
    }
}
