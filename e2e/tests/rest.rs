//! The API over curl: paths, forms and the answers to what is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{clients::Client, server::Server};
use serde_json::{Value, json};

/// curl for one server: a method, a path, a body, and what came back.
struct Rest<'a> {
    server: &'a Server,
    curl: Client,
}

struct Reply {
    code: u16,
    headers: String,
    body: String,
}

impl Reply {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Code, reason and message of a Status.
    #[track_caller]
    fn status(&self) -> (u16, String, String) {
        let status = self.json();
        assert_eq!((&status["kind"], &status["apiVersion"]), (&json!("Status"), &json!("v1")), "{status}");
        assert_eq!(status["code"], self.code, "{status}");
        let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
        (self.code, text("reason"), text("message"))
    }
}

impl<'a> Rest<'a> {
    fn new(server: &'a Server) -> Rest<'a> {
        Rest { server, curl: server.curl() }
    }

    fn anonymous(server: &'a Server) -> Rest<'a> {
        Rest { server, curl: server.anonymous_curl() }
    }

    fn send(&self, arguments: &[&str], path: &str, body: &str) -> Reply {
        let url = self.server.url(path);
        let mut all = vec!["--include", "--suppress-connect-headers", "--user-agent", "test"];
        all.extend(arguments);
        if !body.is_empty() {
            all.extend(["--data-binary", "@-"]);
        }
        all.push(&url);
        let printed = self.curl.ok_with_input(&all, body);
        // A large body is preceded by `100 Continue` over HTTP/1.1.
        let printed = printed.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&printed);
        let (headers, body) = printed.split_once("\r\n\r\n").unwrap_or((printed, ""));
        let code = headers.split(' ').nth(1).and_then(|code| code.trim().get(..3)?.parse().ok());
        Reply { code: code.expect("a status line"), headers: headers.to_owned(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Reply {
        self.send(&[], path, "")
    }

    fn get_as(&self, accept: &str, path: &str) -> Reply {
        self.send(&["-H", &format!("Accept: {accept}")], path, "")
    }

    fn post(&self, path: &str, body: &str) -> Reply {
        self.send(&["-X", "POST", "-H", "Content-Type: application/json"], path, body)
    }

    fn put(&self, path: &str, body: &str) -> Reply {
        self.send(&["-X", "PUT", "-H", "Content-Type: application/json"], path, body)
    }

    fn patch(&self, kind: &str, path: &str, body: &str) -> Reply {
        self.send(&["-X", "PATCH", "-H", &format!("Content-Type: {kind}")], path, body)
    }

    fn delete(&self, path: &str) -> Reply {
        self.send(&["-X", "DELETE"], path, "")
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";

fn config_map(name: &str) -> String {
    json!({"metadata": {"name": name}, "data": {"a": "b"}}).to_string()
}

#[test]
fn anonymous_reaches_health_and_version_only() {
    let server = Server::start();
    let rest = Rest::anonymous(&server);
    for path in ["/livez", "/readyz", "/healthz"] {
        let reply = rest.get(path);
        assert_eq!((reply.code, reply.body.as_str()), (200, "ok"), "{path}");
    }
    assert_eq!(rest.get("/version").json()["minor"], "37");
    assert!(rest.get("/readyz?verbose").body.ends_with("readyz check passed\n"));
    let (code, reason, message) = rest.get("/api/v1/pods").status();
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        message,
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
    );
    let (_, _, message) = rest.get("/metrics").status();
    assert_eq!(message, "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    let reply = rest.send(&["-H", "Authorization: Bearer nonsense"], "/api", "");
    assert_eq!(reply.status(), (401, "Unauthorized".to_owned(), "Unauthorized".to_owned()));
}

#[test]
fn a_certificate_of_another_cluster_is_unauthorized() {
    let (server, other) = (Server::start(), Server::start());
    let curl = server.curl_as(&other.kubeconfig());
    let reply = Rest { server: &server, curl }.get("/api/v1/namespaces");
    assert_eq!(reply.status(), (401, "Unauthorized".to_owned(), "Unauthorized".to_owned()));
}

#[test]
fn a_client_that_is_refused_while_it_sends_sees_why() {
    let server = Server::start();
    let rest = Rest::anonymous(&server);
    let token =
        ["--header", "Authorization: Bearer not.a.token", "--header", "Content-Type: application/json"];
    // Each is a connection of its own; what comes first, the body or the refusal, is chance.
    for number in 0..10 {
        let name = format!("map-{number}");
        let reply = rest.send(&token, "/api/v1/namespaces/default/configmaps", &config_map(&name));
        assert_eq!(reply.status().0, 401);
    }
}

#[test]
fn objects_are_created_read_replaced_and_deleted() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let created = rest.post(MAPS, &config_map("one"));
    assert_eq!(created.code, 201);
    let object = created.json();
    assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    let path = format!("{MAPS}/one");
    assert_eq!(rest.get(&path).json(), object);
    let mut changed = object.clone();
    changed["data"] = json!({"c": "d"});
    let replaced = rest.put(&path, &changed.to_string());
    assert_eq!(replaced.code, 200);
    let version =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(version(&replaced.json()) > version(&object));
    let (code, reason, message) = rest.put(&path, &changed.to_string()).status();
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(
        message,
        "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let unchanged = rest.put(&path, &replaced.json().to_string());
    assert_eq!(version(&unchanged.json()), version(&replaced.json()), "an unchanged write changes nothing");
    let status = rest.delete(&path).json();
    assert_eq!(
        (&status["status"], &status["details"]["uid"]),
        (&json!("Success"), &object["metadata"]["uid"])
    );
    assert_eq!(rest.get(&path).status(), (404, "NotFound".into(), "configmaps \"one\" not found".into()));
}

#[test]
fn broken_bodies_are_answered_with_what_is_wrong() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let reasons = |reply: &Reply| {
        let (code, reason, _) = reply.status();
        (code, reason)
    };
    let bad_request = (400, "BadRequest".to_owned());
    assert_eq!(reasons(&rest.post(MAPS, "{\"metadata\":")), bad_request);
    assert_eq!(reasons(&rest.post(MAPS, "[1,2]")), bad_request);
    assert_eq!(reasons(&rest.post(MAPS, r#"{"data":{"a":7}}"#)), bad_request);
    let yaml = ["-X", "POST", "-H", "Content-Type: application/yaml"];
    assert_eq!(reasons(&rest.send(&yaml, MAPS, "metadata: {name: [")), bad_request);
    let protobuf = ["-X", "POST", "-H", "Content-Type: application/vnd.kubernetes.protobuf"];
    assert_eq!(reasons(&rest.send(&protobuf, MAPS, "k8s\0nonsense")), bad_request);
    assert_eq!(reasons(&rest.send(&protobuf, MAPS, "{}")), bad_request);
    let (_, _, message) =
        rest.post(MAPS, r#"{"apiVersion":"apps/v1","kind":"ConfigMap","metadata":{"name":"a"}}"#).status();
    assert_eq!(message, "the API version in the data (apps/v1) does not match the expected API version (v1)");
    let (_, _, message) = rest.put(&format!("{MAPS}/a"), &config_map("b")).status();
    assert_eq!(message, "the name of the object (b) does not match the name on the URL (a)");
    let (_, _, message) = rest.post(MAPS, r#"{"metadata":{"name":"a","namespace":"other"}}"#).status();
    assert_eq!(
        message,
        "the namespace of the provided object does not match the namespace sent on the request"
    );
    let (code, reason, _) = rest.send(&["-X", "POST", "-H", "Content-Type: text/plain"], MAPS, "x").status();
    assert_eq!((code, reason.as_str()), (415, "UnsupportedMediaType"));
    let (code, reason, message) = rest.post(MAPS, r#"{"data":{}}"#).status();
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert_eq!(
        message,
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    let deep = format!("{}{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    assert_eq!(reasons(&rest.post(MAPS, &deep)).0, 400);
    let (code, reason, message) = rest.post(MAPS, &"x".repeat(4 << 20)).status();
    assert_eq!((code, reason.as_str()), (413, "RequestEntityTooLarge"));
    assert_eq!(message, "Request entity too large: limit is 3145728");
    assert_eq!(rest.post(MAPS, &config_map("still-serving")).code, 201);
}

#[test]
fn unknown_paths_and_verbs_are_answered() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let reply = rest.get("/apis/nonsense.example.org/v1/things");
    assert_eq!((reply.code, reply.body.trim_end()), (404, "404 page not found"));
    let (code, reason, message) = rest.get("/api/v1/nonsense").status();
    assert_eq!((code, reason.as_str()), (404, "NotFound"));
    assert_eq!(message, "the server could not find the requested resource");
    let (code, reason, _) = rest.delete("/api/v1/namespaces").status();
    assert_eq!((code, reason.as_str()), (405, "MethodNotAllowed"));
    let reply = rest.send(&["-X", "BREW"], MAPS, "");
    assert!((400..500).contains(&reply.code), "{}", reply.code);
    let (code, reason, _) = rest.get_as("application/xml", MAPS).status();
    assert_eq!((code, reason.as_str()), (406, "NotAcceptable"));
    for path in ["/api/v1/namespaces/default/configmaps/..%2f..%2fsecrets", "/%00"] {
        let reply = rest.get(path);
        assert!((400..500).contains(&reply.code), "{path}: {}", reply.code);
    }
    assert!(rest.get("/").json()["paths"].as_array().unwrap().contains(&json!("/apis/apps/v1")));
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let message = |path: &str| rest.get(&format!("{MAPS}{path}")).status();
    let (code, _, text) = message("?fieldSelector=spec.nothing%3Dx");
    let known = r#""spec.nothing" is not a known field selector: only "metadata.name", "metadata.namespace""#;
    assert_eq!((code, text.as_str()), (400, known));
    let pods = rest.get("/api/v1/pods?fieldSelector=spec.nothing%3Dx").status();
    assert_eq!((pods.0, pods.2.as_str()), (400, "field label not supported: spec.nothing"));
    assert_eq!(message("?labelSelector=a%20b%20c").0, 400);
    assert_eq!(message("?resourceVersion=x").0, 400);
    assert_eq!(message("?continue=x").0, 400);
    assert_eq!(message("?resourceVersionMatch=Exact").0, 422);
    assert_eq!(message("?resourceVersion=0&resourceVersionMatch=Exact").0, 422);
    assert_eq!(message("?sendInitialEvents=true").0, 422);
    assert_eq!(message("?watch=true&sendInitialEvents=true").0, 422);
    assert_eq!(message("?timeout=nonsense").0, 400);
    let (code, reason, _) = message("?resourceVersion=900000000000");
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    let dry = rest.post(&format!("{MAPS}?dryRun=Some"), &config_map("a"));
    assert_eq!(dry.code, 422);
}

#[test]
fn dry_run_changes_nothing() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let reply = rest.post(&format!("{MAPS}?dryRun=All"), &config_map("ghost"));
    assert_eq!(reply.code, 201);
    assert!(reply.json()["metadata"]["uid"].is_string());
    assert_eq!(rest.get(&format!("{MAPS}/ghost")).code, 404);
    rest.post(MAPS, &config_map("real"));
    rest.patch(MERGE, &format!("{MAPS}/real?dryRun=All"), r#"{"data":{"a":"changed"}}"#);
    rest.delete(&format!("{MAPS}/real?dryRun=All"));
    assert_eq!(rest.get(&format!("{MAPS}/real")).json()["data"]["a"], "b");
}

#[test]
fn lists_are_paged_selected_and_read_at_a_revision() {
    let server = Server::start();
    let rest = Rest::new(&server);
    rest.post("/api/v1/namespaces", r#"{"metadata":{"name":"n"}}"#);
    let maps = "/api/v1/namespaces/n/configmaps";
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .filter(|name| name.starts_with('m'))
            .collect()
    };
    for number in 0..5 {
        let body =
            json!({"metadata": {"name": format!("m{number}"), "labels": {"odd": (number % 2).to_string()}}});
        rest.post(maps, &body.to_string());
    }
    let first = rest.get(&format!("{maps}?limit=2&labelSelector=odd")).json();
    assert_eq!(names(&first), ["m0", "m1"]);
    assert_eq!(first["metadata"].get("remainingItemCount"), None, "not with a selector");
    let token = first["metadata"]["continue"].as_str().unwrap();
    rest.post(maps, r#"{"metadata":{"name":"m22","labels":{"odd":"0"}}}"#);
    let rest_of_it = rest.get(&format!("{maps}?limit=10&labelSelector=odd&continue={token}")).json();
    assert_eq!(names(&rest_of_it), ["m2", "m3", "m4"], "pages are of one revision");
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = rest
        .get(&format!("{maps}?resourceVersion={version}&resourceVersionMatch=Exact&labelSelector=odd"))
        .json();
    assert_eq!(names(&exact).len(), 5);
    assert_eq!(names(&rest.get(&format!("{maps}?labelSelector=odd%20in%20(1)")).json()), ["m1", "m3"]);
    assert_eq!(
        names(&rest.get(&format!("{maps}?labelSelector=odd%20notin%20(1),odd")).json()),
        ["m0", "m2", "m22", "m4"]
    );
    assert_eq!(names(&rest.get(&format!("{maps}?fieldSelector=metadata.name%3Dm3")).json()), ["m3"]);
    let limited = rest.get("/api/v1/namespaces?limit=2").json();
    assert!(limited["metadata"]["remainingItemCount"].as_u64().unwrap() >= 3, "{}", limited["metadata"]);
}

#[test]
fn a_watch_reports_what_a_selector_gains_and_loses() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let start = rest.get(MAPS).json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    for version in ["--http2", "--http1.1"] {
        let url = server.url(&format!("{MAPS}?watch=true&labelSelector=seen%3Dyes&resourceVersion={start}"));
        let watch = rest.curl.start(&[version, "--no-buffer", &url]);
        let name = format!("m{}", version.len());
        let path = format!("{MAPS}/{name}");
        rest.post(MAPS, &json!({"metadata": {"name": name}}).to_string());
        let label = |value: Value| {
            rest.patch(MERGE, &path, &json!({"metadata": {"labels": {"seen": value}}}).to_string())
        };
        label(json!("yes"));
        rest.patch(MERGE, &path, r#"{"data":{"x":"1"}}"#);
        label(Value::Null);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let event: Value = serde_json::from_str(&watch.next_line()).unwrap();
            if event["object"]["metadata"]["name"] == name.as_str() {
                seen.push((event["type"].clone(), event["object"]["metadata"]["labels"]["seen"].clone()));
            }
        }
        let expected = [("ADDED", "yes"), ("MODIFIED", "yes"), ("DELETED", "yes")];
        assert_eq!(seen, expected.map(|(kind, label)| (json!(kind), json!(label))));
    }
}

#[test]
fn a_watch_begins_with_what_is_there_and_says_when_that_was_all() {
    let server = Server::start();
    let rest = Rest::new(&server);
    rest.post("/api/v1/namespaces", r#"{"metadata":{"name":"n"}}"#);
    let maps = "/api/v1/namespaces/n/secrets";
    for name in ["b", "a"] {
        rest.post(maps, &json!({"metadata": {"name": name}}).to_string());
    }
    let url = server.url(&format!(
        "{maps}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    ));
    let watch = rest.curl.start(&["--no-buffer", &url]);
    let event = || serde_json::from_str::<Value>(&watch.next_line()).unwrap();
    for name in ["a", "b"] {
        let added = event();
        assert_eq!((&added["type"], &added["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
    }
    let bookmark = event();
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Secret")));
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    rest.delete(&format!("{maps}/a"));
    let deleted = event();
    assert_eq!((&deleted["type"], &deleted["object"]["metadata"]["name"]), (&json!("DELETED"), &json!("a")));
}

#[test]
fn a_watch_ends_at_its_timeout() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let ended = rest.get(&format!("{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=0"));
    assert_eq!(ended.code, 200);
    assert!(!ended.body.contains("ERROR"), "{}", ended.body);
}

#[test]
fn every_form_of_an_object_is_served() {
    let server = Server::start();
    let rest = Rest::new(&server);
    rest.post(MAPS, &config_map("one"));
    let path = format!("{MAPS}/one");
    let yaml = rest.get_as("application/yaml", &path);
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(
        yaml.body.starts_with("apiVersion: v1\n") && yaml.body.contains("kind: ConfigMap\n"),
        "{}",
        yaml.body
    );
    let table = rest.get_as("application/json;as=Table;v=v1;g=meta.k8s.io", &path).json();
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("one")));
    let metadata = rest.get_as("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", &path).json();
    assert_eq!((&metadata["kind"], metadata.get("data")), (&json!("PartialObjectMetadata"), None));
    let list = rest.get_as("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", MAPS).json();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    let protobuf = rest.get_as("application/vnd.kubernetes.protobuf", &path);
    assert_eq!(protobuf.header("content-type"), Some("application/vnd.kubernetes.protobuf"));
    assert!(protobuf.body.starts_with("k8s\0"), "{:?}", protobuf.body);
    assert!(rest.get(&format!("{path}?pretty=true")).body.starts_with("{\n  \"kind\""));
    assert!(!rest.get(&path).body.trim_end().contains('\n'));
    let curl = rest.curl.ok(&[&server.url(&path)]);
    assert!(curl.contains("\n  \"data\": {"), "curl reads indented JSON: {curl}");
    assert!(rest.get(&path).header("audit-id").is_some());
}

#[test]
fn reviews_have_no_tables() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({ "spec": { "nonResourceAttributes": { "path": "/", "verb": "get" } } }).to_string();
    let table = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io";
    let send = |accept: &str| {
        rest.send(&["-X", "POST", "-H", "Content-Type: application/json", "-H", accept], path, &review)
    };
    assert_eq!(send(table).status().0, 406);
    assert_eq!(send(&format!("{table},application/json")).json()["status"]["allowed"], true);
}

#[test]
fn large_answers_are_compressed_when_asked_for() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let big = json!({"metadata": {"name": "big"}, "data": {"text": "word ".repeat(60_000)}});
    assert_eq!(rest.post(MAPS, &big.to_string()).code, 201);
    let path = format!("{MAPS}/big");
    assert_eq!(rest.get(&path).header("content-encoding"), None);
    let compressed = rest.send(&["--compressed", "-H", "Accept-Encoding: gzip"], &path, "");
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert_eq!(compressed.json()["data"]["text"], "word ".repeat(60_000));
}

#[test]
fn openapi_and_discovery_are_cached_by_their_hash() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let index = rest.get("/openapi/v3").json();
    let apps = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = rest.get(&apps);
    assert!(document.json()["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
    assert!(document.header("cache-control").unwrap().contains("immutable"));
    assert!(document.header("expires").is_some());
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let discovery = rest.get_as(accept, "/apis");
    assert_eq!(discovery.header("content-type"), Some(accept));
    let tag = discovery.header("etag").unwrap();
    let again =
        rest.send(&["-H", &format!("Accept: {accept}"), "-H", &format!("If-None-Match: {tag}")], "/apis", "");
    assert_eq!(again.code, 304);
    assert_eq!(rest.get("/apis").json()["kind"], "APIGroupList");
    assert_eq!(rest.get("/apis/apps/v1").json()["kind"], "APIResourceList");
}

#[test]
fn metrics_have_upstream_names() {
    let server = Server::start();
    let rest = Rest::new(&server);
    rest.post(MAPS, &config_map("one"));
    let metrics = rest.get("/metrics").body;
    for name in
        ["apiserver_request_total", "apiserver_request_duration_seconds", "process_resident_memory_bytes"]
    {
        assert!(metrics.contains(name), "{name}");
    }
}

#[test]
fn names_are_generated_and_preconditions_hold() {
    let server = Server::start();
    let rest = Rest::new(&server);
    let generated = rest.post(MAPS, r#"{"metadata":{"generateName":"job-"}}"#).json();
    let name = generated["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("job-") && name.len() == 9, "{name}");
    let path = format!("{MAPS}/{name}");
    let body = r#"{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}"#;
    let refused = rest.send(&["-X", "DELETE", "-H", "Content-Type: application/json"], &path, body);
    let (code, reason, message) = refused.status();
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.contains("the UID in the precondition"), "{message}");
    let deleted = rest.delete(&format!("{MAPS}?labelSelector=no%3Dsuch")).json();
    assert_eq!(deleted["items"], json!([]));
    assert_eq!(rest.get(&path).code, 200);
    rest.delete(MAPS);
    assert_eq!(rest.get(&path).code, 404);
}

#[test]
fn the_storage_quota_refuses_growth_and_lets_deletes_through() {
    let server = Server::start_with(&["--storage-quota", "4Mi"]);
    let rest = Rest::new(&server);
    let text = "x".repeat(500_000);
    let mut refused = None;
    for number in 0..20 {
        let body = json!({"metadata": {"name": format!("m{number}")}, "data": {"text": text}});
        let reply = rest.post(MAPS, &body.to_string());
        if reply.code != 201 {
            refused = Some(reply);
            break;
        }
    }
    let (code, _, message) = refused.expect("twenty times 500 KB do not fit").status();
    assert!((400..600).contains(&code) && message.contains("quota"), "{code} {message}");
    assert_eq!(rest.get(&format!("{MAPS}/m0")).code, 200);
    assert_eq!(rest.delete(&format!("{MAPS}/m0")).code, 200);
}
