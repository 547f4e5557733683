//! One client's connection, opened again whenever it breaks, as client-go does it. Keeps: a request is sent a second
//! time only when it is certain that the first one was not looked at.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::{
    load::{
        Error,
        connection::{Call, Connection, Endpoint},
    },
    rig::history::{Outcome, Revision},
};

/// How long a client waits before it gives up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection: a host that is cut off does not refuse it.
    pub connect: Duration,
    /// For an answer, connecting included.
    pub answer: Duration,
    /// For an event: there is traffic all the time, so a watch that is silent for longer hangs.
    pub silence: Duration,
}

impl Patience {
    /// What shows soon that something hangs.
    pub const SHORT: Patience = Patience {
        connect: Duration::from_millis(500),
        answer: Duration::from_secs(5),
        silence: Duration::from_secs(3),
    };

    /// What client-go has: 10 s for a handshake, and for silence a ping after 30 s and 15 s for its answer.
    pub const CLIENT_GO: Patience = Patience {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(60),
        silence: Duration::from_secs(45),
    };
}

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// Tries of something that must work in the end: half a minute.
pub const TRIES_MAX: usize = 3_000;

/// A client.
pub struct Client {
    endpoint: Arc<Endpoint>,
    pub(super) patience: Patience,
    connection: Option<Connection>,
    /// Connections that were opened.
    pub connects: usize,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(endpoint: Arc<Endpoint>, patience: Patience) -> Client {
        Client { endpoint, patience, connection: None, connects: 0 }
    }

    /// Writes, and answers what is known of it.
    pub async fn write(&mut self, call: &Call) -> Outcome {
        match tokio::time::timeout(self.patience.answer, self.sent(call, Sending::Whole)).await {
            Ok(Ok(Received::Body(body))) => Outcome::Acknowledged(revision(&body)),
            Ok(Err(Error::Answer { status, body, .. })) if status.is_client_error() => {
                Outcome::Refused(status.as_u16(), body)
            }
            _ => {
                self.connection = None;
                Outcome::Unknown
            }
        }
    }

    /// Reads; none when there was no good answer in time.
    pub async fn read(&mut self, call: &Call) -> Option<Value> {
        match tokio::time::timeout(self.patience.answer, self.sent(call, Sending::Whole)).await {
            Ok(Ok(Received::Body(body))) => serde_json::from_slice(&body).ok(),
            _ => {
                self.connection = None;
                None
            }
        }
    }

    /// Begins a watch; the status when it was refused, otherwise nothing when there was no answer.
    pub async fn watch(&mut self, call: &Call) -> Result<Incoming, Option<u16>> {
        match tokio::time::timeout(self.patience.answer, self.sent(call, Sending::Stream)).await {
            Ok(Ok(Received::Stream(stream))) => Ok(stream),
            Ok(Err(Error::Answer { status, .. })) => Err(Some(status.as_u16())),
            _ => {
                self.connection = None;
                Err(None)
            }
        }
    }

    /// Gives the connection up.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    async fn sent(&mut self, call: &Call, sending: Sending) -> Result<Received, Error> {
        loop {
            let mut connection = self.connected().await;
            let received = match sending {
                Sending::Whole => whole(&mut connection, call).await,
                Sending::Stream => connection.stream(call).await.map(Received::Stream),
            };
            match received {
                Err(Error::Connection(error)) if not_looked_at(&error) => self.connection = None,
                other => return other,
            }
        }
    }

    /// Connecting has no limit of its own: the answer's limit is its.
    async fn connected(&mut self) -> Connection {
        loop {
            if let Some(connection) = &self.connection {
                return connection.clone();
            }
            if let Ok(Ok(connection)) =
                tokio::time::timeout(self.patience.connect, self.endpoint.connect()).await
            {
                self.connects += 1;
                self.connection = Some(connection);
            } else {
                pause().await;
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Sending {
    Whole,
    Stream,
}

enum Received {
    Body(Vec<u8>),
    Stream(Incoming),
}

async fn whole(connection: &mut Connection, call: &Call) -> Result<Received, Error> {
    let body = connection.stream(call).await?.collect().await?;
    Ok(Received::Body(body.to_bytes().to_vec()))
}

/// The connection was closed before the request left, or the server said that it is above the last one it takes.
fn not_looked_at(error: &hyper::Error) -> bool {
    if error.is_canceled() || error.is_closed() {
        return true;
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| {
        error.is_remote()
            && (error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)))
    })
}

/// The resourceVersion of an answered object; the status that answers a deletion has none.
fn revision(body: &[u8]) -> Option<Revision> {
    let object: Value = serde_json::from_slice(body).ok()?;
    if object["kind"] == "Status" {
        return None;
    }
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// A moment, before something is tried again.
pub async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
