//! Admission: what the cluster has to say about a write, in one ordered list of plug-ins.
//!
//! Keeps: plug-ins are synchronous and run inside the write loop, again on every retry, on a consistent view;
//! what they reserve elsewhere (a cluster IP, a quota's usage) commits in the write's own transaction.

use crate::registry::Resource;
use crate::status::Error;
use crate::storage::{self, Compare, Entry, Key, NewValue, Op, View};
use crate::tree::Map;
use crate::user::User;

/// What a request does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change, also of a subresource.
    Update,
    /// A removal, or the start of one.
    Delete,
    /// A connection to an object (exec, proxy).
    Connect,
}

/// A request as plug-ins see it.
pub struct Attributes<'a> {
    /// What is done.
    pub operation: Operation,
    /// To which resource.
    pub resource: &'a Resource,
    /// `status`, `scale` …; empty for the object itself.
    pub subresource: &'a str,
    /// Namespace; empty at cluster scope.
    pub namespace: &'a str,
    /// Name; empty when it is about to be generated.
    pub name: &'a str,
    /// By whom.
    pub user: &'a User,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Now, canonical.
    pub now: &'a str,
    /// The stored object, for updates and deletes.
    pub old: Option<&'a Map>,
    /// Everything stored, at one revision.
    pub view: &'a View,
    /// Warnings for the client.
    pub warnings: &'a mut Vec<String>,
    /// What else the transaction compares and writes.
    pub companions: &'a mut Companions,
}

/// A plug-in. `object` is the tree of the storage version; on delete and connect there is none.
pub trait Plugin: Send + Sync {
    /// Upstream's name of the plug-in (`ServiceAccount`).
    fn name(&self) -> &'static str;

    /// Changes or refuses the object.
    fn admit(&self, _: &mut Attributes<'_>, _: &mut Map) -> Result<(), Error> {
        Ok(())
    }

    /// Refuses the object as it will be stored, after validation; may add companions.
    fn validate(&self, _: &mut Attributes<'_>, _: Option<&Map>) -> Result<(), Error> {
        Ok(())
    }
}

/// Compares and writes that commit together with the request's own.
#[derive(Debug, Default)]
pub struct Companions {
    /// What else must hold.
    pub compares: Vec<Compare>,
    /// What else is written.
    pub ops: Vec<Op>,
}

impl Companions {
    /// The entry must still be as it was read.
    pub fn unchanged(&mut self, entry: &Entry) {
        self.compares.push(Compare::Modified(entry.key.clone(), entry.modified));
    }

    /// Creates an object of another resource; the write fails and runs again when it exists by then.
    pub fn create(&mut self, resource: &Resource, object: &Map) {
        let key = Key::new(resource.key(object.namespace(), object.name()));
        self.compares.push(Compare::Absent(key.clone()));
        self.ops.push(Op::Put { key, value: storage::encode(resource, object) });
    }

    /// Reserves a bare key (a node port), holding a few bytes.
    pub fn reserve(&mut self, key: Key, value: NewValue) {
        self.compares.push(Compare::Absent(key.clone()));
        self.ops.push(Op::Put { key, value });
    }

    /// Replaces an object that was read as `entry`.
    pub fn update(&mut self, resource: &Resource, entry: &Entry, object: &Map) {
        self.unchanged(entry);
        self.ops.push(Op::Put { key: entry.key.clone(), value: storage::encode(resource, object) });
    }

    /// Removes what was read as `entry`.
    pub fn delete(&mut self, entry: &Entry) {
        self.unchanged(entry);
        self.ops.push(Op::Delete { key: entry.key.clone() });
    }
}
