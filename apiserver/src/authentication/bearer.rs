//! Bearer tokens: from a header, or from a WebSocket's subprotocol, to a user.
//!
//! Keeps: the kinds of tokens are asked in one order; a token is valid for some of the audiences that it is asked
//! for, or not at all; requests and TokenReviews are answered by the same code.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use super::{
    Authenticator, Credentials, Records, Verdict, bootstrap_token, legacy_token, oidc, service_account,
};
use crate::request::header_items;
use crate::user::User;

/// What one kind of tokens makes of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is no such token.
    Unconcerned,
    /// It belongs to this user and may be used for these of the audiences asked for.
    Valid {
        /// Whom it proves.
        user: Arc<User>,
        /// For whom.
        audiences: Vec<String>,
    },
    /// It is not valid, whatever is stored.
    Rejected(String),
    /// Nothing that is stored makes it valid.
    Unknown(String),
}

/// A kind of tokens.
pub(super) trait TokenAuthenticator: Send + Sync {
    /// Looks at a token that is asked for `audiences`.
    fn authenticate(&self, token: &str, audiences: &[String], records: &Records<'_>) -> Finding;
}

/// The kinds of tokens in the order in which they are asked.
static KINDS: &[&dyn TokenAuthenticator] = &[
    &service_account::BoundToken,
    &legacy_token::LegacyToken,
    &bootstrap_token::BootstrapToken,
    &oidc::ProviderToken,
];

/// Why a token is not valid, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    reasons: Vec<String>,
    /// Another state could make it valid.
    pub rests_on_state: bool,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reasons.is_empty() {
            return f.write_str("invalid bearer token");
        }
        write!(f, "[invalid bearer token, {}]", self.reasons.join(", "))
    }
}

/// Whose a token is, and for which of the audiences asked for.
pub fn review(
    token: &str,
    audiences: &[String],
    records: &Records<'_>,
) -> Result<(Arc<User>, Vec<String>), Invalid> {
    let mut invalid = Invalid { reasons: Vec::new(), rests_on_state: false };
    for kind in KINDS {
        match kind.authenticate(token, audiences, records) {
            Finding::Unconcerned => {}
            Finding::Valid { user, audiences } => return Ok((user, audiences)),
            Finding::Rejected(why) => invalid.reasons.push(why),
            Finding::Unknown(why) => {
                invalid.rests_on_state = true;
                if !why.is_empty() {
                    invalid.reasons.push(why);
                }
            }
        }
    }
    Err(invalid)
}

/// Those of the audiences asked for that a token for `own` covers.
pub(super) fn common(asked: &[String], own: &[String]) -> Vec<String> {
    own.iter().filter(|audience| asked.contains(audience)).cloned().collect()
}

/// Why a token for `own` is refused to whoever asks for `asked`.
pub(super) fn no_common_audience(asked: &[String], own: &[String]) -> Finding {
    let list = |audiences: &[String]| {
        audiences.iter().map(|audience| format!("{audience:?}")).collect::<Vec<_>>().join(" ")
    };
    let (own, asked) = (list(own), list(asked));
    Finding::Rejected(format!("token audiences [{own}] is invalid for the target audiences [{asked}]"))
}

/// Requests with a token, which must be meant for this API.
pub(super) struct Bearer;

impl Authenticator for Bearer {
    fn authenticate(&self, credentials: &Credentials<'_>, records: &Records<'_>) -> Verdict {
        let Some(token) = bearer_token(credentials.headers) else { return Verdict::Unconcerned };
        match review(&token, &records.cluster.api_audiences, records) {
            Ok((user, _)) => Verdict::User(user),
            Err(invalid) => {
                tracing::debug!(%invalid, "a token is not believed");
                if invalid.rests_on_state { Verdict::Unknown } else { Verdict::Rejected }
            }
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
        let encoded = header_items(headers, SEC_WEBSOCKET_PROTOCOL)
            .find_map(|protocol| protocol.strip_prefix(WEBSOCKET_TOKEN_PROTOCOL))?;
        let decoded = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
        Some(String::from_utf8_lossy(&decoded).into_owned())
    })
}
