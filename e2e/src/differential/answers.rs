//! Answers, and how two of them differ.

use serde_json::Value;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code; 0 when the connection broke.
    pub code: u16,
    /// Warning headers.
    pub warnings: Vec<String>,
    /// The body; a text when it is no JSON.
    pub body: Value,
}

impl Answer {
    /// What a Status says.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A place where two answers differ.
#[derive(Debug, PartialEq)]
pub struct Difference {
    /// `/details/causes`, `code` or `warnings`.
    pub place: String,
    /// What the reference has there.
    pub reference: String,
    /// What the other has there.
    pub other: String,
}

impl Difference {
    /// What differences of the same cause have in common: all but numbers and quoted values.
    pub fn signature(&self) -> String {
        let rough = |text: &str| {
            let mut quoted = false;
            let outside = text.chars().filter(|c| {
                quoted ^= *c == '"';
                !quoted && !c.is_ascii_digit()
            });
            outside.take(150).collect::<String>()
        };
        format!("{} {} {}", rough(&self.place), rough(&self.reference), rough(&self.other))
    }
}

/// Where answers differ in more than what differs between any two requests.
pub fn differences(reference: &Answer, other: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |place: &str, reference: String, other: String| {
        if reference != other {
            found.push(Difference { place: place.to_owned(), reference, other });
        }
    };
    note("code", reference.code.to_string(), other.code.to_string());
    note("warnings", reference.warnings.join("\n"), other.warnings.join("\n"));
    let normal = |answer: &Answer| {
        let mut body = answer.body.clone();
        normalize("", &mut body);
        // The causes say it all again.
        if body.pointer("/details/causes").is_some()
            && let Some(map) = body.as_object_mut()
        {
            map.remove("message");
        }
        body
    };
    descend("", &normal(reference), &normal(other), &mut note);
    found
}

fn descend(place: &str, reference: &Value, other: &Value, note: &mut impl FnMut(&str, String, String)) {
    const ABSENT: &str = "(absent)";
    match (reference, other) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let place = format!("{place}/{key}");
                match right.get(key) {
                    Some(other) => descend(&place, value, other, note),
                    None => note(&place, value.to_string(), ABSENT.to_owned()),
                }
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                note(&format!("{place}/{key}"), ABSENT.to_owned(), value.to_string());
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (i, (left, right)) in left.iter().zip(right).enumerate() {
                descend(&format!("{place}/{i}"), left, right, note);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let only = |list: &[Value], other: &[Value]| {
                let only: Vec<&Value> = list.iter().filter(|item| !other.contains(item)).collect();
                serde_json::to_string(&only).unwrap_or_default()
            };
            note(
                place,
                format!("only here: {}", only(left, right)),
                format!("only here: {}", only(right, left)),
            );
        }
        _ => note(place, reference.to_string(), other.to_string()),
    }
}

/// Makes equal what differs between any two requests.
fn normalize(key: &str, value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| normalize(key, value)),
        Value::Array(list) => list.iter_mut().for_each(|item| normalize(key, item)),
        Value::String(text) => {
            if key == "resourceVersion" || is_uid(text) || is_time(text) {
                "(its own)".clone_into(text);
            } else if key == "message" {
                *text = without_values(text);
            }
        }
        _ => {}
    }
}

fn is_uid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.starts_with("20") && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

/// A sentence without the struct that it prints, and with supported values in order.
fn without_values(text: &str) -> String {
    let text = text.split('\n').next().unwrap_or_default();
    let mut text = text.to_owned();
    if let Some((head, value)) = text.split_once(" value: ")
        && ["{", "[", "\"\"", "\"{", "\"map[", "null"].iter().any(|start| value.starts_with(start))
    {
        let end = ["}: ", "]: ", "\"\": ", "}\": ", "]\": ", "null: "]
            .iter()
            .filter_map(|end| value.rfind(end).map(|at| at + end.len()));
        text = format!("{head} value: … {}", end.max().map_or("", |end| &value[end..]));
    }
    if let Some((head, values)) = text.split_once("supported values: ") {
        let mut values: Vec<&str> = values.split(", ").collect();
        values.sort_unstable();
        text = format!("{head}supported values: {}", values.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, body: Value) -> Answer {
        Answer { code, warnings: Vec::new(), body }
    }

    #[test]
    fn what_is_every_answers_own_is_no_difference() {
        let object = |uid: &str, version: &str, time: &str| {
            answer(
                201,
                json!({ "metadata": { "uid": uid, "resourceVersion": version, "creationTimestamp": time } }),
            )
        };
        let one = object("a79ce3c3-34d1-4b4c-a4ff-3fb6ed2ac3a1", "5", "2026-01-02T03:04:05Z");
        let two = object("00000000-34d1-4b4c-a4ff-3fb6ed2ac3a1", "7", "2026-01-02T03:04:06Z");
        assert_eq!(differences(&one, &two), []);
    }

    #[test]
    fn causes_differ_in_field_reason_and_words_but_not_in_how_values_print() {
        let refused = |value: &str, detail: &str| {
            let message = format!("Invalid value: {value}: {detail}");
            answer(422, json!({ "message": message, "details": { "causes": [{ "message": message }] } }))
        };
        let one = refused(r#"{"Type":"x"}"#, "must be y");
        assert_eq!(differences(&one, &refused(r#"{"type":"x"}"#, "must be y")), []);
        let found = differences(&one, &refused(r#"{"type":"x"}"#, "must be z"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "/details/causes/0/message");
    }
}
