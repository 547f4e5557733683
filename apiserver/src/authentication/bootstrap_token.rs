//! Bootstrap tokens: `id.secret`, with which nodes and kubeadm join before they have certificates.
//!
//! Keeps: a token is what its Secret `bootstrap-token-<id>` in `kube-system` says at this moment, and nothing if a
//! part of that is missing, expired or misspelt; the secret is compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bearer::{Finding, TokenAuthenticator, common};
use super::{Records, authenticated};
use crate::registry::Registry;
use crate::time;
use crate::tree::Map;
use crate::user::User;

const NAMESPACE: &str = "kube-system";
const NAME_PREFIX: &str = "bootstrap-token-";
const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const GROUP: &str = "system:bootstrappers";
const GROUP_PREFIX: &str = "system:bootstrappers:";
const USER_PREFIX: &str = "system:bootstrap:";
/// Characters of an extra group's name between the prefix and its last one.
const GROUP_NAME_LENGTH_MAX: usize = 256;

/// The tokens of Secrets of type `bootstrap.kubernetes.io/token`.
pub(super) struct BootstrapToken;

impl TokenAuthenticator for BootstrapToken {
    fn authenticate(&self, token: &str, audiences: &[String], records: &Records<'_>) -> Finding {
        let Some((id, secret)) = parse(token) else { return Finding::Unconcerned };
        let unknown = || Finding::Unknown(String::new());
        let secrets = Registry::builtin().storage_of("", "secrets").expect("secrets are built in");
        let Some(stored) = records.view.object(secrets, NAMESPACE, &format!("{NAME_PREFIX}{id}")) else {
            return unknown();
        };
        let Some(user) = user(id, secret, &stored, records.now) else { return unknown() };
        // Such a token says nothing of audiences: it is for whoever calls this API.
        let audiences = common(audiences, &records.cluster.api_audiences);
        if audiences.is_empty() {
            return Finding::Unconcerned;
        }
        Finding::Valid { user: authenticated(user), audiences }
    }
}

/// Id and secret of a well-formed token.
fn parse(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)).then_some((id, secret))
}

/// The user of a token, when its Secret bears it out.
fn user(id: &str, secret: &str, stored: &Map, now: i64) -> Option<User> {
    let data = |key: &str| -> Vec<u8> {
        let text = stored.map("data").map_or("", |data| data.str(key));
        STANDARD.decode(text).unwrap_or_default()
    };
    let deleted = stored.metadata().is_some_and(|metadata| metadata.contains("deletionTimestamp"));
    if deleted || stored.str("type") != SECRET_TYPE {
        return None;
    }
    if !same(&data("token-secret"), secret.as_bytes()) || data("token-id") != id.as_bytes() {
        return None;
    }
    if expired(&data("expiration"), now) || data("usage-bootstrap-authentication") != b"true" {
        return None;
    }
    let groups = groups(&data("auth-extra-groups"))?;
    Some(User { name: format!("{USER_PREFIX}{id}"), groups, ..User::default() })
}

/// Compares in a time that tells nothing of where the difference is. The length of a secret is no secret.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0 && a.len() == b.len()
}

/// Whether the time has come; one that cannot be read has.
fn expired(expiration: &[u8], now: i64) -> bool {
    if expiration.is_empty() {
        return false;
    }
    let expiration = std::str::from_utf8(expiration).ok().and_then(time::seconds_of);
    expiration.is_none_or(|expiration| expiration <= now)
}

/// The groups of a token's user, in order; none when one of the extra ones is not allowed.
fn groups(extra: &[u8]) -> Option<Vec<String>> {
    let mut groups = vec![GROUP.to_owned()];
    if !extra.is_empty() {
        for group in std::str::from_utf8(extra).ok()?.split(',') {
            if !is_extra_group(group) {
                return None;
            }
            groups.push(group.to_owned());
        }
    }
    groups.sort_unstable();
    groups.dedup();
    Some(groups)
}

/// Whether upstream's pattern `\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z` holds.
fn is_extra_group(group: &str) -> bool {
    let Some(name) = group.strip_prefix(GROUP_PREFIX) else { return false };
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= GROUP_NAME_LENGTH_MAX
        && name.bytes().all(|byte| letter(byte) || byte == b':' || byte == b'-')
        && name.bytes().last().is_some_and(letter)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{Fixture, object, resource};

    const TOKEN: &str = "abcdef.0123456789abcdef";
    const NOW: i64 = 1_767_323_045;

    fn stored(changes: &[(&str, &str)]) -> Value {
        let mut data = json!({
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
        });
        for (key, value) in changes {
            data[*key] = json!(value);
        }
        let data: serde_json::Map<String, Value> = data
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))))
            .collect();
        json!({
            "metadata": { "name": "bootstrap-token-abcdef", "namespace": "kube-system" },
            "type": SECRET_TYPE,
            "data": data,
        })
    }

    fn check(secret: &Value, token: &str, groups: Option<&[&str]>) {
        let secret = object(resource("", "secrets"), secret);
        let found = parse(token).and_then(|(id, text)| user(id, text, &secret, NOW)).map(|user| user.groups);
        let expected = groups.map(|groups| groups.iter().map(|group| (*group).to_owned()).collect());
        assert_eq!(found, expected, "{token} {secret}");
    }

    #[test]
    fn a_token_is_what_its_secret_says() {
        let plain: Option<&[&str]> = Some(&[GROUP]);
        check(&stored(&[]), TOKEN, plain);
        check(&stored(&[]), "abcdef.0123456789abcdeg", None);
        check(&stored(&[]), "abcdef.0123456789abcde", None);
        check(&stored(&[("token-id", "abcdeg")]), TOKEN, None);
        check(&stored(&[("usage-bootstrap-authentication", "false")]), TOKEN, None);
        check(&stored(&[("expiration", "2026-01-02T03:04:06Z")]), TOKEN, plain);
        check(&stored(&[("expiration", "2026-01-02T05:04:06+02:00")]), TOKEN, plain);
        check(&stored(&[("expiration", "2026-01-02T03:04:05Z")]), TOKEN, None);
        check(&stored(&[("expiration", "tomorrow")]), TOKEN, None);
        let mut other = stored(&[]);
        other["type"] = json!("Opaque");
        check(&other, TOKEN, None);
        let mut deleted = stored(&[]);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        check(&deleted, TOKEN, None);
    }

    #[test]
    fn extra_groups_are_bootstrappers_or_the_token_is_nothing() {
        let groups = |text: &str| stored(&[("auth-extra-groups", text)]);
        check(
            &groups("system:bootstrappers:b,system:bootstrappers:kubeadm:default-node-token"),
            TOKEN,
            Some(&[GROUP, "system:bootstrappers:b", "system:bootstrappers:kubeadm:default-node-token"]),
        );
        for wrong in
            ["system:masters", "system:bootstrappers:", "system:bootstrappers:a,", "system:bootstrappers:A"]
        {
            check(&groups(wrong), TOKEN, None);
        }
        check(&groups("system:bootstrappers:a, system:bootstrappers:b"), TOKEN, None);
        check(&groups(&format!("{GROUP_PREFIX}{}", "x".repeat(257))), TOKEN, None);
    }

    #[test]
    fn tokens_are_for_the_audiences_of_the_api() {
        let fixture = Fixture::new();
        fixture.fill(&[("", "secrets", stored(&[]))]);
        let view = fixture.view();
        let records = Records { view: &view, cluster: &fixture.cluster, now: NOW };
        let finding = |token: &str, audience: &str| {
            BootstrapToken.authenticate(token, &["x".to_owned(), audience.to_owned()], &records)
        };
        let valid = finding(TOKEN, crate::cluster::DEFAULT_ISSUER);
        let Finding::Valid { user, audiences } = valid else { panic!("{valid:?}") };
        assert_eq!((user.name.as_str(), audiences.len()), ("system:bootstrap:abcdef", 1));
        assert_eq!(user.groups, [GROUP, "system:authenticated"]);
        assert_eq!(finding(TOKEN, "y"), Finding::Unconcerned);
        assert_eq!(finding("abcdeg.0123456789abcdef", "y"), Finding::Unknown(String::new()));
        assert_eq!(finding("no.token", "y"), Finding::Unconcerned);
    }
}
