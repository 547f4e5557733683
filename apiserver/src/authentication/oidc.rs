//! Tokens of OpenID Connect providers: people log in there, and this server believes what is signed with the keys that the
//! provider publishes.
//!
//! Keeps: a token is held against the keys that are known; the provider is asked for newer ones at most once a
//! second, whatever tokens are presented, and one request at a time; before its keys are known, nobody of it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::bearer::{Finding, TokenAuthenticator, bearer_token, common, no_common_audience};
use super::{Records, authenticated};
use crate::pipeline::Server;
use crate::remote::{self, Place};
use crate::service_account::jwt::{Header, Parts};
use crate::tree::Map;
use crate::user::User;
use crate::version;

mod config;
mod keys;
mod mapping;

use config::Mapping;
pub use config::{
    ClaimRule, ConfigError, Configuration, IssuerDocument, JwtAuthenticator, Mappings, PrefixedClaim,
};
pub use keys::Algorithm;
use keys::Keys;
use mapping::Claims;

/// Where a provider says where its keys are.
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
/// How much of a provider's answer is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long it may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a provider is asked that has not answered yet.
const RETRY: Duration = Duration::from_secs(10);
/// How often it is asked, at the most, because of tokens that no known key has signed.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How many requests may wait for a provider's keys; others are told at once that nobody knows them.
const WAITING_MAX: usize = 100;
const GOOGLE: &str = "https://accounts.google.com";
/// How far ahead of this one a provider's clock may be.
const LEEWAY_SECONDS: i64 = 60;

/// Where those are let in who do not say who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// They are `system:anonymous`, who may do what is granted to them.
    #[default]
    Everywhere,
    /// Only at these paths.
    At(Vec<String>),
    /// Nowhere: they are told to say who they are.
    Nowhere,
}

impl Anonymous {
    /// Whether they are let in at a path.
    pub fn covers(&self, path: &str) -> bool {
        match self {
            Anonymous::Everywhere => true,
            Anonymous::At(paths) => paths.iter().any(|own| own == path),
            Anonymous::Nowhere => false,
        }
    }
}

/// The providers whose tokens are believed.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Issuer>);

/// A provider whose tokens are believed.
pub struct Issuer {
    url: String,
    /// Where its discovery document is.
    discovery: String,
    /// PEM in base64; empty for the machine's own roots.
    bundle: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    mapping: Mapping,
    keys: ArcSwapOption<Keys>,
    /// Held while it is asked.
    asked: tokio::sync::Mutex<Asked>,
    /// Places for requests that wait for its keys.
    waiting: Semaphore,
}

/// When a provider was asked last.
#[derive(Default)]
struct Asked {
    begun: Option<Instant>,
    /// Without an answer.
    failed: Option<Instant>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Discovery {
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    jwks_uri: String,
}

/// What a token says, and who says so; nothing of it is believed yet.
struct Token<'a> {
    parts: Parts<'a>,
    claims: Claims,
}

impl Token<'_> {
    fn read(token: &str) -> Option<Token<'_>> {
        let parts = Parts::split(token)?;
        let claims = serde_json::from_slice(&parts.payload).ok()?;
        Some(Token { parts, claims })
    }

    fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or("")
    }
}

impl Issuer {
    /// A provider as it is configured at a place of a document, which errors name.
    pub fn new(
        authenticator: &JwtAuthenticator,
        algorithms: Vec<Algorithm>,
        place: &str,
    ) -> Result<Issuer, ConfigError> {
        let IssuerDocument { url, discovery_url, certificate_authority, audiences, .. } =
            &authenticator.issuer;
        authenticator.issuer.validate(place)?;
        let discovery = match discovery_url.as_str() {
            "" => format!("{}{DISCOVERY_PATH}", url.trim_end_matches('/')),
            other => other.to_owned(),
        };
        Ok(Issuer {
            url: url.clone(),
            discovery,
            bundle: bundle(certificate_authority.trim(), place)?,
            audiences: audiences.clone(),
            algorithms,
            mapping: Mapping::new(authenticator, place)?,
            keys: ArcSwapOption::empty(),
            asked: tokio::sync::Mutex::default(),
            waiting: Semaphore::new(WAITING_MAX),
        })
    }

    fn find(&self, token: &Token<'_>, now: i64) -> Result<Arc<User>, Refusal> {
        let Some(keys) = self.keys.load_full() else {
            return Err(Refusal::Unsigned(format!("authenticator for {:?} is not initialized", self.url)));
        };
        let wrong = |why: String| Refusal::Wrong(format!("verify token: {why}"));
        let Token { parts: Parts { header: Header { alg, kid, crit }, signed, signature, .. }, claims } =
            token;
        if crit.is_some() {
            return Err(wrong("nothing is known here of what its header calls critical".to_owned()));
        }
        let algorithm = Algorithm::parse(alg).filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm =
            algorithm.ok_or_else(|| wrong(format!("id token signed with unsupported algorithm {alg:?}")))?;
        if !keys.have_signed(kid, algorithm, signed.as_bytes(), signature) {
            return Err(Refusal::Unsigned("verify token: failed to verify signature".to_owned()));
        }
        let audiences = match claims.get("aud") {
            Some(Value::String(audience)) => vec![audience.as_str()],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !self.audiences.iter().any(|own| audiences.contains(&own.as_str())) {
            let own = &self.audiences;
            return Err(wrong(format!("expected audience in {own:?} got {audiences:?}")));
        }
        let time = |claim: &str| {
            let said = claims.get(claim)?;
            said.as_i64().or_else(|| said.as_f64().map(|seconds| seconds as i64))
        };
        if time("exp").is_none_or(|end| end <= now) {
            return Err(wrong("token is expired".to_owned()));
        }
        if time("nbf").is_some_and(|start| start > now.saturating_add(LEEWAY_SECONDS)) {
            return Err(wrong("token is not valid yet".to_owned()));
        }
        self.mapping.user(claims).map(authenticated).map_err(Refusal::Wrong)
    }
}

/// Authorities as [`Place`] takes them.
fn bundle(pem: &str, place: &str) -> Result<String, ConfigError> {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    if pem.is_empty() || certificates.next().is_some_and(|first| first.is_ok()) {
        return Ok(if pem.is_empty() { String::new() } else { STANDARD.encode(pem) });
    }
    let why = "holds no certificate in PEM form".to_owned();
    Err(ConfigError::Invalid { field: format!("{place}.issuer.certificateAuthority"), why })
}

/// Why a token proves nobody.
enum Refusal {
    /// No key that is known has signed it.
    Unsigned(String),
    /// It is signed, and not good.
    Wrong(String),
}

impl Issuers {
    /// Believes several providers.
    pub fn new(issuers: Vec<Issuer>) -> Issuers {
        Issuers(issuers)
    }

    fn of<'a>(&'a self, token: &Token<'_>) -> Option<&'a Issuer> {
        // The only one who does not put its address into its tokens.
        let url = if token.issuer() == "accounts.google.com" { GOOGLE } else { token.issuer() };
        self.0.iter().find(|issuer| issuer.url == url)
    }
}

/// Tokens of providers.
pub(super) struct ProviderToken;

impl TokenAuthenticator for ProviderToken {
    fn authenticate(&self, token: &str, audiences: &[String], records: &Records<'_>) -> Finding {
        let issuers = &records.cluster.issuers;
        if issuers.0.is_empty() {
            return Finding::Unconcerned;
        }
        let Some(token) = Token::read(token) else { return Finding::Unconcerned };
        let Some(issuer) = issuers.of(&token) else { return Finding::Unconcerned };
        // Providers know nothing of audiences of this API.
        let own = &records.cluster.api_audiences;
        let common = common(audiences, own);
        if common.is_empty() {
            return no_common_audience(audiences, own);
        }
        match issuer.find(&token, records.now) {
            Ok(user) => Finding::Valid { user, audiences: common },
            Err(Refusal::Unsigned(why)) => Finding::Unknown(format!("oidc: {why}")),
            Err(Refusal::Wrong(why)) => Finding::Rejected(format!("oidc: {why}")),
        }
    }
}

/// Asks the providers for their keys until each has answered.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        for issuer in server.cluster.issuers.0.iter().filter(|issuer| issuer.keys.load().is_none()) {
            server.ask_for_keys(issuer).await;
        }
        if server.cluster.issuers.0.iter().all(|issuer| issuer.keys.load().is_some()) {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl Server {
    /// Looks whether the provider of a request's token has other keys than are known; only worth it for a token that
    /// none of these has signed.
    pub(super) async fn has_newer_keys(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer_token(headers) else { return false };
        self.has_newer_keys_for(&token).await
    }

    /// The same for a token.
    pub(crate) async fn has_newer_keys_for(&self, token: &str) -> bool {
        let Some(token) = Token::read(token) else { return false };
        let Some(issuer) = self.cluster.issuers.of(&token) else { return false };
        match issuer.find(&token, self.clock.unix_seconds()) {
            Err(Refusal::Unsigned(_)) => self.ask_for_keys(issuer).await,
            // They have come meanwhile.
            _ => true,
        }
    }

    /// Answers whether there are keys that were not there when it was called. All who wait for them wait for one answer.
    async fn ask_for_keys(&self, issuer: &Issuer) -> bool {
        let (before, came) = (issuer.keys.load_full(), Instant::now());
        let Ok(_waiting) = issuer.waiting.try_acquire() else { return false };
        let mut asked = issuer.asked.lock().await;
        let is_newer = |keys: &Option<Arc<Keys>>| match (&before, keys) {
            (Some(before), Some(keys)) => !Arc::ptr_eq(before, keys),
            (None, keys) => keys.is_some(),
            (Some(_), None) => false,
        };
        if is_newer(&issuer.keys.load_full()) {
            return true;
        }
        if asked.failed.is_some_and(|at| at >= came) {
            // Somebody else has asked meanwhile, in vain.
            return false;
        }
        if let Some(at) = asked.begun {
            tokio::time::sleep_until(at + INTERVAL_MIN).await;
        }
        asked.begun = Some(Instant::now());
        match self.keys_of(issuer).await {
            Ok(keys) => {
                issuer.keys.store(Some(Arc::new(keys)));
                true
            }
            Err(why) => {
                asked.failed = Some(Instant::now());
                tracing::warn!(issuer = issuer.url, %why, "the keys of a provider of tokens are not known");
                false
            }
        }
    }

    async fn keys_of(&self, issuer: &Issuer) -> Result<Keys, String> {
        let answer = self.document(&issuer.discovery, &issuer.bundle).await?;
        let discovery: Discovery = serde_json::from_slice(&answer)
            .map_err(|error| format!("{} is no discovery document: {error}", issuer.discovery))?;
        if discovery.issuer != issuer.url {
            return Err(format!(
                "{} is of the issuer {:?}, and {:?} is configured",
                issuer.discovery, discovery.issuer, issuer.url
            ));
        }
        let answer = self.document(&discovery.jwks_uri, &issuer.bundle).await?;
        Keys::read(&answer).map_err(|why| format!("{} has no keys: {why}", discovery.jwks_uri))
    }

    async fn document(&self, url: &str, bundle: &str) -> Result<Bytes, String> {
        let uri = config::https(url)?;
        let place = Place::of(&Map::from([("url", url), ("caBundle", bundle)]))?;
        let way = self.way(&place, &self.view())?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let failed = |why: String| format!("Get {url:?}: {why}");
        let request = Request::get(way.to(path)?)
            .header(header::HOST, &place.host)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, version::USER_AGENT)
            .body(Body::empty())
            .map_err(|error| failed(error.to_string()))?;
        let asking = async {
            let answer = way.client.request(request).await;
            let answer = answer.map_err(|error| failed(remote::words(&error, &way.authority)))?;
            if answer.status() != StatusCode::OK {
                return Err(failed(format!("the answer is {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| failed(error.to_string()))
        };
        timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| failed("nobody answered in time".to_owned()))?
    }
}

#[cfg(test)]
mod tests;
