//! TokenReview and TokenRequest. No issuer of tokens exists yet, so no token is known and none is given out.

use crate::registry::Registry;
use crate::status::Error;
use crate::tree::Map;

use super::Asking;
use crate::registry::Resource;

pub(super) fn answer(_: &Resource, mut body: Map, _: &Asking<'_>) -> Result<Map, Error> {
    if body.str_at(&["spec", "token"]).is_empty() {
        return Err(Error::BadRequest("token is required for TokenReview in authentication".to_owned()));
    }
    // `authenticated: false` is what an absent field means.
    let status =
        Map::from([("user", crate::tree::Node::Map(Map::new())), ("error", "invalid bearer token".into())]);
    body.set("status", status);
    Ok(body)
}

/// Answers a TokenRequest for a service account: 404 when there is no such account, else 501 until tokens are
/// issued.
pub fn request(namespace: &str, name: &str, asking: &Asking<'_>) -> Error {
    let accounts = Registry::builtin().storage_of("", "serviceaccounts");
    match accounts {
        Some(accounts) if asking.view.entry(accounts, namespace, name).is_none() => {
            Error::not_found("serviceaccounts", name)
        }
        _ => Error::NotImplemented(
            "this server does not issue service account tokens yet: authenticate with a client certificate \
             (pintle kubeconfig --user NAME)"
                .to_owned(),
        ),
    }
}
