//! Aggregated discovery: everything below `/api` or `/apis` in one document with an ETag.
//!
//! Keeps: a client that does not ask for it exactly gets the older document; the Content-Type says which it is.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, VARY};
use sha2::{Digest as _, Sha512};

use super::resources::{sorted, texts, verbs};
use super::{Group, GroupVersion, Served, json};
use crate::document::{self, Answer, Ask, Document, Headers, accept};
use crate::kind::{BodyKind, Scope, Subresource};
use crate::status::Error;
use crate::tree::{List, Map, Node};

const CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// An aggregated document, made on first use.
pub(super) struct Aggregated {
    body: Bytes,
    tag: String,
}

enum Form {
    Aggregated,
    Legacy,
}

/// Answers with the aggregated document if it is asked for, else with the older one.
pub(super) fn or<'a>(
    ask: &Ask<'_>,
    aggregated: impl FnOnce() -> &'a Aggregated,
    legacy: impl FnOnce() -> Document,
) -> Result<Answer, Error> {
    match form(ask.accept) {
        Some(Form::Aggregated) => Ok(aggregated().answer(ask)),
        Some(Form::Legacy) => {
            let mut document = legacy();
            document.headers.push((VARY, HeaderValue::from_static("Accept")));
            Ok(Answer::Found(document))
        }
        None => Err(Error::NotAcceptable(format!("application/json, {CONTENT_TYPE}"))),
    }
}

fn form(accept: &str) -> Option<Form> {
    accept::clauses(accept).iter().find_map(|clause| {
        if !clause.takes("application", "json") {
            return None;
        }
        match clause.parameter("as") {
            None => Some(Form::Legacy),
            Some(list) => {
                let asked = list == "APIGroupDiscoveryList"
                    && clause.parameter("g") == Some("apidiscovery.k8s.io")
                    && clause.parameter("v") == Some("v2");
                asked.then_some(Form::Aggregated)
            }
        }
    })
}

impl Aggregated {
    /// Of groups.
    pub(super) fn of<'a>(groups: impl Iterator<Item = &'a Group>) -> Aggregated {
        Aggregated::new(groups.map(|group| item(group.name, group.versions.iter().map(version))))
    }

    /// Of the items of groups.
    pub(super) fn new(items: impl Iterator<Item = Map>) -> Aggregated {
        let items: List = items.map(Node::from).collect();
        let map = Map::from([
            ("kind", Node::from("APIGroupDiscoveryList")),
            ("apiVersion", "apidiscovery.k8s.io/v2".into()),
            ("metadata", Map::new().into()),
            ("items", items.into()),
        ]);
        let body = json(&map, "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList");
        let mut tag = String::with_capacity(128);
        for byte in Sha512::digest(&body) {
            write!(tag, "{byte:02X}").expect("a string takes every write");
        }
        Aggregated { body, tag }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        let headers: Headers = vec![
            document::etag(&self.tag),
            (VARY, HeaderValue::from_static("Accept")),
            (CACHE_CONTROL, HeaderValue::from_static("public")),
        ];
        if ask.has(&self.tag) {
            return Answer::NotModified(headers);
        }
        let body = self.body.clone();
        Answer::Found(Document { content_type: CONTENT_TYPE, body, gzipped: false, headers })
    }
}

/// A group and what is said of its versions.
pub(super) fn item(group: &str, versions: impl Iterator<Item = Map>) -> Map {
    let mut metadata = Map::new();
    if !group.is_empty() {
        metadata.set("name", group);
    }
    let versions: List = versions.map(Node::from).collect();
    Map::from([("metadata", Node::from(metadata)), ("versions", versions.into())])
}

/// What is said of a version.
pub(super) fn version(served: &GroupVersion) -> Map {
    let resources: List = served.kinds.iter().map(|served| Node::from(resource(served))).collect();
    Map::from([
        ("version", Node::from(served.version)),
        ("resources", resources.into()),
        ("freshness", "Current".into()),
    ])
}

fn resource(served: &Served) -> Map {
    let kind = served.kind;
    let scope = match kind.names.scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    let mut map = Map::from([
        ("resource", Node::from(kind.names.plural)),
        ("responseKind", own_kind(served, kind.names.kind).into()),
        ("scope", scope.into()),
        ("singularResource", kind.names.singular.into()),
        ("verbs", verbs(kind.verbs)),
    ]);
    if !kind.names.short.is_empty() {
        map.set("shortNames", texts(kind.names.short));
    }
    if !kind.categories.is_empty() {
        map.set("categories", texts(kind.categories));
    }
    if !kind.subresources.is_empty() {
        let subresources: List =
            sorted(kind).into_iter().map(|subresource| Node::from(below(served, subresource))).collect();
        map.set("subresources", subresources);
    }
    map
}

fn below(served: &Served, subresource: &Subresource) -> Map {
    // An empty group and version mean those of the list, so only a foreign kind states them.
    let own = (served.version.group, served.version.version);
    let response = match subresource.body {
        Some(BodyKind { group, version, kind, .. }) if (group, version) != own => {
            response_kind(group, version, kind)
        }
        Some(body) => own_kind(served, body.kind),
        None => own_kind(served, served.kind.names.kind),
    };
    Map::from([
        ("subresource", Node::from(subresource.name)),
        ("responseKind", response.into()),
        ("verbs", verbs(subresource.verbs)),
    ])
}

/// A kind of the list's own group and version, which only custom resources state.
fn own_kind(served: &Served, kind: &str) -> Map {
    match served.is_custom {
        true => response_kind(served.version.group, served.version.version, kind),
        false => response_kind("", "", kind),
    }
}

fn response_kind(group: &str, version: &str, kind: &str) -> Map {
    Map::from(
        [("group", group), ("version", version), ("kind", kind)].map(|(key, text)| (key, Node::from(text))),
    )
}
