//! The streams of one connection, polled by the connection's own task.
//!
//! hyper starts a future per HTTP/2 stream. As tasks of their own they would wake one another on other threads, and the
//! connection would write each answer by itself: most of what a small answer costs. Here all that became ready is
//! polled before the connection, and all that they answered is sent at once.
//!
//! Keeps: a stream takes no longer per turn than what it does without waiting; work that computes for long is
//! spawned by the service itself. What streams and connection wake of one another is done within the turn, and only that
//! is polled which was woken: an event that a watcher sends costs one turn, not three.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::{Unconstrained, unconstrained};

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
    /// ended. Once `until` has ended, it is told to `close`.
    pub(super) async fn drive<C: Future>(
        &self,
        connection: C,
        cork: &Cork,
        until: impl Future<Output = ()>,
        close: impl FnOnce(Pin<&mut C>),
    ) -> C::Output {
        let (mut connection, mut until, mut close) = (pin!(connection), pin!(until), Some(close));
        let mut running = Running::default();
        let mut patience = Patience::default();
        let turns = Arc::new(Turns::new());
        let wakes =
            [Turns::STREAMS, Turns::CONNECTION, Turns::UNTIL].map(|due| Waker::from(Bell::new(&turns, due)));
        let ended = poll_fn(|context| {
            let [mut of_streams, mut of_connection, mut of_until] = wakes.each_ref().map(Context::from_waker);
            turns.begin(context);
            let mut due = 0;
            for pass in 0..Turns::PASSES_MAX {
                due |= turns.due();
                if due & Turns::UNTIL != 0 {
                    due &= !Turns::UNTIL;
                    if close.is_some()
                        && until.as_mut().poll(&mut of_until).is_ready()
                        && let Some(close) = close.take()
                    {
                        close(connection.as_mut());
                        due |= Turns::CONNECTION;
                    }
                }
                if due & Turns::STREAMS != 0 {
                    due &= !Turns::STREAMS;
                    running.poll(&mut of_streams);
                    if pass < Turns::PASSES_MAX / 2 {
                        // The connection takes what all of them have to send.
                        continue;
                    }
                }
                if due & Turns::CONNECTION != 0 {
                    due &= !Turns::CONNECTION;
                    let ended = connection.as_mut().poll(&mut of_connection);
                    if ended.is_ready() {
                        return ended;
                    }
                    let started = std::mem::take(&mut *self.started.lock());
                    if !started.is_empty() {
                        turns.ring(Turns::STREAMS);
                        started.into_iter().for_each(|stream| running.add(stream));
                    }
                }
                if turns.end() {
                    // A stream alone has nobody to wait for.
                    if running.len() > 1 && patience.yields(cork.gathered()) {
                        context.waker().wake_by_ref();
                    } else {
                        send(cork, &mut of_connection);
                    }
                    return Poll::Pending;
                }
            }
            turns.put_off();
            send(cork, &mut of_connection);
            Poll::Pending
        })
        .await;
        cork.uncork();
        ended
    }
}

/// The streams that have not ended. Most connections have one at a time, which needs no waker of its own.
#[derive(Default)]
struct Running {
    first: Option<Unconstrained<Stream>>,
    others: FuturesUnordered<Unconstrained<Stream>>,
}

impl Running {
    fn add(&mut self, stream: Stream) {
        // Tokio's budget is for one task with one thing to do: a hundred watchers that share it would mostly be told
        // to come back.
        let stream = unconstrained(stream);
        if self.first.is_none() {
            self.first = Some(stream);
        } else {
            self.others.push(stream);
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Polls those that were woken.
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(first) = &mut self.first
            && Pin::new(first).poll(context).is_ready()
        {
            self.first = None;
        }
        if !self.others.is_empty() {
            while let Poll::Ready(Some(())) = self.others.poll_next_unpin(context) {}
        }
    }
}

/// Sends what is gathered. When the socket takes more, it is the connection that goes on, which may have waited for that.
fn send(cork: &Cork, of_connection: &mut Context<'_>) {
    // The connection meets a broken socket at its next read or write.
    let _ = cork.poll_send(of_connection);
}

/// The turns of a connection's task, and what is to be polled in them.
struct Turns {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Turns {
    /// The streams were woken.
    const STREAMS: u8 = 1;
    /// The connection was woken.
    const CONNECTION: u8 = 2;
    /// A turn is under way: it sees by itself what is woken.
    const RUNNING: u8 = 4;
    /// What the connection lasts until was woken.
    const UNTIL: u8 = 8;
    /// After so many passes other tasks have their turn.
    const PASSES_MAX: usize = 8;

    /// In the first turn everything is polled.
    fn new() -> Turns {
        Turns {
            state: AtomicU8::new(Turns::STREAMS | Turns::CONNECTION | Turns::UNTIL),
            task: AtomicWaker::new(),
        }
    }

    fn begin(&self, context: &Context<'_>) {
        self.task.register(context.waker());
        self.state.fetch_or(Turns::RUNNING, Ordering::AcqRel);
    }

    /// Takes what is to be polled.
    fn due(&self) -> u8 {
        self.state.swap(Turns::RUNNING, Ordering::AcqRel)
    }

    /// Ends the turn unless something was woken meanwhile.
    fn end(&self) -> bool {
        self.state.compare_exchange(Turns::RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends the turn and asks for another.
    fn put_off(&self) {
        if self.state.fetch_and(!Turns::RUNNING, Ordering::AcqRel) != Turns::RUNNING {
            self.task.wake();
        }
    }

    /// Wakes the task unless a turn is under way or has been asked for.
    fn ring(&self, due: u8) {
        if self.state.fetch_or(due, Ordering::AcqRel) == 0 {
            self.task.wake();
        }
    }
}

/// What streams or connection are woken by.
struct Bell {
    turns: Arc<Turns>,
    due: u8,
}

impl Bell {
    fn new(turns: &Arc<Turns>, due: u8) -> Arc<Bell> {
        Arc::new(Bell { turns: turns.clone(), due })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.turns.ring(self.due);
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
    use std::future::pending;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::corked::tests::pair as sockets;
    use super::*;
    use crate::wakes::Wakes;

    /// A connection that keeps its waker and counts how often it is polled.
    #[derive(Default)]
    struct Polled {
        waker: Mutex<Option<Waker>>,
        number: AtomicUsize,
    }

    impl Polled {
        fn wake(&self) {
            self.waker.lock().clone().unwrap().wake();
        }

        fn number(&self) -> usize {
            self.number.load(Ordering::SeqCst)
        }

        /// Ends when it is polled for the fourth time.
        async fn connection(self: Arc<Self>) {
            poll_fn(move |context| {
                *self.waker.lock() = Some(context.waker().clone());
                let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
                if number == 4 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    #[tokio::test]
    async fn what_streams_and_connection_wake_of_one_another_costs_one_turn() {
        let (socket, _client) = sockets().await;
        let cork = socket.cork();
        let (polled, streams) = (Arc::new(Polled::default()), Streams::default());
        let (events, mut watched) = tokio::sync::mpsc::channel::<()>(1);
        let sender = polled.clone();
        streams.execute(poll_fn(move |context| {
            if let Poll::Ready(event) = watched.poll_recv(context) {
                event.unwrap();
                sender.wake();
                // It wakes itself as well.
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut context = Context::from_waker(&waker);
        let mut driving = pin!(streams.drive(polled.clone().connection(), &cork, pending(), |_| ()));
        assert!(driving.as_mut().poll(&mut context).is_pending());
        assert_eq!((polled.number(), wakes.number()), (1, 0));
        for event in 1..=2 {
            events.try_send(()).unwrap();
            assert_eq!(wakes.number(), event);
            assert!(driving.as_mut().poll(&mut context).is_pending());
            assert_eq!((polled.number(), wakes.number()), (1 + event, event));
        }
        // A turn that nobody asked for polls neither.
        assert!(driving.as_mut().poll(&mut context).is_pending());
        assert_eq!(polled.number(), 3);
        polled.wake();
        assert_eq!(wakes.number(), 3);
        assert!(driving.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn a_connection_is_told_to_close_once_and_only_then_looked_at() {
        let (socket, _client) = sockets().await;
        let cork = socket.cork();
        let (polled, streams) = (Arc::new(Polled::default()), Streams::default());
        let (close, closing) = tokio::sync::oneshot::channel::<()>();
        let until = async { drop(closing.await) };
        let told = AtomicUsize::new(0);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut context = Context::from_waker(&waker);
        let mut driving = pin!(streams.drive(polled.clone().connection(), &cork, until, |_| {
            told.fetch_add(1, Ordering::SeqCst);
        }));
        assert!(driving.as_mut().poll(&mut context).is_pending());
        assert_eq!((polled.number(), told.load(Ordering::SeqCst), wakes.number()), (1, 0, 0));
        close.send(()).unwrap();
        assert_eq!(wakes.number(), 1);
        for _ in 0..2 {
            assert!(driving.as_mut().poll(&mut context).is_pending());
            assert_eq!((polled.number(), told.load(Ordering::SeqCst)), (2, 1));
        }
    }

    #[tokio::test]
    async fn many_streams_end_each_by_itself() {
        let (socket, _client) = sockets().await;
        let cork = socket.cork();
        let streams = Streams::default();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
        let signals: Vec<_> = (0..3)
            .map(|number| {
                let (signal, signalled) = tokio::sync::oneshot::channel::<()>();
                let sender = sender.clone();
                streams.execute(async move {
                    signalled.await.unwrap();
                    sender.send(number).await.unwrap();
                });
                signal
            })
            .collect();
        let driving = streams.drive(pending::<()>(), &cork, pending(), |_| ());
        let signalling = async {
            for (number, signal) in signals.into_iter().enumerate().rev() {
                signal.send(()).unwrap();
                assert_eq!(receiver.recv().await, Some(number));
            }
        };
        tokio::select! {
            () = driving => panic!("the connection does not end"),
            () = signalling => {}
        }
    }

    #[tokio::test]
    async fn streams_that_wake_themselves_for_ever_leave_others_their_turn() {
        let (socket, _client) = sockets().await;
        let cork = socket.cork();
        let streams = Streams::default();
        streams.execute(poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut driving = pin!(streams.drive(pending::<()>(), &cork, pending(), |_| ()));
        for turn in 1..4 {
            assert!(driving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(wakes.number(), turn);
        }
    }

    #[tokio::test]
    async fn a_connection_goes_on_when_a_slow_client_reads() {
        let (mut socket, mut client) = sockets().await;
        let cork = socket.cork();
        let answer = vec![7; 32 << 20];
        let length = answer.len();
        let connection = async move {
            socket.write_all(&answer).await.unwrap();
            socket.shutdown().await.unwrap();
        };
        let driving =
            tokio::spawn(async move { Streams::default().drive(connection, &cork, pending(), |_| ()).await });
        let mut received = Vec::new();
        let reading = client.read_to_end(&mut received);
        tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the rest comes").unwrap();
        assert_eq!(received.len(), length);
        driving.await.unwrap();
    }

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
