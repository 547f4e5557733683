//! Documents with one thing wrong.

use serde_json::{Map, Value, json};

/// A body, and what was changed in the document to get it.
#[derive(Debug)]
pub struct Case {
    /// `/spec/replicas -1`; empty for the document itself.
    pub change: String,
    /// What is sent.
    pub body: Value,
}

/// The document itself, and once for each way in which each of its fields can be wrong.
pub fn cases(document: &Value) -> Vec<Case> {
    let mut cases = vec![Case { change: String::new(), body: document.clone() }];
    let mut places = Vec::new();
    collect(document, "", &mut places);
    for place in places.iter().filter(|place| !matches!(place.as_str(), "/apiVersion" | "/kind")) {
        let Some(value) = document.pointer(place) else { continue };
        let mut body = document.clone();
        remove(&mut body, place);
        cases.push(Case { change: format!("{place} absent"), body });
        for (change, wrong) in wrong_values(value) {
            let mut body = document.clone();
            if let Some(place) = body.pointer_mut(place) {
                *place = wrong;
            }
            cases.push(Case { change: format!("{place} {change}"), body });
        }
    }
    cases
}

/// The document once for each of its lists and maps of strings made `items` long: of equal items, and of items that are
/// told apart.
pub fn long_cases(document: &Value, items: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut places = Vec::new();
    collect(document, "", &mut places);
    for place in places {
        let long = match document.pointer(&place) {
            Some(Value::Array(list)) => long_lists(list, items),
            Some(Value::Object(map)) => long_map(map, items),
            _ => Vec::new(),
        };
        for (change, long) in long {
            let mut body = document.clone();
            if let Some(place) = body.pointer_mut(&place) {
                *place = long;
            }
            cases.push(Case { change: format!("{place} {change}"), body });
        }
    }
    cases
}

fn long_lists(list: &[Value], items: usize) -> Vec<(String, Value)> {
    let Some(last) = list.last() else { return Vec::new() };
    let apart = (0..items).map(|i| numbered(last, i)).collect();
    vec![
        (format!("{items} times the last"), vec![last.clone(); items].into()),
        (format!("{items} like it"), apart),
    ]
}

fn long_map(map: &Map<String, Value>, items: usize) -> Vec<(String, Value)> {
    let Some((last, value)) = map.iter().next_back().filter(|_| map.values().all(Value::is_string)) else {
        return Vec::new();
    };
    let apart: Map<String, Value> = (0..items).map(|i| (format!("{last}{i}"), value.clone())).collect();
    vec![(format!("{items} keys"), apart.into())]
}

/// The value with a number at the end of each text that does not look like one of an enumeration, and another number
/// for each number.
fn numbered(value: &Value, i: usize) -> Value {
    match value {
        Value::String(text) if text.starts_with(|first: char| first.is_ascii_lowercase()) => {
            format!("{text}{i}").into()
        }
        Value::Number(number) => (number.as_u64().unwrap_or(0).wrapping_add(i as u64) % 60_000 + 1).into(),
        Value::Array(list) => list.iter().map(|item| numbered(item, i)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), numbered(value, i))).collect(),
        other => other.clone(),
    }
}

/// Every place below a value, as JSON pointers.
fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
    let mut enter = |key: &str, value: &Value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        places.push(place.clone());
        collect(value, &place, places);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| enter(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| enter(&i.to_string(), value)),
        _ => {}
    }
}

fn remove(document: &mut Value, place: &str) {
    let Some((parent, key)) = place.rsplit_once('/') else { return };
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&key);
        }
        Some(Value::Array(list)) => {
            if let Ok(index) = key.parse() {
                list.remove(index);
            }
        }
        _ => {}
    }
}

fn wrong_values(value: &Value) -> Vec<(String, Value)> {
    let mut wrong = vec![Value::Null];
    match value {
        Value::Bool(value) => wrong.extend([json!(!value), json!("x")]),
        Value::Number(_) => {
            wrong.extend([json!("x"), json!(-1), json!(0), json!(70_000), json!(9_999_999_999_u64)]);
        }
        Value::String(_) => {
            let long = "a".repeat(300);
            wrong.extend([json!(""), json!("Bad_Value!"), json!(long), json!("-x"), json!("ab"), json!(5)]);
        }
        Value::Array(list) => {
            wrong.extend([json!([]), json!({}), json!([null])]);
            if let Some(first) = list.first() {
                let twice = list.iter().chain([first]).cloned().collect();
                wrong.extend([twice, if first.is_string() { json!([{}]) } else { json!(["x"]) }]);
            }
        }
        Value::Object(map) => {
            let mut more = map.clone();
            more.insert("bogus".to_owned(), json!(1));
            wrong.extend([json!({}), json!([]), Value::Object(more)]);
        }
        Value::Null => {}
    }
    let shown = |value: &Value| value.to_string().chars().take(60).collect();
    wrong.into_iter().map(|value| (shown(&value), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_left_out_and_made_wrong_once_in_each_way() {
        let document = json!({ "kind": "K", "spec": { "a/b": [{ "n": 1 }] } });
        let cases = cases(&document);
        let of =
            |place: &str| cases.iter().filter(|case| case.change.starts_with(&format!("{place} "))).count();
        assert_eq!([of("/kind"), of("/spec"), of("/spec/a~1b"), of("/spec/a~1b/0/n")], [0, 5, 7, 7]);
        assert!(cases.iter().skip(1).all(|case| case.body != document && case.body["kind"] == "K"));
        let absent = cases.iter().find(|case| case.change == "/spec/a~1b/0 absent").unwrap();
        assert_eq!(absent.body, json!({ "kind": "K", "spec": { "a/b": [] } }));
    }

    #[test]
    fn every_list_and_map_is_made_long_of_equal_items_and_of_others() {
        let document = json!({ "list": [{ "name": "n", "kind": "K", "port": 1 }], "map": { "k": "v" } });
        let bodies: Vec<Value> = long_cases(&document, 2).into_iter().map(|case| case.body).collect();
        let item = |name: &str, port: u64| json!({ "name": name, "kind": "K", "port": port });
        assert_eq!(
            bodies,
            [
                json!({ "list": [item("n", 1), item("n", 1)], "map": { "k": "v" } }),
                json!({ "list": [item("n0", 2), item("n1", 3)], "map": { "k": "v" } }),
                json!({ "list": [item("n", 1)], "map": { "k0": "v", "k1": "v" } }),
            ]
        );
    }
}
