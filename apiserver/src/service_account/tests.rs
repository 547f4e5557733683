use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::claims::{Kubernetes, Reference};
use super::*;
use crate::authentication::{Records, bearer};
use crate::cluster::DEFAULT_ISSUER;
use crate::fixture::{Fixture, resource};
use crate::storage::Op;

const NOW: i64 = 1_767_323_045;

/// The fixed part of the DER of a P-256 key.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

struct Key(EcdsaKeyPair);

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|error| error.to_string())?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Tokens signed by a new key.
pub(crate) fn tokens() -> Tokens {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let spki = [&SPKI_PREFIX[..], pair.public_key().as_ref()].concat();
    Tokens::new(vec![DEFAULT_ISSUER.to_owned(), "https://former".to_owned()], &[spki], Key(pair)).unwrap()
}

fn claims() -> Claims {
    let reference = |name: &str, uid: &str| Some(Reference { name: name.to_owned(), uid: uid.to_owned() });
    Claims {
        aud: vec![DEFAULT_ISSUER.to_owned()],
        exp: Some(NOW + 600),
        iat: Some(NOW),
        iss: DEFAULT_ISSUER.to_owned(),
        jti: "j1".to_owned(),
        kubernetes: Some(Kubernetes {
            namespace: "team".to_owned(),
            node: reference("n1", "n1-uid"),
            pod: reference("p1", "p1-uid"),
            serviceaccount: reference("bot", "bot-uid"),
            ..Kubernetes::default()
        }),
        nbf: Some(NOW),
        sub: "system:serviceaccount:team:bot".to_owned(),
        ..Claims::default()
    }
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.cluster.service_account_tokens = Some(Arc::new(tokens()));
    fixture.fill(&[
        (
            "",
            "serviceaccounts",
            json!({ "metadata": { "name": "bot", "namespace": "team", "uid": "bot-uid" } }),
        ),
        ("", "pods", json!({ "metadata": { "name": "p1", "namespace": "team", "uid": "p1-uid" } })),
    ]);
    fixture
}

fn issue(fixture: &Fixture, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = claims();
    change(&mut claims);
    fixture.cluster.service_account_tokens.as_ref().unwrap().issue(&claims).unwrap()
}

fn answer(fixture: &Fixture, token: &str, now: i64, audiences: &[&str]) -> String {
    let records = Records { view: &fixture.view(), cluster: &fixture.cluster, now };
    let audiences: Vec<String> = audiences.iter().map(|it| (*it).to_owned()).collect();
    match bearer::review(token, &audiences, &records) {
        Ok((user, _)) => format!("{} {} {:?} {:?}", user.name, user.uid, user.groups, user.extra),
        Err(invalid) => invalid.to_string(),
    }
}

const USER: &str = r#"system:serviceaccount:team:bot bot-uid ["system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"] {"authentication.kubernetes.io/credential-id": ["JTI=j1"], "authentication.kubernetes.io/node-name": ["n1"], "authentication.kubernetes.io/node-uid": ["n1-uid"], "authentication.kubernetes.io/pod-name": ["p1"], "authentication.kubernetes.io/pod-uid": ["p1-uid"]}"#;

#[test]
fn a_token_reads_as_upstreams() {
    let fixture = Fixture::new();
    assert!(fixture.view().revision() < 10);
    let tokens = tokens();
    let token = tokens.issue(&claims()).unwrap();
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut text = || String::from_utf8(parts.next().unwrap()).unwrap();
    assert_eq!(text(), format!(r#"{{"alg":"ES256","kid":"{}"}}"#, tokens.keys()[0].id()));
    assert_eq!(
        text(),
        r#"{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":1767323645,"iat":1767323045,"iss":"https://kubernetes.default.svc.cluster.local","jti":"j1","kubernetes.io":{"namespace":"team","node":{"name":"n1","uid":"n1-uid"},"pod":{"name":"p1","uid":"p1-uid"},"serviceaccount":{"name":"bot","uid":"bot-uid"}},"nbf":1767323045,"sub":"system:serviceaccount:team:bot"}"#
    );
}

#[test]
fn a_token_proves_its_account_for_its_audiences_and_time() {
    let fixture = fixture();
    let token = issue(&fixture, |_| {});
    assert_eq!(answer(&fixture, &token, NOW, &["x", DEFAULT_ISSUER]), USER);
    assert_eq!(answer(&fixture, &token, NOW + 660, &[DEFAULT_ISSUER]), USER);
    assert_eq!(
        answer(&fixture, &token, NOW, &["x"]),
        "[invalid bearer token, token audiences [\"https://kubernetes.default.svc.cluster.local\"] is invalid for the target audiences [\"x\"]]"
    );
    let refused = |now, why: &str| {
        let expected = format!("[invalid bearer token, {why}]");
        assert_eq!(answer(&fixture, &token, now, &[DEFAULT_ISSUER]), expected);
    };
    refused(NOW + 661, "service account token has expired");
    refused(NOW - 61, "service account token is not valid yet");
    let former = issue(&fixture, |claims| claims.iss = "https://former".to_owned());
    assert_eq!(answer(&fixture, &former, NOW, &[DEFAULT_ISSUER]), USER);
    let foreign = issue(&fixture, |claims| claims.iss = "https://foreign".to_owned());
    assert_eq!(answer(&fixture, &foreign, NOW, &[DEFAULT_ISSUER]), "invalid bearer token");
}

#[test]
fn a_changed_token_or_one_of_another_key_proves_nothing() {
    let fixture = fixture();
    let token = issue(&fixture, |_| {});
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let payload = URL_SAFE_NO_PAD.encode(payload.replace("\"bot\"", "\"bob\""));
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let symmetric = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let wrong = "[invalid bearer token, the token is not signed by a key of this cluster]";
    for forged in [
        format!("{header}.{payload}.{signature}"),
        format!("{unsigned}.{payload}."),
        format!("{symmetric}.{payload}.{signature}"),
        tokens().issue(&claims()).unwrap(),
    ] {
        assert_eq!(answer(&fixture, &forged, NOW, &[DEFAULT_ISSUER]), wrong, "{forged}");
    }
    for broken in ["", "a.b.c", "..", "a.b", &token[..token.len() - 2]] {
        assert!(answer(&fixture, broken, NOW, &[DEFAULT_ISSUER]).contains("invalid bearer token"));
    }
}

#[test]
fn a_token_dies_with_what_it_is_bound_to() {
    let fixture = fixture();
    let token = issue(&fixture, |_| {});
    let asked = |now| answer(&fixture, &token, now, &[DEFAULT_ISSUER]);
    assert_eq!(asked(NOW), USER);
    let pod = |uid: &str, deletion: Option<&str>| {
        let metadata =
            json!({ "name": "p1", "namespace": "team", "uid": uid, "deletionTimestamp": deletion });
        fixture.fill(&[("", "pods", json!({ "metadata": metadata }))]);
    };
    pod("p1-uid", Some("2026-01-02T03:04:05Z"));
    assert_eq!(asked(NOW + 60), USER);
    let invalidated = "[invalid bearer token, service account token has been invalidated]";
    assert_eq!(asked(NOW + 61), invalidated);
    pod("other", None);
    assert_eq!(
        asked(NOW),
        "[invalid bearer token, pod UID (other) does not match service account pod ref claim (p1-uid)]"
    );
    pod("p1-uid", None);
    assert_eq!(asked(NOW), USER);
    let remove = |plural: &str, name: &str| {
        let mut companions = crate::admission::Companions::default();
        let key = crate::storage::Key::new(resource("", plural).key("team", name));
        companions.ops.push(Op::Delete { key });
        fixture.commit(companions);
    };
    remove("pods", "p1");
    assert_eq!(asked(NOW), invalidated);
    remove("serviceaccounts", "bot");
    assert_eq!(asked(NOW), "[invalid bearer token, serviceaccounts \"bot\" not found]");
}

#[test]
fn a_token_in_a_secret_counts_while_the_secret_holds_it() {
    let fixture = fixture();
    let legacy = Claims {
        iss: LEGACY_ISSUER.to_owned(),
        legacy_namespace: "team".to_owned(),
        legacy_secret: "bot-token".to_owned(),
        legacy_name: "bot".to_owned(),
        legacy_uid: "bot-uid".to_owned(),
        sub: "system:serviceaccount:team:bot".to_owned(),
        ..Claims::default()
    };
    let token = fixture.cluster.service_account_tokens.as_ref().unwrap().issue(&legacy).unwrap();
    let asked = || answer(&fixture, &token, NOW, &[DEFAULT_ISSUER]);
    assert_eq!(asked(), "[invalid bearer token, Token has been invalidated]");
    let secret = |token: &str, labels: serde_json::Value| {
        fixture.fill(&[(
            "",
            "secrets",
            json!({
                "metadata": { "name": "bot-token", "namespace": "team", "labels": labels },
                "data": { "token": STANDARD.encode(token) },
            }),
        )]);
    };
    secret("another", json!({}));
    assert_eq!(asked(), "[invalid bearer token, Token does not match server's copy]");
    secret(&token, json!({}));
    assert!(asked().starts_with("system:serviceaccount:team:bot bot-uid"), "{}", asked());
    secret(&token, json!({ "kubernetes.io/legacy-token-invalid-since": "2026-01-01" }));
    assert!(asked().contains("has been marked invalid"), "{}", asked());
}

#[test]
fn the_key_set_holds_every_key() {
    let tokens = tokens();
    let key = tokens.keys()[0].published();
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    let find = |path: &str| discovery::find(path, &tokens, "192.0.2.1:6443").is_some();
    assert!(find("/openid/v1/jwks") && find("/.well-known/openid-configuration"));
    assert!(!find("/openid/v1/jwks/x"));
}
