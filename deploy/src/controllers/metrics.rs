//! What `pintle controllers` says of itself: `/metrics` for Prometheus, and `/healthz`, `/livez` and `/readyz` for
//! whoever starts it again when it hangs.
//!
//! Keeps: off unless somebody asks for it; few connections at once, none of them for long.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pintle_controllers::runtime::Metrics;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts to accept when there are no file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves until the task is dropped.
pub(super) async fn serve(listener: TcpListener, metrics: Metrics) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_RETRY).await;
            continue;
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            // What goes wrong with a connection is the client's to see.
            let _ = timeout(CONNECTION_TIMEOUT, connection(stream, metrics)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, metrics: Metrics) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &metrics);
        async { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

fn answer(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (code, form, body) = match path {
        _ if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are answered here\n".to_owned())
        }
        "/metrics" => {
            let mut text = String::new();
            metrics.encode(&mut text);
            text.push_str("# EOF\n");
            (StatusCode::OK, METRICS, text)
        }
        "/healthz" | "/livez" | "/readyz" => (StatusCode::OK, TEXT, "ok".to_owned()),
        _ => (StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz, /livez and /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: std::net::SocketAddr, first_line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{first_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_told_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Metrics::default()));
        for (line, begins, holds) in [
            ("GET /healthz", "HTTP/1.1 200", "ok"),
            ("GET /metrics", "HTTP/1.1 200", "# EOF"),
            ("GET /secrets", "HTTP/1.1 404", "there are"),
            ("POST /metrics", "HTTP/1.1 405", "only GET"),
        ] {
            let answer = ask(address, line).await;
            assert!(answer.starts_with(begins) && answer.contains(holds), "{line}: {answer}");
        }
        serving.abort();
    }
}
