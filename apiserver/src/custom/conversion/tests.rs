use serde_json::{Value, json};

use super::review::{Failure, Review};
use super::*;
use crate::codec;
use crate::tree::Node;

const REVIEW: Review<'static> = Review { uid: "u", version: "v1", desired: "example.com/v2" };

fn node(value: &Value) -> Node {
    codec::json::decode_untyped(value.to_string().as_bytes()).unwrap()
}

fn original() -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "spec": { "a": 1 },
        "metadata": { "name": "a", "namespace": "n", "uid": "1", "labels": { "l": "v" }, "generation": 3 },
    })
}

/// What becomes of the object when a webhook answers it with `change`.
fn checked(change: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut made = original();
    made["apiVersion"] = json!("example.com/v2");
    change(&mut made);
    let original = original().to_string();
    let made = REVIEW.checked(node(&made), "Widget", original.as_bytes());
    let made = made.map_err(|failure| failure.sentence("x"))?;
    let mut text = Vec::new();
    codec::json::encode_untyped(&Node::Map(made), &mut text);
    Ok(serde_json::from_slice(&text).unwrap())
}

#[test]
fn of_converted_metadata_labels_and_annotations_are_taken() {
    let made = checked(|made| {
        made["metadata"]["labels"] = json!({ "to": "v2" });
        made["metadata"]["annotations"] = json!({ "from": "v1" });
        made["metadata"]["generation"] = json!(77);
        made["metadata"]["finalizers"] = json!(["example.com/held"]);
        made["spec"] = json!({ "b": 2 });
    })
    .unwrap();
    let metadata = json!({
        "name": "a", "namespace": "n", "uid": "1", "generation": 3,
        "labels": { "to": "v2" }, "annotations": { "from": "v1" },
    });
    assert_eq!((&made["metadata"], &made["spec"]), (&metadata, &json!({ "b": 2 })));
    let made = checked(|made| made["metadata"]["labels"] = Value::Null).unwrap();
    assert!(made["metadata"].get("labels").is_none());
}

#[test]
fn an_object_that_is_another_one_is_refused() {
    let because = |change: fn(&mut Value)| checked(change).unwrap_err();
    for (change, why) in [
        (
            (|made| made["apiVersion"] = json!("example.com/v3")) as fn(&mut Value),
            "object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (
            |made| made["kind"] = json!("Gadget"),
            "object at index 0: invalid kind (expected Widget, received Gadget)",
        ),
        (|made| made["metadata"]["name"] = json!("b"), "object: must have the same name: a != b"),
        (|made| made["metadata"]["uid"] = json!("2"), "object: must have the same UID: 1 != 2"),
        (
            |made| made["metadata"]["labels"] = json!({ "l": 1 }),
            "metadata: metadata.labels[l] must be a string in converted object",
        ),
    ] {
        assert_eq!(because(change), format!("conversion webhook for x returned invalid {why}"));
    }
    assert!(because(|made| made["metadata"]["labels"] = json!({ "a b": "c" })).contains("Invalid value"));
}

#[test]
fn an_answer_has_as_many_objects_as_the_question() {
    let answer = |response: Value| {
        let review = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response });
        REVIEW.answered(review.to_string().as_bytes(), 1)
    };
    let success = |objects: Value| {
        answer(json!({ "uid": "u", "result": { "status": "Success" }, "convertedObjects": objects }))
    };
    assert_eq!(success(json!([{}])).unwrap().len(), 1);
    assert!(matches!(success(json!([])), Err(Failure::Partial { returned: 0, expected: 1 })));
    let refused =
        answer(json!({ "uid": "u", "result": { "status": "Failure", "message": "no" } })).unwrap_err();
    assert_eq!(
        refused.sentence("example.com/v1, Kind=Widget"),
        "conversion webhook for example.com/v1, Kind=Widget failed: no"
    );
    let other = answer(json!({ "uid": "other" })).unwrap_err();
    assert_eq!(other.kind(), "conversion_webhook_malformed_response_failure");
}

#[test]
fn a_list_is_cut_where_a_question_would_grow_too_large() {
    let sizes: Vec<usize> = [BYTES_MAX / 2, BYTES_MAX / 2, 1, BYTES_MAX * 3, 1]
        .into_iter()
        .chain(std::iter::repeat_n(0, OBJECTS_MAX))
        .collect();
    let portions = in_portions(&sizes, |size| *size);
    let lengths: Vec<usize> = portions.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1, 1, OBJECTS_MAX, 1]);
    assert_eq!(portions.concat(), sizes);
    assert!(in_portions(&[] as &[usize], |size| *size).is_empty());
}
