//! Binds pods without a node to the simulated nodes, in turn. It is no scheduler: it looks at nothing but gates.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time;

use super::{
    Options,
    api::{Api, refused},
    watch::{self, Event},
};
use crate::load::{Error, Result};

/// Time until a failed binding is tried again; until then nothing else can be bound either.
const RETRY: Duration = Duration::from_millis(200);

pub(super) async fn run(mut api: Api, options: Options) {
    let mut events = watch::start(api.another(), "/api/v1/pods?fieldSelector=spec.nodeName%3D");
    let mut turn = 0;
    while let Some(event) = events.recv().await {
        let Event::Changed(pod) = event else { continue };
        if waits(&pod) && options.nodes > 0 {
            let (namespace, name) = watch::key(&pod);
            let binding = json!({
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": { "name": name, "uid": pod["metadata"]["uid"] },
                "target": { "apiVersion": "v1", "kind": "Node", "name": options.name(turn) },
            });
            turn = (turn + 1) % options.nodes;
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
            let mut bound = api.post(&path, &binding).await;
            while is_passing(&bound) {
                time::sleep(RETRY).await;
                bound = api.post(&path, &binding).await;
            }
            // A pod that is gone, or that somebody else has bound, is none of ours any more.
            if !refused(&bound, StatusCode::NOT_FOUND)
                && !refused(&bound, StatusCode::CONFLICT)
                && let Err(error) = bound
            {
                eprintln!("kubelets: binding {namespace}/{name}: {error}");
            }
        }
    }
}

/// Whether it failed because of the server's state, which will be another one soon.
fn is_passing(bound: &Result<Value>) -> bool {
    match bound {
        Err(Error::Answer { status, .. }) => {
            status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
        }
        Err(Error::Io { .. } | Error::Connection(_)) => true,
        _ => false,
    }
}

/// Whether a pod waits for a node.
fn waits(pod: &Value) -> bool {
    pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty()
        && pod["metadata"]["deletionTimestamp"].is_null()
        && pod["spec"]["schedulingGates"].as_array().is_none_or(Vec::is_empty)
}
