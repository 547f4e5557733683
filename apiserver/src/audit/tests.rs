use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::*;
use crate::fixture::{self, Still, user};
use crate::reply::TreeReply;
use crate::request::Query;
use crate::schema;
use crate::tree::Map;

/// Keeps what was recorded.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Sink for Kept {
    fn write(&self, line: &[u8]) {
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        self.0.lock().push(String::from_utf8(line.to_vec()).unwrap());
    }
}

impl Kept {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }

    fn read(&self) -> Vec<Value> {
        self.take().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn audit(rules: &str) -> (Arc<Audit>, Kept) {
    let policy = format!("{{apiVersion: audit.k8s.io/v1, kind: Policy, rules: {rules}}}");
    let kept = Kept::default();
    let policy = Policy::read(policy.as_bytes()).unwrap();
    (Arc::new(Audit::new(policy, Box::new(kept.clone()), Arc::new(Still::default()))), kept)
}

fn begin(
    audit: &Arc<Audit>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> (Arc<Recording>, Attributes) {
    let (attributes, mut headers) = (Attributes::parse(method, path, &Query::default()), headers.clone());
    let uri = path.to_owned();
    let client = Some([10, 0, 0, 9].into());
    (audit.receive(Arrival { attributes: &attributes, headers: &mut headers, uri, client }), attributes)
}

fn config_map(name: &str) -> Result<Reply, Error> {
    let object = Map::from([("metadata", Map::from([("name", name), ("managedFields", "x")]))]);
    Ok(Reply::Tree(TreeReply {
        resource: None,
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        schema: schema::kind("", "v1", "ConfigMap").unwrap(),
        object,
        created: true,
    }))
}

#[test]
fn a_write_is_recorded_with_what_was_sent_and_answered() {
    let (audit, kept) = audit("[{level: RequestResponse, omitManagedFields: true}]");
    let mut headers = HeaderMap::new();
    headers.insert(AUDIT_ID, HeaderValue::from_static("7"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("kubectl/v1"));
    headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1, 10.0.0.9"));
    let path = "/api/v1/namespaces/a/configmaps";
    let (recording, attributes) = begin(&audit, &Method::POST, path, &headers);
    recording.identified(&attributes, &user("jane", &["dev"]));
    recording.impersonates(&user("joe", &[]));
    let body = r#"{"metadata": {"name": "b", "uid": "u", "managedFields": []}, "data": {"k": "v"}}"#;
    let request = fixture::request(Method::POST, path, "application/json", body);
    recording.sent(&request);
    recording.annotate("example.com/why", || "first".to_owned());
    recording.annotate("example.com/why", || "second".to_owned());
    recording.answered(&config_map("b"), &Form::JSON, false);
    assert_eq!(kept.take().len(), 1);
    drop(recording);
    let complete = kept.read().remove(0);
    for (pointer, expected) in [
        ("/kind", json!("Event")),
        ("/apiVersion", json!("audit.k8s.io/v1")),
        ("/level", json!("RequestResponse")),
        ("/stage", json!("ResponseComplete")),
        ("/auditID", json!("7")),
        ("/requestURI", json!(path)),
        ("/verb", json!("create")),
        ("/user", json!({"username": "jane", "groups": ["dev"]})),
        ("/impersonatedUser", json!({"username": "joe"})),
        ("/sourceIPs", json!(["192.0.2.1", "10.0.0.9"])),
        ("/userAgent", json!("kubectl/v1")),
        (
            "/objectRef",
            json!({"resource": "configmaps", "namespace": "a", "name": "b", "uid": "u", "apiVersion": "v1"}),
        ),
        ("/responseStatus", json!({"metadata": {}, "code": 201})),
        ("/requestObject", json!({"metadata": {"name": "b", "uid": "u"}, "data": {"k": "v"}})),
        ("/responseObject", json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "b"}})),
        ("/annotations", json!({"example.com/why": "first"})),
    ] {
        assert_eq!(complete.pointer(pointer), Some(&expected), "{pointer} of {complete}");
    }
}

#[test]
fn protobuf_and_yaml_are_recorded_as_json() {
    let (audit, kept) = audit("[{level: Request, omitStages: [RequestReceived]}]");
    let path = "/api/v1/namespaces/a/configmaps";
    let object = Map::from([("data", Map::from([("k", "v")]))]);
    let id = schema::kind("", "v1", "ConfigMap").unwrap();
    let (mut message, mut protobuf) = (Vec::new(), Vec::new());
    crate::codec::proto::encode(&object, schema::builtin(), id, &mut message);
    crate::codec::proto::document("v1", "ConfigMap", &message, &mut protobuf);
    let yaml = b"kind: ConfigMap\ndata: {k: v}".to_vec();
    for (media, body) in
        [("application/vnd.kubernetes.protobuf", protobuf), ("application/apply-patch+yaml", yaml)]
    {
        let (recording, attributes) = begin(&audit, &Method::POST, path, &HeaderMap::new());
        recording.identified(&attributes, &user("jane", &[]));
        recording.sent(&fixture::request(Method::POST, path, media, body));
        drop(recording);
        let record = kept.read().remove(0);
        assert_eq!(record["requestObject"]["data"], json!({"k": "v"}), "{record}");
        assert_eq!(record["requestObject"]["kind"], "ConfigMap");
        // Nobody heard how it ended.
        assert_eq!(record["responseStatus"]["message"], "Connection closed early");
    }
}

#[test]
fn nothing_that_is_sent_escapes_because_it_is_odd() {
    let (audit, kept) = audit("[{level: Request, omitStages: [RequestReceived]}]");
    let path = "/api/v1/namespaces/a/pods";
    let deep = format!(r#"{{"metadata": {{"name": "p"}}, "x": {}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let surrogate = r#"{"metadata": {"name": "p"}, "x": "\ud800"}"#.to_owned().into_bytes();
    let no_utf8 = b"{\"metadata\": {\"name\": \"p\"}, \"x\": \"\xff\"}".to_vec();
    for body in [deep.into_bytes(), surrogate, no_utf8] {
        let (recording, attributes) = begin(&audit, &Method::POST, path, &HeaderMap::new());
        recording.identified(&attributes, &user("jane", &[]));
        recording.sent(&fixture::request(Method::POST, path, "application/json", body));
        drop(recording);
        let lines = kept.take();
        assert!(
            lines[0].contains(r#""objectRef":{"resource":"pods","namespace":"a","name":"p""#),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains(r#""requestObject":{"metadata":{"name":"p"},"x":"#), "{}", lines[0]);
    }
    let (recording, attributes) = begin(&audit, &Method::POST, path, &HeaderMap::new());
    recording.identified(&attributes, &user("jane", &[]));
    recording.sent(&fixture::request(Method::POST, path, "application/json", "no {json"));
    drop(recording);
    assert!(kept.take()[0].contains(r#""requestObject":"no {json""#));
}

#[test]
fn metadata_shows_no_objects_and_none_nothing() {
    let (audit, kept) = audit("[{level: None, users: [quiet]}, {level: Metadata}]");
    let path = "/api/v1/namespaces/a/secrets/b";
    for (name, expected) in [("quiet", 0), ("jane", 2)] {
        let (recording, attributes) = begin(&audit, &Method::PUT, path, &HeaderMap::new());
        recording.identified(&attributes, &user(name, &[]));
        let body = r#"{"metadata": {"name": "b", "resourceVersion": "5"}, "data": {"k": "v"}}"#;
        recording.sent(&fixture::request(Method::PUT, path, "application/json", body));
        recording.answered(&Err(Error::not_found("secrets", "b")), &Form::JSON, false);
        drop(recording);
        let records = kept.read();
        assert_eq!(records.len(), expected);
        for record in &records {
            assert!(record.get("requestObject").is_none() && record.get("responseObject").is_none());
        }
        if let Some(complete) = records.last() {
            let status = &complete["responseStatus"];
            assert_eq!((&status["code"], &status["reason"]), (&json!(404), &json!("NotFound")));
            assert_eq!(status["details"], json!({"name": "b", "kind": "secrets"}));
            assert_eq!(complete["objectRef"]["resourceVersion"], "5");
        }
    }
}

#[test]
fn a_watch_is_recorded_when_it_begins_and_when_it_ends() {
    let (audit, kept) = audit("[{level: Metadata}]");
    let (recording, attributes) = begin(&audit, &Method::GET, "/api/v1/pods", &HeaderMap::new());
    recording.identified(&attributes, &user("jane", &[]));
    recording.answered(&Ok(Reply::Text(true, bytes::Bytes::new())), &Form::JSON, true);
    let held = recording.clone();
    drop(recording);
    let stages = |records: Vec<Value>| -> Vec<Value> {
        records.iter().map(|record| record["stage"].clone()).collect()
    };
    assert_eq!(stages(kept.read()), ["RequestReceived", "ResponseStarted"]);
    drop(held);
    assert_eq!(stages(kept.read()), ["ResponseComplete"]);
}

#[test]
fn a_request_of_nobody_knows_whom_is_recorded_once_without_its_credentials() {
    let (audit, kept) =
        audit("[{level: None, users: [jane]}, {level: None, userGroups: [all]}, {level: Metadata}]");
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
    headers.insert(AUDIT_ID, HeaderValue::from_static(""));
    let (recording, attributes) = begin(&audit, &Method::GET, "/api/v1/pods", &headers);
    recording.unauthenticated(&attributes);
    recording.answered(&Err(Error::Unauthorized), &Form::JSON, false);
    drop(recording);
    let records = kept.read();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["stage"], "ResponseStarted");
    assert_eq!(records[0]["auditID"].as_str().unwrap().len(), 36, "it gets an id");
    assert_eq!(records[0]["responseStatus"]["code"], 401);
    assert_eq!(records[0]["responseStatus"]["message"], "Unauthorized");
    assert!(!records[0].to_string().contains("secret"));
}
