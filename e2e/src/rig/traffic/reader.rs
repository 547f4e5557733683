//! A client that lists all objects over and over, asking for the newest and for any state in turn.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::{Client, World, client};
use crate::{
    load::connection::Call,
    rig::history::{List, Revision, Stamp},
};

pub(super) async fn run(world: Arc<World>, mut client: Client, number: usize, stop: watch::Receiver<bool>) {
    for asked in ["", "0"].into_iter().cycle() {
        if *stop.borrow() {
            return;
        }
        match list(&world, &mut client, number, asked).await {
            Some(list) => world.recorder.list(list),
            None => world.recorder.failed_read(),
        }
        client::pause().await;
    }
}

/// Lists once.
pub(super) async fn list(
    world: &World,
    client: &mut Client,
    number: usize,
    asked: &'static str,
) -> Option<List> {
    let query = if asked.is_empty() { String::new() } else { format!("?resourceVersion={asked}") };
    let began = world.now();
    let answer = client.read(&Call::get(format!("{}{query}", world.collection()))).await?;
    let revision = answer["metadata"]["resourceVersion"].as_str()?.parse().ok()?;
    let objects = answer["items"].as_array()?.iter().filter_map(stamped).collect();
    Some(List { client: number, asked, began, revision, objects })
}

/// Objects that others put into the namespace carry no stamp.
fn stamped(object: &Value) -> Option<(String, (Revision, Stamp))> {
    let stamp = object["data"]["stamp"].as_str()?.parse().ok()?;
    let metadata = &object["metadata"];
    let revision = metadata["resourceVersion"].as_str()?.parse().ok()?;
    Some((metadata["name"].as_str()?.to_owned(), (revision, stamp)))
}
