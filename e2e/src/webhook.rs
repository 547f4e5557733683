//! A webhook whose answers a test makes. It remembers what it was asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::https::{HttpsServer, Received};

/// What a webhook answers to a review (`AdmissionReview`, `ConversionReview`) at a path: its `response`, of which the
/// `uid` is filled in.
pub type Answer = fn(path: &str, review: &Value) -> Value;

/// A running webhook.
pub struct Webhook {
    server: HttpsServer,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    /// Listens on the loopback.
    pub fn start(answer: Answer) -> Webhook {
        Webhook::start_at(Ipv4Addr::LOCALHOST.into(), &[], answer)
    }

    /// Listens on an address, with a certificate that is for `names`, too.
    pub fn start_at(address: IpAddr, names: &[&str], answer: Answer) -> Webhook {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reviews = seen.clone();
        let server = HttpsServer::start(address, names, None, move |Received { path, body, .. }| {
            let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
            let review: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut response = answer(path, &review);
            response["uid"] = review["request"]["uid"].clone();
            let (kind, version) = (&review["kind"], &review["apiVersion"]);
            let answered = json!({ "kind": kind, "apiVersion": version, "response": response });
            reviews.lock().unwrap_or_else(PoisonError::into_inner).push(review);
            (200, answered.to_string())
        });
        Webhook { server, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `caBundle`: its certificate, PEM in base64.
    pub fn bundle(&self) -> String {
        self.server.bundle()
    }

    /// `clientConfig` that leads to a path of it.
    pub fn client(&self, path: &str) -> Value {
        json!({ "url": format!("https://{}/{path}", self.address()), "caBundle": self.bundle() })
    }

    /// The reviews that it has got since it was last asked for them, in their order.
    pub fn take_reviews(&self) -> Vec<Value> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
