//! root-ca-cert-publisher: every namespace has the ConfigMap `kube-root-ca.crt` with the authority of the API server.
//!
//! A new namespace is born with it; what is restored here is one that somebody deleted or changed, or that names an
//! authority of before.

use std::collections::BTreeMap;

use ecow::EcoString;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use crate::api::{ApiError, Resource, Target, WriteOptions};
use crate::controller::Next;
use crate::digest::Digest;
use crate::digests::Namespace;
use crate::{Context, Controller, Key, Shape};

const NAME: &str = "kube-root-ca.crt";
const DATA_KEY: &str = "ca.crt";
const NOTE_KEY: &str = "kubernetes.io/description";
const NOTE: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                    guaranteed across distributions of Kubernetes clusters.";

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "root-ca-cert-publisher",
    watches: |watches| {
        watches.primary::<Namespace>();
        watches.watch::<Published>(|change, _, put| {
            if let Some(map) = change.newest().filter(|map| map.meta.name == NAME) {
                put(Key::new("", map.meta.namespace.clone()));
            }
        });
    },
    shape: Shape::Reconcile(|context, key| reconcile(context, key)),
    ..Controller::DEFAULT
};

/// A ConfigMap; what it holds is kept of those that are published here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Stored")]
pub(crate) struct Published {
    data: BTreeMap<EcoString, EcoString>,
    noted: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: Metadata,
    data: BTreeMap<EcoString, EcoString>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: EcoString,
    annotations: BTreeMap<EcoString, EcoString>,
}

impl From<Stored> for Published {
    fn from(stored: Stored) -> Published {
        if stored.metadata.name != NAME {
            return Published::default();
        }
        let noted = stored.metadata.annotations.get(NOTE_KEY).is_some_and(|note| note == NOTE);
        Published { data: stored.data, noted }
    }
}

impl Digest for Published {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "configmaps", "ConfigMap");
}

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    async move {
        let root_ca = context.settings.root_ca.as_str();
        let view = context.view();
        let Some(namespace) = view.of::<Namespace>().by_key(key) else { return Ok(Next::Change) };
        if root_ca.is_empty() || namespace.is_terminating() {
            return Ok(Next::Change);
        }
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "namespace": key.name, "name": NAME, "annotations": { NOTE_KEY: NOTE } },
            "data": { DATA_KEY: root_ca },
        });
        let target = Target::new(Published::RESOURCE, &key.name, NAME);
        let options = WriteOptions::default();
        let written = match view.of::<Published>().get(&key.name, NAME) {
            None => context.api.create(target, body.to_string().into(), &options).await,
            Some(map)
                if map.noted
                    && map.data.len() == 1
                    && map.data.get(DATA_KEY).is_some_and(|it| it == root_ca) =>
            {
                return Ok(Next::Change);
            }
            Some(_) => {
                // Whoever put labels or further annotations on it keeps them. The publisher's own role has no right to
                // read, as upstream's has none.
                let stored = context.shared.fetch(target).await?;
                let mut object: serde_json::Value = stored.decode()?;
                object["metadata"]["annotations"][NOTE_KEY] = NOTE.into();
                object["data"] = body["data"].clone();
                context.api.update(target, object.to_string().into(), &options).await
            }
        };
        match written {
            Ok(_) => Ok(Next::Change),
            // The namespace goes, or somebody else was faster: both wake this key again.
            Err(error) if error.is_namespace_terminating() || error.already_exists() => Ok(Next::Change),
            Err(error) => Err(error),
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DeleteOptions;
    use crate::fake::{Fault, Harness};
    use crate::settings::Settings;

    async fn started() -> Harness {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.set_settings(Settings { root_ca: "PEM".to_owned(), ..Settings::default() });
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create configmaps a/kube-root-ca.crt"]);
        harness
    }

    fn published(harness: &Harness) -> serde_json::Value {
        harness.api.object(Published::RESOURCE, "a", NAME).unwrap()
    }

    #[tokio::test]
    async fn what_was_changed_or_deleted_is_restored() {
        let harness = started().await;
        assert_eq!(published(&harness)["data"], json!({ "ca.crt": "PEM" }));
        let mut changed = published(&harness);
        changed["data"] = json!({ "ca.crt": "PEM", "more": "x" });
        changed["metadata"]["labels"] = json!({ "mine": "1" });
        harness.api.put(Published::RESOURCE, changed);
        harness.settle().await;
        assert_eq!(published(&harness)["data"], json!({ "ca.crt": "PEM" }));
        assert_eq!(published(&harness)["metadata"]["labels"], json!({ "mine": "1" }));
        harness.api.user_deletes(Published::RESOURCE, "a", NAME, &DeleteOptions::default());
        harness.settle().await;
        assert_eq!(published(&harness)["data"], json!({ "ca.crt": "PEM" }));
    }

    #[tokio::test]
    async fn other_maps_wake_nobody() {
        let harness = started().await;
        let other = json!({ "metadata": { "namespace": "a", "name": "other" }, "data": { "x": "y" } });
        harness.api.put(Published::RESOURCE, other);
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_conflict_and_a_restart_end_the_same() {
        let mut harness = started().await;
        harness.api.fail(Fault::conflict("update configmaps"));
        let mut changed = published(&harness);
        changed["data"] = json!({});
        harness.api.put(Published::RESOURCE, changed);
        harness.settle().await;
        harness.start();
        harness.pass(std::time::Duration::from_secs(1)).await;
        assert_eq!(published(&harness)["data"], json!({ "ca.crt": "PEM" }));
    }

    #[tokio::test]
    async fn a_namespace_recreated_under_its_name_has_a_map_of_its_own() {
        let harness = started().await;
        harness.api.remove(Published::RESOURCE, "a", NAME);
        harness.api.remove(Namespace::RESOURCE, "", "a");
        harness.settle().await;
        harness.api.take_writes();
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create configmaps a/kube-root-ca.crt"]);
    }
}
