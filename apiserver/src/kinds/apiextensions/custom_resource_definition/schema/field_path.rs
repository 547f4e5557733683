//! Paths to a field of a schema: `.spec.replicas`, `['a.b']`. Keeps: every step names a declared property, or any key
//! of a map.

use crate::tree::Map;

/// How steps may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::kinds::apiextensions) enum Notation {
    /// `.spec.replicas`
    Dots,
    /// The same, and `['spec']`.
    DotsAndBrackets,
}

/// The steps of a path and the schema that it leads to, if one is known there; or why it leads nowhere.
pub(in crate::kinds::apiextensions) fn resolve<'a>(
    path: &str,
    schema: &'a Map,
    notation: Notation,
) -> Result<(Vec<String>, Option<&'a Map>), String> {
    let mut tokens = Tokens(path);
    let mut steps = Vec::new();
    let mut schema = Some(schema);
    while let Some(token) = tokens.next() {
        let step = match token {
            "." => tokens.next().ok_or("unexpected end of JSON path")?.to_owned(),
            "[" if notation == Notation::Dots => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = tokens.next().ok_or("unexpected end of JSON path")?;
                quoted
                    .strip_prefix('\'')
                    .and_then(|rest| rest.strip_suffix('\''))
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?
                    .replace("\\'", "'")
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        schema = below(schema, &step).ok_or("does not refer to a valid field")?;
        steps.push(step);
        if token == "[" {
            match tokens.next().ok_or("unexpected end of JSON path")? {
                "]" => {}
                other => return Err(format!("expected ] but got {other}")),
            }
        }
    }
    Ok((steps, schema))
}

/// What is known of the values at `step`: `Some(None)` when there may be any.
fn below<'a>(schema: Option<&'a Map>, step: &str) -> Option<Option<&'a Map>> {
    let schema = schema?;
    match schema.map("properties").filter(|properties| !properties.is_empty()) {
        Some(properties) => properties.map(step).map(Some),
        None => schema.get("additionalProperties").map(|any| any.as_map()),
    }
}

/// Delimiters, and the text between them; a quoted text is one token.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0;
        let first = text.chars().next()?;
        let bytes = text.as_bytes();
        let end = match first {
            '.' | '[' | ']' => 1,
            '\'' => (1..bytes.len())
                .find(|i| bytes[*i] == b'\'' && bytes[i - 1] != b'\\')
                .map_or(bytes.len(), |end| end + 1),
            _ => text.find(['.', '[', ']']).unwrap_or(bytes.len()),
        };
        let (token, rest) = text.split_at(end);
        self.0 = rest;
        Some(token)
    }
}
