//! The streams of one connection, polled by the connection's own task.
//!
//! hyper starts a future per HTTP/2 stream. As tasks of their own they would wake one another on other threads, and the
//! connection would write each answer by itself: most of what a small answer costs. Here all that became ready is
//! polled before the connection, and all that they answered is sent at once.
//!
//! Keeps: a stream takes no longer per turn than what it does without waiting; work that computes for long is
//! spawned by the service itself.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::unconstrained;

use super::corked::Cork;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the futures of new streams from hyper.
#[derive(Clone, Default)]
pub(super) struct Streams {
    started: Arc<Mutex<Vec<Stream>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.started.lock().push(Box::pin(stream));
    }
}

impl Streams {
    /// Drives a connection, made with this executor on a corked socket, and its streams until the connection has
    /// ended.
    pub(super) async fn drive<C: Future>(&self, connection: C, cork: &Cork) -> C::Output {
        let mut connection = pin!(connection);
        let mut running = FuturesUnordered::new();
        let mut patience = Patience::default();
        let ended = poll_fn(|context| {
            loop {
                while let Poll::Ready(Some(())) = running.poll_next_unpin(context) {}
                let ended = connection.as_mut().poll(context);
                if ended.is_ready() {
                    return ended;
                }
                let started = std::mem::take(&mut *self.started.lock());
                if started.is_empty() {
                    // A stream alone has nobody to wait for.
                    if running.len() > 1 && patience.yields(cork.gathered()) {
                        context.waker().wake_by_ref();
                    } else {
                        // The connection meets a broken socket at its next read or write.
                        let _ = cork.poll_send(context);
                    }
                    return Poll::Pending;
                }
                // Tokio's budget is for one task with one thing to do: a hundred watchers that share it would
                // mostly be told to come back.
                running.extend(started.into_iter().map(unconstrained));
            }
        })
        .await;
        cork.uncork();
        ended
    }
}

/// Whether a connection with something to send lets others run first. What wakes its streams (an event and its many
/// watchers, a batch of writes) is often still waking more of them; to send costs more than to look again.
#[derive(Default)]
struct Patience {
    gathered: usize,
    yields: u8,
}

impl Patience {
    const YIELDS_MAX: u8 = 8;

    fn yields(&mut self, gathered: usize) -> bool {
        let grows = gathered > self.gathered && self.yields < Patience::YIELDS_MAX;
        *self = if grows { Patience { gathered, yields: self.yields + 1 } } else { Patience::default() };
        grows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_while_more_comes_but_not_for_ever() {
        let mut patience = Patience::default();
        assert!(!patience.yields(0));
        assert!(patience.yields(10));
        assert!(patience.yields(20));
        assert!(!patience.yields(20));
        let yields = (1..100).filter(|gathered| patience.yields(*gathered)).count();
        assert!(yields > 80 && yields < 99);
    }
}
