//! Connections that other nodes open: handshake, identity, frames. Keeps: the sender of every frame is the node that
//! the connection's certificate names, in this cluster.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::peers::{FrameHeader, PeerRefusal};
use crate::transport::read::{FrameReader, closed};
use crate::transport::{ConnectionError, Context, told};

/// How long the listener rests when no connection can be accepted, as without free descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the transport stops.
pub(super) async fn run(context: Context, listener: TcpListener) {
    let mut stopping = context.shared.stage.subscribe();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = told(&mut stopping) => return,
            Some(ended) = connections.join_next() => super::check(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    connections.spawn(serve(context.clone(), stream, from));
                }
                Err(error) => {
                    tracing::warn!(%error, "connections of other nodes cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve(context: Context, stream: TcpStream, from: SocketAddr) {
    let Err(error) = receive(&context, stream).await;
    if error.is_suspicious() {
        context.shared.links.refuse(from, &error);
    } else {
        tracing::debug!(%from, %error, "a connection of another node has ended");
    }
}

/// Never ends well: a connection lasts until something is wrong with it.
type Ended = Result<std::convert::Infallible, ConnectionError>;

async fn receive(context: &Context, stream: TcpStream) -> Ended {
    let shared = &context.shared;
    let arrived = AtomicU64::new(0);
    let mut stranger = shared.strangers.enter();
    let (frames, writer, first) = tokio::select! {
        met = meet(context, stream, &arrived) => met?,
        _ = &mut stranger.crowded_out => return Err(ConnectionError::CrowdedOut),
    };
    let mut place = shared.inbound.open(first.from, first.lane);
    drop(stranger);
    // Whoever is removed from here on is told so by its place.
    let ended = if shared.book.is_removed(first.from) {
        Err(ConnectionError::Removed(first.from))
    } else {
        stir(context, first.from);
        tokio::select! {
            ended = take_in(context, frames, first) => ended,
            ended = pulse(writer, &arrived, shared.options.pulse) => ended,
            _ = &mut place.replaced => Err(ConnectionError::Replaced),
        }
    };
    shared.inbound.leave(&place);
    stir(context, first.from);
    ended
}

fn stir(context: &Context, node: u64) {
    if let Some(peer) = context.shared.book.peer(node) {
        peer.stir();
    }
}

/// What is known after a node has shown who it is: its frames, where its pulse goes, its first header.
type Met<'a> = (FrameReader<'a, ReadHalf<Stream>>, WriteHalf<Stream>, FrameHeader);
type Stream = TlsStream<TcpStream>;

/// Finds out which node a connection is from.
async fn meet<'a>(
    context: &Context,
    stream: TcpStream,
    arrived: &'a AtomicU64,
) -> Result<Met<'a>, ConnectionError> {
    let options = &context.shared.options;
    stream.set_nodelay(true)?;
    let acceptor = TlsAcceptor::from(options.tls.server.clone());
    let shaken = timeout(options.handshake_timeout, acceptor.accept(stream)).await;
    let stream = shaken.map_err(|_| ConnectionError::HandshakeTimeout)??;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().cloned();
    let (reader, writer) = tokio::io::split(stream);
    let mut frames = FrameReader::new(reader, arrived);
    let first = timeout(options.handshake_timeout, frames.header()).await;
    let first = first.map_err(|_| ConnectionError::HandshakeTimeout)??;
    check_sender(context, &first, certificate.as_ref())?;
    Ok((frames, writer, first))
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
