//! JSON paths of columns, in kubectl's dialect. Keeps: a path that does not fit an object finds nothing; it never fails.

use ecow::EcoString;

use crate::age;
use crate::tree::{Map, Node};

/// A path as in `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq)]
enum Step {
    Field(EcoString),
    /// `*`: every value of a map or list.
    All,
    /// `..`: the value and everything in it.
    Descend,
    /// `[from:to:by]`; an index is a range of one.
    Range {
        from: Option<i64>,
        to: Option<i64>,
        by: i64,
    },
    /// `[0,2]`, `['a','b']`
    Union(Vec<Step>),
    Filter(Filter),
}

/// `?(@.a=="b")`
#[derive(Debug, PartialEq)]
struct Filter {
    left: Operand,
    /// None asks only whether there is something.
    compared: Option<(Comparison, Operand)>,
}

#[derive(Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Value(Node),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl JsonPath {
    /// Reads a path; `None` when it is none.
    pub fn parse(text: &str) -> Option<JsonPath> {
        let mut parser = Parser { rest: text.trim() };
        let path = parser.path()?;
        parser.rest.is_empty().then_some(path)
    }

    /// What it finds, in the object's order.
    pub fn find<'a>(&self, object: &'a Map) -> Vec<&'a Node> {
        let Some((first, rest)) = self.steps.split_first() else { return Vec::new() };
        let mut found = Vec::new();
        first.of_map(object, &mut found);
        follow(rest, found)
    }

    /// The first value that it finds as the cell of a column of type `kind`; null when there is none of that type.
    pub fn cell(&self, kind: &str, object: &Map, now: i64) -> Node {
        let found = self.find(object);
        let Some(value) = found.first().copied() else { return Node::Null };
        match (kind, value) {
            ("string", Node::Str(_)) => value.clone(),
            ("string", Node::Null) => "<nil>".into(),
            ("string", other) => other.to_string().into(),
            ("integer", Node::Int(_))
            | ("number", Node::Int(_) | Node::Float(_))
            | ("boolean", Node::Bool(_)) => value.clone(),
            ("integer", Node::Float(number)) => Node::Int(*number as i64),
            ("date", Node::Str(text)) => age::age_or_invalid(text, now).into(),
            _ => Node::Null,
        }
    }
}

fn follow<'a>(steps: &[Step], mut found: Vec<&'a Node>) -> Vec<&'a Node> {
    for step in steps {
        let mut next = Vec::new();
        found.into_iter().for_each(|node| step.of(node, &mut next));
        found = next;
    }
    found
}

impl Step {
    fn of_map<'a>(&self, map: &'a Map, found: &mut Vec<&'a Node>) {
        match self {
            Step::Field(name) => found.extend(map.get(name)),
            Step::All => found.extend(map.iter().map(|(_, node)| node)),
            Step::Descend => map.iter().for_each(|(_, node)| descend(node, found)),
            Step::Union(steps) => steps.iter().for_each(|step| step.of_map(map, found)),
            Step::Range { .. } | Step::Filter(_) => {}
        }
    }

    fn of<'a>(&self, node: &'a Node, found: &mut Vec<&'a Node>) {
        match (self, node) {
            (Step::Descend, node) => descend(node, found),
            (step, Node::Map(map)) => step.of_map(map, found),
            (Step::All, Node::List(list)) => found.extend(list.iter()),
            (Step::Union(steps), node) => steps.iter().for_each(|step| step.of(node, found)),
            (Step::Range { from, to, by }, Node::List(list)) => {
                let length = list.len() as i64;
                let place = |at: i64| if at < 0 { at + length } else { at };
                let from = place(from.unwrap_or(0)).max(0);
                let to = to.map_or(length, place).min(length);
                let range = (from..to).step_by(usize::try_from(*by).unwrap_or(1).max(1));
                found.extend(range.filter_map(|at| list.get(at as usize)));
            }
            (Step::Filter(filter), Node::List(list)) => {
                found.extend(list.iter().filter(|item| filter.holds(item)));
            }
            _ => {}
        }
    }
}

/// A value and everything in it.
fn descend<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    found.push(node);
    match node {
        Node::Map(map) => map.iter().for_each(|(_, below)| descend(below, found)),
        Node::List(list) => list.iter().for_each(|below| descend(below, found)),
        _ => {}
    }
}

impl Filter {
    fn holds(&self, item: &Node) -> bool {
        let Some(left) = self.left.of(item) else { return false };
        let Some((comparison, right)) = &self.compared else { return true };
        right.of(item).is_some_and(|right| comparison.holds(left, right))
    }
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Node) -> Option<&'a Node> {
        match self {
            Operand::Value(value) => Some(value),
            Operand::Path(path) => follow(&path.steps, vec![item]).first().copied(),
        }
    }
}

impl Comparison {
    fn holds(self, left: &Node, right: &Node) -> bool {
        let number = |node: &Node| match node {
            Node::Int(value) => Some(*value as f64),
            Node::Float(value) => Some(*value),
            _ => None,
        };
        let order = match (left, right) {
            (Node::Str(left), Node::Str(right)) => Some(left.cmp(right)),
            (Node::Bool(left), Node::Bool(right)) => Some(left.cmp(right)),
            _ => number(left).zip(number(right)).and_then(|(left, right)| left.partial_cmp(&right)),
        };
        order.is_some_and(|order| match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::AtLeast => order.is_ge(),
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Steps, as far as they go.
    fn path(&mut self) -> Option<JsonPath> {
        let mut steps = Vec::new();
        let _ = self.take("$") || self.take("@");
        loop {
            if self.take("..") {
                steps.push(Step::Descend);
                if !self.rest.starts_with('[') {
                    steps.push(self.name()?);
                }
            } else if self.take(".") {
                if !self.rest.starts_with('[') && !self.rest.is_empty() {
                    steps.push(self.name()?);
                }
            } else if self.take("[") {
                steps.push(self.bracket()?);
            } else {
                return Some(JsonPath { steps });
            }
        }
    }

    /// A name behind a dot; a backslash takes the next character as it is.
    fn name(&mut self) -> Option<Step> {
        if self.take("*") {
            return Some(Step::All);
        }
        let mut name = EcoString::new();
        let mut chars = self.rest.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => name.push(chars.next()?.1),
                Some((_, letter)) if !is_end(letter) => name.push(letter),
                Some((at, _)) => break at,
                None => break self.rest.len(),
            }
        };
        self.rest = &self.rest[end..];
        (!name.is_empty()).then_some(Step::Field(name))
    }

    fn bracket(&mut self) -> Option<Step> {
        if self.take("?(") {
            let filter = self.filter()?;
            return (self.take(")") && self.take("]")).then_some(Step::Filter(filter));
        }
        let mut steps = Vec::new();
        loop {
            self.skip_space();
            steps.push(match self.rest.chars().next()? {
                '*' => {
                    self.take("*");
                    Step::All
                }
                '\'' | '"' => Step::Field(self.quoted()?),
                _ => self.range()?,
            });
            self.skip_space();
            if self.take("]") {
                return if steps.len() == 1 { steps.pop() } else { Some(Step::Union(steps)) };
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn quoted(&mut self) -> Option<EcoString> {
        let quote = self.rest.chars().next()?;
        let mut text = EcoString::new();
        let mut chars = self.rest.char_indices().skip(1);
        loop {
            match chars.next()? {
                (_, '\\') => text.push(chars.next()?.1),
                (at, letter) if letter == quote => {
                    self.rest = &self.rest[at + letter.len_utf8()..];
                    return Some(text);
                }
                (_, letter) => text.push(letter),
            }
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        let length = end + self.rest.len() - digits.len();
        let number = self.rest[..length].parse().ok()?;
        self.rest = &self.rest[length..];
        Some(number)
    }

    fn range(&mut self) -> Option<Step> {
        let from = self.integer();
        if !self.take(":") {
            let at = from?;
            return Some(Step::Range { from, to: (at != -1).then_some(at + 1), by: 1 });
        }
        let to = self.integer();
        let by = if self.take(":") { self.integer()? } else { 1 };
        (by > 0).then_some(Step::Range { from, to, by })
    }

    fn filter(&mut self) -> Option<Filter> {
        let left = self.operand()?;
        self.skip_space();
        let found = COMPARISONS.iter().find(|(sign, _)| self.rest.starts_with(sign));
        let Some((sign, comparison)) = found else { return Some(Filter { left, compared: None }) };
        self.take(sign);
        let right = self.operand()?;
        self.skip_space();
        Some(Filter { left, compared: Some((*comparison, right)) })
    }

    fn operand(&mut self) -> Option<Operand> {
        self.skip_space();
        match self.rest.chars().next()? {
            '\'' | '"' => Some(Operand::Value(Node::Str(self.quoted()?))),
            '@' | '$' | '.' | '[' => self.path().map(Operand::Path),
            _ => {
                let end = self.rest.find(is_end).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                // A fraction has a dot.
                let fraction = rest.strip_prefix('.').map_or(0, |digits| {
                    1 + digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len())
                });
                let (word, rest) = self.rest.split_at(word.len() + fraction);
                self.rest = rest;
                let value = match word {
                    "true" => Node::Bool(true),
                    "false" => Node::Bool(false),
                    _ => word.parse().map(Node::Int).or_else(|_| word.parse().map(Node::Float)).ok()?,
                };
                Some(Operand::Value(value))
            }
        }
    }
}

fn is_end(letter: char) -> bool {
    matches!(letter, '.' | '[' | ']' | '(' | ')' | ',' | '=' | '!' | '<' | '>') || letter.is_whitespace()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    fn cell(path: &str, kind: &str) -> String {
        let object = fixture::untyped(&json!({
            "metadata": { "name": "a", "labels": { "a.b/c": "d" } },
            "spec": { "replicas": 3, "size": 1.5, "on": false, "none": null, "made": "2026-01-01T00:00:00Z" },
            "status": { "conditions": [
                { "type": "Ready", "status": "True", "n": 1 },
                { "type": "Stuck", "status": "False", "n": 2 },
            ] },
        }));
        JsonPath::parse(path).unwrap().cell(kind, &object, 1_767_225_660).to_string()
    }

    #[test]
    fn columns_find_fields_items_and_filtered_items() {
        for (path, kind, expected) in [
            (".spec.replicas", "integer", "3"),
            (".spec.replicas", "string", r#""3""#),
            (".spec.replicas", "boolean", "null"),
            (".spec.size", "number", "1.5"),
            (".spec.size", "integer", "1"),
            (".spec.on", "boolean", "false"),
            (".spec.absent.below", "string", "null"),
            (".spec.made", "date", r#""60s""#),
            (".metadata.name", "date", r#""<invalid>""#),
            (r".metadata.labels.a\.b/c", "string", r#""d""#),
            (".metadata.labels['a.b/c']", "string", r#""d""#),
            (r#".status.conditions[?(@.type=="Stuck")].status"#, "string", r#""False""#),
            (".status.conditions[?(@.n > 1)].type", "string", r#""Stuck""#),
            (".status.conditions[?(@.type=='No')].status", "string", "null"),
            (".status.conditions[-1].type", "string", r#""Stuck""#),
            (".status.conditions[0:1].type", "string", r#""Ready""#),
            (".status.conditions[*].type", "string", r#""Ready""#),
            ("..type", "string", r#""Ready""#),
            (".metadata.labels", "string", r#""{\"a.b/c\":\"d\"}""#),
        ] {
            assert_eq!(cell(path, kind), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_told() {
        for text in [".a[", ".a[?(@.b==)]", ".a]", ".a['b]", ".a[1:2:0]", "a b"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
    }
}
