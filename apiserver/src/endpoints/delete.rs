//! DELETE: removal, or its start when finalizers or a grace period hold the object.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::admission::subject::Body;
use crate::admission::{Companions, Operation};
use crate::endpoints::delete_options::{DeleteOptions, Propagation};
use crate::kind::Dependents;
use crate::options::ListOptions;
use crate::reply::{ListReply, Reply};
use crate::scope::Scope;
use crate::status::{Error, Status, StatusDetails};
use crate::storage::{self, Compare, Entry, Op, View};
use crate::tree::{List, Map, Node};
use crate::write::{Attempt, Intent, Stage, Written, finished, spec_finalizers};

/// How many objects of a collection are deleted at once.
const DELETIONS_AT_ONCE: usize = 64;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

struct Deletion<'a> {
    name: &'a str,
    options: &'a DeleteOptions,
}

impl Attempt for Deletion<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let Deletion { name, options } = *self;
        let entry = view.entry(&scope.resource, scope.namespace(), name).cloned();
        let entry = entry.ok_or_else(|| Error::not_found(scope.resource.group_resource.as_str(), name))?;
        let entry = scope.seen_by_deletion(entry, options, view).await?;
        let old = storage::decode_for_write(&scope.resource, &entry);
        scope.delete_from(&entry, old, options, view, Some(Body::Object), Companions::default()).await
    }
}

impl Scope<'_> {
    /// Deletes one object.
    pub async fn delete(&mut self) -> Result<Reply, Error> {
        let options = DeleteOptions::read(self.request)?;
        let written = self.delete_named(&options, self.name()).await?;
        Ok(self.deleted(written))
    }

    /// Deletes the object `name` of the request's namespace.
    pub async fn delete_named(&mut self, options: &DeleteOptions, name: &str) -> Result<Written, Error> {
        self.commit(options.dry_run, Deletion { name, options }).await
    }

    /// Deletes an object as it would be just before its deletion, which webhooks are asked about if it is shown to them;
    /// `companions` go along.
    pub(super) async fn delete_from(
        &mut self,
        entry: &Arc<Entry>,
        old: Map,
        options: &DeleteOptions,
        view: &View,
        shown: Option<Body>,
        mut companions: Companions,
    ) -> Result<Intent, Error> {
        let resource = self.resource.clone();
        self.delete_preconditions(options, &old, entry)?;
        let mut object = old.clone();
        let propagation = self.propagation(&old, options.propagation);
        propagation_finalizers(&mut object, propagation);
        self.start_deletion(&mut object, &old, options);
        let graceful = resource.kind.grace_period.is_some();
        let removed = finished(&object, graceful);
        let stage = Stage {
            removes: removed,
            old: Some(&old),
            shown,
            delete_options: Some(&options.sent),
            ..Stage::new(Operation::Delete, view, options.dry_run)
        };
        self.review(&stage, None).await?;
        self.validate_admission(&stage, None, &mut companions).await?;
        let compare = Compare::Modified(entry.key.clone(), entry.modified);
        if !removed {
            object.metadata_mut().remove("resourceVersion");
            let value = storage::encode(&resource, &object);
            if storage::same_bytes(entry, &value) {
                return Ok(Intent::Unchanged(entry.clone()));
            }
            let value = self.kept_by_deletion(&object, entry, value).await?;
            let op = Op::Put { key: entry.key.clone(), value };
            object.metadata_mut().set("resourceVersion", entry.modified.to_string());
            let txn = companions.transaction(Some((compare, op)), None);
            return Ok(Intent::Commit { txn, object, created: false, removed: false, exact: false });
        }
        let own = (compare, Op::Delete { key: entry.key.clone() });
        let txn = companions.transaction(Some(own), None);
        Ok(Intent::Commit { txn, object: old, created: false, removed: true, exact: false })
    }

    fn delete_preconditions(&self, options: &DeleteOptions, old: &Map, entry: &Entry) -> Result<(), Error> {
        let conflict = |cause: String| Error::Conflict {
            resource: self.resource.group_resource.clone(),
            name: old.name().to_owned(),
            cause,
        };
        let uid = old.str_at(&["metadata", "uid"]);
        if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid) {
            return Err(conflict(format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            )));
        }
        let version = entry.modified.to_string();
        if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != version) {
            return Err(conflict(format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            )));
        }
        Ok(())
    }

    /// The policy for the object's dependents: the one asked for, else the one its finalizers already say, else its
    /// kind's.
    fn propagation(&mut self, old: &Map, asked: Option<Propagation>) -> Option<Propagation> {
        match self.resource.kind.dependents {
            Dependents::None => None,
            Dependents::Deleted => asked,
            Dependents::Orphaned(warning) => {
                if asked.is_none() {
                    self.warnings.push(warning.to_owned());
                }
                let finalizers = old.metadata().map(|metadata| metadata.list("finalizers"));
                let decided = finalizers.is_some_and(|finalizers| finalizers.iter().any(decides_propagation));
                asked.or_else(|| (!decided).then_some(Propagation::Orphan))
            }
        }
    }

    /// Sets deletionTimestamp and the grace period; a second delete may only shorten it.
    fn start_deletion(&self, object: &mut Map, old: &Map, options: &DeleteOptions) {
        let grace = match self.resource.kind.grace_period {
            Some(grace_period) => grace_period(old, options.grace_period),
            None => 0,
        };
        let deleting = old.metadata().is_some_and(|metadata| metadata.contains("deletionTimestamp"));
        let before = old.metadata().and_then(|metadata| metadata.int("deletionGracePeriodSeconds"));
        let held =
            grace > 0 || !object.metadata_mut().list("finalizers").is_empty() || spec_finalizers(old) > 0;
        let metadata = object.metadata_mut();
        if deleting {
            if let Some(before) =
                before.filter(|before| *before > grace && self.resource.kind.grace_period.is_some())
            {
                let start =
                    crate::time::seconds_of(metadata.str("deletionTimestamp")).unwrap_or_default() - before;
                metadata.set("deletionTimestamp", crate::clock::timestamp(start + grace));
                metadata.set("deletionGracePeriodSeconds", grace);
            }
            return;
        }
        let now = crate::time::seconds_of(&self.now).unwrap_or_default();
        metadata.set("deletionTimestamp", crate::clock::timestamp(now + grace));
        // What has finalizers in its spec (a namespace) is deleted without a grace period.
        if spec_finalizers(old) == 0 {
            metadata.set("deletionGracePeriodSeconds", grace);
        }
        if let Some(generation) = metadata.int("generation").filter(|generation| held && *generation > 0) {
            metadata.set("generation", generation + 1);
        }
        (self.resource.kind.begin_deletion)(object);
    }

    /// The answer of a delete: the object, or a Status about it.
    fn deleted(&self, written: Written) -> Reply {
        let removed =
            matches!(written, Written::Stored { removed: true, .. } | Written::Dry { removed: true, .. });
        if !removed || self.resource.kind.delete_returns_object {
            return self.written(written);
        }
        let uid = match &written {
            Written::Stored { entry, .. } => {
                storage::decode(&self.resource, entry).str_at(&["metadata", "uid"]).to_owned()
            }
            Written::Finished { object } | Written::Dry { object, .. } => {
                object.str_at(&["metadata", "uid"]).to_owned()
            }
        };
        Reply::Status(Status::success(
            Some(StatusDetails {
                name: self.name().to_owned(),
                group: self.resource.version.group.to_owned(),
                kind: self.resource.kind.names.plural.to_owned(),
                uid,
                ..StatusDetails::default()
            }),
            0,
        ))
    }

    /// Deletes every selected object, each in a transaction of its own; several at once, so that they share the log's
    /// syncs.
    pub async fn delete_collection(&mut self) -> Result<Reply, Error> {
        let options = DeleteOptions::read(self.request)?;
        let list_options = ListOptions::parse(&self.request.query, false)?;
        let selection = self.selection(&list_options)?;
        let list = self.reader(&selection).list(&self.resource, &selection, &list_options).await?;
        let name = |entry: &Arc<Entry>| crate::selector::split_key(&entry.key).1.to_owned();
        let names: Vec<String> = list.entries.iter().map(name).collect();
        let (server, user, request) = (self.server, self.user, self.request);
        let (resource, form, options) = (&self.resource, self.form, &options);
        stream::iter(names)
            .map(async |name| {
                let mut scope = Scope::new(server, user, request, resource.clone(), form);
                match scope.delete_named(options, &name).await {
                    // Somebody else was faster.
                    Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(DELETIONS_AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await?;
        Ok(Reply::List(ListReply { continue_token: String::new(), remaining: None, ..list }))
    }
}

fn decides_propagation(finalizer: &Node) -> bool {
    matches!(finalizer.as_str(), Some(ORPHAN | FOREGROUND))
}

/// `orphan` and `foregroundDeletion` as the policy asks; without one they stay as they are.
fn propagation_finalizers(object: &mut Map, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Orphan => Some(ORPHAN),
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Background => None,
    };
    let metadata = object.metadata_mut();
    let mut finalizers: List =
        metadata.list("finalizers").iter().filter(|node| !decides_propagation(node)).cloned().collect();
    finalizers.extend(wanted.map(Node::from));
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.set("finalizers", finalizers);
    }
}
