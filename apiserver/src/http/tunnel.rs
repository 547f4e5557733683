//! A connection whose two sides go on in a protocol of their own.
//!
//! Keeps: a tunnel counts as a connection; when one side has nothing more to say, the other is told and the tunnel ends.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::relayed::Counted;

/// How long a side may take to hear that it is over.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// The client's side.
pub(super) struct Tunnel {
    client: OnUpgrade,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Tunnel {
    /// Of a client that may be told to go on in another protocol.
    pub(super) fn new(client: OnUpgrade, permit: Arc<OwnedSemaphorePermit>) -> Tunnel {
        Tunnel { client, permit }
    }

    /// Carries bytes between the client, once it has its answer, and the other side, in a task of its own.
    /// It ends at the latest when `until` does.
    pub(super) fn open<U>(self, other: Upgraded, counted: Counted, until: U)
    where
        U: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(async move {
            let Tunnel { client, permit } = self;
            match client.await {
                Ok(client) => carry(TokioIo::new(client), TokioIo::new(other), until).await,
                Err(error) => tracing::debug!(%error, "the client left before the protocol was switched"),
            }
            drop((permit, counted));
        });
    }
}

/// Carries bytes both ways until one side ends, or `until` does.
async fn carry<A, B>(one: A, other: B, until: impl Future<Output = ()>)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (mut from_one, mut to_one) = split(one);
    let (mut from_other, mut to_other) = split(other);
    let ended = tokio::select! {
        ended = copy(&mut from_one, &mut to_other) => ended,
        ended = copy(&mut from_other, &mut to_one) => ended,
        () = until => Ok(0),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a tunnel ended");
    }
    let _ = timeout(GOODBYE_TIMEOUT, async { tokio::join!(to_one.shutdown(), to_other.shutdown()) }).await;
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_the_end_arrives_and_then_both_sides_end() {
        let (mut client, near) = duplex(64);
        let (mut kubelet, far) = duplex(64);
        let carrying = tokio::spawn(carry(near, far, pending()));
        client.write_all(b"question").await.unwrap();
        let mut read = [0; 8];
        kubelet.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"question");
        let answer = vec![7; 10_000];
        let expected = answer.clone();
        let answering = tokio::spawn(async move {
            kubelet.write_all(&answer).await.unwrap();
            kubelet.shutdown().await.unwrap();
            let mut rest = Vec::new();
            kubelet.read_to_end(&mut rest).await.unwrap();
            rest
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, expected);
        assert!(answering.await.unwrap().is_empty());
        carrying.await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_tunnel_ends_with_the_server() {
        let (mut client, near) = duplex(64);
        let (mut kubelet, far) = duplex(64);
        carry(near, far, ready(())).await;
        for side in [&mut client, &mut kubelet] {
            assert_eq!(side.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
