//! Rules of a schema in CEL (`x-kubernetes-validations`).
//!
//! Keeps: a rule that cannot be compiled or evaluated here is not enforced, and the writer is told; one that is false
//! refuses. What an update leaves as it was is judged only by rules about the change. Rules cost a bounded number of
//! steps, because whoever writes objects decides how long their lists are.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::cel::objects::Key as CelKey;
use kube_cel::cel::{ExecutionError, Value};
use rustc_hash::FxHashMap;

use super::value::NOWHERE;
use super::{EMBEDDED, INT_OR_STRING, is_true, lists};
use crate::cel::{self, Expression, Outcome, extent};
use crate::field::{Cause, FieldErrors, Path};
use crate::names::text::CEL_RESERVED;
use crate::tree::{Key, Map, Node};
use crate::warning::Warnings;

/// Steps that all rules of one write may take together.
const BUDGET: u64 = 10_000_000;

/// The rules of a schema, where there are any.
pub(crate) struct Rules {
    root: Level,
}

#[derive(Default)]
struct Level {
    rules: Vec<Rule>,
    properties: Vec<(Key, Level)>,
    items: Option<Box<Level>>,
    additional: Option<Box<Level>>,
}

struct Rule {
    text: String,
    /// Or why it cannot be compiled.
    expression: Result<Expression, String>,
    message: String,
    message_expression: Option<Expression>,
    cause: Cause,
    /// Where the error is told, below the value: `.a.b`.
    field_path: String,
    /// It is about the change from an old value.
    is_transition: bool,
    takes_no_old: bool,
}

impl Rules {
    /// The rules of a schema; `None` when it has none.
    pub(crate) fn compile(schema: &Map) -> Option<Rules> {
        Level::compile(schema).map(|root| Rules { root })
    }

    /// Reports which rules an object breaks. `names` are its apiVersion and kind.
    pub(crate) fn validate(
        &self,
        object: &Map,
        old: Option<&Map>,
        schema: &Map,
        names: (&str, &str),
        errors: &mut FieldErrors,
        warnings: &mut Warnings,
    ) {
        let node = Node::Map(object.clone());
        let old = old.map(|old| Node::Map(old.clone()));
        let mut judge = Judge { names, budget: BUDGET, has_stopped: false, errors, warnings };
        judge.level(&self.root, &node, old.as_ref(), schema, String::new());
    }
}

impl Level {
    fn compile(schema: &Map) -> Option<Level> {
        let rules: Vec<Rule> = schema.maps("x-kubernetes-validations").map(Rule::compile).collect();
        let properties: Vec<(Key, Level)> = schema
            .map("properties")
            .into_iter()
            .flat_map(Map::iter)
            .filter_map(|(name, below)| Some((name.clone(), Level::compile(below.as_map()?)?)))
            .collect();
        let below = |field| schema.map(field).and_then(Level::compile).map(Box::new);
        let level =
            Level { rules, properties, items: below("items"), additional: below("additionalProperties") };
        let is_empty = level.rules.is_empty()
            && level.properties.is_empty()
            && level.items.is_none()
            && level.additional.is_none();
        (!is_empty).then_some(level)
    }
}

impl Rule {
    fn compile(rule: &Map) -> Rule {
        let text = rule.str("rule").trim().to_owned();
        let expression = Expression::parse(&text);
        let uses_old = expression.as_ref().is_ok_and(|expression| expression.mentions("oldSelf"));
        let message_expression = Some(rule.str("messageExpression")).filter(|text| !text.is_empty());
        Rule {
            message: match rule.str("message") {
                "" => format!("failed rule: {text}"),
                own => own.trim().to_owned(),
            },
            message_expression: message_expression.and_then(|text| Expression::parse(text).ok()),
            cause: match rule.str("reason") {
                "FieldValueForbidden" => Cause::Forbidden,
                "FieldValueRequired" => Cause::Required,
                "FieldValueDuplicate" => Cause::Duplicate,
                _ => Cause::Invalid,
            },
            field_path: rule.str("fieldPath").to_owned(),
            is_transition: uses_old,
            takes_no_old: is_true(rule, "optionalOldSelf"),
            expression,
            text,
        }
    }
}

/// One object under judgement.
struct Judge<'a> {
    names: (&'a str, &'a str),
    budget: u64,
    /// The budget did not suffice.
    has_stopped: bool,
    errors: &'a mut FieldErrors,
    warnings: &'a mut Warnings,
}

impl Judge<'_> {
    fn level(&mut self, level: &Level, node: &Node, old: Option<&Node>, schema: &Map, path: String) {
        if matches!(node, Node::Null) || self.has_stopped {
            return;
        }
        self.rules(level, node, old, schema, &path);
        match node {
            Node::Map(map) => {
                let old = old.and_then(Node::as_map);
                for (name, below) in &level.properties {
                    if let (Some(value), Some(schema)) = (map.get(name), super::property(schema, name)) {
                        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                        self.level(below, value, old.and_then(|old| old.get(name)), schema, path);
                    }
                }
                let additional = level.additional.as_deref().zip(schema.map("additionalProperties"));
                if let Some((below, additional)) = additional {
                    for (name, value) in
                        map.iter().filter(|(name, _)| super::property(schema, name).is_none())
                    {
                        let old = old.and_then(|old| old.get(name));
                        self.level(below, value, old, additional, format!("{path}[{name}]"));
                    }
                }
            }
            Node::List(list) => {
                let Some((below, items)) = level.items.as_deref().zip(schema.map("items")) else { return };
                let before =
                    old.and_then(Node::as_list).map(|old| lists::by_keys(old, schema)).unwrap_or_default();
                for (index, item) in list.iter().enumerate() {
                    let old = lists::keys_of(item, schema).and_then(|keys| before.get(&keys).copied());
                    self.level(below, item, old, items, format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, level: &Level, node: &Node, old: Option<&Node>, schema: &Map, path: &str) {
        let unchanged = old == Some(node);
        let due = |rule: &&Rule| match rule.is_transition {
            true => old.is_some() || rule.takes_no_old,
            false => !unchanged,
        };
        if !level.rules.iter().any(|rule| due(&rule)) {
            return;
        }
        let names = path.is_empty().then_some(self.names);
        let value = convert(node, schema, names);
        let old_value = old.map(|old| convert(old, schema, names));
        let extent = old.map(extent).unwrap_or_default().or(extent(node));
        for rule in level.rules.iter().filter(due) {
            let steps = rule.expression.as_ref().map_or(0, |expression| expression.steps(extent));
            match self.budget.checked_sub(steps) {
                Some(left) => self.budget = left,
                None => {
                    let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
                    self.unjudged(path, schema, detail);
                    self.has_stopped = true;
                    return;
                }
            }
            self.rule(rule, (node, &value), old_value.as_ref(), schema, path);
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        (node, value): (&Node, &Value),
        old: Option<&Value>,
        schema: &Map,
        path: &str,
    ) {
        let expression = match &rule.expression {
            Ok(expression) => expression,
            Err(why) => return self.not_enforced(rule, path, why),
        };
        match evaluate(expression, rule, value, old) {
            Some(Ok(Value::Bool(true))) => {}
            Some(Ok(Value::Bool(false))) => {
                let message = rule.message_expression.as_ref();
                let message = message.and_then(|expression| evaluate(expression, rule, value, old));
                let message = match message {
                    Some(Ok(Value::String(text))) if !text.trim().is_empty() => text.trim().to_owned(),
                    _ => rule.message.clone(),
                };
                self.broken(rule.cause, &format!("{path}{}", rule.field_path), node, &message);
            }
            Some(Ok(_)) => self.not_enforced(rule, path, "it is neither true nor false"),
            Some(Err(error @ (ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)))) => {
                let detail = format!("{} evaluating rule: {}", cel::words(&error), rule.shown());
                self.unjudged(path, schema, &detail);
            }
            Some(Err(error)) => self.not_enforced(rule, path, &error.to_string()),
            None => self.not_enforced(rule, path, "the interpreter failed"),
        }
    }

    /// Reports a broken rule: small values are shown, others are not.
    fn broken(&mut self, cause: Cause, path: &str, node: &Node, detail: &str) {
        let shown = match cause {
            Cause::Required | Cause::Forbidden => Some(&Node::Null),
            _ => Some(node).filter(|node| !matches!(node, Node::Map(_) | Node::List(_))),
        };
        with_path(path, |path| match shown {
            Some(value) => self.errors.add(cause, path, value, detail),
            None => self.errors.add_without_value(cause, path, detail),
        });
    }

    /// Reports that rules could not be judged.
    fn unjudged(&mut self, path: &str, schema: &Map, detail: &str) {
        with_path(path, |path| self.errors.invalid(path, schema.str("type"), detail));
    }

    fn not_enforced(&mut self, rule: &Rule, path: &str, why: &str) {
        let why = why.lines().next().unwrap_or_default();
        self.warnings.push(format!("{path}: the rule {:?} is not enforced by this server: {why}", rule.text));
    }
}

/// Upstream prints the path of the object itself as that of nothing.
fn with_path(path: &str, tell: impl FnOnce(&Path<'_>)) {
    match path.trim_start_matches('.') {
        "" => tell(&NOWHERE),
        path => tell(&Path::new(path)),
    }
}

impl Rule {
    /// How errors name it: by its message, if it has one.
    fn shown(&self) -> &str {
        self.message.strip_prefix("failed rule: ").unwrap_or(&self.message)
    }
}

/// What a rule says.
fn evaluate(expression: &Expression, rule: &Rule, value: &Value, old: Option<&Value>) -> Outcome {
    expression.evaluate(|context| {
        context.add_variable_from_value("self", value.clone());
        match old {
            Some(old) if rule.takes_no_old => {
                context.add_variable_from_value("old", old.clone());
                let old = cel::constant("optional.of(old)", context);
                context.add_variable_from_value("oldSelf", old);
            }
            None if rule.takes_no_old => {
                let none = cel::constant("optional.none()", context);
                context.add_variable_from_value("oldSelf", none);
            }
            Some(old) => context.add_variable_from_value("oldSelf", old.clone()),
            None => {}
        }
    })
}

/// A value as rules see it: what its schema declares, under names that are names there. `names` are those of the object
/// itself, of whose metadata only the names are shown.
fn convert(node: &Node, schema: &Map, names: Option<(&str, &str)>) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::Int(value) if schema.str("type") == "number" => Value::Float(*value as f64),
        Node::Int(value) => Value::Int(*value),
        Node::Float(value) if schema.str("type") == "integer" => Value::Int(*value as i64),
        Node::Float(value) => Value::Float(*value),
        Node::Str(text) | Node::Raw(text) => convert_text(text, schema),
        Node::List(list) => {
            let empty = Map::new();
            let items = schema.map("items").unwrap_or(&empty);
            Value::List(Arc::new(list.iter().map(|item| convert(item, items, None)).collect()))
        }
        Node::Map(map) => convert_map(map, schema, names),
    }
}

fn convert_text(text: &str, schema: &Map) -> Value {
    let plain = || Value::String(Arc::new(text.to_owned()));
    if is_true(schema, INT_OR_STRING) {
        return plain();
    }
    match schema.str("format") {
        "byte" => STANDARD.decode(text).map_or_else(|_| plain(), |bytes| Value::Bytes(Arc::new(bytes))),
        "date-time" => cel::call("timestamp", text).unwrap_or_else(plain),
        "date" => cel::call("timestamp", &format!("{text}T00:00:00Z")).unwrap_or_else(plain),
        "duration" => cel::call("duration", text).unwrap_or_else(plain),
        _ => plain(),
    }
}

fn convert_map(map: &Map, schema: &Map, names: Option<(&str, &str)>) -> Value {
    let mut entries: FxHashMap<String, Value> = FxHashMap::default();
    let text = |text: &str| Value::String(Arc::new(text.to_owned()));
    for (name, value) in map.iter() {
        if let Some(declared) = super::property(schema, name) {
            let value = convert(value, declared, None);
            if CEL_RESERVED.contains(&&**name) {
                entries.insert(name.to_string(), value.clone());
            }
            entries.insert(escaped(name), value);
        } else if let Some(additional) = schema.map("additionalProperties") {
            entries.insert(name.to_string(), convert(value, additional, None));
        }
    }
    if names.is_some() || is_true(schema, EMBEDDED) {
        let (api_version, kind) = names.unwrap_or((map.str("apiVersion"), map.str("kind")));
        let metadata = map.metadata();
        let shown = ["name", "generateName"].into_iter().filter_map(|field| {
            let value = metadata?.get(field)?.as_str()?;
            Some((CelKey::String(Arc::new(field.to_owned())), text(value)))
        });
        let metadata = shown.collect::<std::collections::HashMap<_, _>>();
        entries.insert("apiVersion".to_owned(), text(api_version));
        entries.insert("kind".to_owned(), text(kind));
        entries.insert(
            "metadata".to_owned(),
            Value::Map(kube_cel::cel::objects::Map { map: Arc::new(metadata) }),
        );
    }
    let map = entries.into_iter().map(|(name, value)| (CelKey::String(Arc::new(name)), value)).collect();
    Value::Map(kube_cel::cel::objects::Map { map: Arc::new(map) })
}

/// A property's name as rules write it.
pub(crate) fn escaped(name: &str) -> String {
    if CEL_RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    let text = name.replace("__", "__underscores__");
    text.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::fixture::untyped;

    fn faults(schema: Json, object: Json, old: Option<Json>) -> (Vec<String>, Vec<String>) {
        let schema = super::super::ready(&untyped(&schema));
        let rules = Rules::compile(&schema).unwrap();
        let (mut errors, mut warnings) = (FieldErrors::new(), Warnings::new());
        let old = old.map(|old| untyped(&old));
        let names = ("example.com/v1", "Widget");
        rules.validate(&untyped(&object), old.as_ref(), &schema, names, &mut errors, &mut warnings);
        (errors.iter().map(ToString::to_string).collect(), warnings.iter().map(ToString::to_string).collect())
    }

    fn spec(rules: Json) -> Json {
        json!({ "type": "object", "properties": { "spec": {
            "type": "object",
            "x-kubernetes-validations": rules,
            "properties": {
                "min": { "type": "integer" }, "max": { "type": "integer" }, "kind-of": { "type": "string" },
                "share": { "type": "number" }, "at": { "type": "string", "format": "date-time" },
                "wait": { "type": "string", "format": "duration" },
                "ports": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": { "type": "object", "properties": {
                        "name": { "type": "string" },
                        "n": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self == oldSelf", "message": "n stays" }] },
                    } },
                },
                "tags": { "type": "array", "items": { "type": "string" } },
            },
        } } })
    }

    #[test]
    fn a_false_rule_refuses_with_its_message_reason_and_place() {
        let schema = spec(json!([
            { "rule": "self.min <= self.max", "message": "min is above max", "fieldPath": ".min" },
            { "rule": "self.max < 10", "messageExpression": "'max is ' + string(self.max)", "reason": "FieldValueForbidden" },
            { "rule": "!has(self.kind__dash__of) || self.kind__dash__of.startsWith('a')" },
            { "rule": "self.share > 0.5 && self.at < timestamp('2026-01-01T00:00:00Z') && self.wait < duration('1h')" },
        ]));
        let object = json!({ "spec": {
            "min": 11, "max": 10, "kind-of": "b", "share": 1, "at": "2025-01-01T00:00:00Z", "wait": "5m",
        } });
        assert_eq!(
            faults(schema, object, None).0,
            [
                "spec.min: Invalid value: min is above max",
                "spec: Forbidden: max is 10",
                "spec: Invalid value: failed rule: !has(self.kind__dash__of) || self.kind__dash__of.startsWith('a')",
            ]
        );
    }

    #[test]
    fn rules_about_a_change_look_at_the_old_value_of_the_same_item() {
        let schema = spec(json!([
            { "rule": "self.max >= oldSelf.max", "message": "max only grows" },
            { "rule": "oldSelf.hasValue() || self.min == 1", "optionalOldSelf": true, "message": "min begins at 1" },
        ]));
        let object = |max: i64, ports: Json| json!({ "spec": { "min": 2, "max": max, "ports": ports } });
        let ports = json!([{ "name": "a", "n": 1 }, { "name": "b", "n": 2 }]);
        assert_eq!(
            faults(schema.clone(), object(1, ports.clone()), None).0,
            ["spec: Invalid value: min begins at 1"]
        );
        let moved = json!([{ "name": "b", "n": 2 }, { "name": "a", "n": 1 }, { "name": "c", "n": 3 }]);
        assert!(faults(schema.clone(), object(2, moved), Some(object(1, ports.clone()))).0.is_empty());
        let changed = json!([{ "name": "b", "n": 1 }]);
        assert_eq!(
            faults(schema, object(0, changed), Some(object(1, ports))).0,
            ["spec: Invalid value: max only grows", "spec.ports[0].n: Invalid value: 1: n stays",]
        );
    }

    #[test]
    fn what_cannot_be_evaluated_here_is_told_and_refuses_nothing() {
        let schema = spec(json!([
            { "rule": "self.max >" },
            { "rule": "nobodyKnows(self.max)" },
            { "rule": "self.max.size() == 1" },
        ]));
        let (errors, warnings) = faults(schema, json!({ "spec": { "max": 1 } }), None);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("is not enforced by this server"), "{warnings:?}");
        let missing = spec(json!([{ "rule": "self.min < 5" }]));
        let (errors, _) = faults(missing, json!({ "spec": { "max": 1 } }), None);
        assert!(errors[0].contains("no such key: min evaluating rule: self.min < 5"), "{errors:?}");
    }

    #[test]
    fn nested_loops_over_long_lists_run_out_of_budget() {
        let schema = spec(json!([{ "rule": "self.tags.all(a, self.tags.exists_one(b, a == b))" }]));
        let object = |count: usize| json!({ "spec": { "tags": (0..count).map(|it| it.to_string()).collect::<Vec<_>>() } });
        assert!(faults(schema.clone(), object(50), None).0.is_empty());
        let (errors, _) = faults(schema, object(10_000), None);
        assert!(errors[0].contains("running out of cost budget"), "{errors:?}");
    }

    #[test]
    fn what_an_update_leaves_as_it_was_is_not_judged_again() {
        let schema = spec(json!([{ "rule": "self.max < 10" }]));
        let object = json!({ "spec": { "max": 11 } });
        assert_eq!(faults(schema.clone(), object.clone(), None).0.len(), 1);
        assert!(faults(schema, object.clone(), Some(object)).0.is_empty());
    }

    #[test]
    fn objects_show_their_names_and_properties_under_names_of_their_own() {
        let schema = json!({ "type": "object", "x-kubernetes-validations": [
            { "rule": "self.metadata.name.size() < 3 && self.kind == 'Widget' && self.apiVersion == 'example.com/v1'" },
            { "rule": "!has(self.metadata.generateName)" },
        ] });
        let object = |name: &str| json!({ "metadata": { "name": name, "labels": { "a": "b" } } });
        assert!(faults(schema.clone(), object("ab"), None).0.is_empty());
        assert_eq!(faults(schema, object("abc"), None).0.len(), 1);
        for (name, expected) in [
            ("a_b", "a_b"),
            ("a__b", "a__underscores__b"),
            ("a.b/c", "a__dot__b__slash__c"),
            ("if", "__if__"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }
}
