//! Selection: which objects a list, watch or deletecollection is about.
//!
//! Keeps: one [`Selection`] serves lists, watch transitions, deletecollection and counts; it looks at keys and
//! facts only, and at an object's bytes only for a field that its definition knew nothing of when it was written.

use ecow::EcoString;

use crate::facts::{self, FactsView, Sketch};
use crate::kind::{Kind, Selectable};
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::{self, Entry, Interest, Key, Term};

/// A parsed label selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: EcoString,
    operator: Operator,
    values: Vec<EcoString>,
    /// Of a requirement that asks for one of several labels, those.
    sketches: Vec<Sketch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// Selectors of a request, resolved against its resource.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Namespace; empty for all.
    pub namespace: String,
    /// Exact name; empty for all.
    pub name: String,
    labels: LabelSelector,
    fields: Vec<FieldTerm>,
    has_selector: bool,
}

#[derive(Clone, Debug)]
struct FieldTerm {
    field: Field,
    equal: bool,
    value: EcoString,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Name,
    Namespace,
    Selectable(usize),
    /// Of a custom resource, whose definition may have learned of it after an object was written.
    Custom(&'static Selectable),
}

impl LabelSelector {
    /// Parses `a=b,c in (d,e),!f`.
    pub fn parse(text: &str) -> Result<LabelSelector, Error> {
        let mut requirements = Vec::new();
        for clause in split_clauses(text) {
            let clause = clause.trim();
            if clause.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(unparsable("found '', expected: identifier"));
            }
            requirements.push(Requirement::parse(clause)?);
        }
        Ok(LabelSelector { requirements })
    }

    /// Whether labels, looked up by key, satisfy every requirement.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }

    /// Whether labels with this sketch may satisfy every requirement.
    fn may_match(&self, labels: Sketch) -> bool {
        self.requirements.iter().all(|Requirement { operator, sketches, .. }| {
            *operator != Operator::In || sketches.iter().any(|label| labels.may_hold(*label))
        })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

/// Splits at commas outside parentheses.
fn split_clauses(text: &str) -> Vec<&str> {
    let mut clauses = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                clauses.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    clauses.push(&text[start..]);
    clauses
}

fn unparsable(cause: &str) -> Error {
    Error::BadRequest(format!("unable to parse requirement: {cause}"))
}

impl Requirement {
    fn parse(clause: &str) -> Result<Requirement, Error> {
        let one = |key: &str, operator, value: &str| Requirement {
            key: key.trim().into(),
            operator,
            values: vec![value.trim().into()],
            sketches: Vec::new(),
        };
        let mut requirement = if let Some((key, value)) = clause.split_once("!=") {
            one(key, Operator::NotIn, value)
        } else if let Some((key, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
            one(key, Operator::In, value)
        } else if let Some((key, value)) = clause.split_once('>') {
            one(key, Operator::GreaterThan, value)
        } else if let Some((key, value)) = clause.split_once('<') {
            one(key, Operator::LessThan, value)
        } else if let Some(key) = clause.strip_prefix('!') {
            Requirement::of_key(key.trim(), Operator::DoesNotExist)
        } else if clause.contains(char::is_whitespace) || clause.contains('(') {
            Requirement::parse_set(clause)?
        } else {
            Requirement::of_key(clause, Operator::Exists)
        };
        requirement.check()?;
        if requirement.operator == Operator::In {
            let sketches = requirement.values.iter().map(|value| Sketch::of(&requirement.key, value));
            requirement.sketches = sketches.collect();
        }
        Ok(requirement)
    }

    /// A requirement without values.
    fn of_key(key: &str, operator: Operator) -> Requirement {
        Requirement { key: key.into(), operator, values: Vec::new(), sketches: Vec::new() }
    }

    fn parse_set(clause: &str) -> Result<Requirement, Error> {
        let (key, rest) = clause
            .split_once(char::is_whitespace)
            .ok_or_else(|| unparsable("found '(', expected: in, notin, =, ==, !=, gt, lt"))?;
        let rest = rest.trim();
        let (operator, list) = if let Some(list) = rest.strip_prefix("notin") {
            (Operator::NotIn, list)
        } else if let Some(list) = rest.strip_prefix("in") {
            (Operator::In, list)
        } else {
            return Err(unparsable(&format!("found '{rest}', expected: in, notin, =, ==, !=, gt, lt")));
        };
        let list = list
            .trim()
            .strip_prefix('(')
            .and_then(|list| list.strip_suffix(')'))
            .ok_or_else(|| unparsable("found '', expected: ',' or ')'"))?;
        Ok(Requirement {
            key: key.trim().into(),
            operator,
            values: list.split(',').map(|v| v.trim().into()).collect(),
            sketches: Vec::new(),
        })
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(cause) = crate::names::label::key(&self.key).first() {
            return Err(Error::BadRequest(format!(
                "unable to parse requirement: <nil>: Invalid value: {:?}: {cause}",
                self.key.as_str()
            )));
        }
        for value in &self.values {
            if matches!(self.operator, Operator::GreaterThan | Operator::LessThan) {
                if value.parse::<i64>().is_err() {
                    return Err(unparsable(&format!(
                        "values[0]: Invalid value: {:?}: for 'Gt', 'Lt' operators, the value must be an integer",
                        value.as_str()
                    )));
                }
            } else if let Some(cause) = crate::names::label::value(value).first() {
                return Err(Error::BadRequest(format!(
                    "unable to parse requirement: values[0][{}]: Invalid value: {:?}: {cause}",
                    self.key,
                    value.as_str()
                )));
            }
        }
        Ok(())
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        match (self.operator, label) {
            (Operator::In, Some(label)) => self.values.iter().any(|value| value == label),
            (Operator::NotIn, Some(label)) => self.values.iter().all(|value| value != label),
            (Operator::NotIn | Operator::DoesNotExist, None) => true,
            (Operator::Exists, Some(_)) => true,
            (Operator::GreaterThan, Some(label)) => {
                number(label) > number(&self.values[0]) && number(label).is_some()
            }
            (Operator::LessThan, Some(label)) => {
                number(label) < number(&self.values[0]) && number(label).is_some()
            }
            _ => false,
        }
    }
}

impl Selection {
    /// Resolves the selectors of a request for `resource`.
    pub fn new(
        resource: &Resource,
        namespace: &str,
        name: &str,
        label_selector: &str,
        field_selector: &str,
    ) -> Result<Selection, Error> {
        let mut selection = Selection {
            namespace: if resource.namespaced() { namespace.to_owned() } else { String::new() },
            labels: LabelSelector::parse(label_selector)?,
            has_selector: !label_selector.is_empty() || !field_selector.is_empty(),
            ..Selection::default()
        };
        for (field, equal, value) in parse_fields(field_selector)? {
            let term = FieldTerm { field: resolve(resource, &field)?, equal, value };
            match (term.field, term.equal) {
                (Field::Name, true) if selection.name.is_empty() => selection.name = term.value.to_string(),
                _ => selection.fields.push(term),
            }
        }
        if !name.is_empty() {
            if !selection.name.is_empty() && selection.name != name {
                return Err(Error::BadRequest(
                    "fieldSelector metadata.name doesn't match requested name".to_owned(),
                ));
            }
            selection.name = name.to_owned();
        }
        Ok(selection)
    }

    /// Whether the request named a selector, also one that selects everything.
    pub fn has_selector(&self) -> bool {
        self.has_selector
    }

    /// The same without what is selected by labels and fields.
    pub fn without_selectors(&self) -> Selection {
        Selection {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            has_selector: self.has_selector,
            ..Selection::default()
        }
    }

    /// Whether labels or fields decide.
    pub fn looks_into_objects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    /// Whether only the key decides.
    pub fn is_plain(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty() && self.name.is_empty()
    }

    /// Whether an entry under the selection's prefix is selected.
    pub fn matches(&self, entry: &Entry) -> bool {
        if self.is_plain() {
            return true;
        }
        // Most entries are told apart without following them to their facts.
        if facts::sketch(entry.facts_head()).is_some_and(|labels| !self.labels.may_match(labels)) {
            return false;
        }
        let facts = FactsView::new(entry.facts());
        (self.name.is_empty() || self.name == split_key(&entry.key).1)
            && self.fields.iter().all(|term| {
                let is_equal = match term.field {
                    Field::Name => split_key(&entry.key).1 == term.value,
                    Field::Namespace => split_key(&entry.key).0 == term.value,
                    Field::Selectable(position) => facts.field(position) == term.value,
                    Field::Custom(field) => match facts.field_named(field.name) {
                        Some(value) => value == term.value,
                        None => field.value.of(&storage::decode_custom(entry.bytes())) == term.value,
                    },
                };
                is_equal == term.equal
            })
            && self.labels.matches(|key| facts.label(key))
    }

    /// The index term that every selected object has, if there is one.
    pub fn term(&self, kind: &Kind) -> Option<Term> {
        facts::indexed(kind).find_map(|(tag, position)| {
            let term = self.fields.iter().find(|term| {
                term.equal
                    && !term.value.is_empty()
                    && matches!(term.field, Field::Selectable(selected) if selected == position)
            })?;
            Some(Term { tag, value: term.value.clone() })
        })
    }

    /// What a watcher waits for.
    pub fn interest(&self, resource: &Resource) -> Interest {
        if !self.name.is_empty() && (!resource.namespaced() || !self.namespace.is_empty()) {
            return Interest::Key(Key::new(resource.key(&self.namespace, &self.name)));
        }
        match self.term(resource.kind) {
            Some(term) => Interest::Term(term),
            None => Interest::All,
        }
    }
}

/// Namespace (empty for cluster-scoped) and name of a key.
pub fn split_key(key: &Key) -> (&str, &str) {
    let rest = key.as_str().get(key.bucket().len()..).unwrap_or_default();
    rest.split_once('/').unwrap_or(("", rest))
}

fn resolve(resource: &Resource, field: &str) -> Result<Field, Error> {
    let kind = resource.kind;
    match field {
        "metadata.name" => Ok(Field::Name),
        "metadata.namespace" => Ok(Field::Namespace),
        other => kind
            .selectable
            .iter()
            .enumerate()
            .find(|(_, selectable)| selectable.name == other)
            .map(|(position, selectable)| match resource.custom {
                Some(_) => Field::Custom(selectable),
                None => Field::Selectable(position),
            })
            .ok_or_else(|| {
                Error::BadRequest(if kind.selectable.is_empty() {
                    format!("{other:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                } else {
                    format!("field label not supported: {other}")
                })
            }),
    }
}

/// Parses `a=b,c!=d` with backslash escapes into (field, equal, value).
fn parse_fields(text: &str) -> Result<Vec<(String, bool, EcoString)>, Error> {
    let mut terms = Vec::new();
    for clause in split_escaped(text) {
        if clause.is_empty() {
            continue;
        }
        let (field, equal, value) = if let Some((field, value)) = clause.split_once("!=") {
            (field, false, value)
        } else if let Some((field, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
            (field, true, value)
        } else {
            return Err(Error::BadRequest(format!(
                "invalid selector: '{text}'; can't understand '{clause}'"
            )));
        };
        terms.push((field.trim().to_owned(), equal, unescape(value).into()));
    }
    Ok(terms)
}

fn split_escaped(text: &str) -> Vec<String> {
    let mut clauses = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        let current = clauses.len() - 1;
        match character {
            ',' if !escaped => {
                clauses.push(String::new());
                continue;
            }
            '\\' if !escaped => {
                escaped = true;
                clauses[current].push(character);
                continue;
            }
            _ => clauses[current].push(character),
        }
        escaped = false;
    }
    clauses
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_follow_set_and_equality_rules() {
        let labels = |key: &str| match key {
            "app" => Some("web"),
            "tier" => Some("5"),
            _ => None,
        };
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=5", true),
            ("app!=web", false),
            ("other!=x", true),
            ("app in (db, web)", true),
            ("app notin (db,web)", false),
            ("other notin (x)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("tier>4", true),
            ("tier<5", false),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().matches(labels), expected, "{selector}");
        }
        assert!(LabelSelector::parse("a in x").is_err());
        assert!(LabelSelector::parse("=x").is_err());
    }

    #[test]
    fn field_selectors_undo_escapes() {
        assert_eq!(
            parse_fields(r"a=b\,c,d!=e").unwrap(),
            vec![("a".to_owned(), true, "b,c".into()), ("d".to_owned(), false, "e".into())]
        );
        assert!(parse_fields("abc").is_err());
    }
}
