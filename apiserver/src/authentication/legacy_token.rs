//! Tokens in Secrets of type `kubernetes.io/service-account-token`: made once, valid until the Secret goes.
//!
//! Keeps: a token counts only while its Secret holds these very bytes and its account exists; one that the cleaner
//! has marked as unused does not count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Records;
use super::bearer::{Finding, TokenAuthenticator, common, no_common_audience};
use crate::registry::{Registry, Resource};
use crate::service_account::{Claims, LEGACY_ISSUER};
use crate::tree::Map;

/// Set by the cleaner on Secrets whose token was not used for long.
const INVALID_SINCE_LABEL: &str = "kubernetes.io/legacy-token-invalid-since";

/// The tokens of Secrets.
pub(super) struct LegacyToken;

impl TokenAuthenticator for LegacyToken {
    fn authenticate(&self, token: &str, audiences: &[String], records: &Records<'_>) -> Finding {
        let Some(tokens) = &records.cluster.service_account_tokens else { return Finding::Unconcerned };
        let verified = match tokens.verify(token) {
            Some(Ok(verified)) if verified.claims.iss == LEGACY_ISSUER => verified,
            // A wrong signature was spoken of by the authenticator of bound tokens.
            _ => return Finding::Unconcerned,
        };
        let claims = &verified.claims;
        if let Err(why) = check_claims(claims) {
            return Finding::Rejected(why.to_owned());
        }
        let own = if claims.aud.is_empty() { &records.cluster.api_audiences } else { &claims.aud };
        let common = common(audiences, own);
        if common.is_empty() {
            return no_common_audience(audiences, own);
        }
        match check_objects(token, claims, records) {
            Ok(secret) => {
                tokens.uses.note(&secret, records.now);
                Finding::Valid { user: verified.user.clone(), audiences: common }
            }
            Err(why) => Finding::Unknown(why),
        }
    }
}

fn check_claims(claims: &Claims) -> Result<(), &'static str> {
    for (value, missing) in [
        (&claims.sub, "sub claim is missing"),
        (&claims.legacy_namespace, "namespace claim is missing"),
        (&claims.legacy_secret, "secretName claim is missing"),
        (&claims.legacy_name, "serviceAccountName claim is missing"),
        (&claims.legacy_uid, "serviceAccountUID claim is missing"),
    ] {
        if value.is_empty() {
            return Err(missing);
        }
    }
    let Claims { sub, legacy_namespace, legacy_name, .. } = claims;
    if *sub != format!("system:serviceaccount:{legacy_namespace}:{legacy_name}") {
        return Err("sub claim is invalid");
    }
    Ok(())
}

fn check_objects(token: &str, claims: &Claims, records: &Records<'_>) -> Result<Map, String> {
    let namespace = claims.legacy_namespace.as_str();
    let secret = records.view.object(builtin("secrets"), namespace, &claims.legacy_secret);
    let secret = secret
        .filter(|secret| secret.at(&["metadata", "deletionTimestamp"]).is_none())
        .ok_or("Token has been invalidated")?;
    let kept = STANDARD.decode(secret.str_at(&["data", "token"])).unwrap_or_default();
    if kept != token.as_bytes() {
        return Err("Token does not match server's copy".to_owned());
    }
    let account = records.view.object(builtin("serviceaccounts"), namespace, &claims.legacy_name);
    let Some(account) = account else {
        return Err(crate::status::Error::not_found("serviceaccounts", &claims.legacy_name).to_string());
    };
    if account.at(&["metadata", "deletionTimestamp"]).is_some() {
        return Err(format!("ServiceAccount {namespace}/{} has been deleted", claims.legacy_name));
    }
    let uid = account.str_at(&["metadata", "uid"]);
    if uid != claims.legacy_uid {
        return Err(format!("ServiceAccount UID ({uid}) does not match claim ({})", claims.legacy_uid));
    }
    if secret.label(INVALID_SINCE_LABEL).is_some_and(|since| !since.is_empty()) {
        return Err(format!(
            "the token in secret {namespace}/{} for service account {namespace}/{} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '{INVALID_SINCE_LABEL}' label from the secret to temporarily allow use of this token",
            claims.legacy_secret, claims.legacy_name
        ));
    }
    Ok(secret)
}

fn builtin(plural: &str) -> &'static Resource {
    Registry::builtin().storage_of("", plural).expect("the core kinds are built in")
}
