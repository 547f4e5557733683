//! A watch that goes on: it begins with everything that is there, and begins anew when it breaks.
//! Keeps: after every beginning the receiver learns what it need not keep any longer.

use std::{collections::BTreeSet, time::Duration};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{sync::mpsc, time};

use super::api::Api;

/// Events that the receiver may be behind.
const EVENTS_MAX: usize = 256;
/// Time between attempts to watch a server that does not answer.
const RETRY: Duration = Duration::from_millis(500);
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What was seen.
pub(super) enum Event {
    /// An object is there or has changed.
    Changed(Value),
    /// An object is gone, or is not selected any longer.
    Gone(Key),
    /// Nothing else is there than these.
    Only(BTreeSet<Key>),
}

/// An object's namespace and name.
pub(super) type Key = (String, String);

/// Watches a collection (`/api/v1/pods?...`) until the receiver is dropped.
pub(super) fn start(api: Api, collection: &str) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    let separator = if collection.contains('?') { '&' } else { '?' };
    let path = format!(
        "{collection}{separator}watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    tokio::spawn(run(api, path, sender));
    receiver
}

async fn run(mut api: Api, path: String, sender: mpsc::Sender<Event>) {
    while !sender.is_closed() {
        let watched = match api.watch(&path).await {
            Ok(body) => forward(body, &sender).await,
            Err(_) => None,
        };
        if watched.is_none() {
            time::sleep(RETRY).await;
        }
    }
}

/// Hands events on until the stream ends; nothing when it ended before its beginning was complete.
async fn forward(mut body: Incoming, sender: &mpsc::Sender<Event>) -> Option<()> {
    let mut beginning = Some(BTreeSet::new());
    let mut unread = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        unread.extend_from_slice(data);
        let Some(end) = unread.iter().rposition(|&byte| byte == b'\n') else { continue };
        for line in unread[..end].split(|&byte| byte == b'\n') {
            let mut event: Value = serde_json::from_slice(line).ok()?;
            let object = event["object"].take();
            let event = match event["type"].as_str()? {
                "ADDED" | "MODIFIED" => {
                    if let Some(seen) = &mut beginning {
                        seen.insert(key(&object));
                    }
                    Event::Changed(object)
                }
                "DELETED" => Event::Gone(key(&object)),
                "BOOKMARK" => match is_end_of_beginning(&object).then(|| beginning.take()).flatten() {
                    Some(seen) => Event::Only(seen),
                    None => continue,
                },
                _ => return None,
            };
            sender.send(event).await.ok()?;
        }
        unread.drain(..=end);
    }
    beginning.is_none().then_some(())
}

fn is_end_of_beginning(bookmark: &Value) -> bool {
    bookmark["metadata"]["annotations"][INITIAL_EVENTS_END] == "true"
}

/// An object's namespace and name.
pub(super) fn key(object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
