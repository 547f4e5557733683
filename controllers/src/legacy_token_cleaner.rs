//! legacy-service-account-token-cleaner: tokens that were once made for an account without being asked for, and that
//! nobody has used for a year, are marked invalid, and deleted when nobody has missed them for another year.
//!
//! Keeps: only a token that its account lists, that no pod mounts, and whose use has been noted for as long as that, is
//! touched; one that somebody made for himself never is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{ApiError, DeleteOptions, ListOptions, Object, PatchType, Resource, Target, WriteOptions};
use crate::digest::Digest as _;
use crate::digests::{Pod, Secret, ServiceAccount};
use crate::{Context, Controller, Shape};

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "legacy-service-account-token-cleaner",
    shape: Shape::Loop(run),
    ..Controller::DEFAULT
};

/// How often tokens are looked at.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How long a token stays unused before it is marked, and marked before it is deleted.
const CLEAN_UP_DAYS: i32 = 365;

const CONFIG_MAPS: &Resource = &Resource::namespaced("", "v1", "configmaps", "ConfigMap");
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// What of an object's metadata decides.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: Metadata,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    creation_timestamp: String,
    deletion_timestamp: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// What is to happen to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Mark,
    Delete,
}

fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        loop {
            if let Err(error) = clean(&context).await {
                tracing::warn!(%error, "old tokens of service accounts could not be looked at");
            }
            context.clock.sleep(INTERVAL).await;
        }
    })
}

async fn clean(context: &Context) -> Result<(), ApiError> {
    let today = context.clock.now().to_zoned(TimeZone::UTC).date();
    let Ok(threshold) = today.checked_sub(jiff::Span::new().days(CLEAN_UP_DAYS)) else { return Ok(()) };
    // On the first day only a part of the uses was noted.
    if tracked_since(context).await?.is_none_or(|since| since >= threshold) {
        return Ok(());
    }
    let field_selector = format!("type={}", Secret::SERVICE_ACCOUNT_TOKEN);
    let options = ListOptions { field_selector, ..ListOptions::default() };
    for secret in context.shared.list(Secret::RESOURCE, "", &options).await?.items {
        let outcome = treat(context, &secret, today, threshold).await;
        if let Err(error) = outcome
            && !error.is_not_found()
            && !error.is_conflict()
        {
            let (namespace, name) = (&secret.meta.namespace, &secret.meta.name);
            tracing::warn!(%namespace, %name, %error, "an old token could not be cleaned up");
        }
    }
    Ok(())
}

async fn tracked_since(context: &Context) -> Result<Option<Date>, ApiError> {
    let tracking = match context.api.fetch(Target::new(CONFIG_MAPS, "kube-system", TRACKING)).await {
        Ok(tracking) => tracking.decode::<Value>()?,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(tracking["data"]["since"].as_str().and_then(|since| since.parse().ok()))
}

async fn treat(context: &Context, secret: &Object, today: Date, threshold: Date) -> Result<(), ApiError> {
    let stored: Stored = secret.decode()?;
    let verdict = judge(&stored, threshold);
    let (namespace, name) = (secret.meta.namespace.as_str(), secret.meta.name.as_str());
    if verdict == Verdict::Keep
        || !was_made_for_account(context, &stored, namespace, name).await?
        || is_mounted(context, namespace, name).await?
    {
        return Ok(());
    }
    let target = Target::new(Secret::RESOURCE, namespace, name);
    if verdict == Verdict::Delete {
        // A use of it since then would have changed it.
        let options = DeleteOptions {
            version: Some(secret.meta.version),
            ..DeleteOptions::of_uid(secret.meta.uid.as_str())
        };
        return context.api.delete(target, &options).await.map(drop);
    }
    let metadata = json!({
        "uid": secret.meta.uid,
        "resourceVersion": secret.meta.version.to_string(),
        "labels": { INVALID_SINCE: today.to_string() },
    });
    let body = Bytes::from(json!({ "metadata": metadata }).to_string());
    context.api.patch(target, PatchType::Merge, body, &WriteOptions::default()).await.map(drop)
}

/// What a Secret says of itself.
fn judge(secret: &Stored, threshold: Date) -> Verdict {
    let metadata = &secret.metadata;
    let created = metadata.creation_timestamp.parse::<Timestamp>().ok();
    let is_new = created.is_none_or(|at| at.to_zoned(TimeZone::UTC).date() >= threshold);
    if secret.kind != Secret::SERVICE_ACCOUNT_TOKEN || is_new || metadata.deletion_timestamp.is_some() {
        return Verdict::Keep;
    }
    // Without a date it was not used since uses are noted; one that cannot be read says nothing.
    if let Some(last_used) = metadata.labels.get(LAST_USED)
        && last_used.parse::<Date>().ok().is_none_or(|last_used| last_used >= threshold)
    {
        return Verdict::Keep;
    }
    match metadata.labels.get(INVALID_SINCE).and_then(|since| since.parse::<Date>().ok()) {
        None => Verdict::Mark,
        Some(since) if since >= threshold => Verdict::Keep,
        Some(_) => Verdict::Delete,
    }
}

/// Whether the account that a token names lists it, which is how those that came by themselves are known.
async fn was_made_for_account(
    context: &Context,
    secret: &Stored,
    namespace: &str,
    name: &str,
) -> Result<bool, ApiError> {
    let annotation = |key: &str| secret.metadata.annotations.get(key).map_or("", String::as_str);
    let target = Target::new(ServiceAccount::RESOURCE, namespace, annotation(ACCOUNT_NAME));
    if target.name.is_empty() {
        return Ok(false);
    }
    let account = match context.shared.fetch(target).await {
        Ok(account) => account,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    let uid = annotation(ACCOUNT_UID);
    if !uid.is_empty() && account.meta.uid != uid {
        return Ok(false);
    }
    let account: Value = account.decode()?;
    let listed = account["secrets"].as_array().into_iter().flatten();
    Ok(listed.into_iter().any(|secret| secret["name"] == name))
}

async fn is_mounted(context: &Context, namespace: &str, name: &str) -> Result<bool, ApiError> {
    let pods = context.shared.list(Pod::RESOURCE, namespace, &ListOptions::default()).await?;
    for pod in pods.items {
        let pod: Value = pod.decode()?;
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        if volumes.into_iter().any(|volume| volume["secret"]["secretName"] == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fault, Harness};

    const DAYS: Duration = Duration::from_secs(24 * 3600);

    fn secret(name: &str, labels: Value) -> Value {
        json!({
            "metadata": {
                "namespace": "a",
                "name": name,
                "creationTimestamp": "2025-01-01T00:00:00Z",
                "labels": labels,
                "annotations": { ACCOUNT_NAME: "bot" },
            },
            "type": Secret::SERVICE_ACCOUNT_TOKEN,
        })
    }

    fn names(harness: &Harness) -> Vec<String> {
        harness.api.names(Secret::RESOURCE, "a")
    }

    #[tokio::test]
    async fn a_token_that_nobody_uses_is_marked_and_goes_a_year_later() {
        // It is 2027-01-15.
        let mut harness = Harness::new(&[&CONTROLLER]);
        let tracking = |since: &str| json!({ "metadata": { "namespace": "kube-system", "name": TRACKING }, "data": { "since": since } });
        harness.api.put(CONFIG_MAPS, tracking("2026-02-01"));
        let listed = ["unused", "used", "mounted", "unreadable"].map(|name| json!({ "name": name }));
        let account = json!({ "metadata": { "namespace": "a", "name": "bot" }, "secrets": listed });
        harness.api.put(ServiceAccount::RESOURCE, account);
        harness.api.put(
            Pod::RESOURCE,
            json!({
                "metadata": { "namespace": "a", "name": "p" },
                "spec": { "volumes": [{ "name": "v", "secret": { "secretName": "mounted" } }] },
            }),
        );
        for (name, labels) in [
            ("unused", json!({})),
            ("used", json!({ LAST_USED: "2027-01-14" })),
            ("mounted", json!({})),
            ("unreadable", json!({ LAST_USED: "yesterday" })),
            ("asked-for", json!({})),
        ] {
            harness.api.put(Secret::RESOURCE, secret(name, labels));
        }
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new(), "uses are not noted for a year yet");
        harness.api.put(CONFIG_MAPS, tracking("2026-01-01"));
        harness.pass(DAYS).await;
        assert_eq!(harness.api.take_writes(), ["patch secrets a/unused"]);
        let marked = harness.api.object(Secret::RESOURCE, "a", "unused").unwrap();
        assert_eq!(marked["metadata"]["labels"][INVALID_SINCE], "2027-01-16");
        // One day at a time, because each look sets the next.
        for _ in 0..364 {
            harness.pass(DAYS).await;
        }
        assert!(names(&harness).contains(&"unused".to_owned()));
        for _ in 0..2 {
            harness.pass(DAYS).await;
        }
        assert_eq!(names(&harness), ["asked-for", "mounted", "unreadable", "used"]);
        let used = harness.api.object(Secret::RESOURCE, "a", "used").unwrap();
        assert!(used["metadata"]["labels"][INVALID_SINCE].is_string(), "a year has passed since");
    }

    #[tokio::test]
    async fn a_conflict_and_a_restart_only_delay_the_mark() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let since = json!({ "metadata": { "namespace": "kube-system", "name": TRACKING }, "data": { "since": "2026-01-01" } });
        harness.api.put(CONFIG_MAPS, since);
        let listed = json!([{ "name": "unused" }]);
        let account = json!({ "metadata": { "namespace": "a", "name": "bot" }, "secrets": listed });
        harness.api.put(ServiceAccount::RESOURCE, account);
        harness.api.put(Secret::RESOURCE, secret("unused", json!({})));
        harness.api.fail(Fault::conflict("patch secrets"));
        harness.start();
        harness.settle().await;
        let mark = |harness: &Harness| {
            harness.api.object(Secret::RESOURCE, "a", "unused").unwrap()["metadata"]["labels"][INVALID_SINCE]
                .clone()
        };
        assert!(mark(&harness).is_null());
        harness.start();
        harness.settle().await;
        assert_eq!(mark(&harness), "2027-01-15");
    }
}
