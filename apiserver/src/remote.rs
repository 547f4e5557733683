//! Servers of users' that this one calls over HTTPS: webhooks, and API servers behind APIServices.
//!
//! Keeps: whom is believed follows from the configuration alone (its bundle, or the machine's roots without one); no
//! redirect is followed. A Service is reached through one of its endpoints, so a server needs no kube-proxy beside it, and
//! endpoints that are gone are not asked again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Uri;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;

use crate::pipeline::Server;
use crate::storage::View;

mod failure;
mod place;
mod trust;

pub(crate) use failure::words;
pub(crate) use place::Place;
use place::Target;

/// How many pairs of server and bundle keep their connections.
const CLIENTS_MAX: usize = 200;
/// How long a connection waits for more to ask.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long it may take until somebody listens, TLS not counted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a connection that is silent is asked whether anybody is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type HttpsClient = Client<HttpsConnector<HttpConnector>, Body>;

/// The connections to others, which are kept.
#[derive(Default)]
pub struct Remotes {
    clients: Mutex<FxHashMap<Believed, HttpsClient>>,
    /// What this server proves itself with where it speaks for its users: the front proxy's certificate.
    pub proof: Option<Arc<dyn ResolvesClientCert>>,
}

/// Who is believed to be whom, and what is shown to them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Believed {
    server_name: String,
    bundle: Arc<str>,
    is_unchecked: bool,
    is_shown_proof: bool,
}

/// A way to somebody.
pub(crate) struct Way {
    /// The connections.
    pub(crate) client: HttpsClient,
    /// `10.0.0.1:8443`
    pub(crate) authority: String,
}

impl Way {
    /// The address of a path and query there.
    pub(crate) fn to(&self, path_and_query: &str) -> Result<Uri, String> {
        let uri = format!("https://{}{path_and_query}", self.authority);
        uri.parse().map_err(|error: http::uri::InvalidUri| error.to_string())
    }
}

impl Server {
    /// The way to a place; the error says why there is none.
    pub(crate) fn way(&self, place: &Place, view: &View) -> Result<Way, String> {
        let (host, port) = match &place.target {
            Target::Host(host, port) => (host.clone(), i64::from(*port)),
            Target::Service { namespace, name, port } => {
                self.endpoint_of(view, namespace, name, *port).map_err(|error| error.to_string())?
            }
        };
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Ok(Way { client: self.remotes.client(place)?, authority })
    }
}

impl Remotes {
    /// A client that believes what the place says; its connections are kept.
    fn client(&self, place: &Place) -> Result<HttpsClient, String> {
        let believed = Believed {
            server_name: place.server_name.clone(),
            bundle: place.bundle.clone(),
            is_unchecked: place.is_unchecked,
            is_shown_proof: place.is_shown_proof,
        };
        if let Some(known) = self.clients.lock().get(&believed) {
            return Ok(known.clone());
        }
        let name = ServerName::try_from(place.server_name.clone()).map_err(|error| error.to_string())?;
        let proof = self.proof.clone().filter(|_| place.is_shown_proof);
        let mut dialer = HttpConnector::new();
        dialer.enforce_http(false);
        dialer.set_nodelay(true);
        dialer.set_connect_timeout(Some(CONNECT_TIMEOUT));
        dialer.set_keepalive(Some(KEEP_ALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust::configuration(&place.bundle, place.is_unchecked, proof)?)
            .https_only()
            .with_server_name_resolver(FixedServerNameResolver::new(name))
            .enable_http1()
            .wrap_connector(dialer);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let mut clients = self.clients.lock();
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(believed, client.clone());
        Ok(client)
    }
}
