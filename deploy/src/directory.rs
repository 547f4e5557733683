//! Where each node serves the Kubernetes API: the ConfigMap `pintle-members` in `kube-system`, one key per node id.
//!
//! Keeps: every node writes its own key, at its start and only when it differs; the membership itself is the store's.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use pintle_apiserver::{Server, negotiation::Form, reply::Reply, status::Error, user::User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    node_id::NodeId,
    own_request::{self, JSON, OwnRequest},
};

const COLLECTION: &str = "/api/v1/namespaces/kube-system/configmaps";
const NAMESPACE: &str = "kube-system";
const NAME: &str = "pintle-members";

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) api_address: String,
    pub(crate) version: String,
}

/// What is known here of each node, also while there is no leader.
pub(crate) fn read(server: &Server) -> BTreeMap<NodeId, Entry> {
    let view = server.view();
    let found = pintle_apiserver::registry::Registry::builtin().find("", "v1", "configmaps");
    let Some(stored) = found.and_then(|resource| view.entry(resource, NAMESPACE, NAME)) else {
        return BTreeMap::new();
    };
    // Stored objects begin after their opening brace.
    let text = [b"{", stored.bytes().as_ref()].concat();
    let object: Value = serde_json::from_slice(&text).unwrap_or_default();
    let data = object["data"].as_object();
    let entry = |(node, entry): (&String, &Value)| {
        Some((node.parse().ok()?, serde_json::from_str(entry.as_str()?).ok()?))
    };
    data.into_iter().flatten().filter_map(entry).collect()
}

/// Writes what a node says of itself, and forgets who is no member any more.
pub(crate) async fn publish(
    server: &Server,
    node: NodeId,
    entry: &Entry,
    members: &[NodeId],
) -> Result<(), Error> {
    let known = read(server);
    let gone: Vec<_> = known.keys().filter(|known| !members.contains(known)).collect();
    if known.get(&node) == Some(entry) && gone.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(entry).map_err(|error| Error::Internal(error.to_string()))?;
    let mut data = json!({ node.to_string(): text });
    for gone in gone {
        data[gone.to_string()] = Value::Null;
    }
    match patch(server, &json!({ "data": data })).await {
        Err(Error::NotFound { .. }) => {}
        other => return other,
    }
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": NAME },
        "data": data,
    });
    match call(server, Method::POST, COLLECTION, Some(&object)).await {
        // Another node was faster.
        Err(Error::AlreadyExists { .. }) => patch(server, &json!({ "data": data })).await,
        other => other.map(drop),
    }
}

/// Forgets a node that was removed.
pub(crate) async fn forget(server: &Server, node: NodeId) -> Result<(), Error> {
    match patch(server, &json!({ "data": { node.to_string(): null } })).await {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

async fn patch(server: &Server, patch: &Value) -> Result<(), Error> {
    call(server, Method::PATCH, &format!("{COLLECTION}/{NAME}"), Some(patch)).await.map(drop)
}

/// Makes a request as the server itself.
async fn call(server: &Server, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Error> {
    let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { JSON };
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let request = OwnRequest { content_type, body, ..OwnRequest::new(method, path) };
    own_request::ask(server, &User::apiserver(), request, Ok(Form::JSON)).await.0.reply
}
