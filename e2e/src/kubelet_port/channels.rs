//! Connections that go on in another protocol: Kubernetes' channels over WebSockets, and bytes that come back.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{Body, text};

/// The subprotocols that are spoken, the best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// Says which channel has ended, since the fifth version.
const CLOSE: u8 = 255;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a WebSocket's handshake and speaks in channels from then on.
pub(super) fn open(request: &mut Request<Incoming>, parameters: Vec<(String, String)>) -> Response<Body> {
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.and_then(|offered| offered.to_str().ok()).unwrap_or("").to_owned();
    let offers = |protocol: &&&str| offered.split(',').any(|one| one.trim() == **protocol);
    let Some(protocol) = PROTOCOLS.iter().find(offers) else {
        return text(StatusCode::FORBIDDEN, "none of these protocols is spoken here");
    };
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return text(StatusCode::BAD_REQUEST, "a WebSocket has a key");
    };
    let accept = derive_accept_key(key.as_bytes());
    let forwards = request.uri().path().starts_with("/portForward/");
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        // A client that is gone wants no more.
        let _ = if forwards { forward(socket, &parameters).await } else { run(socket, &parameters).await };
    });
    switching("websocket", &[("sec-websocket-accept", &accept), ("sec-websocket-protocol", protocol)])
}

/// Sends back every byte that comes, in capitals.
pub(super) fn repeat(request: &mut Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut bytes = BytesMut::new();
        while let Ok(1..) = tokio::io::AsyncReadExt::read_buf(&mut stream, &mut bytes).await {
            bytes.make_ascii_uppercase();
            let sent = stream.write_all(&bytes.split()).await;
            if sent.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    });
    switching("SPDY/3.1", &[("x-stream-protocol-version", "v4.channel.k8s.io")])
}

fn switching(protocol: &'static str, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(protocol));
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::try_from(*value).expect("it is plain text"));
    }
    response
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    Message::Binary([&[channel], bytes].concat())
}

/// Runs what `command` says; without one, as for attach, the input comes back.
async fn run(
    mut socket: Socket,
    parameters: &[(String, String)],
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let command: Vec<&str> =
        parameters.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.as_str()).collect();
    // Clients wait for this before they send.
    socket.send(message(STDOUT, b"")).await?;
    let code = match command.as_slice() {
        ["echo", words @ ..] => {
            socket.send(message(STDOUT, format!("{}\n", words.join(" ")).as_bytes())).await?;
            0
        }
        ["fail", code] => {
            socket.send(message(STDERR, b"no\n")).await?;
            code.parse().unwrap_or(1)
        }
        ["wait"] => {
            socket.send(message(STDOUT, b"waiting\n")).await?;
            while socket.next().await.transpose()?.is_some() {}
            return Ok(());
        }
        _ => {
            repeat_input(&mut socket).await?;
            0
        }
    };
    let status = if code == 0 {
        r#"{"metadata":{},"status":"Success"}"#.to_owned()
    } else {
        format!(
            r#"{{"metadata":{{}},"status":"Failure","message":"command terminated with non-zero exit code: exit status {code}","reason":"NonZeroExitCode","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
        )
    };
    socket.send(message(ERROR, status.as_bytes())).await?;
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await?;
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    Ok(())
}

/// Until the client says that it has ended.
async fn repeat_input(socket: &mut Socket) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    while let Some(received) = socket.next().await.transpose()? {
        let Message::Binary(bytes) = received else { continue };
        match bytes.split_first() {
            Some((&STDIN, input)) => socket.send(message(STDOUT, input)).await?,
            Some((&CLOSE, [STDIN])) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Two channels for each port, data and error; each begins with the port's number. What comes goes back in capitals.
async fn forward(
    mut socket: Socket,
    parameters: &[(String, String)],
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let ports = parameters.iter().filter(|(key, _)| key == "port").flat_map(|(_, ports)| ports.split(','));
    for (place, port) in ports.filter_map(|port| port.parse::<u16>().ok()).enumerate() {
        for channel in [2 * place, 2 * place + 1] {
            socket.send(message(channel as u8, &port.to_le_bytes())).await?;
        }
    }
    while let Some(received) = socket.next().await.transpose()? {
        let Message::Binary(bytes) = received else { continue };
        if let Some((&channel, data)) = Bytes::from(bytes).split_first() {
            socket.send(message(channel, &data.to_ascii_uppercase())).await?;
        }
    }
    Ok(())
}
