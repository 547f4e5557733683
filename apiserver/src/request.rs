//! A request as every part of the pipeline sees it: parsed once from method, path and query.
//!
//! Keeps: the path is parsed here and nowhere else; what authorization decides on is what dispatch acts on.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Uri;
use http::header::{self, HeaderMap, HeaderName};
use parking_lot::Mutex;

use crate::audit::Recording;

/// What the path and method ask for (upstream's RequestInfo).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create` …; the lower-case method for other paths.
    pub verb: String,
    /// Below `/api` or `/apis/<group>` and naming a resource.
    pub is_resource: bool,
    /// The decoded path.
    pub path: String,
    /// API group; empty for core.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `pods`
    pub resource: String,
    /// `status`; empty for the object itself.
    pub subresource: String,
    /// Namespace; empty at cluster scope.
    pub namespace: String,
    /// Object name; empty for the collection. An exact `metadata.name` selector of a list or watch counts.
    pub name: String,
    /// The name stood in the path (not only in a field selector).
    pub names_object: bool,
    /// The node of an exact `spec.nodeName` selector of a list, watch or deletecollection; empty without one.
    pub selected_node: String,
    /// What follows the subresource (proxy paths).
    pub rest: String,
}

/// One request, transport left behind.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub attributes: Attributes,
    /// `GET`, `POST` …
    pub method: http::Method,
    /// Decoded query pairs in order.
    pub query: Query,
    /// The headers that matter to handlers.
    pub headers: HeaderMap,
    /// The whole body, decompressed, within the limit.
    pub body: Bytes,
    /// The Raft term in which the loop that asks was started: its writes are refused in any other. Only callers inside
    /// the process have one; nothing that a client sends becomes a fence.
    pub fence: Option<u64>,
    /// How it came, if it is to be passed on; requests of this process came from nowhere.
    pub origin: Option<Arc<Origin>>,
    /// What is recorded of it, if anything is.
    pub recording: Option<Arc<Recording>>,
}

/// How a request came that is passed on to somebody else.
#[derive(Debug, Default)]
pub struct Origin {
    /// Path and query as they were sent, and the host of HTTP/2.
    pub uri: Uri,
    /// Who sent it.
    pub client: Option<IpAddr>,
    /// What is left to be read.
    pub body: Mutex<Body>,
}

impl Origin {
    /// Takes the body; from then on it is empty.
    pub fn take_body(&self) -> Body {
        std::mem::take(&mut self.body.lock())
    }
}

/// The decoded query.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses a raw query string.
    pub fn parse(raw: &str) -> Query {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode_plus(key), decode_plus(value))
            })
            .collect();
        Query { pairs }
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value.as_str())
    }

    /// The first value of `key`, empty values counted as absent.
    pub fn non_empty(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(candidate, _)| candidate == key).map(|(_, value)| value.as_str())
    }

    /// A boolean as upstream reads it: any value but `false` and `0` is true, also the empty one.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }
}

fn decode_plus(text: &str) -> String {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode(&spaced).into_owned()
}

/// Undoes percent encoding; sequences that are not valid stay as they are.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let hex = |byte: u8| (byte as char).to_digit(16);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%' && at + 2 < bytes.len())
            .then(|| Some((hex(bytes[at + 1])? * 16 + hex(bytes[at + 2])?) as u8))
            .flatten();
        match pair {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

impl Attributes {
    /// Parses method, raw path and query.
    pub fn parse(method: &http::Method, raw_path: &str, query: &Query) -> Attributes {
        let path = percent_decode(raw_path).into_owned();
        let mut attributes = Attributes {
            verb: method.as_str().to_ascii_lowercase(),
            path: path.clone(),
            ..Attributes::default()
        };
        let mut parts: Vec<&str> = raw_path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() < 3 {
            return attributes;
        }
        match parts.remove(0) {
            "api" => {}
            "apis" => {
                attributes.group = percent_decode(parts.remove(0)).into_owned();
                if parts.len() < 2 {
                    return attributes;
                }
            }
            _ => return attributes,
        }
        attributes.version = percent_decode(parts.remove(0)).into_owned();
        attributes.is_resource = true;
        attributes.verb = match *method {
            http::Method::POST => "create",
            http::Method::GET | http::Method::HEAD => "get",
            http::Method::PUT => "update",
            http::Method::PATCH => "patch",
            http::Method::DELETE => "delete",
            _ => "",
        }
        .to_owned();
        if matches!(parts.first(), Some(&"watch")) {
            if parts.len() < 2 {
                return attributes;
            }
            parts.remove(0);
            attributes.verb = "watch".to_owned();
        }
        let parts: Vec<String> = parts.into_iter().map(|part| percent_decode(part).into_owned()).collect();
        let mut rest: &[String] = &parts;
        if let [first, namespace, tail @ ..] = rest
            && first == "namespaces"
        {
            attributes.namespace.clone_from(namespace);
            if tail.first().is_some_and(|part| part != "status" && part != "finalize") {
                rest = tail;
            }
        }
        attributes.fill(rest);
        attributes.collection_verb(query);
        attributes
    }

    fn fill(&mut self, parts: &[String]) {
        let mut parts = parts.iter();
        let mut next = || parts.next().cloned().unwrap_or_default();
        self.resource = next();
        self.name = next();
        self.subresource = next();
        self.names_object = !self.name.is_empty();
        self.rest = parts.map(String::as_str).collect::<Vec<_>>().join("/");
    }

    fn collection_verb(&mut self, query: &Query) {
        if self.verb == "watch" || !self.name.is_empty() {
            return;
        }
        self.selected_node = exact(query, "spec.nodeName").unwrap_or_default();
        match self.verb.as_str() {
            "get" => {
                self.verb = if query.flag("watch") { "watch" } else { "list" }.to_owned();
                self.name = exact(query, "metadata.name").unwrap_or_default();
            }
            "delete" => {
                self.verb = "deletecollection".to_owned();
                self.name = exact(query, "metadata.name").unwrap_or_default();
            }
            _ => {}
        }
    }
}

/// The value that a field selector demands of `field` exactly. Selectors with escaped characters demand nothing here:
/// what looks like a term in one may be part of another term's value, and rights hang on the answer.
fn exact(query: &Query, field: &str) -> Option<String> {
    let selector = query.non_empty("fieldSelector").filter(|selector| !selector.contains('\\'))?;
    selector.split(',').find_map(|term| {
        let value = term.strip_prefix(field)?.strip_prefix('=')?;
        let value = value.strip_prefix('=').unwrap_or(value);
        (!value.is_empty()).then(|| value.to_owned())
    })
}

/// Every readable text of a header that may be sent more than once.
pub fn header_texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// The items of a header that is a list: one header may hold some and another the rest.
pub fn header_items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    header_texts(headers, name).flat_map(|text| text.split(',')).map(str::trim)
}

impl Request {
    /// Adds to what is recorded of the request, if anything is; the first with a key counts.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl FnOnce() -> String) {
        if let Some(recording) = &self.recording {
            recording.annotate(key, value);
        }
    }

    /// The text of a header, if it is there and readable.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The field manager: the query's, else the User-Agent up to its first slash.
    pub fn field_manager(&self) -> String {
        if let Some(manager) = self.query.non_empty("fieldManager") {
            return manager.to_owned();
        }
        let agent = self.header(header::USER_AGENT).unwrap_or("");
        let manager: String = agent
            .split('/')
            .next()
            .unwrap_or("")
            .chars()
            .filter(|c| !c.is_control())
            .take(FIELD_MANAGER_LENGTH_MAX)
            .collect();
        if manager.is_empty() { "unknown".to_owned() } else { manager }
    }
}

/// Longest name of a field manager.
pub const FIELD_MANAGER_LENGTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: http::Method, url: &str) -> Attributes {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        Attributes::parse(&method, path, &Query::parse(query))
    }

    #[test]
    fn paths_become_verbs_resources_and_names() {
        for (method, url, expected) in [
            (http::Method::GET, "/api/v1/namespaces/a/pods/b/log", "get  v1 pods/log a b"),
            (http::Method::GET, "/api/v1/namespaces/a/pods", "list  v1 pods/ a "),
            (http::Method::GET, "/api/v1/pods?watch=1", "watch  v1 pods/  "),
            (http::Method::GET, "/api/v1/watch/namespaces/a/pods/b", "watch  v1 pods/ a b"),
            (http::Method::GET, "/api/v1/namespaces/a", "get  v1 namespaces/ a a"),
            (http::Method::PUT, "/api/v1/namespaces/a/finalize", "update  v1 namespaces/finalize a a"),
            (
                http::Method::DELETE,
                "/apis/apps/v1/namespaces/a/deployments",
                "deletecollection apps v1 deployments/ a ",
            ),
            (
                http::Method::GET,
                "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dx",
                "list  v1 pods/ a x",
            ),
            (
                http::Method::GET,
                "/api/v1/namespaces/a/pods?fieldSelector=status.phase!%3Da%5C,metadata.name%3Dx",
                "list  v1 pods/ a ",
            ),
            (http::Method::POST, "/apis/apps/v1/namespaces/a/deployments", "create apps v1 deployments/ a "),
        ] {
            let a = parse(method, url);
            let text = format!(
                "{} {} {} {}/{} {} {}",
                a.verb, a.group, a.version, a.resource, a.subresource, a.namespace, a.name
            );
            assert_eq!(text, expected, "{url}");
        }
        assert!(!parse(http::Method::GET, "/apis/apps/v1").is_resource);
        assert!(!parse(http::Method::GET, "/version").is_resource);
    }
}
