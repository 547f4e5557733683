//! When tokens in Secrets were last used: a label with the day, which tells the cleaner which of them nobody needs.
//!
//! Keeps: a Secret is written at most once a day for this; whoever shows a token does not wait for it; more Secrets than
//! there is room for are noted at their next use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ecow::EcoString;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::admission::Companions;
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::storage::{self, Outcome, Txn, View};
use crate::time;
use crate::tree::Map;

/// The day of the last use, as `2006-01-02`.
pub(crate) const LAST_USED_LABEL: &str = "kubernetes.io/legacy-token-last-used";

/// Secrets that wait to be written.
const WAITING_MAX: usize = 1024;
/// Uses are gathered this long and written together.
const GATHERING: Duration = Duration::from_millis(500);
/// How often a write is planned anew because somebody else wrote meanwhile.
const ATTEMPTS_MAX: usize = 3;

/// Secrets by namespace and name.
type Names = BTreeSet<(String, String)>;

/// Uses that are still to be written down.
#[derive(Default)]
pub(crate) struct Uses {
    waiting: Mutex<Names>,
    came: Notify,
}

impl Uses {
    /// Notes that the token of this Secret was used, unless the Secret says so already.
    pub(crate) fn note(&self, secret: &Map, now: i64) {
        // A day that is still to come was written by a server whose clock is ahead.
        if secret.label(LAST_USED_LABEL).is_some_and(|day| day >= day_of(now).as_str()) {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() < WAITING_MAX {
            waiting.insert((secret.namespace().to_owned(), secret.name().to_owned()));
            drop(waiting);
            self.came.notify_one();
        }
    }

    fn take(&self) -> Names {
        std::mem::take(&mut *self.waiting.lock())
    }
}

/// Writes uses down until the task is dropped.
pub(crate) async fn run(server: Arc<Server>) {
    let Some(tokens) = server.cluster.service_account_tokens.clone() else { return };
    loop {
        tokens.uses.came.notified().await;
        tokio::time::sleep(GATHERING).await;
        let names = tokens.uses.take();
        for _ in 0..ATTEMPTS_MAX {
            let Companions { compares, ops } = plan(&server.view(), &names, server.clock.unix_seconds());
            if ops.is_empty() {
                break;
            }
            let txn = Txn { fence: None, compares: compares.into(), ops: ops.into() };
            match server.store.txn(txn).await {
                Outcome::Applied { .. } => break,
                // What is not written now is noted at the next use.
                outcome => tracing::debug!(?outcome, "the use of tokens was not written"),
            }
        }
    }
}

/// What is written so that these Secrets say that they were used today.
fn plan(view: &View, names: &Names, now: i64) -> Companions {
    let mut companions = Companions::default();
    let secrets = Registry::builtin().storage_of("", "secrets").expect("the core kinds are built in");
    for (namespace, name) in names {
        let Some(entry) = view.entry(secrets, namespace, name) else { continue };
        let mut secret = storage::decode(secrets, entry);
        let today = day_of(now);
        if secret.label(LAST_USED_LABEL).is_none_or(|day| day < today.as_str()) {
            secret.metadata_mut().map_mut("labels").set(LAST_USED_LABEL, today);
            companions.update(secrets, entry, &secret);
        }
    }
    companions
}

fn day_of(now: i64) -> EcoString {
    let now = time::format_seconds(now);
    now.split('T').next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::Fixture;

    const DAY: i64 = 86_400;

    #[test]
    fn a_secret_is_written_once_a_day() {
        let fixture = Fixture::new();
        fixture.fill(&[
            ("", "namespaces", json!({ "metadata": { "name": "a" } })),
            ("", "secrets", json!({ "metadata": { "name": "s", "namespace": "a" } })),
        ]);
        let uses = Uses::default();
        let stored = || fixture.stored("", "secrets", "a", "s").unwrap();
        let use_it = |now: i64| {
            uses.note(&stored(), now);
            let plan = plan(&fixture.view(), &uses.take(), now);
            let writes = plan.ops.len();
            fixture.commit(plan);
            (writes, stored().label(LAST_USED_LABEL).unwrap().to_owned())
        };
        assert_eq!(use_it(0), (1, "1970-01-01".to_owned()));
        assert_eq!(use_it(DAY - 1), (0, "1970-01-01".to_owned()));
        assert_eq!(use_it(DAY), (1, "1970-01-02".to_owned()));
        assert_eq!(use_it(0), (0, "1970-01-02".to_owned()), "another server's clock is ahead");
    }
}
