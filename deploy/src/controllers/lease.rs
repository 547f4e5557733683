//! Leadership by a Lease: which of several `pintle controllers` runs.
//!
//! Keeps: whoever has not renewed within the deadline considers itself deposed before anybody else may take over; only
//! local clocks are compared with themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pintle_controllers::{
    api::{Api, ApiError, Object, Resource, Target, WriteOptions},
    clock::{Clock, micro_time},
};
use serde_json::{Value, json};

const LEASES: &Resource = &Resource::namespaced("coordination.k8s.io", "v1", "leases", "Lease");
const NAMESPACE: &str = "kube-system";
const NAME: &str = "pintle-controllers";

/// How long a lease holds after others have seen it renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How long the holder goes on without having renewed it.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How often it is renewed or asked for.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Somebody who wants the lease.
pub(super) struct Candidate {
    api: Arc<dyn Api>,
    clock: Arc<dyn Clock>,
    identity: String,
    /// The version of the lease seen last, and since when.
    observed: (u64, Duration),
}

impl Candidate {
    pub(super) fn new(api: Arc<dyn Api>, clock: Arc<dyn Clock>, identity: String) -> Candidate {
        let observed = (0, clock.elapsed());
        Candidate { api, clock, identity, observed }
    }

    fn target() -> Target<'static> {
        Target::new(LEASES, NAMESPACE, NAME)
    }

    /// Takes or renews the lease; answers whether it is held now.
    pub(super) async fn try_hold(&mut self) -> Result<bool, ApiError> {
        let written = match self.api.fetch(Candidate::target()).await {
            Ok(lease) => match self.claim(&lease)? {
                Some(claim) => self.api.update(Candidate::target(), claim, &WriteOptions::default()).await,
                None => return Ok(false),
            },
            Err(error) if error.is_not_found() => {
                let lease = json!({ "metadata": { "namespace": NAMESPACE, "name": NAME }, "spec": self.spec(0, None) });
                self.api
                    .create(Candidate::target(), Bytes::from(lease.to_string()), &WriteOptions::default())
                    .await
            }
            Err(error) => return Err(error),
        };
        match written {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err(error) if error.is_conflict() || error.already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lease as it is to be written, or nothing while somebody else holds it.
    fn claim(&mut self, lease: &Object) -> Result<Option<Bytes>, ApiError> {
        let now = self.clock.elapsed();
        if self.observed.0 != lease.meta.version {
            self.observed = (lease.meta.version, now);
        }
        let mut lease: Value = lease.decode()?;
        let spec = &lease["spec"];
        let holder = spec["holderIdentity"].as_str().unwrap_or("");
        let transitions = spec["leaseTransitions"].as_i64().unwrap_or(0);
        let since = spec["acquireTime"].as_str().map(str::to_owned);
        let claimed = if holder == self.identity {
            self.spec(transitions, since)
        } else {
            if !holder.is_empty() && now.saturating_sub(self.observed.1) < DURATION {
                return Ok(None);
            }
            self.spec(transitions + 1, None)
        };
        lease["spec"] = claimed;
        Ok(Some(Bytes::from(lease.to_string())))
    }

    fn spec(&self, transitions: i64, since: Option<String>) -> Value {
        let now = micro_time(self.clock.now());
        json!({
            "holderIdentity": self.identity,
            "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": since.unwrap_or_else(|| now.clone()),
            "renewTime": now,
            "leaseTransitions": transitions,
        })
    }

    /// Lets others take over at once.
    pub(super) async fn release(&mut self) -> Result<(), ApiError> {
        let lease = self.api.fetch(Candidate::target()).await?;
        let mut lease: Value = lease.decode()?;
        if lease["spec"]["holderIdentity"] != self.identity {
            return Ok(());
        }
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        let body = Bytes::from(lease.to_string());
        self.api.update(Candidate::target(), body, &WriteOptions::default()).await.map(drop)
    }
}
