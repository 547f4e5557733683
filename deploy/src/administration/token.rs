//! What is wrong with a token that was refused, for the operator who typed it.
//!
//! Keeps: only whoever has a token's secret learns more than whether its id is known; the secret is compared in constant
//! time. An id is no secret: kubeadm publishes those of all its tokens.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use pintle_apiserver::{Server, request::Request, status::Error};
use pintle_certs::Token;
use serde_json::Value;

use crate::wire::{JOIN_GROUP, TOKEN_HEADER, TokenReport, TokenState};

const NAMESPACE: &str = "kube-system";

/// The report on the token in the request's header.
pub(super) fn report(server: &Server, request: &Request) -> Result<TokenReport, Error> {
    let shown = request.headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()).unwrap_or("");
    let token: Token = shown
        .parse()
        .map_err(|error: pintle_certs::Error| Error::BadRequest(format!("{TOKEN_HEADER}: {error}")))?;
    let view = server.view();
    let found = pintle_apiserver::registry::Registry::builtin().find("", "v1", "secrets");
    let name = format!("bootstrap-token-{}", token.id());
    // Stored objects begin after their opening brace.
    let secret = found
        .and_then(|resource| view.entry(resource, NAMESPACE, &name))
        .and_then(|stored| serde_json::from_slice(&[b"{", stored.bytes().as_ref()].concat()).ok());
    let report = judged(&token, secret.as_ref(), server.clock.unix_seconds());
    if report.state != TokenState::Good {
        tracing::info!(id = token.id(), state = ?report.state, "a node cannot join with its token");
    }
    Ok(report)
}

fn judged(token: &Token, secret: Option<&Value>, now: i64) -> TokenReport {
    let is = |state| TokenReport { state, expiration: None };
    let Some(secret) = secret else { return is(TokenState::Unknown) };
    let field = |name: &str| {
        let text = secret["data"][name].as_str().unwrap_or("");
        STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    if !token.has_secret(field("token-secret").as_bytes()) {
        return is(TokenState::OtherSecret);
    }
    let expiration = field("expiration");
    if expiration.parse::<Timestamp>().is_ok_and(|at| at.as_second() <= now) {
        return TokenReport { state: TokenState::Expired, expiration: Some(expiration) };
    }
    let joins = field("usage-bootstrap-authentication") == "true"
        && field("auth-extra-groups").split(',').any(|group| group == JOIN_GROUP);
    is(if joins { TokenState::Good } else { TokenState::OtherUse })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_767_225_600;

    fn check(changes: &[(&str, &str)], expected: TokenState) {
        let mut data = json!({
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": JOIN_GROUP,
            "expiration": "2026-01-01T00:00:01Z",
        });
        for (field, value) in changes {
            data[*field] = json!(value);
        }
        for value in data.as_object_mut().unwrap().values_mut() {
            *value = json!(STANDARD.encode(value.as_str().unwrap()));
        }
        let token: Token = "abcdef.0123456789abcdef".parse().unwrap();
        let report = judged(&token, Some(&json!({ "data": data })), NOW);
        assert_eq!(report.state, expected, "{changes:?}");
        assert_eq!(report.expiration.is_some(), expected == TokenState::Expired);
    }

    #[test]
    fn whoever_has_the_secret_is_told_why_and_nobody_else() {
        check(&[], TokenState::Good);
        check(&[("expiration", "2026-01-01T00:00:00Z")], TokenState::Expired);
        check(&[("usage-bootstrap-authentication", "false")], TokenState::OtherUse);
        check(&[("auth-extra-groups", "system:bootstrappers:kubeadm")], TokenState::OtherUse);
        let other = ("token-secret", "0123456789abcdeg");
        check(&[other], TokenState::OtherSecret);
        check(&[other, ("expiration", "2026-01-01T00:00:00Z")], TokenState::OtherSecret);
        let token: Token = "abcdef.0123456789abcdef".parse().unwrap();
        assert_eq!(judged(&token, None, NOW).state, TokenState::Unknown);
    }
}
