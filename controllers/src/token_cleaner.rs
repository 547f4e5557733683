//! token-cleaner: bootstrap tokens whose time is over are deleted.

use jiff::Timestamp;

use crate::api::DeleteOptions;
use crate::digest::Digest as _;
use crate::digests::{Expiration, Secret};
use crate::{Action, Controller, Key, Plan, Shape, View};

const NAMESPACE: &str = "kube-system";

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "token-cleaner",
    watches: |watches| {
        watches.watch::<Secret>(|change, _, put| {
            if let Some(secret) =
                change.new.filter(|it| it.meta.namespace == NAMESPACE && it.expiration.is_some())
            {
                put(Key::from(&secret.meta));
            }
        });
    },
    shape: Shape::Plan(plan),
    workers: 1,
    ..Controller::DEFAULT
};

fn plan(key: &Key, view: &View, now: Timestamp) -> Plan {
    let Some(secret) = view.of::<Secret>().by_key(key) else { return Plan::done() };
    match secret.expiration {
        None => Plan::done(),
        Some(Expiration::At(end)) if now < end => Plan::after(end.duration_since(now).unsigned_abs()),
        // As upstream has it, a time that cannot be read is over.
        Some(_) => Plan::from(vec![Action::Delete {
            resource: Secret::RESOURCE,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            options: DeleteOptions::of_uid(secret.meta.uid.as_str()),
        }]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::{self, Clock as _};
    use crate::fake::{Fault, Harness};

    fn token(namespace: &str, name: &str, expiration: &str) -> Value {
        json!({
            "metadata": { "namespace": namespace, "name": name },
            "type": Secret::BOOTSTRAP_TOKEN,
            "data": { "expiration": STANDARD.encode(expiration) },
        })
    }

    #[tokio::test]
    async fn tokens_are_deleted_when_their_time_has_come() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let soon = clock::time(harness.clock.now() + Duration::from_secs(60));
        for (namespace, name, expiration) in [
            (NAMESPACE, "soon", soon.as_str()),
            (NAMESPACE, "over", "2001-01-01T00:00:00Z"),
            (NAMESPACE, "malformed", "never"),
            (NAMESPACE, "endless", ""),
            ("default", "elsewhere", "2001-01-01T00:00:00Z"),
        ] {
            harness.api.put(Secret::RESOURCE, token(namespace, name, expiration));
        }
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, NAMESPACE), ["endless", "soon"]);
        harness.pass(Duration::from_secs(59)).await;
        assert_eq!(harness.api.names(Secret::RESOURCE, NAMESPACE), ["endless", "soon"]);
        harness.pass(Duration::from_secs(2)).await;
        assert_eq!(harness.api.names(Secret::RESOURCE, NAMESPACE), ["endless"]);
        assert_eq!(harness.api.names(Secret::RESOURCE, "default"), ["elsewhere"]);
    }

    #[tokio::test]
    async fn a_token_recreated_behind_a_stale_view_stays() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let soon = clock::time(harness.clock.now() + Duration::from_secs(60));
        harness.api.put(Secret::RESOURCE, token(NAMESPACE, "it", &soon));
        harness.start();
        harness.settle().await;
        harness.api.hold_watches();
        harness.api.remove(Secret::RESOURCE, NAMESPACE, "it");
        harness.api.put(Secret::RESOURCE, token(NAMESPACE, "it", ""));
        harness.pass(Duration::from_secs(61)).await;
        harness.api.release_watches();
        harness.pass(Duration::from_secs(61)).await;
        assert_eq!(harness.api.names(Secret::RESOURCE, NAMESPACE), ["it"]);
    }

    #[tokio::test]
    async fn a_deletion_that_failed_is_made_by_the_next_start() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::failure("delete secrets"));
        harness.api.put(Secret::RESOURCE, token(NAMESPACE, "over", "2001-01-01T00:00:00Z"));
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.names(Secret::RESOURCE, NAMESPACE), ["over"]);
        harness.start();
        harness.pass(Duration::from_secs(1)).await;
        assert!(harness.api.names(Secret::RESOURCE, NAMESPACE).is_empty());
    }
}
