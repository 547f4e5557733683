//! Connections that other nodes open: handshake, identity, frames. Keeps: the sender of every frame is the node that
//! the connection's certificate names, in this cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;

use crate::peers::{FrameHeader, PeerRefusal};
use crate::transport::read::{FrameReader, closed};
use crate::transport::{ConnectionError, Context, told};

/// Connections whose node is not known yet; more wait in the listener's backlog.
const STRANGERS_MAX: usize = 64;
/// How long the listener rests when no connection can be accepted, as without free descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the transport stops.
pub(super) async fn run(context: Context, listener: TcpListener) {
    let mut stopping = context.shared.stage.subscribe();
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = told(&mut stopping) => return,
            Some(ended) = connections.join_next() => super::check(ended),
            (accepted, permit) = next(&listener, &strangers) => match accepted {
                Ok((stream, from)) => {
                    connections.spawn(serve(context.clone(), stream, from, permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "connections of other nodes cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn next(
    listener: &TcpListener,
    strangers: &Arc<Semaphore>,
) -> (std::io::Result<(TcpStream, SocketAddr)>, Option<OwnedSemaphorePermit>) {
    // It fails only when the semaphore is closed, which it never is.
    let permit = strangers.clone().acquire_owned().await.ok();
    (listener.accept().await, permit)
}

async fn serve(context: Context, stream: TcpStream, from: SocketAddr, permit: Option<OwnedSemaphorePermit>) {
    let Err(error) = receive(&context, stream, permit).await;
    if error.is_suspicious() {
        context.shared.links.refuse(from, &error);
    } else {
        tracing::debug!(%from, %error, "a connection of another node has ended");
    }
}

/// Never ends well: a connection lasts until something is wrong with it.
type Ended = Result<std::convert::Infallible, ConnectionError>;

async fn receive(context: &Context, stream: TcpStream, permit: Option<OwnedSemaphorePermit>) -> Ended {
    let options = &context.shared.options;
    stream.set_nodelay(true)?;
    let acceptor = TlsAcceptor::from(options.tls.server.clone());
    let shaken = timeout(options.handshake_timeout, acceptor.accept(stream)).await;
    let stream = shaken.map_err(|_| ConnectionError::HandshakeTimeout)??;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().cloned();

    let arrived = AtomicU64::new(0);
    let (reader, writer) = tokio::io::split(stream);
    let mut frames = FrameReader::new(reader, &arrived);
    let first = timeout(options.handshake_timeout, frames.header()).await;
    let first = first.map_err(|_| ConnectionError::HandshakeTimeout)??;
    check_sender(context, &first, certificate.as_ref())?;

    let mut place = context.shared.inbound.open(first.from, first.lane);
    drop(permit);
    // Whoever is removed from here on is told so by its place.
    let ended = if context.shared.book.is_removed(first.from) {
        Err(ConnectionError::Removed(first.from))
    } else {
        if let Some(peer) = context.shared.book.peer(first.from) {
            peer.hear();
        }
        tokio::select! {
            ended = take_in(context, frames, first) => ended,
            ended = pulse(writer, &arrived, options.pulse) => ended,
            _ = &mut place.replaced => Err(ConnectionError::Replaced),
        }
    };
    context.shared.inbound.leave(&place);
    ended
}

/// Checks that a frame with this header may come with this certificate.
fn check_sender(
    context: &Context,
    header: &FrameHeader,
    certificate: Option<&CertificateDer<'_>>,
) -> Result<(), ConnectionError> {
    if header.cluster != context.cluster {
        return Err(PeerRefusal::OtherCluster(header.cluster).into());
    }
    if header.to != context.node || header.from == context.node {
        return Err(PeerRefusal::OtherNode(header.to).into());
    }
    let name = (context.shared.options.tls.name)(header.cluster, header.from);
    if certificate.is_some_and(|certificate| names(certificate, &name)) {
        return Ok(());
    }
    Err(ConnectionError::NotTheSender { cluster: header.cluster, node: header.from })
}

/// Whether a certificate is valid for a name. That the peers' authority signed it was checked by the handshake.
fn names(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    verify_server_name(&certificate, &name).is_ok()
}

/// Hands frames to the store.
async fn take_in<R: AsyncRead + Unpin>(
    context: &Context,
    mut frames: FrameReader<'_, R>,
    first: FrameHeader,
) -> Ended {
    let mut header = first;
    loop {
        let frame = frames.frame(header).await?;
        match context.store.receive(frame) {
            // What is dropped here is sent again when it matters.
            Ok(()) | Err(PeerRefusal::Overloaded) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        header = frames.header().await?;
        if (FrameHeader { length: first.length, ..header }) != first {
            return Err(ConnectionError::Mixed);
        }
    }
}

/// Says, again and again, how many bytes have arrived.
async fn pulse<W: AsyncWrite + Unpin>(mut writer: W, arrived: &AtomicU64, every: Duration) -> Ended {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let arrived = arrived.load(Ordering::Relaxed);
        writer.write_all(&arrived.to_le_bytes()).await.map_err(closed)?;
        writer.flush().await.map_err(closed)?;
    }
}
