//! People who log in elsewhere: tokens of an OpenID Connect provider, whose part a server of the test plays.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_e2e::{https::HttpsServer, load::clock, server::Server};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

/// A provider of tokens.
struct Provider {
    server: HttpsServer,
    keys: Arc<Mutex<Vec<KeyPair>>>,
}

impl Provider {
    fn start() -> Provider {
        let keys = Arc::new(Mutex::new(vec![KeyPair::generate().unwrap()]));
        let published = keys.clone();
        let server = HttpsServer::start(IpAddr::V4(Ipv4Addr::LOCALHOST), &[], None, move |request| {
            let host = request.headers["host"].to_str().unwrap();
            let issuer = format!("https://{host}/realm");
            let answer = match request.path.as_str() {
                "/realm/.well-known/openid-configuration" => {
                    json!({ "issuer": issuer, "jwks_uri": format!("https://{host}/keys") })
                }
                "/keys" => {
                    let keys = published.lock().unwrap();
                    json!({ "keys": keys.iter().enumerate().map(publish).collect::<Vec<_>>() })
                }
                _ => return (404, "{}".to_owned()),
            };
            (200, answer.to_string())
        });
        Provider { server, keys }
    }

    fn url(&self) -> String {
        format!("https://{}/realm", self.server.address())
    }

    /// From now on it signs with another key as well; answers its number.
    fn add_key(&self) -> usize {
        let mut keys = self.keys.lock().unwrap();
        keys.push(KeyPair::generate().unwrap());
        keys.len() - 1
    }

    /// A token that is good for a minute.
    fn token(&self, key: usize, further: &Value) -> String {
        let end = clock::unix_seconds() + 60;
        let mut claims = json!({ "iss": self.url(), "aud": "cluster", "sub": "jane", "exp": end });
        for (name, value) in further.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = json!({ "alg": "ES256", "kid": key.to_string() });
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.keys.lock().unwrap()[key].sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(fixed(&signature)))
    }
}

fn publish((id, key): (usize, &KeyPair)) -> Value {
    let (x, y) = key.der_bytes()[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "kid": id.to_string(), "x": encode(x), "y": encode(y) })
}

/// A signature in DER as tokens have it: both numbers with 32 bytes each.
fn fixed(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let digits = &number[number.len().saturating_sub(32)..];
        numbers.extend(std::iter::repeat_n(0, 32 - digits.len()));
        numbers.extend(digits);
        rest = after;
    }
    numbers
}

/// What the holder of a token is told of himself; the refusal otherwise.
fn whoami(server: &Server, token: &str) -> Result<Value, String> {
    let nobody = server.home().join("nobody.kubeconfig");
    fs::write(&nobody, "apiVersion: v1\nkind: Config\n").unwrap();
    let at = format!("https://{}", server.address());
    let authority = server.data_dir().join("pki/ca.crt");
    let kubectl = server.kubectl().with_kubeconfig(&nobody);
    let authority = format!("--certificate-authority={}", authority.display());
    let answer =
        kubectl.run(&["--server", &at, &authority, "--token", token, "auth", "whoami", "-o", "json"]);
    match answer.status.success() {
        true => Ok(serde_json::from_str::<Value>(&answer.stdout).unwrap()["status"]["userInfo"].clone()),
        false => Err(answer.stderr),
    }
}

fn prepare(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn who_logged_in_elsewhere_may_do_what_is_granted_to_his_groups() {
    let provider = Provider::start();
    let mut server = Server::prepare(&[]);
    let authority = prepare(&server.home().join("provider.crt"), provider.server.certificate());
    let url = provider.url();
    server.set_options(&[
        "--oidc-issuer-url",
        &url,
        "--oidc-client-id=cluster",
        "--oidc-ca-file",
        &authority,
        "--oidc-signing-algs=RS256,ES256",
        "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=idp:",
        "--anonymous-auth=false",
    ]);
    server.start_again();
    let token = provider.token(0, &json!({ "groups": ["dev"] }));
    let user = whoami(&server, &token).unwrap();
    assert_eq!(user["username"], format!("{url}#jane"));
    assert_eq!(user["groups"], json!(["idp:dev", "system:authenticated"]));

    let get = |token: &str, path: &str| {
        let (header, url) = (format!("Authorization: Bearer {token}"), server.url(path));
        let quiet = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        server.anonymous_curl().ok(&[&quiet[..], &["--header", &header, &url]].concat())
    };
    let pods = "/api/v1/namespaces/default/pods";
    assert_eq!(get(&token, pods), "403");
    server.kubectl().ok(&["create", "rolebinding", "dev", "--clusterrole=view", "--group=idp:dev"]);
    assert_eq!(get(&token, pods), "200");
    assert_eq!(get(&provider.token(0, &json!({ "exp": 5, "groups": ["dev"] })), pods), "401");
    assert_eq!(get(&provider.token(0, &json!({ "aud": "another" })), pods), "401");
    // Who says nothing is told to.
    assert_eq!(get("", "/version"), "401");

    // A key that the provider did not have when the server started.
    let newer = provider.add_key();
    assert!(whoami(&server, &provider.token(newer, &json!({}))).is_ok());
    assert!(whoami(&server, &token).is_ok());
}

#[test]
fn a_configuration_makes_users_with_expressions() {
    let provider = Provider::start();
    let mut server = Server::prepare(&[]);
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": provider.url(), "audiences": ["cluster"], "certificateAuthority": provider.server.certificate(),
            },
            "claimMappings": {
                "username": { "expression": "claims.sub + '@' + claims.realm" },
                "groups": { "expression": "claims.roles.split(',')" },
            },
            "userValidationRules": [{ "expression": "!user.username.startsWith('system:')", "message": "reserved" }],
        }],
        "anonymous": { "enabled": true, "conditions": [{ "path": "/livez" }] },
    });
    let path = prepare(&server.home().join("authentication.json"), &configuration.to_string());
    server.set_options(&["--authentication-config", &path]);
    server.start_again();
    let token = |sub: &str| provider.token(0, &json!({ "sub": sub, "realm": "x", "roles": "a,b" }));
    let user = whoami(&server, &token("jane")).unwrap();
    assert_eq!(user["username"], "jane@x");
    assert_eq!(user["groups"], json!(["a", "b", "system:authenticated"]));
    let refused = whoami(&server, &token("system:admin")).unwrap_err();
    assert!(refused.contains("You must be logged in"), "{refused}");
    let code = |path: &str| {
        let quiet = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        server.anonymous_curl().ok(&[&quiet[..], &[&server.url(path)]].concat())
    };
    assert_eq!([code("/livez"), code("/version")], ["200", "401"]);

    let mut server = Server::prepare(&[]);
    let broken = configuration.to_string().replace("claims.sub +", "claims.sub ++");
    let path = prepare(&server.home().join("authentication.json"), &broken);
    server.set_options(&["--authentication-config", &path]);
    let said = server.fails_to_start();
    assert!(said.contains("jwt[0].claimMappings.username: is no expression"), "{said}");
}
