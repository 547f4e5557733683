//! Patches, as far as controllers use them.

use serde_json::Value;

/// Lists that a strategic merge joins by a key, with the key.
const KEYED: &[(&str, &str)] = &[("conditions", "type"), ("ownerReferences", "uid")];

/// RFC 7386; strategic: with lists joined by their keys.
pub(super) fn merge(target: &mut Value, patch: &Value, strategic: bool) {
    let Some(fields) = patch.as_object() else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
            continue;
        }
        let key = KEYED.iter().find(|(list, _)| list == name).filter(|_| strategic);
        match (key, value.as_array()) {
            (Some((_, key)), Some(items)) => {
                let list = object.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                items.iter().for_each(|item| merge_item(list, item, key));
            }
            _ => merge(object.entry(name.clone()).or_insert(Value::Null), value, strategic),
        }
    }
}

fn merge_item(list: &mut Value, item: &Value, key: &str) {
    let Some(list) = list.as_array_mut() else { return };
    let at = list.iter().position(|present| present[key] == item[key]);
    match (at, item["$patch"] == "delete") {
        (Some(at), true) => drop(list.remove(at)),
        (None, true) => {}
        (Some(at), false) => merge(&mut list[at], item, true),
        (None, false) => list.push(item.clone()),
    }
}
