//! The port at which load balancers ask whether to send clients here: `GET /readyz` over plain HTTP, answered by a
//! thread of its own.
//!
//! A load balancer has to tell a server that hangs, whose connections it must end at once, from one that is only busy,
//! whose connections it must not touch. At the port of the API it cannot: a question there waits behind the handshakes
//! of all clients that come at once, as after another server's end.
//!
//! Keeps: an answer comes within [`PROOF_PATIENCE`] while the process runs; it says nothing but whether clients are
//! welcome; an election is no reason to turn them away.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pintle_apiserver::Server;
use pintle_store::Health;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    time::Instant,
};

use crate::own_request::is_ready;

const PATH: &str = "/readyz";
/// What asks about a server that is about to stop is no question for a load balancer: it is told so in another way.
const QUERY: &str = "exclude=shutdown";
/// How long it may take to prove that reads work; load balancers wait a little longer.
const PROOF_PATIENCE: Duration = Duration::from_millis(15);
/// How long reads may fail before clients are sent elsewhere: longer than an election.
const GRACE: Duration = Duration::from_secs(1);
/// How often the threads that serve the API say that they run, and after which silence they are believed to hang.
const PULSE_INTERVAL: Duration = Duration::from_millis(100);
const PULSE_MAX: Duration = Duration::from_secs(5);
/// Questions at once, and how long one may take altogether.
const CONNECTIONS_MAX: usize = 256;
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// The running port.
pub(crate) struct HealthPort {
    // Its end ends the thread.
    _stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What the answers are made of.
struct Condition {
    server: Arc<Server>,
    began: Instant,
    /// When the API's threads last ran, and when reads last worked: milliseconds since it began.
    pulse: AtomicU64,
    proved: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Advice {
    /// Clients are welcome.
    Serve,
    /// Clients that are here may stay, new ones are better off elsewhere.
    Drain,
    /// Clients are not served.
    Avoid,
}

impl HealthPort {
    /// Starts answering for a server that is ready. Needs the tokio runtime that serves the API.
    pub(crate) fn start(listener: TcpListener, server: Arc<Server>) -> io::Result<HealthPort> {
        let condition = Arc::new(Condition::new(server));
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(beat(condition.clone()));
        let thread = std::thread::Builder::new().name("health".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, condition) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(HealthPort { _stop: stop, thread })
    }

    /// Ends it. Until then load balancers keep the connections of a server that is stopping.
    pub(crate) fn stop(self) {
        drop(self._stop);
        // A panic there has been reported, and nothing depends on the thread any more.
        let _ = self.thread.join();
    }
}

/// Says that the threads that serve the API run. Ends with their runtime.
async fn beat(condition: Arc<Condition>) {
    loop {
        condition.pulse.store(condition.now(), Ordering::Relaxed);
        tokio::time::sleep(PULSE_INTERVAL).await;
    }
}

async fn serve(listener: std::net::TcpListener, condition: Arc<Condition>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let condition = condition.clone();
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, converse(stream, condition)).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, or somebody who left before being accepted.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn converse(stream: TcpStream, condition: Arc<Condition>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let condition = condition.clone();
        async move { Ok::<_, Infallible>(answer(&request, &condition).await) }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).keep_alive(false);
    // Whoever breaks off in the middle of a question gets no answer.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: &Request<Incoming>, condition: &Condition) -> Response<Full<Bytes>> {
    let asks = request.uri().path() == PATH && matches!(*request.method(), Method::GET | Method::HEAD);
    let (code, text) = match asks {
        // 404 says "drain" here, so a wrong question gets another answer.
        false => (StatusCode::BAD_REQUEST, "ask GET /readyz\n"),
        true => match condition.advice().await {
            Advice::Serve => (StatusCode::OK, "ok\n"),
            // What HAProxy's disable-on-404 understands.
            Advice::Drain => (StatusCode::NOT_FOUND, "stopping\n"),
            Advice::Avoid => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        },
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = code;
    response
}

impl Condition {
    fn new(server: Arc<Server>) -> Condition {
        let zero = AtomicU64::new(0);
        Condition { server, began: Instant::now(), pulse: AtomicU64::new(0), proved: zero }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn advice(&self) -> Advice {
        if self.server.is_draining() {
            return Advice::Drain;
        }
        // Whoever has no state will not have one in a moment.
        let lost = self.server.store.status().health == Health::AwaitsState;
        let ready = is_ready(&self.server, QUERY);
        let reads = !lost && tokio::time::timeout(PROOF_PATIENCE, ready).await.unwrap_or(false);
        let now = self.now();
        if reads {
            self.proved.store(now, Ordering::Relaxed);
        }
        let since =
            |mark: &AtomicU64| Duration::from_millis(now.saturating_sub(mark.load(Ordering::Relaxed)));
        if lost { Advice::Avoid } else { advice(since(&self.proved), since(&self.pulse)) }
    }
}

fn advice(since_proof: Duration, since_pulse: Duration) -> Advice {
    if since_proof <= GRACE && since_pulse <= PULSE_MAX { Advice::Serve } else { Advice::Avoid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_turns_nobody_away_and_a_lost_majority_or_a_hung_server_does() {
        let moment = Duration::from_millis(300);
        assert_eq!(advice(Duration::ZERO, Duration::ZERO), Advice::Serve);
        assert_eq!(advice(moment, moment), Advice::Serve);
        assert_eq!(advice(GRACE + moment, Duration::ZERO), Advice::Avoid);
        assert_eq!(advice(Duration::ZERO, PULSE_MAX + moment), Advice::Avoid);
    }
}
