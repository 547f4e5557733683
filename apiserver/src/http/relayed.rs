//! The body of an answer that is passed on.
//!
//! Keeps: what counts it lives as long as it does; when the server stops, it ends with an error, so that nobody takes a part
//! for the whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::Recording;
use crate::closing::Closing;
use crate::metrics::Ongoing;

/// What counts and records something that is passed on, until it is dropped.
pub(super) struct Counted {
    pub(super) _ongoing: Option<Ongoing>,
    pub(super) _recording: Option<Arc<Recording>>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// A body of somebody else.
pub(super) struct RelayedBody {
    pub(super) body: Body,
    pub(super) closing: Closing,
    pub(super) _counted: Counted,
}

impl HttpBody for RelayedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() && self.closing.poll(context).is_ready() {
            let stopping = io::Error::new(io::ErrorKind::ConnectionAborted, "the server is stopping");
            return Poll::Ready(Some(Err(axum::Error::new(stopping))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::{mpsc, watch};

    use super::*;

    #[tokio::test]
    async fn a_silent_body_ends_with_the_server() {
        let (pieces, receiver) = mpsc::channel::<io::Result<Bytes>>(1);
        let (close, closing) = watch::channel(false);
        let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
        let counted = Counted { _ongoing: None, _recording: None, _permit: None };
        let mut relayed = RelayedBody { body, closing: Closing::new(closing), _counted: counted };
        pieces.send(Ok(Bytes::from_static(b"line\n"))).await.unwrap();
        let frame = relayed.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "line\n");
        let waiting = tokio::spawn(async move { relayed.frame().await });
        close.send_replace(true);
        assert!(waiting.await.unwrap().unwrap().is_err());
        drop(pieces);
    }
}
