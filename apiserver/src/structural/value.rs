//! Whether a schema allows a value, in the words of OpenAPI's validation.
//!
//! Keeps: what an update leaves as it was is not judged again, however much its schema has changed since.

use ecow::EcoString;
use regex::Regex;
use rustc_hash::FxHashMap;

use super::{INT_OR_STRING, formats, is_of_every_object, is_true, lists, parsed};
use crate::field::{Cause, FieldErrors, Path};
use crate::tree::{List, Map, Node};

/// The patterns of a schema, compiled. Those that cannot be compiled here match everything.
pub(crate) type Patterns = FxHashMap<EcoString, Option<Regex>>;

/// Reports what a schema does not allow in a default at `path`.
pub(crate) fn validate_default(value: &Node, schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let patterns = Patterns::default();
    Value { node: value, old: None, name: String::new(), path: Some(path), patterns: &patterns }
        .judge(schema, errors);
}

/// Reports what a schema does not allow in an object.
pub(crate) fn validate(
    object: &Map,
    old: Option<&Map>,
    schema: &Map,
    patterns: &Patterns,
    errors: &mut FieldErrors,
) {
    let node = Node::Map(object.clone());
    let old = old.map(|old| Node::Map(old.clone()));
    Value { node: &node, old: old.as_ref(), name: String::new(), path: None, patterns }.judge(schema, errors);
}

/// Adds the patterns of a schema and of all below it.
pub(crate) fn compile_patterns(schema: &Map, patterns: &mut Patterns) {
    if let Some(Node::Str(text)) = schema.get("pattern")
        && !patterns.contains_key(text)
    {
        patterns.insert(text.clone(), Regex::new(text).ok());
    }
    for (field, node) in schema.iter() {
        match (field.as_str(), node) {
            ("properties", Node::Map(properties)) => {
                properties
                    .iter()
                    .filter_map(|(_, below)| below.as_map())
                    .for_each(|below| compile_patterns(below, patterns));
            }
            ("items" | "additionalProperties" | "not", Node::Map(below)) => compile_patterns(below, patterns),
            ("allOf" | "anyOf" | "oneOf", Node::List(schemas)) => {
                schemas.iter().filter_map(Node::as_map).for_each(|below| compile_patterns(below, patterns));
            }
            _ => {}
        }
    }
}

/// A value, and its place below the one that is judged: `a.b[0]`.
struct Value<'a> {
    node: &'a Node,
    /// What stood in its place before.
    old: Option<&'a Node>,
    name: String,
    /// Where the one that is judged stands; an object stands nowhere.
    path: Option<&'a Path<'a>>,
    patterns: &'a Patterns,
}

/// How upstream prints a path of nothing.
pub(crate) const NOWHERE: Path<'static> = Path::new("<nil>");

impl Value<'_> {
    fn judge(&self, schema: &Map, errors: &mut FieldErrors) {
        if self.old == Some(self.node) {
            return;
        }
        self.judge_type(schema, errors);
        if !matches!(self.node, Node::Null) {
            self.judge_junctors(schema, errors);
        }
        match self.node {
            Node::Str(text) => self.judge_text(text, schema, errors),
            Node::Int(number) => self.judge_number(*number as f64, schema, errors),
            Node::Float(number) => self.judge_number(*number, schema, errors),
            Node::List(items) => self.judge_list(items, schema, errors),
            Node::Map(entries) => self.judge_object(entries, schema, errors),
            _ => {}
        }
        self.judge_enumeration(schema, errors);
    }

    fn report(&self, cause: Cause, value: &Node, detail: &str, errors: &mut FieldErrors) {
        match (self.path, self.name.trim_start_matches('.')) {
            (Some(path), "") => errors.add(cause, path, value, detail),
            (Some(path), name) => errors.add(cause, &path.child(name), value, detail),
            (None, "") => errors.add(cause, &NOWHERE, value, detail),
            (None, name) => errors.add(cause, &Path::new(name), value, detail),
        }
    }

    fn invalid(&self, detail: &str, errors: &mut FieldErrors) {
        self.report(Cause::Invalid, self.node, &format!("{} in body {detail}", self.name), errors);
    }

    /// A verdict on the whole, told where the judged value stands.
    fn unfit(&self, detail: &str, errors: &mut FieldErrors) {
        errors.invalid(self.path.unwrap_or(&NOWHERE), "", format!("{:?} {detail}", self.name));
    }

    fn judge_type(&self, schema: &Map, errors: &mut FieldErrors) {
        let expected = schema.str("type");
        if is_true(schema, INT_OR_STRING) {
            return self.judge_int_or_string(errors);
        }
        let found = match self.node {
            Node::Null if is_true(schema, "nullable") => return,
            Node::Bool(_) => "boolean",
            Node::Int(_) => "integer",
            Node::Float(number) if number.fract() == 0.0 && expected == "integer" => "integer",
            Node::Float(_) => "number",
            other => other.type_name(),
        };
        if !expected.is_empty() && found != expected && (found, expected) != ("integer", "number") {
            let detail = format!("{} in body must be of type {expected}: {found:?}", self.name);
            self.report(Cause::TypeInvalid, &found.into(), &detail, errors);
        }
    }

    fn judge_int_or_string(&self, errors: &mut FieldErrors) {
        let found = match self.node {
            Node::Int(_) | Node::Str(_) => return,
            Node::Float(number) if number.fract() == 0.0 => return,
            Node::Bool(_) => "boolean",
            Node::Float(_) => "number",
            other => other.type_name(),
        };
        let detail = format!("{} in body must be of type integer,string: {found:?}", self.name);
        self.report(Cause::TypeInvalid, &found.into(), &detail, errors);
    }

    fn judge_text(&self, text: &str, schema: &Map, errors: &mut FieldErrors) {
        let length = text.chars().count() as i64;
        if let Some(max) = schema.int("maxLength").filter(|max| length > *max) {
            let detail = format!("may not be more than {max} byte{}", if max == 1 { "" } else { "s" });
            self.report(Cause::TooLong, &Node::Null, &detail, errors);
        }
        if let Some(min) = schema.int("minLength").filter(|min| length < *min) {
            self.invalid(&format!("should be at least {min} chars long"), errors);
        }
        let pattern = schema.str("pattern");
        if !pattern.is_empty() && !self.matches(pattern, text) {
            self.invalid(&format!("should match '{pattern}'"), errors);
        }
        let format = schema.str("format");
        if !formats::fits(format, text) {
            self.invalid(&format!("must be of type {format}: {text:?}"), errors);
        }
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        match self.patterns.get(pattern) {
            Some(compiled) => compiled.as_ref().is_none_or(|compiled| compiled.is_match(text)),
            None => Regex::new(pattern).map_or(true, |compiled| compiled.is_match(text)),
        }
    }

    fn judge_number(&self, number: f64, schema: &Map, errors: &mut FieldErrors) {
        let name = &self.name;
        match schema.str("format") {
            _ if schema.str("type") != "integer" => {}
            "int32" if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) => {
                let detail = format!("Checked value must be of type integer with format int32 in {name}");
                errors.invalid(self.path.unwrap_or(&NOWHERE), "", detail);
            }
            _ if number.fract() != 0.0 => {
                let detail = format!("Checked value must be of type integer (default format) in {name}");
                errors.invalid(self.path.unwrap_or(&NOWHERE), "", detail);
            }
            _ => {}
        }
        let bound = |field| match schema.get(field) {
            Some(Node::Int(bound)) => Some(*bound as f64),
            Some(Node::Float(bound)) => Some(*bound),
            _ => None,
        };
        if let Some(step) = bound("multipleOf").filter(|step| (number / step).fract() != 0.0) {
            self.invalid(&format!("should be a multiple of {step}"), errors);
        }
        if let Some(max) = bound("maximum") {
            match is_true(schema, "exclusiveMaximum") {
                true if number >= max => self.invalid(&format!("should be less than {max}"), errors),
                false if number > max => {
                    self.invalid(&format!("should be less than or equal to {max}"), errors)
                }
                _ => {}
            }
        }
        if let Some(min) = bound("minimum") {
            match is_true(schema, "exclusiveMinimum") {
                true if number <= min => self.invalid(&format!("should be greater than {min}"), errors),
                false if number < min => {
                    self.invalid(&format!("should be greater than or equal to {min}"), errors)
                }
                _ => {}
            }
        }
    }

    fn judge_list(&self, items: &List, schema: &Map, errors: &mut FieldErrors) {
        if let Some(below) = schema.map("items") {
            let before = self.old.and_then(Node::as_list);
            let before = before.map(|before| lists::by_keys(before, schema)).unwrap_or_default();
            for (i, item) in items.iter().enumerate() {
                let old = lists::keys_of(item, schema).and_then(|keys| before.get(&keys).copied());
                self.below(item, old, format!("{}[{i}]", self.name)).judge(below, errors);
            }
        }
        self.judge_size(items.len(), schema, ("minItems", "maxItems", "items"), errors);
    }

    fn judge_object(&self, entries: &Map, schema: &Map, errors: &mut FieldErrors) {
        self.judge_size(entries.len(), schema, ("minProperties", "maxProperties", "properties"), errors);
        let additional = schema.get("additionalProperties");
        let before = self.old.and_then(Node::as_map);
        for (name, entry) in entries.iter() {
            let property = schema.map("properties").and_then(|properties| properties.map(name));
            let place = match (property, self.name.as_str()) {
                (Some(_), "") => name.to_string(),
                (_, own) => format!("{own}.{name}"),
            };
            match (property, additional) {
                (Some(below), _) | (None, Some(Node::Map(below))) => {
                    self.below(entry, before.and_then(|before| before.get(name)), place).judge(below, errors)
                }
                (None, Some(Node::Bool(false))) => {
                    let detail = format!("{}.{name} in body is a forbidden property", self.name);
                    self.report(Cause::Invalid, &name.as_str().into(), &detail, errors);
                }
                _ => {}
            }
        }
        let is_object = self.path.is_none() && self.name.is_empty();
        let required = schema.texts("required").filter(|field| !is_object || !is_of_every_object(field));
        for field in required.filter(|field| !entries.contains(field)) {
            self.below(self.node, None, format!("{}.{field}", self.name)).report(
                Cause::Required,
                &Node::Null,
                "",
                errors,
            );
        }
    }

    fn below<'b>(&'b self, node: &'b Node, old: Option<&'b Node>, name: String) -> Value<'b> {
        Value { node, old, name, path: self.path, patterns: self.patterns }
    }

    fn judge_size(
        &self,
        count: usize,
        schema: &Map,
        (min_field, max_field, noun): (&str, &str, &str),
        errors: &mut FieldErrors,
    ) {
        if let Some(min) = schema.int(min_field).filter(|min| (count as i64) < *min) {
            self.invalid(&format!("should have at least {min} {noun}"), errors);
        }
        if let Some(max) = schema.int(max_field).filter(|max| count as i64 > *max) {
            let detail = format!("{count}: must have at most {max} item{}", if max == 1 { "" } else { "s" });
            self.report(Cause::TooMany, &Node::Null, &detail, errors);
        }
    }

    fn judge_enumeration(&self, schema: &Map, errors: &mut FieldErrors) {
        let allowed: Vec<Node> = schema.list("enum").iter().filter_map(parsed).collect();
        if !allowed.is_empty() && !allowed.contains(self.node) {
            let quoted: Vec<String> = allowed
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .map(|text| format!("{text:?}"))
                .collect();
            let detail = format!("supported values: {}", quoted.join(", "));
            self.report(Cause::NotSupported, self.node, &detail, errors);
        }
    }

    fn judge_junctors(&self, schema: &Map, errors: &mut FieldErrors) {
        let faults = |schema: &Map| {
            let mut faults = FieldErrors::new();
            self.judge(schema, &mut faults);
            faults
        };
        let allowing = |field| schema.maps(field).filter(|schema| faults(schema).is_empty()).count();
        if !schema.list("anyOf").is_empty() && allowing("anyOf") == 0 {
            self.unfit("must validate at least one schema (anyOf)", errors);
            errors.append(schema.maps("anyOf").next().map(faults).unwrap_or_default());
        }
        let (choices, valid) = (schema.list("oneOf").len(), allowing("oneOf"));
        if choices > 0 && valid != 1 {
            let found = match valid {
                0 => "Found none valid".to_owned(),
                several => format!("Found {several} valid alternatives"),
            };
            self.unfit(&format!("must validate one and only one schema (oneOf). {found}"), errors);
            errors.append(schema.maps("oneOf").next().map(faults).filter(|_| valid == 0).unwrap_or_default());
        }
        let (all, valid) = (schema.list("allOf").len(), allowing("allOf"));
        schema.maps("allOf").for_each(|schema| errors.append(faults(schema)));
        if valid < all {
            let none = if valid == 0 { ". None validated" } else { "" };
            self.unfit(&format!("must validate all the schemas (allOf){none}"), errors);
        }
        if schema.map("not").is_some_and(|schema| faults(schema).is_empty()) {
            self.unfit("must not validate the schema (not)", errors);
        }
    }
}
