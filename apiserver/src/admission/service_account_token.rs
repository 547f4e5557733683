//! ServiceAccountToken: a Secret of type `kubernetes.io/service-account-token` is given its token as it is written.
//!
//! Upstream's controller does it some moments later, with the private key in its hands. A Secret whose account does not
//! exist, or is another one than the Secret says, gets nothing; the controller of such Secrets deletes it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Attributes, Operation, Plugin, builtin};
use crate::registry::Resource;
use crate::service_account::{ACCOUNT_NAME_ANNOTATION, Claims, LEGACY_ISSUER, Tokens};
use crate::status::Error;
use crate::tree::Map;

pub(super) struct ServiceAccountToken;

const SECRET_TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_UID_ANNOTATION: &str = "kubernetes.io/service-account.uid";

static SERVICE_ACCOUNTS: LazyLock<&Resource> = LazyLock::new(|| builtin("", "serviceaccounts"));

impl Plugin for ServiceAccountToken {
    fn name(&self) -> &'static str {
        "ServiceAccountToken"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, secret: &mut Map) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        if !writes || !attributes.is_for("secrets", "") || secret.str("type") != SECRET_TYPE {
            return Ok(());
        }
        let name = secret.annotation(ACCOUNT_NAME_ANNOTATION).unwrap_or_default();
        let account = attributes.view.object(&SERVICE_ACCOUNTS, attributes.namespace, name);
        let (Some(account), Some(tokens)) = (account, &attributes.cluster.service_account_tokens) else {
            return Ok(());
        };
        let uid = account.str_at(&["metadata", "uid"]);
        let stated = secret.annotation(ACCOUNT_UID_ANNOTATION).unwrap_or_default();
        if !stated.is_empty() && stated != uid {
            return Ok(());
        }
        fill(attributes, tokens, secret, &account).map_err(Error::Internal)
    }
}

fn fill(attributes: &Attributes<'_>, tokens: &Tokens, secret: &mut Map, account: &Map) -> Result<(), String> {
    let uid = account.str_at(&["metadata", "uid"]);
    let name = secret.name().to_owned();
    secret.metadata_mut().map_mut("annotations").set(ACCOUNT_UID_ANNOTATION, uid);
    let data = secret.map_mut("data");
    data.set("ca.crt", STANDARD.encode(&attributes.cluster.root_ca));
    data.set("namespace", STANDARD.encode(attributes.namespace));
    // Tokens never end, so one that is there stays.
    if attributes.dry_run || !data.str("token").is_empty() {
        return Ok(());
    }
    let token = tokens.issue(&Claims {
        iss: LEGACY_ISSUER.to_owned(),
        legacy_namespace: attributes.namespace.to_owned(),
        legacy_secret: name,
        legacy_name: account.name().to_owned(),
        legacy_uid: uid.to_owned(),
        sub: format!("system:serviceaccount:{}:{}", attributes.namespace, account.name()),
        ..Claims::default()
    })?;
    data.set("token", STANDARD.encode(token));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::fixture::{Fixture, object, resource, user};

    #[test]
    fn a_secret_gets_the_token_of_its_account_once() {
        let mut fixture = Fixture::new();
        fixture.cluster.service_account_tokens = Some(Arc::new(crate::service_account::tests::tokens()));
        let account = json!({ "metadata": { "name": "bot", "namespace": "a", "uid": "u1" } });
        fixture.fill(&[
            ("", "namespaces", json!({ "metadata": { "name": "a" } })),
            ("", "serviceaccounts", account),
        ]);
        let secrets = resource("", "secrets");
        let write = |annotations: serde_json::Value, old: Option<&Map>| {
            let metadata = json!({ "name": "s", "namespace": "a", "annotations": annotations });
            let secret = object(secrets, &json!({ "metadata": metadata, "type": SECRET_TYPE }));
            let operation = if old.is_some() { Operation::Update } else { Operation::Create };
            let secret = old.cloned().unwrap_or(secret);
            fixture.admit(operation, secrets, &user("x", &[]), old, Some(secret)).unwrap().0.unwrap()
        };
        let filled = write(json!({ ACCOUNT_NAME_ANNOTATION: "bot" }), None);
        assert_eq!(filled.annotation(ACCOUNT_UID_ANNOTATION), Some("u1"));
        assert_eq!(filled.str_at(&["data", "namespace"]), "YQ==");
        assert!(filled.str_at(&["data", "token"]).len() > 100);
        assert_eq!(write(json!({}), Some(&filled)), filled);
        let nobody = write(json!({ ACCOUNT_NAME_ANNOTATION: "nobody" }), None);
        assert!(!nobody.contains("data"), "{nobody}");
        let other = write(json!({ ACCOUNT_NAME_ANNOTATION: "bot", ACCOUNT_UID_ANNOTATION: "u0" }), None);
        assert!(!other.contains("data"), "{other}");
    }
}
