//! A client that lists once and then watches, continuing behind the last event whenever its connection ends, as
//! informers do. Keeps: it never lists again; that it would have to is recorded, and ends it.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;

use super::{Client, World, client, reader};
use crate::{
    load::connection::Call,
    rig::history::{Event, Happened, Revision, Watched},
};

const GONE: u16 = 410;

pub(super) struct Watcher {
    world: Arc<World>,
    client: Client,
    watched: Watched,
    /// Up to where it has seen everything.
    seen: Revision,
    stop: watch::Receiver<Option<Revision>>,
}

enum Ended {
    /// The connection ended, or hung.
    Connection,
    /// The story is over.
    Story,
}

/// Lists; the watcher is to run behind that. None when there was no list before the story ended.
pub(super) async fn begin(
    world: Arc<World>,
    mut client: Client,
    stop: watch::Receiver<Option<Revision>>,
) -> Option<Watcher> {
    let list = loop {
        match reader::list(&world, &mut client, usize::MAX, "").await {
            Some(list) => break list,
            None if stop.borrow().is_some() => return None,
            None => client::pause().await,
        }
    };
    let watched = Watched { from: list.revision, ..Watched::default() };
    Some(Watcher { world, client, watched, seen: list.revision, stop })
}

impl Watcher {
    /// Watches to the end of the story, and records it.
    pub(super) async fn run(mut self) {
        self.watch().await;
        self.world.recorder.watched(self.watched);
    }

    async fn watch(&mut self) {
        let mut first = true;
        while !self.is_over() {
            if !std::mem::take(&mut first) {
                self.watched.resumed += 1;
            }
            let call = format!(
                "{}?watch=true&allowWatchBookmarks=true&resourceVersion={}",
                self.world.collection(),
                self.seen
            );
            match self.client.watch(&Call::get(call)).await {
                Ok(stream) => {
                    if let Ended::Story = self.read(stream).await {
                        return;
                    }
                    self.client.disconnect();
                }
                Err(Some(GONE)) => {
                    self.watched.relists += 1;
                    return;
                }
                Err(_) => {}
            }
            client::pause().await;
        }
    }

    fn is_over(&self) -> bool {
        self.stop.borrow().is_some_and(|last| self.seen >= last)
    }

    async fn read(&mut self, mut stream: Incoming) -> Ended {
        let mut rest = Vec::new();
        loop {
            if self.is_over() {
                return Ended::Story;
            }
            let frame = tokio::select! {
                frame = tokio::time::timeout(self.client.patience.silence, stream.frame()) => frame,
                _ = self.stop.changed() => continue,
            };
            let Ok(Some(Ok(frame))) = frame else { return Ended::Connection };
            rest.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if let Some(ended) = self.line(&line) {
                    return ended;
                }
            }
        }
    }

    /// Takes one event; some when nothing follows it.
    fn line(&mut self, line: &[u8]) -> Option<Ended> {
        let Ok(event) = serde_json::from_slice::<Value>(line) else { return Some(Ended::Connection) };
        let object = &event["object"];
        let happened = match event["type"].as_str() {
            Some("ADDED") => Happened::Added,
            Some("MODIFIED") => Happened::Modified,
            Some("DELETED") => Happened::Deleted,
            Some("BOOKMARK") => {
                let revision = revision(object)?;
                self.watched.bookmarks.push((self.watched.events.len(), revision));
                self.seen = self.seen.max(revision);
                return None;
            }
            _ if object["code"] == GONE => {
                self.watched.relists += 1;
                return Some(Ended::Story);
            }
            _ => return Some(Ended::Connection),
        };
        let revision = revision(object)?;
        self.seen = self.seen.max(revision);
        if let Some(stamp) = object["data"]["stamp"].as_str().and_then(|stamp| stamp.parse().ok()) {
            let key = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            self.watched.events.push(Event { happened, key, revision, stamp });
        }
        None
    }
}

fn revision(object: &Value) -> Option<Revision> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}
