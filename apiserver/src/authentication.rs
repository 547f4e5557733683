//! Authentication: from what a connection and its headers prove to a user.
//!
//! Keeps: authenticators are asked in one order and the first that recognizes its credential decides the user;
//! a credential that is present and not valid is 401, never anonymous; nothing of the body is read before.

use std::sync::Arc;

use base64::Engine as _;
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use crate::status::Error;
use crate::user::{SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED, User};

mod certificate;
pub mod impersonation;

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
    /// They concern it and are not valid.
    Rejected,
}

/// One way to prove who one is.
pub trait Authenticator: Send + Sync {
    /// Looks at the credentials.
    fn authenticate(&self, credentials: &Credentials<'_>) -> Verdict;
}

/// The authenticators in the order in which they are asked.
static AUTHENTICATORS: &[&dyn Authenticator] = &[&X509, &Bearer];

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

/// The user of a request.
pub fn authenticate(credentials: &Credentials<'_>) -> Result<Arc<User>, Error> {
    let mut rejected = false;
    for authenticator in AUTHENTICATORS {
        match authenticator.authenticate(credentials) {
            Verdict::User(user) => return Ok(user),
            Verdict::Rejected => rejected = true,
            Verdict::Unconcerned => {}
        }
    }
    if rejected { Err(Error::Unauthorized) } else { Ok(User::anonymous()) }
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
    fn authenticate(&self, credentials: &Credentials<'_>) -> Verdict {
        match &credentials.connection.certificate {
            Some(certificate) => certificate.verdict(credentials.now),
            None => Verdict::Unconcerned,
        }
    }
}

/// Bearer tokens. No issuer of tokens exists yet, so every token that is presented is one too many.
struct Bearer;

impl Authenticator for Bearer {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Verdict {
        match bearer_token(credentials.headers) {
            Some(_) => Verdict::Rejected,
            None => Verdict::Unconcerned,
        }
    }
}

/// Prefix of the WebSocket subprotocol that carries a token, for browsers that cannot set headers.
pub const WEBSOCKET_TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token that a request presents; an empty one counts as none.
pub fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        let token = token.split(' ').next().unwrap_or("");
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
    });
    header.or_else(|| {
        headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|protocol| protocol.trim().strip_prefix(WEBSOCKET_TOKEN_PROTOCOL))
            .map(|encoded| {
                let decoded =
                    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
                String::from_utf8_lossy(&decoded).into_owned()
            })
            .next()
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(headers: &[(http::HeaderName, &'static str)], expected: Result<&str, ()>) {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let credentials = Credentials { connection: &Connection::default(), headers: &headers, now: 0 };
        let user = authenticate(&credentials);
        assert_eq!(user.as_ref().map(|user| user.name.as_str()).map_err(|_| ()), expected, "{headers:?}");
    }

    #[test]
    fn absent_credentials_are_anonymous_and_invalid_ones_are_refused() {
        check(&[], Ok("system:anonymous"));
        check(&[(AUTHORIZATION, "Basic YTpi")], Ok("system:anonymous"));
        check(&[(AUTHORIZATION, "Bearer ")], Ok("system:anonymous"));
        check(&[(AUTHORIZATION, "Bearer x")], Err(()));
        check(&[(AUTHORIZATION, "bearer x")], Err(()));
        check(&[(SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io")], Ok("system:anonymous"));
        check(
            &[(SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.dG9rZW4")],
            Err(()),
        );
    }
}
