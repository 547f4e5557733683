//! bootstrap-signer: signs `kube-public/cluster-info` with every bootstrap token that is meant for it, so that a machine
//! that holds nothing but a token can tell the cluster from another that claims to be it.
//!
//! Keeps: a signature is there exactly while its token is there and may sign; no secret of a token is held between runs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::{ApiError, ListOptions, Target, WriteOptions};
use crate::controller::Next;
use crate::digest::Digest as _;
use crate::digests::Secret;
use crate::root_ca_cert_publisher::Published as ConfigMap;
use crate::{Context, Controller, Key, Shape};

const NAMESPACE: &str = "kube-public";
const NAME: &str = "cluster-info";
/// What is signed.
const CONTENT: &str = "kubeconfig";
const SIGNATURE_PREFIX: &str = "jws-kubeconfig-";
const TOKENS_NAMESPACE: &str = "kube-system";
const TOKEN_PREFIX: &str = "bootstrap-token-";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "bootstrap-signer",
    watches: |watches| {
        watches.watch::<ConfigMap>(|change, _, put| {
            if change.new.is_some_and(|map| map.meta.namespace == NAMESPACE && map.meta.name == NAME) {
                put(Key::new(NAMESPACE, NAME));
            }
        });
        watches.watch::<Secret>(|change, _, put| {
            let may_sign = |secret: &crate::Held<Secret>| {
                secret.meta.namespace == TOKENS_NAMESPACE && secret.kind == Secret::BOOTSTRAP_TOKEN
            };
            if change.versions().any(may_sign) {
                put(Key::new(NAMESPACE, NAME));
            }
        });
    },
    shape: Shape::Reconcile(|context, key| reconcile(context, key)),
    workers: 1,
    ..Controller::DEFAULT
};

/// A Secret with a bootstrap token, as it is read for one run.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: Metadata,
    #[serde(rename = "type")]
    kind: String,
    data: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    deletion_timestamp: Option<String>,
}

/// A token that may sign.
struct Token {
    id: String,
    secret: String,
}

fn reconcile<'a>(context: &'a Context, _: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    async move {
        let target = Target::new(ConfigMap::RESOURCE, NAMESPACE, NAME);
        let object = match context.api.fetch(target).await {
            Ok(object) => object,
            Err(error) if error.is_not_found() => return Ok(Next::Change),
            Err(error) => return Err(error),
        };
        let mut object: Value = object.decode()?;
        let now = context.clock.now();
        let tokens = tokens(context, now).await?;
        if sign(&mut object["data"], &tokens) {
            let body = Bytes::from(object.to_string());
            context.api.update(target, body, &WriteOptions::default()).await?;
        }
        Ok(Next::Change)
    }
    .boxed()
}

async fn tokens(context: &Context, now: Timestamp) -> Result<Vec<Token>, ApiError> {
    let field_selector = format!("type={}", Secret::BOOTSTRAP_TOKEN);
    let options = ListOptions { field_selector, ..ListOptions::default() };
    let page = context.api.list(Secret::RESOURCE, TOKENS_NAMESPACE, &options).await?;
    // One that cannot be read signs nothing, and the others all the same.
    let stored = page.items.iter().filter_map(|item| item.decode::<Stored>().ok());
    Ok(stored.filter_map(|stored| token(&stored, now)).collect())
}

fn token(stored: &Stored, now: Timestamp) -> Option<Token> {
    let data = |key: &str| {
        let encoded = stored.data.get(key).map_or("", String::as_str);
        STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let plain = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let (id, secret, expiration) = (data("token-id")?, data("token-secret")?, data("expiration")?);
    let is_over = !expiration.is_empty() && expiration.parse().is_ok_and(|end: Timestamp| end <= now);
    let may_sign = stored.kind == Secret::BOOTSTRAP_TOKEN
        && stored.metadata.deletion_timestamp.is_none()
        && stored.metadata.name.strip_prefix(TOKEN_PREFIX) == Some(&id)
        && data("usage-bootstrap-signing")? == "true";
    (may_sign && !is_over && plain(&id, ID_LENGTH) && plain(&secret, SECRET_LENGTH))
        .then_some(Token { id, secret })
}

/// Puts exactly the signatures of these tokens into the data; answers whether anything changed.
fn sign(data: &mut Value, tokens: &[Token]) -> bool {
    let Some(data) = data.as_object_mut() else { return false };
    let Some(content) = data.get(CONTENT).and_then(Value::as_str) else { return false };
    let mut wanted: Map<String, Value> = data
        .iter()
        .filter(|(key, _)| !key.starts_with(SIGNATURE_PREFIX))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for token in tokens {
        wanted.insert(format!("{SIGNATURE_PREFIX}{}", token.id), signature(content, token).into());
    }
    let changed = wanted != *data;
    *data = wanted;
    changed
}

/// A JSON Web Signature (RFC 7515) without its payload. Readers make it anew and compare, so the header's bytes count.
fn signature(content: &str, token: &Token) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, token.id));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret.as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Fault, Harness};

    #[test]
    fn a_signature_is_what_clients_make_themselves() {
        // The value that kubeadm's own library computes for this content and token.
        let token = Token { id: "joshua".into(), secret: "my voice is my passcode".into() };
        assert_eq!(
            signature("Hello from the other side. I must have called a thousand times.", &token),
            "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"
        );
    }

    fn secret(id: &str, changes: &[(&str, &str)]) -> Value {
        let mut data = BTreeMap::from([
            ("token-id", id),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-signing", "true"),
            ("expiration", ""),
        ]);
        data.extend(changes.iter().copied());
        let data: Map<String, Value> =
            data.into_iter().map(|(key, value)| (key.to_owned(), STANDARD.encode(value).into())).collect();
        let name = format!("{TOKEN_PREFIX}{id}");
        json!({
            "metadata": { "namespace": TOKENS_NAMESPACE, "name": name },
            "type": Secret::BOOTSTRAP_TOKEN,
            "data": data,
        })
    }

    fn signers(harness: &Harness) -> Vec<String> {
        let map = harness.api.object(ConfigMap::RESOURCE, NAMESPACE, NAME).unwrap();
        let keys = map["data"].as_object().unwrap().keys();
        keys.filter_map(|key| key.strip_prefix(SIGNATURE_PREFIX)).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn tokens_that_may_sign_do_as_long_as_they_are_there() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        for (id, changes) in [
            ("aaaaaa", &[][..]),
            ("bbbbbb", &[("usage-bootstrap-signing", "false")]),
            ("cccccc", &[("expiration", "2001-01-01T00:00:00Z")]),
            ("dddddd", &[("token-secret", "short")]),
            ("eeeeee", &[("token-id", "ffffff")]),
        ] {
            harness.api.put(Secret::RESOURCE, secret(id, changes));
        }
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new(), "there is nothing to sign");
        let content = json!({ "kubeconfig": "x", "jws-kubeconfig-zzzzzz": "y" });
        let map =
            |data: &Value| json!({ "metadata": { "namespace": NAMESPACE, "name": NAME }, "data": data });
        harness.api.put(ConfigMap::RESOURCE, map(&content));
        harness.settle().await;
        assert_eq!(signers(&harness), ["aaaaaa"]);
        harness.api.put(Secret::RESOURCE, secret("gggggg", &[]));
        harness.settle().await;
        assert_eq!(signers(&harness), ["aaaaaa", "gggggg"]);
        harness.api.take_writes();
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new(), "everything is signed already");
        harness.api.remove(Secret::RESOURCE, TOKENS_NAMESPACE, "bootstrap-token-aaaaaa");
        harness.settle().await;
        assert_eq!(signers(&harness), ["gggggg"]);
        harness.api.put(ConfigMap::RESOURCE, map(&json!({ "kubeconfig": "other" })));
        harness.settle().await;
        assert_eq!(signers(&harness), ["gggggg"]);
    }

    #[tokio::test]
    async fn a_conflict_and_a_restart_end_the_same_and_a_token_made_anew_signs_anew() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::conflict("update configmaps"));
        let map =
            json!({ "metadata": { "namespace": NAMESPACE, "name": NAME }, "data": { "kubeconfig": "x" } });
        harness.api.put(ConfigMap::RESOURCE, map);
        harness.api.put(Secret::RESOURCE, secret("aaaaaa", &[]));
        harness.start();
        harness.settle().await;
        harness.start();
        harness.pass(std::time::Duration::from_secs(1)).await;
        assert_eq!(signers(&harness), ["aaaaaa"]);
        let signed = |harness: &Harness| {
            harness.api.object(ConfigMap::RESOURCE, NAMESPACE, NAME).unwrap()["data"]["jws-kubeconfig-aaaaaa"]
                .clone()
        };
        let before = signed(&harness);
        harness.api.remove(Secret::RESOURCE, TOKENS_NAMESPACE, "bootstrap-token-aaaaaa");
        harness.api.put(Secret::RESOURCE, secret("aaaaaa", &[("token-secret", "fedcba9876543210")]));
        harness.settle().await;
        assert_ne!(signed(&harness), before);
    }
}
