//! A client that creates, updates and deletes objects of its own, and updates one that is everybody's on condition.
//! Keeps: every name is created once, every value written once.

use std::{collections::VecDeque, sync::Arc};

use http::Method;
use tokio::sync::watch;

use super::{Client, JSON, Mix, World};
use crate::{
    load::connection::Call,
    rig::history::{Change, Outcome, Revision, Stamp, Write},
};

/// Objects of one writer at a time.
const LIVE_MAX: usize = 6;
/// The object of all writers.
const SHARED: &str = "shared";

struct Writer {
    world: Arc<World>,
    client: Client,
    number: usize,
    live: VecDeque<String>,
}

pub(super) async fn run(
    world: Arc<World>,
    client: Client,
    number: usize,
    mix: Mix,
    stop: watch::Receiver<bool>,
) {
    let mut writer = Writer { world, client, number, live: VecDeque::new() };
    if number == 0 {
        writer.create(SHARED.to_owned()).await;
    }
    let mut turn = number;
    while !*stop.borrow() {
        writer.turn(turn, mix.contended).await;
        turn += 1;
        if !mix.pace.is_zero() {
            tokio::time::sleep(mix.pace).await;
        }
    }
}

impl Writer {
    async fn turn(&mut self, turn: usize, contended: bool) {
        match turn % 16 {
            0 | 8 => self.create_own().await,
            4 if self.live.len() == LIVE_MAX => self.delete_own().await,
            3 if contended => self.update_shared().await,
            _ => match self.live.get(turn % LIVE_MAX).or(self.live.front()).cloned() {
                Some(key) => self.update(key).await,
                None => self.create_own().await,
            },
        }
    }

    async fn create_own(&mut self) {
        if self.live.len() == LIVE_MAX {
            return self.delete_own().await;
        }
        let key = format!("of-{}-{}", self.number, self.world.stamp());
        if self.create(key.clone()).await {
            self.live.push_back(key);
        }
    }

    async fn create(&mut self, key: String) -> bool {
        let stamp = self.world.stamp();
        let call = create(&self.world, &key, stamp);
        matches!(self.write(call, key, Change::Create, stamp, None).await, Outcome::Acknowledged(_))
    }

    async fn update(&mut self, key: String) {
        let stamp = self.world.stamp();
        let call = put(&self.world, &key, stamp, None);
        self.write(call, key, Change::Update, stamp, None).await;
    }

    async fn update_shared(&mut self) {
        let path = format!("{}/{SHARED}", self.world.collection());
        let Some(object) = self.client.read(&Call::get(path)).await else { return };
        let read = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        if read.is_some() {
            let stamp = self.world.stamp();
            let call = put(&self.world, SHARED, stamp, read);
            self.write(call, SHARED.to_owned(), Change::Conditional, stamp, read).await;
        }
    }

    async fn delete_own(&mut self) {
        let Some(key) = self.live.pop_front() else { return };
        let path = format!("{}/{key}", self.world.collection());
        let call = Call::send(Method::DELETE, path, JSON, "");
        self.write(call, key, Change::Delete, 0, None).await;
    }

    async fn write(
        &mut self,
        call: Call,
        key: String,
        change: Change,
        stamp: Stamp,
        based_on: Option<Revision>,
    ) -> Outcome {
        let began = self.world.now();
        let outcome = self.client.write(&call).await;
        let ended = self.world.now();
        let write = Write {
            client: self.number,
            key,
            change,
            stamp,
            based_on,
            began,
            ended,
            outcome: outcome.clone(),
        };
        self.world.recorder.write(write);
        outcome
    }
}

pub(super) fn create(world: &World, key: &str, stamp: Stamp) -> Call {
    Call::send(Method::POST, world.collection(), JSON, body(key, stamp, None))
}

fn put(world: &World, key: &str, stamp: Stamp, based_on: Option<Revision>) -> Call {
    Call::send(Method::PUT, format!("{}/{key}", world.collection()), JSON, body(key, stamp, based_on))
}

fn body(key: &str, stamp: Stamp, based_on: Option<Revision>) -> String {
    let condition =
        based_on.map(|revision| format!(r#","resourceVersion":"{revision}""#)).unwrap_or_default();
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{key}"{condition}}},"data":{{"stamp":"{stamp}"}}}}"#
    )
}
