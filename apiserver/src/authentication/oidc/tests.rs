use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::authentication::bearer::review;
use crate::cluster::Cluster;
use crate::fixture::Fixture;

const NOW: i64 = 1_700_000_000;

/// A provider's key.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Signer {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Signer(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn published(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": encode(x), "y": encode(y)})
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(json!({"alg": "ES256", "kid": id})), encode(claims.clone()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

const CONFIGURATION: &str = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://a.example, audiences: [one, two], audienceMatchPolicy: MatchAny}
  claimValidationRules:
  - {claim: hd, requiredValue: example.com}
  - {expression: claims.level >= 2, message: level too low}
  claimMappings:
    username: {expression: \"'u:' + claims.sub\"}
    groups: {claim: roles, prefix: 'r:'}
    uid: {claim: oid}
    extra: [{key: example.com/team, valueExpression: claims.?team.orValue(null)}]
  userValidationRules:
  - {expression: \"!user.username.startsWith('u:system:')\", message: reserved}
- issuer: {url: https://b.example, audiences: [b]}
  claimMappings: {username: {claim: email, prefix: ''}}
anonymous: {enabled: true, conditions: [{path: /livez}]}
";

fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://a.example", "aud": "two", "sub": "jane", "exp": NOW + 60, "hd": "example.com", "level": 2,
        "roles": ["dev"], "oid": "7", "jti": "j",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// What is made of tokens by a server that knows one key of each provider.
fn judged(tokens: &dyn Fn(&Signer) -> Vec<String>) -> Vec<Result<Value, String>> {
    let signer = Signer::new();
    let configuration = Configuration::read(CONFIGURATION.as_bytes(), &[]).unwrap();
    for issuer in &configuration.issuers {
        let keys = Keys::read(
            json!({"keys": [signer.published("k"), {"kty": "OKP"}, {"kty": "RSA", "use": null, "n": 5}]})
                .to_string()
                .as_bytes(),
        );
        issuer.keys.store(Some(Arc::new(keys.unwrap())));
    }
    let cluster = Cluster { issuers: Arc::new(Issuers::new(configuration.issuers)), ..Cluster::default() };
    let fixture = Fixture::new();
    let records = Records { view: &fixture.view(), cluster: &cluster, now: NOW };
    let judge = |token: String| match review(&token, &cluster.api_audiences, &records) {
        Ok((user, _)) => {
            let User { name, uid, groups, extra } = &*user;
            Ok(json!({"name": name, "uid": uid, "groups": groups, "extra": extra}))
        }
        Err(invalid) => Err(invalid.to_string()),
    };
    tokens(&signer).into_iter().map(judge).collect()
}

#[test]
fn claims_make_a_user() {
    let judged = judged(&|signer| {
        vec![
            signer.token("k", &claims(json!({"team": ["blue", "", "red"]}))),
            signer.token(
                "",
                &claims(json!({"iss": "https://b.example", "aud": ["x", "b"], "email": "j@x.org"})),
            ),
        ]
    });
    let expected = json!({
        "name": "u:jane", "uid": "7", "groups": ["r:dev", "system:authenticated"],
        "extra": {
            "authentication.kubernetes.io/credential-id": ["JTI=j"], "example.com/team": ["blue", "red"],
        },
    });
    assert_eq!(judged[0], Ok(expected));
    assert_eq!(judged[1].as_ref().unwrap()["name"], "j@x.org");
}

#[test]
fn a_token_that_is_not_good_is_nobodys() {
    let cases = [
        (json!({"aud": "three"}), r#"expected audience in ["one", "two"] got ["three"]"#),
        (json!({"exp": NOW}), "token is expired"),
        (json!({"exp": null}), "token is expired"),
        (json!({"nbf": NOW + 61}), "token is not valid yet"),
        (json!({"hd": "other"}), "required claim hd value does not match. Got = other, want = example.com"),
        (json!({"hd": 5}), "parse claim hd: it is no text"),
        (json!({"level": 1}), "level too low"),
        (json!({"level": "x"}), "error evaluating expression"),
        (json!({"sub": "system:admin"}), "reserved"),
        (json!({"sub": 5}), "error evaluating username"),
        (json!({"roles": [5]}), "neither a text nor a list of texts"),
        (json!({"oid": null}), "it is no text"),
        (
            json!({"iss": "https://b.example", "aud": "b"}),
            "parse username claim \"email\": claim not present",
        ),
        (
            json!({"iss": "https://b.example", "aud": "b", "email": "j@x.org", "email_verified": false}),
            "email not verified",
        ),
    ];
    let tokens = |signer: &Signer| {
        cases.iter().map(|(changes, _)| signer.token("k", &claims(changes.clone()))).collect()
    };
    for ((changes, expected), judged) in cases.iter().zip(judged(&tokens)) {
        let why = judged.expect_err(&changes.to_string());
        assert!(why.contains("[invalid bearer token, oidc: ") && why.contains(expected), "{changes}: {why}");
    }
}

#[test]
fn what_no_key_has_signed_and_what_is_of_others_is_not_believed() {
    let judged = judged(&|signer| {
        let stranger = Signer::new().token("k", &claims(json!({})));
        let renamed = signer.token("other", &claims(json!({})));
        let unsigned = {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
            format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims(json!({})).to_string()))
        };
        let foreign = signer.token("k", &claims(json!({"iss": "https://c.example"})));
        vec![stranger, renamed, unsigned, foreign]
    });
    let why: Vec<String> = judged.into_iter().map(Result::unwrap_err).collect();
    let unsigned = "[invalid bearer token, oidc: verify token: failed to verify signature]";
    assert_eq!(why[..2], [unsigned, unsigned]);
    assert!(why[2].contains("unsupported algorithm \"none\""), "{}", why[2]);
    assert_eq!(why[3], "invalid bearer token");
}

#[test]
fn anonymous_requests_are_let_in_where_the_configuration_says() {
    let read = |text: &str| {
        let head = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n";
        Configuration::read(format!("{head}{text}").as_bytes(), &[]).map(|read| read.anonymous)
    };
    assert_eq!(read("jwt: []"), Ok(None));
    assert_eq!(read("anonymous: {enabled: false}"), Ok(Some(Anonymous::Nowhere)));
    let at = read("anonymous: {enabled: true, conditions: [{path: /livez}]}").unwrap().unwrap();
    assert!(at.covers("/livez") && !at.covers("/livez/x"));
    assert!(read("anonymous: {enabled: false, conditions: [{path: /a}]}").is_err());
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_place() {
    let read = |jwt: &str| {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n";
        let own = ["https://own.example".to_owned()];
        match Configuration::read(format!("{head}{jwt}").as_bytes(), &own) {
            Ok(_) => panic!("{jwt} was accepted"),
            Err(error) => error.to_string(),
        }
    };
    let issuer = "issuer: {url: https://a.example, audiences: [a]}";
    let name = "claimMappings: {username: {claim: sub, prefix: ''}}";
    for (jwt, expected) in [
        (
            format!("- {{issuer: {{url: http://a, audiences: [a]}}, {name}}}"),
            "jwt[0].issuer.url: \"http://a\" must be https",
        ),
        (
            format!("- {{issuer: {{url: 'https://a?b', audiences: [a]}}, {name}}}"),
            "neither query nor fragment",
        ),
        (
            format!("- {{issuer: {{url: https://own.example, audiences: [a]}}, {name}}}"),
            "service account tokens",
        ),
        (format!("- {{issuer: {{url: https://a}}, {name}}}"), "jwt[0].issuer.audiences"),
        (format!("- {{issuer: {{url: https://a, audiences: [a, b]}}, {name}}}"), "must be MatchAny"),
        (format!("- {{{issuer}, {name}}}\n- {{{issuer}, {name}}}"), "jwt[1].issuer.url: stands here twice"),
        (format!("- {{{issuer}}}"), "jwt[0].claimMappings.username: claim or expression is required"),
        (format!("- {{{issuer}, claimMappings: {{username: {{claim: sub}}}}}}"), "prefix is required"),
        (format!("- {{{issuer}, claimMappings: {{username: {{expression: 'a b'}}}}}}"), "is no expression"),
        (
            format!("- {{{issuer}, claimMappings: {{username: {{expression: claims.email}}}}}}"),
            "must use claims.email_verified",
        ),
        (
            format!(
                "- {{{issuer}, claimMappings: {{username: {{claim: a, prefix: ''}}, extra: [{{key: k8s.io/a, valueExpression: claims.a}}]}}}}"
            ),
            "reserved",
        ),
        (
            format!("- {{{issuer}, {name}, claimValidationRules: [{{message: x}}]}}"),
            "claimValidationRules[0]",
        ),
        (format!("- {{{issuer}, {name}, egress: x}}"), "unknown field `egress`"),
    ] {
        let why = read(&jwt);
        assert!(why.contains(expected), "{jwt}: {why}");
    }
}
