//! How fast the machine is, so that tables of different machines can be compared, and no figure is asked of a server that
//! the machine cannot give.

use std::{
    hint::black_box,
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::{io::AsyncReadExt as _, task::JoinSet};

use super::{
    Error, Result,
    clock::Moment,
    objects::{self, Template},
    table::{self, Row},
};

const TIME: Duration = Duration::from_millis(500);

/// As in the scenario of watchers that are each alone on their connection.
const SOCKETS: usize = 1_000;
const SENDS_PER_SECOND: u32 = 50;
const ROUNDS: u32 = 50;
const ROUNDS_BEFORE: u32 = 5;

/// Parses a Pod over and over on one core, while nothing else runs here.
pub fn parsing() -> Row {
    let pod = Template::pod().fill(["pod-0", "0", "stable", "0"]);
    let began = Moment::now();
    let mut bytes = 0;
    while began.elapsed() < TIME {
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&pod);
        bytes += if black_box(parsed).is_ok() { pod.len() } else { 0 };
    }
    Row {
        scenario: "this machine: serde_json parses a Pod, one core".to_owned(),
        rate: format!("{:.0} MB/s", bytes as f64 / 1e6 / began.elapsed().as_secs_f64()),
        ..Row::default()
    }
}

/// Encrypts an object of 1 KB for each of many sockets and sends it, and does nothing else: no HTTP, no tasks, no
/// events. A server that tells watchers of a change, each on a connection of its own, cannot take less.
pub fn sending() -> Result<Row> {
    let trouble = |source| Error::Io { what: "sending over loopback".to_owned(), source };
    let (processor, sends) = send_rounds().map_err(trouble)?;
    Ok(Row {
        scenario: "this machine: 1 KB encrypted and sent, nothing else".to_owned(),
        connections: Some(SOCKETS),
        processor: table::per(processor, sends),
        ..Row::default()
    })
}

/// The sending thread's processor time, and how often it sent in it.
fn send_rounds() -> io::Result<(Duration, usize)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let receiving = thread::spawn(|| receive(listener));
    let (server, client) = tls()?;
    let connect = |_| {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok((established(&server, &client)?, socket))
    };
    let mut connections: Vec<_> = (0..SOCKETS).map(connect).collect::<io::Result<_>>()?;
    let object = objects::config_map("sent", "0");
    let (began, mut before) = (Moment::now(), Duration::ZERO);
    for round in 0..ROUNDS_BEFORE + ROUNDS {
        thread::sleep((Duration::from_secs(1) * round / SENDS_PER_SECOND).saturating_sub(began.elapsed()));
        if round == ROUNDS_BEFORE {
            before = own_processor_time();
        }
        for (tls, socket) in &mut connections {
            tls.writer().write_all(object.as_bytes())?;
            while tls.wants_write() {
                tls.write_tls(socket)?;
            }
        }
    }
    let processor = own_processor_time().saturating_sub(before);
    drop(connections);
    receiving.join().unwrap_or_else(|_| Err(io::Error::other("the receiver failed")))?;
    Ok((processor, SOCKETS * ROUNDS as usize))
}

fn own_processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Takes what comes until all senders are gone.
fn receive(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut sockets = JoinSet::new();
        for _ in 0..SOCKETS {
            let (mut socket, _) = listener.accept().await?;
            sockets.spawn(async move {
                let mut bytes = vec![0; 16 << 10];
                while socket.read(&mut bytes).await? > 0 {}
                io::Result::Ok(())
            });
        }
        sockets.join_all().await.into_iter().collect()
    })
}

fn tls() -> io::Result<(Arc<ServerConfig>, Arc<ClientConfig>)> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    let certificate = own.cert.der();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(io::Error::other)?;
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key).map_err(io::Error::other)?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}

/// The server's side of a session whose handshake took place in memory.
fn established(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> io::Result<ServerConnection> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut client = ClientConnection::new(client.clone(), name).map_err(io::Error::other)?;
    let mut server = ServerConnection::new(server.clone()).map_err(io::Error::other)?;
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes)?;
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread)?;
            server.process_new_packets().map_err(io::Error::other)?;
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes)?;
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread)?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
    }
    Ok(server)
}
