//! Authentication: from what a connection and its headers prove to a user.
//!
//! Keeps: authenticators are asked in one order and the first that recognizes its credential decides the user;
//! a credential that is present and not valid is 401, never anonymous; a credential that only stored state could
//! know is refused behind a read barrier; nothing of the body is read before.

use std::sync::Arc;

use http::HeaderMap;

use crate::cluster::Cluster;
use crate::pipeline::Server;
use crate::status::Error;
use crate::storage::View;
use crate::user::{SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED, User};

pub mod bearer;
mod bootstrap_token;
mod certificate;
pub mod impersonation;
mod legacy_token;
pub mod oidc;
mod service_account;

pub use bearer::{WEBSOCKET_TOKEN_PROTOCOL, bearer_token};
pub use certificate::ClientCertificate;

/// What one connection proved about its peer, read once when it was accepted.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    certificate: Option<ClientCertificate>,
}

/// What a request presents to say who sends it.
pub struct Credentials<'a> {
    /// The connection it came over.
    pub connection: &'a Connection,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The path that it asks for.
    pub path: &'a str,
}

/// What credentials are held against.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// Everything stored.
    pub view: &'a View,
    /// The cluster's settings.
    pub cluster: &'a Cluster,
    /// Now, in Unix seconds.
    pub now: i64,
}

/// What an authenticator makes of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing in them concerns it.
    Unconcerned,
    /// They belong to this user.
    User(Arc<User>),
    /// They concern it and are not valid, whatever is stored.
    Rejected,
    /// They concern it and nothing that is stored makes them valid.
    Unknown,
}

/// One way to prove who one is.
pub trait Authenticator: Send + Sync {
    /// Looks at the credentials.
    fn authenticate(&self, credentials: &Credentials<'_>, records: &Records<'_>) -> Verdict;
}

/// The authenticators in the order in which they are asked.
static AUTHENTICATORS: &[&dyn Authenticator] = &[&X509, &bearer::Bearer];

impl Connection {
    /// Reads the certificate (DER) that was verified against the client authority, if there is one.
    pub fn new(client_certificate: Option<&[u8]>) -> Connection {
        Connection { certificate: client_certificate.map(ClientCertificate::read) }
    }

    /// A connection whose certificate is of no authority that is known here, or not valid now.
    pub fn unbelieved() -> Connection {
        Connection { certificate: Some(ClientCertificate::rejected()) }
    }
}

/// Asks all authenticators.
fn authenticate(credentials: &Credentials<'_>, records: &Records<'_>) -> Verdict {
    let mut refused = Verdict::Unconcerned;
    for authenticator in AUTHENTICATORS {
        match authenticator.authenticate(credentials, records) {
            Verdict::User(user) => return Verdict::User(user),
            Verdict::Unknown => refused = Verdict::Unknown,
            Verdict::Rejected if refused == Verdict::Unconcerned => refused = Verdict::Rejected,
            Verdict::Rejected | Verdict::Unconcerned => {}
        }
    }
    refused
}

impl Server {
    /// The user of a request. What the local view does not know is asked again behind a barrier: another node may have
    /// stored it a moment ago.
    pub async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Arc<User>, Error> {
        let view = self.view();
        let mut verdict = authenticate(credentials, &self.records(&view));
        if verdict == Verdict::Unknown
            && let Some(latest) = self.newer_than(&view).await
        {
            verdict = authenticate(credentials, &self.records(&latest));
        }
        if verdict == Verdict::Unknown && self.has_newer_keys(credentials.headers).await {
            verdict = authenticate(credentials, &self.records(&view));
        }
        match verdict {
            Verdict::User(user) => Ok(user),
            Verdict::Unconcerned if self.lets_strangers_in(credentials.path) => Ok(User::anonymous()),
            Verdict::Unconcerned | Verdict::Rejected | Verdict::Unknown => Err(Error::Unauthorized),
        }
    }

    /// What extensions answer has its own rules: who joins the cluster is not known yet.
    fn lets_strangers_in(&self, path: &str) -> bool {
        self.cluster.anonymous.covers(path) || self.extensions.iter().any(|it| path.starts_with(it.prefix()))
    }

    /// The user whom the headers ask to act as, when `user` may; as the user of a request, refused only behind a barrier.
    pub async fn impersonate(&self, headers: &HeaderMap, user: &User) -> Result<Option<Arc<User>>, Error> {
        let view = self.view();
        let refusal = match impersonation::impersonate(headers, user, &self.authorizer, &view) {
            Err(refusal @ Error::Forbidden { .. }) => refusal,
            decided => return decided,
        };
        match self.newer_than(&view).await {
            Some(latest) => impersonation::impersonate(headers, user, &self.authorizer, &latest),
            None => Err(refusal),
        }
    }

    fn records<'a>(&'a self, view: &'a View) -> Records<'a> {
        Records { view, cluster: &self.cluster, now: self.clock.unix_seconds() }
    }
}

/// Puts a user who authenticated into the group of all who did.
pub(crate) fn authenticated(mut user: User) -> Arc<User> {
    if !user.in_group(SYSTEM_AUTHENTICATED) && !user.in_group(SYSTEM_UNAUTHENTICATED) {
        user.groups.push(SYSTEM_AUTHENTICATED.to_owned());
    }
    Arc::new(user)
}

/// Client certificates: read per connection, their validity checked per request.
struct X509;

impl Authenticator for X509 {
    fn authenticate(&self, credentials: &Credentials<'_>, records: &Records<'_>) -> Verdict {
        match &credentials.connection.certificate {
            Some(certificate) => certificate.verdict(records.now),
            None => Verdict::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

    use super::*;
    use crate::fixture::Fixture;

    fn check(fixture: &Fixture, headers: &[(http::HeaderName, &'static str)], refused: bool) {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let credentials = Credentials { connection: &Connection::default(), headers: &headers, path: "/" };
        let records = Records { view: &fixture.view(), cluster: &fixture.cluster, now: 0 };
        let verdict = authenticate(&credentials, &records);
        assert_eq!(verdict != Verdict::Unconcerned, refused, "{headers:?}");
    }

    #[test]
    fn absent_credentials_are_anonymous_and_invalid_ones_are_refused() {
        let fixture = Fixture::new();
        check(&fixture, &[], false);
        check(&fixture, &[(AUTHORIZATION, "Basic YTpi")], false);
        check(&fixture, &[(AUTHORIZATION, "Bearer ")], false);
        check(&fixture, &[(AUTHORIZATION, "Bearer x")], true);
        check(&fixture, &[(AUTHORIZATION, "bearer x")], true);
        check(&fixture, &[(SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io")], false);
        check(
            &fixture,
            &[(SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.dG9rZW4")],
            true,
        );
    }
}
