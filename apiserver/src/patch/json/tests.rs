use super::*;
use crate::codec::json::decode_untyped;

fn read(text: &str) -> Node {
    decode_untyped(text.as_bytes()).unwrap()
}

#[track_caller]
fn check(document: &str, patch: &str, expected: Result<&str, &str>) {
    let mut node = read(document);
    let outcome = apply(&read(patch), &mut node);
    match expected {
        Ok(expected) => {
            assert_eq!(outcome, Ok(()), "{patch}");
            assert_eq!(node, read(expected), "{document} + {patch}");
        }
        Err(expected) => {
            assert_eq!(outcome.unwrap_err().to_string(), expected, "{patch}");
            assert_eq!(node, read(document), "a failed patch leaves the document alone");
        }
    }
}

#[test]
fn operations_follow_the_rfc() {
    check(r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":2}]"#, Ok(r#"{"a":1,"b":2}"#));
    check(r#"{"a":[1,3]}"#, r#"[{"op":"add","path":"/a/1","value":2}]"#, Ok(r#"{"a":[1,2,3]}"#));
    check(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-","value":2}]"#, Ok(r#"{"a":[1,2]}"#));
    check(r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, Ok(r#"{"b":2}"#));
    check(r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/0"}]"#, Ok(r#"{"a":[2]}"#));
    check(r#"{"a/b":1}"#, r#"[{"op":"replace","path":"/a~1b","value":2}]"#, Ok(r#"{"a/b":2}"#));
    check(r#"{"a~b":1}"#, r#"[{"op":"replace","path":"/a~0b","value":2}]"#, Ok(r#"{"a~b":2}"#));
    check(r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, Ok(r#"{"b":2}"#));
    check(r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, Ok(r#"{"b":1}"#));
    check(r#"{"a":[1]}"#, r#"[{"op":"copy","from":"/a","path":"/b"}]"#, Ok(r#"{"a":[1],"b":[1]}"#));
    check(
        r#"{"a":{"x":1,"y":2}}"#,
        r#"[{"op":"test","path":"/a","value":{"y":2,"x":1}}]"#,
        Ok(r#"{"a":{"x":1,"y":2}}"#),
    );
}

#[test]
fn upstreams_reading_of_the_rfc_holds() {
    check(r#"{"a":1}"#, r#"[{"op":"replace","path":"/x","value":2}]"#, Ok(r#"{"a":1,"x":2}"#));
    check(r#"{"a":[1,2]}"#, r#"[{"op":"replace","path":"/a/-1","value":3}]"#, Ok(r#"{"a":[1,3]}"#));
    check(r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-1","value":3}]"#, Ok(r#"{"a":[1,2,3]}"#));
    check(r#"{"a":1}"#, r#"[{"op":"add","path":"/b"}]"#, Ok(r#"{"a":1,"b":null}"#));
    check(r#"{"a":1}"#, r#"[{"op":"test","path":"/b"}]"#, Ok(r#"{"a":1}"#));
    check(r#"{"a":1}"#, r#"[{"op":"test","path":"/b","value":null}]"#, Ok(r#"{"a":1}"#));
    check(r#"{"a":1}"#, "null", Ok(r#"{"a":1}"#));
}

#[test]
fn a_patch_that_does_not_fit_changes_nothing() {
    let document = r#"{"a":1,"l":[1]}"#;
    for (operation, cause) in [
        (
            r#"{"op":"remove","path":"/x"}"#,
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            r#"{"op":"remove","path":"/x/y"}"#,
            "remove operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (r#"{"op":"test","path":"/a","value":2}"#, "testing value /a failed: test failed"),
        (r#"{"op":"test","path":"/x","value":2}"#, "testing value /x failed: test failed"),
        (
            r#"{"op":"test","path":"/l/3","value":2}"#,
            "error in test for path: '/l/3': Unable to access invalid index: 3: invalid index referenced",
        ),
        (
            r#"{"op":"add","path":"/x/y","value":1}"#,
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            r#"{"op":"add","path":"","value":{}}"#,
            "add operation does not apply: doc is missing path: \"\": missing value",
        ),
        (
            r#"{"op":"add","path":"/l/5","value":2}"#,
            "error in add for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
        ),
        (
            r#"{"op":"add","path":"/l/x","value":2}"#,
            "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            r#"{"op":"replace","path":"/l/5","value":2}"#,
            "replace operation does not apply: doc is missing key: /l/5: missing value",
        ),
        (
            r#"{"op":"move","from":"/x","path":"/y"}"#,
            "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
        ),
        (r#"{"op":"jump","path":"/a"}"#, "Unexpected kind: jump"),
        (r#"{"path":"/a"}"#, "Unexpected kind: unknown"),
        (r#"{"op":"add"}"#, "add operation failed to decode path: missing value"),
    ] {
        check(document, &format!(r#"[{{"op":"add","path":"/b","value":2}},{operation}]"#), Err(cause));
    }
}

#[test]
fn what_is_no_list_of_operations_is_malformed() {
    let words = |rest: &str| format!("error decoding patch: json: cannot unmarshal {rest}");
    check("{}", "{}", Err(&words("object into Go value of type []handlers.jsonPatchOp")));
    check("{}", "[1]", Err(&words("number into Go value of type handlers.jsonPatchOp")));
    check("{}", r#"[{"op":1}]"#, Err(&words("number into Go struct field jsonPatchOp.op of type string")));
}

#[test]
fn a_patch_is_bounded() {
    let one = r#"{"op":"test","path":"/a","value":1}"#;
    let many = format!("[{}]", vec![one; OPERATIONS_MAX + 1].join(","));
    check(r#"{"a":1}"#, &many, Err("The allowed maximum operations in a JSON patch is 10000, got 10001"));
    check(r#"{"a":1}"#, &format!("[{}]", vec![one; OPERATIONS_MAX].join(",")), Ok(r#"{"a":1}"#));
    let document = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
    let copies: Vec<String> =
        (0..3).map(|i| format!(r#"{{"op":"copy","from":"/a","path":"/b{i}"}}"#)).collect();
    let cause = "Unable to complete the copy, the accumulated size increase of copy is 3145734, exceeding the limit 3145728";
    check(&document, &format!("[{}]", copies.join(",")), Err(cause));
}

#[test]
fn what_nobody_could_read_again_is_refused() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let document = format!(r#"{{"a":{}}}"#, deep(400));
    let path = format!("/a{}/-", "/0".repeat(399));
    let patch = format!(r#"[{{"op":"add","path":"{path}","value":{}}}]"#, deep(400));
    check(&document, &patch, Err("the result is nested more than 512 levels deep"));
}
