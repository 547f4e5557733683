use serde_json::json;

use super::*;
use crate::fixture::{Fixture, NOW, object, resource, user};

fn check(plural: &str, body: &serde_json::Value, expected: &str) {
    let group = if plural == "selfsubjectreviews" || plural == "tokenreviews" {
        "authentication.k8s.io"
    } else {
        "authorization.k8s.io"
    };
    let fixture = Fixture::bootstrapped();
    let view = fixture.view();
    let user = user("alice", &["system:authenticated"]);
    let asking = Asking {
        user: &user,
        view: &view,
        authorizer: &fixture.authorizer,
        cluster: &fixture.cluster,
        namespace: "default",
        now: NOW,
    };
    let resource = resource(group, plural);
    let text = match handle(resource, object(resource, body), &asking) {
        Ok(answer) => answer.get("status").map(ToString::to_string).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    assert_eq!(text, expected);
}

#[test]
fn access_reviews_answer_for_their_subject() {
    let pods = json!({ "verb": "list", "resource": "pods", "namespace": "default" });
    check(
        "selfsubjectaccessreviews",
        &json!({ "spec": { "resourceAttributes": pods } }),
        r#"{"allowed":false}"#,
    );
    check(
        "selfsubjectaccessreviews",
        &json!({ "spec": { "nonResourceAttributes": { "verb": "get", "path": "/api" } } }),
        r#"{"allowed":true,"reason":"RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\""}"#,
    );
    check(
        "subjectaccessreviews",
        &json!({ "spec": { "resourceAttributes": pods, "groups": ["system:masters"] } }),
        r#"{"allowed":true}"#,
    );
    check(
        "localsubjectaccessreviews",
        &json!({ "metadata": { "namespace": "default" }, "spec": { "resourceAttributes": pods, "user": "bob" } }),
        r#"{"allowed":false}"#,
    );
}

#[test]
fn reviews_that_ask_nothing_are_refused() {
    check(
        "selfsubjectaccessreviews",
        &json!({ "spec": {} }),
        "SelfSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
    );
    check(
        "subjectaccessreviews",
        &json!({ "spec": { "nonResourceAttributes": { "verb": "get" } } }),
        "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be specified",
    );
    check("selfsubjectrulesreviews", &json!({ "spec": {} }), "no namespace on request");
    check("tokenreviews", &json!({ "spec": {} }), "token is required for TokenReview in authentication");
}

#[test]
fn users_learn_who_they_are() {
    check(
        "selfsubjectreviews",
        &json!({}),
        r#"{"userInfo":{"username":"alice","groups":["system:authenticated"]}}"#,
    );
    check(
        "tokenreviews",
        &json!({ "spec": { "token": "x" } }),
        r#"{"user":{},"error":"invalid bearer token"}"#,
    );
}
