//! The way to a node on one lane: dial when there is something to send, send until the connection ends, pause, and
//! again. Keeps: what waited for a node that could not be reached is thrown away, and the store is told.
//!
//! A connection that ends after a good life is dialed anew at once: where that is refused, and the node has closed its
//! own connections to this one as well, its process has ended. The store is told that, too, so that nobody waits for the
//! silence of a leader that is gone.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::disk::mix;
use crate::peers::{Lane, PeerFrame};
use crate::transport::backoff::Backoff;
use crate::transport::book::Peer;
use crate::transport::liveness::Liveness;
use crate::transport::queue::Queue;
use crate::transport::read::closed;
use crate::transport::{ConnectionError, Context, Stage, told};

/// Frames are encoded and written in portions of about this size.
const PORTION_BYTES: usize = 256 << 10;
/// A larger buffer is given back after its portion.
const PORTION_BYTES_KEPT: usize = 1 << 20;
/// A pulse is the number of bytes that have arrived.
const PULSE_LENGTH: usize = size_of::<u64>();

/// Carries the frames of a lane to a node until the transport stops or the node is removed.
pub(super) async fn run(context: Context, peer: Arc<Peer>, lane: Lane) {
    let options = &context.shared.options;
    let seed = mix(context.seed ^ mix(peer.node) ^ lane as u64);
    let mut backoff = Backoff::new(options.retry_min, options.retry_max, seed);
    let mut address = peer.address.subscribe();
    let mut stopping = context.shared.stage.subscribe();
    // Whether there was a connection, which nothing has replaced yet.
    let mut lost = false;
    loop {
        let Some(target) = address.borrow_and_update().clone() else { return };
        let way = Way { context: &context, peer: &peer, lane, target: &target };
        let carried = tokio::select! {
            biased;
            _ = address.changed() => continue,
            carried = way.carry(lost, &mut stopping) => carried,
        };
        let Err(Ended { error, lasted }) = carried else { return };
        peer.queue(lane).clear();
        context.shared.links.down(peer.node, lane, &error);
        context.store.report_unreachable(peer.node);
        if lost && error.is_refused() && !context.shared.inbound.has(peer.node) {
            context.store.report_ended(peer.node);
        }
        lost |= lasted.is_some();
        // A node that closes every connection at once is asked no more often than one that is not there.
        if lasted.is_some_and(|lasted| lasted >= options.retry_max) {
            backoff.reset();
            continue;
        }
        tokio::select! {
            () = told(&mut stopping) => return,
            _ = address.changed() => backoff.reset(),
            () = peer.stirred(lane) => backoff.reset(),
            () = sleep(backoff.pause()) => {}
        }
    }
}

/// Why a way to a node ended, and how long it was connected.
struct Ended {
    error: ConnectionError,
    lasted: Option<Duration>,
}

struct Way<'a> {
    context: &'a Context,
    peer: &'a Peer,
    lane: Lane,
    target: &'a str,
}

impl Way<'_> {
    /// Waits for something to send, unless it is at once, then sends until the connection ends. Ends well when the
    /// transport stops.
    async fn carry(&self, at_once: bool, stopping: &mut watch::Receiver<Stage>) -> Result<(), Ended> {
        let queue = self.peer.queue(self.lane);
        let connected = async {
            if !at_once {
                queue.filled().await;
            }
            self.connect().await
        };
        let connected = tokio::select! {
            () = told(stopping) => return Ok(()),
            connected = connected => connected,
        };
        let stream = connected.map_err(|error| Ended { error, lasted: None })?;
        let options = &self.context.shared.options;
        let connected = options.clock.now();
        self.context.shared.links.up(self.peer.node, self.lane);
        let liveness = Mutex::new(Liveness::new(options.silence_max, options.clock.now()));
        let (reader, writer): (ReadHalf<TlsStream<TcpStream>>, WriteHalf<_>) = tokio::io::split(stream);
        let ended = tokio::select! {
            biased;
            error = self.listen(reader, &liveness) => Err(error),
            sent = self.send(writer, &liveness, stopping) => sent,
        };
        ended.map_err(|error| Ended { error, lasted: Some(options.clock.now() - connected) })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectionError> {
        let Context { shared, cluster, .. } = self.context;
        let options = &shared.options;
        let connected = timeout(options.connect_timeout, TcpStream::connect(self.target)).await;
        let stream = connected.map_err(|_| ConnectionError::ConnectTimeout)??;
        stream.set_nodelay(true)?;
        let name = (options.tls.name)(*cluster, self.peer.node);
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(options.tls.client.clone());
        let shaken = timeout(options.handshake_timeout, connector.connect(name, stream)).await;
        Ok(shaken.map_err(|_| ConnectionError::HandshakeTimeout)??)
    }

    /// Sends what is queued; after the order to stop, the rest of it.
    async fn send<W: AsyncWrite + Unpin>(
        &self,
        mut writer: W,
        liveness: &Mutex<Liveness>,
        stopping: &mut watch::Receiver<Stage>,
    ) -> Result<(), ConnectionError> {
        let queue = self.peer.queue(self.lane);
        let mut buffer = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = queue.filled() => {}
                () = told(stopping) => {
                    writer.shutdown().await.map_err(closed)?;
                    return Ok(());
                }
            }
            encode(queue, &mut buffer);
            liveness.lock().send(buffer.len(), self.context.shared.options.clock.now());
            writer.write_all(&buffer).await.map_err(closed)?;
            writer.flush().await.map_err(closed)?;
            if buffer.capacity() > PORTION_BYTES_KEPT {
                buffer = Vec::new();
            }
        }
    }

    /// Listens to the pulse; ends with the connection.
    async fn listen<R: AsyncRead + Unpin>(
        &self,
        mut reader: R,
        liveness: &Mutex<Liveness>,
    ) -> ConnectionError {
        let options = &self.context.shared.options;
        let mut pulse = [0; PULSE_LENGTH];
        let mut filled = 0;
        loop {
            // One read at a time: a read of the whole pulse would lose what it has when it is cut off.
            let read = timeout(check_every(options.silence_max), reader.read(&mut pulse[filled..])).await;
            match read {
                Ok(Ok(0)) => return ConnectionError::Closed,
                Ok(Ok(length)) => filled += length,
                Ok(Err(error)) => return closed(error),
                Err(_) => {}
            }
            let now = options.clock.now();
            let mut liveness = liveness.lock();
            if filled == PULSE_LENGTH {
                liveness.hear(u64::from_le_bytes(pulse), now);
                filled = 0;
            }
            if liveness.is_dead(now) {
                return ConnectionError::Silent;
            }
        }
    }
}

/// How often to look whether a connection has died.
fn check_every(silence_max: Duration) -> Duration {
    silence_max / 4
}

/// Encodes the next portion of a queue.
fn encode(queue: &Queue, buffer: &mut Vec<u8>) {
    let mut frames: Vec<PeerFrame> = Vec::new();
    queue.take(&mut frames, PORTION_BYTES);
    buffer.clear();
    for frame in frames {
        if buffer.is_empty() {
            *buffer = frame.encode();
        } else {
            buffer.extend_from_slice(&frame.encode());
        }
    }
}
