//! AdmissionReview: the question that a webhook gets, and what its answer says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::hook::Sort;
use crate::codec;
use crate::status::{Status, StatusCause, StatusDetails};
use crate::tree::{Map, Node};

/// What is asked, but for the `uid` of the question.
pub(super) struct Question {
    request: Map,
    object: Bytes,
    old: Bytes,
    version: &'static str,
}

/// What a webhook decided.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) warnings: Vec<String>,
    /// What it wants to be recorded of the request.
    pub(super) audit_annotations: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(super) enum Decision {
    /// It lets the object through as it is, or as a JSON patch makes it.
    Allowed(Option<Node>),
    /// It refuses.
    Denied(Box<Status>),
}

impl Question {
    pub(super) fn new(request: Map, object: Bytes, old: Bytes, version: &'static str) -> Question {
        Question { request, object, old, version }
    }

    /// The JSON of the review under an identity.
    pub(super) fn encode(&self, uid: &str) -> Vec<u8> {
        let mut request = self.request.clone();
        request.set("uid", uid);
        let mut facts = Vec::new();
        codec::json::encode_untyped(&Node::Map(request), &mut facts);
        facts.pop();
        let mut out = Vec::with_capacity(facts.len() + self.object.len() + self.old.len() + 128);
        let head =
            format!("{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"{}\",\"request\":", self.api_version());
        for part in
            [head.as_bytes(), &facts, b",\"object\":", &self.object, b",\"oldObject\":", &self.old, b"}}\n"]
        {
            out.extend_from_slice(part);
        }
        out
    }

    /// Of the review: `v1` or `v1beta1`.
    pub(super) fn version(&self) -> &'static str {
        self.version
    }

    fn api_version(&self) -> String {
        format!("admission.k8s.io/{}", self.version)
    }

    /// Reads the answer; the error says what is wrong with it.
    pub(super) fn answered(&self, body: &[u8], uid: &str, sort: Sort) -> Result<Response, Invalid> {
        let review: Review =
            serde_json::from_slice(body).map_err(|error| Invalid::Undecodable(error.to_string()))?;
        let wrong = |why: String| Err(Invalid::Wrong(why));
        let Some(response) = review.response else { return wrong("webhook response was absent".to_owned()) };
        if self.version == "v1" {
            let sent = response.uid.as_deref().unwrap_or("");
            if sent != uid {
                return wrong(format!("expected response.uid={uid:?}, got {sent:?}"));
            }
            let (api_version, kind) =
                (review.api_version.as_deref().unwrap_or(""), review.kind.as_deref().unwrap_or(""));
            if api_version != self.api_version() || kind != "AdmissionReview" {
                return wrong(format!(
                    "expected webhook response of {}, Kind=AdmissionReview, got {}, Kind={kind}",
                    self.api_version(),
                    if api_version.contains('/') {
                        api_version.to_owned()
                    } else {
                        format!("/{api_version}")
                    },
                ));
            }
            response.check_patch(sort).map_err(Invalid::Wrong)?;
        }
        Ok(response)
    }
}

/// Why an answer is none.
pub(super) enum Invalid {
    /// It cannot be read.
    Undecodable(String),
    /// It does not say what it has to.
    Wrong(String),
}

/// What is read of a review.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: Option<String>,
    kind: Option<String>,
    response: Option<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    uid: Option<String>,
    allowed: Option<bool>,
    status: Option<SentStatus>,
    patch: Option<String>,
    patch_type: Option<String>,
    warnings: Option<Vec<String>>,
    audit_annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct SentStatus {
    message: Option<String>,
    reason: Option<String>,
    code: Option<i64>,
    details: Option<SentDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentDetails {
    name: Option<String>,
    group: Option<String>,
    kind: Option<String>,
    uid: Option<String>,
    causes: Option<Vec<SentCause>>,
    retry_after_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct SentCause {
    reason: Option<String>,
    message: Option<String>,
    field: Option<String>,
}

impl Response {
    fn has_patch(&self) -> bool {
        self.patch.as_ref().is_some_and(|patch| !patch.is_empty())
    }

    /// Patch and its type come together, and only from whom may change something.
    fn check_patch(&self, sort: Sort) -> Result<(), String> {
        let why = match (sort, self.has_patch(), self.patch_type.as_deref()) {
            (Sort::Validating, true, _) => "validating webhook may not return response.patch",
            (Sort::Validating, false, Some(_)) => "validating webhook may not return response.patchType",
            (Sort::Mutating, true, None) => "webhook returned response.patch but not response.patchType",
            (Sort::Mutating, false, Some(_)) => "webhook returned response.patchType but not response.patch",
            (Sort::Mutating, true, Some("")) => "webhook returned invalid response.patchType of \"\"",
            _ => return Ok(()),
        };
        Err(why.to_owned())
    }

    /// What the webhook of a name decided; the error says why its patch cannot be used.
    pub(super) fn decided(mut self, name: &str, sort: Sort, version: &str) -> Result<Answer, String> {
        let warnings = self.warnings.take().unwrap_or_default();
        let audit_annotations = self.audit_annotations.take().unwrap_or_default();
        Ok(Answer { decision: self.decision(name, sort, version)?, warnings, audit_annotations })
    }

    fn decision(self, name: &str, sort: Sort, version: &str) -> Result<Decision, String> {
        let has_patch = self.has_patch();
        if self.allowed != Some(true) {
            let status = self.status.unwrap_or_default().refusal(name);
            return Ok(Decision::Denied(Box::new(status)));
        }
        if sort == Sort::Validating || !has_patch {
            return Ok(Decision::Allowed(None));
        }
        let undecodable = |why: String| format!("received undecodable patch in webhook response: {why}");
        let patch = STANDARD.decode(self.patch.unwrap_or_default());
        let patch = patch.map_err(|error| undecodable(error.to_string()))?;
        let patch = codec::json::decode_untyped(&patch).map_err(|error| undecodable(error.to_string()))?;
        let Node::List(operations) = &patch else {
            return Err(undecodable(format!(
                "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                patch.type_name()
            )));
        };
        if operations.is_empty() {
            return Ok(Decision::Allowed(None));
        }
        match self.patch_type.as_deref() {
            Some("JSONPatch") => {}
            _ if version == "v1beta1" => {}
            other => return Err(format!("unsupported patch type {:?}", other.unwrap_or(""))),
        }
        Ok(Decision::Allowed(Some(patch)))
    }
}

impl SentStatus {
    /// The refusal that the client gets: what the webhook said, behind who said it.
    fn refusal(self, name: &str) -> Status {
        let denied = format!("admission webhook {name:?} denied the request");
        let reason = self.reason.unwrap_or_default();
        let message = match (self.message.as_deref().unwrap_or(""), reason.as_str()) {
            ("", "") => format!("{denied} without explanation"),
            ("", reason) => format!("{denied}: {reason}"),
            (message, _) => format!("{denied}: {message}"),
        };
        let code =
            self.code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
        Status {
            success: false,
            message,
            reason,
            details: self.details.map(SentDetails::into_details),
            code: code.unwrap_or(400),
            continue_token: String::new(),
        }
    }
}

impl SentDetails {
    fn into_details(self) -> StatusDetails {
        let causes = self.causes.unwrap_or_default().into_iter().map(|cause| StatusCause {
            reason: cause.reason.unwrap_or_default(),
            message: cause.message.unwrap_or_default(),
            field: cause.field.unwrap_or_default(),
        });
        StatusDetails {
            name: self.name.unwrap_or_default(),
            group: self.group.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
            uid: self.uid.unwrap_or_default(),
            causes: causes.collect(),
            retry_after_seconds: self.retry_after_seconds.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What comes of an answer to a question of version `v1`.
    fn outcome(sort: Sort, answer: &serde_json::Value) -> String {
        let object = Bytes::from_static(b"{}");
        let question = Question::new(Map::new(), object.clone(), object, "v1");
        let response = match question.answered(answer.to_string().as_bytes(), "u", sort) {
            Ok(response) => response,
            Err(Invalid::Undecodable(why) | Invalid::Wrong(why)) => return why,
        };
        let Answer { decision, warnings, .. } = match response.decided("h", sort, "v1") {
            Ok(answer) => answer,
            Err(why) => return why,
        };
        match decision {
            Decision::Allowed(Some(patch)) => format!("patch {patch}"),
            Decision::Allowed(None) => format!("allowed {warnings:?}"),
            Decision::Denied(status) => format!("{} {}", status.code, status.message),
        }
    }

    fn review(response: serde_json::Value) -> serde_json::Value {
        let mut response = response;
        response["uid"] = "u".into();
        json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response })
    }

    #[test]
    fn refusals_say_who_refuses_and_why() {
        for (response, expected) in [
            (
                json!({ "allowed": false }),
                r#"400 admission webhook "h" denied the request without explanation"#,
            ),
            (json!({}), r#"400 admission webhook "h" denied the request without explanation"#),
            (
                json!({ "allowed": false, "status": { "reason": "Full", "code": 200 } }),
                r#"400 admission webhook "h" denied the request: Full"#,
            ),
            (
                json!({ "allowed": false, "status": { "message": "no", "reason": "Full", "code": 429 } }),
                r#"429 admission webhook "h" denied the request: no"#,
            ),
            (json!({ "allowed": true, "warnings": ["w"] }), r#"allowed ["w"]"#),
            (json!({ "allowed": true, "warnings": null, "status": null, "patch": null }), "allowed []"),
        ] {
            assert_eq!(outcome(Sort::Validating, &review(response)), expected);
        }
    }

    #[test]
    fn patches_are_json_patches_of_mutating_webhooks() {
        let patch = STANDARD.encode(r#"[{"op":"remove","path":"/a"}]"#);
        for (sort, response, expected) in [
            (
                Sort::Mutating,
                json!({ "allowed": true, "patch": patch, "patchType": "JSONPatch" }),
                r#"patch [{"op":"remove","path":"/a"}]"#,
            ),
            (
                Sort::Mutating,
                json!({ "allowed": true, "patch": patch }),
                "webhook returned response.patch but not response.patchType",
            ),
            (
                Sort::Mutating,
                json!({ "allowed": true, "patch": patch, "patchType": "Merge" }),
                "unsupported patch type \"Merge\"",
            ),
            (
                Sort::Mutating,
                json!({ "allowed": true, "patch": STANDARD.encode("[]"), "patchType": "JSONPatch" }),
                "allowed []",
            ),
            (
                Sort::Validating,
                json!({ "allowed": true, "patch": patch, "patchType": "JSONPatch" }),
                "validating webhook may not return response.patch",
            ),
        ] {
            assert_eq!(outcome(sort, &review(response)), expected);
        }
    }

    #[test]
    fn an_answer_is_to_the_question_that_was_asked() {
        let other = json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": { "uid": "x" } });
        for (answer, expected) in [
            (other, r#"expected response.uid="u", got "x""#),
            (json!({}), "webhook response was absent"),
            (
                json!({ "response": { "uid": "u", "allowed": true } }),
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=",
            ),
        ] {
            assert_eq!(outcome(Sort::Mutating, &answer), expected);
        }
    }

    #[test]
    fn a_question_holds_the_objects_as_they_are() {
        let request = Map::from([("name", Node::from("a"))]);
        let question =
            Question::new(request, Bytes::from_static(b"{\"b\":1}"), Bytes::from_static(b"null"), "v1");
        assert_eq!(
            String::from_utf8(question.encode("u")).unwrap(),
            "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"name\":\"a\",\"uid\":\"u\",\"object\":{\"b\":1},\"oldObject\":null}}\n"
        );
    }
}
