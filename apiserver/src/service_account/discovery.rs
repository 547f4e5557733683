//! What other servers need to verify tokens: the OIDC discovery document and the key set.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use serde_json::json;

use super::Tokens;
use crate::document::{Answer, Document};

/// Where the discovery document is.
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Where the key set is.
pub const KEYS_PATH: &str = "/openid/v1/jwks";

/// The document at a path, when it is one of the two. `address` is where clients reach this server.
pub fn find(path: &str, tokens: &Tokens, address: &str) -> Option<Answer> {
    match path {
        CONFIGURATION_PATH => Some(configuration(tokens, address)?),
        KEYS_PATH => Some(document("application/jwk-set+json", &json!({ "keys": published(tokens) }))),
        _ => None,
    }
}

/// The discovery document exists for issuers that others can ask.
fn configuration(tokens: &Tokens, address: &str) -> Option<Answer> {
    if !tokens.issuer().starts_with("https://") {
        return None;
    }
    let mut algorithms: Vec<&str> = tokens.keys().iter().map(super::PublicKey::algorithm).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    Some(document(
        "application/json",
        &json!({
            "issuer": tokens.issuer(),
            "jwks_uri": format!("https://{address}{KEYS_PATH}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        }),
    ))
}

fn published(tokens: &Tokens) -> Vec<serde_json::Value> {
    tokens.keys().iter().map(|key| key.published().clone()).collect()
}

fn document(content_type: &'static str, body: &serde_json::Value) -> Answer {
    Answer::Found(Document {
        content_type,
        body: Bytes::from(body.to_string()),
        gzipped: false,
        headers: vec![(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))],
    })
}
