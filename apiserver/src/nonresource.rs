//! Paths that are not about a resource: documents about the API, health, metrics, and what extensions answer.

use crate::document::{self, Ask, Site};
use crate::health::{self, Check, Question};
use crate::metrics::{Figures, StoreFigures};
use crate::pipeline::Server;
use crate::reply::Reply;
use crate::request::Request;
use crate::service_account;
use crate::status::Error;
use crate::storage::Health;
use crate::user::User;

/// Answers a request outside resources.
pub async fn answer(server: &Server, user: &User, request: &Request) -> Result<Reply, Error> {
    let path = request.attributes.path.as_str();
    if let Some(extension) = server.extensions.iter().find(|it| path.starts_with(it.prefix())) {
        return extension.answer(server, user, request).await;
    }
    if !matches!(request.method, http::Method::GET | http::Method::HEAD) {
        return Err(Error::MethodNotAllowed);
    }
    let address = server.cluster.advertised.to_string();
    // Controllers of this process have no way to other servers, so they do not hear of what those have.
    let others = request.fence.is_none().then(|| server.aggregation.others());
    let site = Site { address: &address, checks: CHECKS, others: others.as_deref() };
    let ask = Ask::of(request, server.clock.unix_seconds(), site);
    if let Some(answer) = document::find(&ask, &server.registry()) {
        return answer.map(Reply::Document);
    }
    if let Some(tokens) = &server.cluster.service_account_tokens
        && let Some(answer) = service_account::discovery::find(&request.attributes.path, tokens, &address)
    {
        return Ok(Reply::Document(answer));
    }
    let path = request.attributes.path.trim_matches('/');
    if path == "metrics" {
        return Ok(Reply::Text(true, bytes::Bytes::from(server.metrics.text(&figures(server)))));
    }
    let (endpoint, single) = path.split_once('/').unwrap_or((path, ""));
    if !matches!(endpoint, "livez" | "readyz" | "healthz") {
        return Err(Error::NoPath);
    }
    let mut results = checks(server).await;
    if endpoint == "readyz" {
        results.extend(conditions(server));
        results.push(Check::counting("shutdown", !server.is_draining()));
    }
    let wanted: Vec<Check<'_>> =
        results.into_iter().filter(|check| single.is_empty() || check.name == single).collect();
    if wanted.is_empty() {
        return Err(Error::NoPath);
    }
    let excluded: Vec<&str> = request.query.all("exclude").collect();
    let question = Question { verbose: request.query.get("verbose").is_some(), excluded: &excluded };
    let report = health::report(endpoint, &wanted, question);
    Ok(Reply::Text(report.passed, bytes::Bytes::from(report.text)))
}

/// The health checks' results: a read barrier proves leader, log and state at once.
async fn checks(server: &Server) -> Vec<Check<'static>> {
    let reads = tokio::time::timeout(CHECK_TIMEOUT, server.reader().latest()).await;
    let ready = matches!(reads, Ok(Ok(_)));
    CHECKS.iter().map(|name| Check::counting(name, ready || *name == "ping")).collect()
}

/// What the store says of itself, so that whoever looks at a server that is not ready sees why. Without a leader the
/// read barrier fails already. A full disk and a used-up
/// quota refuse growth on every server alike, so they are no reason to go to another one, and neither are nodes that
/// differ while this one serves.
fn conditions(server: &Server) -> [Check<'static>; 5] {
    let status = server.store.status();
    let good = |bad: Health| status.health != bad;
    [
        Check::shown("pintle-leader", status.leader != 0 && good(Health::NoLeader)),
        Check::counting("pintle-state", good(Health::AwaitsState)),
        Check::shown("pintle-disk", !status.disk_full && good(Health::DiskFull)),
        Check::shown("pintle-quota", good(Health::QuotaExceeded)),
        Check::shown("pintle-state-hash", status.alarms.is_empty()),
    ]
}

/// How long the store may take to prove that it is ready.
const CHECK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Names of the health checks.
pub const CHECKS: &[&str] = &["ping", "etcd", "etcd-readiness"];

/// What the store and the view say at this moment.
fn figures(server: &Server) -> Figures {
    let status = server.store.status();
    let leadership = *server.store.leadership().borrow();
    let view = server.view();
    let registry = server.registry();
    let objects = registry
        .iter()
        .filter(|resource| resource.version.storage)
        .map(|resource| (resource.group_resource.clone(), view.state().count(&resource.bucket)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let store = StoreFigures {
        has_leader: status.leader != 0,
        is_leader: leadership.leads,
        term: status.term,
        committed: status.commit_index,
        applied: status.applied_index,
        pending: status.proposals_in_flight as u64,
        log_syncs: status.log_syncs,
        revision: status.revision,
        floor: status.floor,
        stored_bytes: status.stored_bytes,
        quota_bytes: status.quota_bytes,
        ring_bytes: status.ring_bytes,
        free_bytes: status.free_bytes,
        health: Some(status.health),
        state_hash_differs: !status.alarms.is_empty(),
    };
    Figures { store, objects }
}
