//! service-account-token: a Secret with a token of a service account goes with its account.
//!
//! The token is put into the Secret when that is written (admission does it, so no controller needs the signing key).
//! An account that the view lacks is asked for again before anything is deleted, because the view of accounts may be
//! behind that of Secrets. As upstream's, this controller has no account of its own: it acts as
//! `system:kube-controller-manager`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::api::{ApiError, DeleteOptions, Target};
use crate::controller::Next;
use crate::digest::Digest as _;
use crate::digests::{Secret, ServiceAccount};
use crate::{Context, Controller, Key, Shape};

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "service-account-token-controller",
    watches: |watches| {
        watches.watch::<Secret>(|change, _, put| {
            if let Some(secret) = change.new.filter(|secret| secret.account.is_some()) {
                put(Key::from(&secret.meta));
            }
        });
        watches.watch::<ServiceAccount>(|change, view, put| {
            // One that was recreated while nobody looked is another account.
            let Some(account) = change.old else { return };
            if change.new.is_some_and(|new| new.meta.uid == account.meta.uid) {
                return;
            }
            let name = format!("{}/{}", account.meta.namespace, account.meta.name);
            for secret in view.of::<Secret>().indexed(Secret::account_term(&name)) {
                put(Key::from(&secret.meta));
            }
        });
    },
    shape: Shape::Reconcile(|context, key| reconcile(context, key)),
    ..Controller::DEFAULT
};

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    async move {
        let view = context.view();
        let Some(secret) = view.of::<Secret>().by_key(key) else { return Ok(Next::Change) };
        let Some((_, account)) = secret.account.as_ref().and_then(|account| account.split_once('/')) else {
            return Ok(Next::Change);
        };
        let belongs = |uid: &str| secret.account_uid.is_empty() || secret.account_uid == uid;
        if view.of::<ServiceAccount>().get(&key.namespace, account).is_some_and(|it| belongs(&it.meta.uid)) {
            return Ok(Next::Change);
        }
        let target = Target::new(ServiceAccount::RESOURCE, &key.namespace, account);
        match context.shared.fetch(target).await {
            Ok(found) if belongs(&found.meta.uid) => return Ok(Next::Change),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let options = DeleteOptions::of_uid(secret.meta.uid.as_str());
        let target = Target::new(Secret::RESOURCE, &key.namespace, &key.name);
        match context.shared.delete(target, &options).await {
            Ok(_) => Ok(Next::Change),
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(Next::Change),
            Err(error) => Err(error),
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fake::{Fault, Harness};

    fn account(harness: &Harness) -> String {
        let account = json!({ "metadata": { "namespace": "a", "name": "bot" } });
        let stored = harness.api.put(ServiceAccount::RESOURCE, account);
        stored["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    fn secret(name: &str, account: &str, uid: &str) -> Value {
        let annotations = json!({ "kubernetes.io/service-account.name": account, "kubernetes.io/service-account.uid": uid });
        json!({
            "metadata": { "namespace": "a", "name": name, "annotations": annotations },
            "type": Secret::SERVICE_ACCOUNT_TOKEN,
        })
    }

    #[tokio::test]
    async fn tokens_go_with_their_account() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let uid = account(&harness);
        harness.api.put(Secret::RESOURCE, secret("right", "bot", &uid));
        harness.api.put(Secret::RESOURCE, secret("former", "bot", "0"));
        harness.api.put(Secret::RESOURCE, secret("nobody", "none", ""));
        let other = json!({ "metadata": { "namespace": "a", "name": "other" }, "type": "Opaque" });
        harness.api.put(Secret::RESOURCE, other);
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, "a"), ["other", "right"]);
        harness.api.remove(ServiceAccount::RESOURCE, "a", "bot");
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, "a"), ["other"]);
    }

    #[tokio::test]
    async fn an_account_that_the_view_lacks_is_asked_for() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.start();
        harness.settle().await;
        harness.api.put(Secret::RESOURCE, secret("right", "bot", ""));
        account(&harness);
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, "a"), ["right"]);
        assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_deletion_that_failed_is_made_by_the_next_start() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::failure("delete secrets"));
        harness.api.put(Secret::RESOURCE, secret("nobody", "none", ""));
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, "a"), ["nobody"]);
        harness.start();
        harness.pass(std::time::Duration::from_secs(1)).await;
        assert!(harness.api.names(Secret::RESOURCE, "a").is_empty());
    }

    #[tokio::test]
    async fn a_token_recreated_behind_a_stale_view_stays() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let uid = account(&harness);
        harness.api.put(Secret::RESOURCE, secret("it", "bot", &uid));
        harness.start();
        harness.settle().await;
        harness.api.hold_watches();
        harness.api.remove(Secret::RESOURCE, "a", "it");
        harness.api.remove(ServiceAccount::RESOURCE, "a", "bot");
        let uid = account(&harness);
        harness.api.put(Secret::RESOURCE, secret("it", "bot", &uid));
        harness.api.release_watches();
        harness.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(harness.api.names(Secret::RESOURCE, "a"), ["it"]);
    }
}
