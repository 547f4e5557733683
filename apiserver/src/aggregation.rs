//! API servers of others: group versions that an APIService leads to a Service.
//!
//! Keeps: a request gets there authenticated and authorized here, under the front proxy's certificate and without what its
//! client proved itself with. Whether a server is available is found out by the leader and stored, so every node says the
//! same; discovery shows what a server said last. What is built in is not displaced.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::discovery::Merged;
use crate::pipeline::Server;
use crate::registry::{Registry, Resource};
use crate::remote::Place;
use crate::storage::{self, Revision, View};
use crate::tree::Map;

mod availability;
mod passing;
mod said;

pub(crate) use availability::run;

/// The group versions that others serve, as of the newest view that was looked at.
#[derive(Default)]
pub struct Aggregation {
    others: ArcSwap<Others>,
}

/// Who serves what, and what they say of it.
#[derive(Default)]
pub struct Others {
    /// Of the newest change to any APIService.
    modified: Revision,
    remotes: Vec<Arc<Remote>>,
    /// What discovery says of a group version, by the name of its APIService.
    said: FxHashMap<String, Arc<Map>>,
    /// Discovery with them in it, and the number of the registry that it is of.
    pub(crate) merged: Mutex<Option<(u64, Arc<Merged>)>>,
}

/// A group version that somebody else serves.
pub(crate) struct Remote {
    /// Of the APIService: `v1beta1.metrics.k8s.io`.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    /// `spec.groupPriorityMinimum`
    pub(crate) group_priority: i64,
    /// `spec.versionPriority`
    pub(crate) version_priority: i64,
    place: Place,
    /// As its APIService says.
    is_available: bool,
}

fn api_services() -> &'static Arc<Resource> {
    Registry::builtin().storage_of("apiregistration.k8s.io", "apiservices").expect("APIServices are built in")
}

impl Remote {
    /// What an APIService leads to, unless this server answers itself.
    fn of(api_service: &Map) -> Option<Remote> {
        let spec = api_service.map("spec")?;
        let place = Place::of_api_service(spec)?;
        let (group, version) = (spec.str("group"), spec.str("version"));
        if Registry::builtin().serves(group, version) {
            return None;
        }
        let conditions = api_service.map("status").into_iter().flat_map(|status| status.maps("conditions"));
        let mut available = conditions.filter(|condition| condition.str("type") == "Available");
        Some(Remote {
            name: api_service.name().to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            group_priority: spec.int("groupPriorityMinimum").unwrap_or(0),
            version_priority: spec.int("versionPriority").unwrap_or(0),
            place,
            is_available: available.any(|condition| condition.str("status") == "True"),
        })
    }

    /// `/apis/metrics.k8s.io/v1beta1`
    fn path(&self) -> String {
        format!("/apis/{}/{}", self.group, self.version)
    }
}

impl Others {
    /// Nobody serves anything.
    pub fn is_empty(&self) -> bool {
        self.remotes.is_empty()
    }

    /// Every group version, with what is known of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Remote, Option<&Map>)> {
        self.remotes.iter().map(|remote| (&**remote, self.said.get(&remote.name).map(|said| &**said)))
    }

    /// The keys of the OpenAPI documents that others have: `apis/metrics.k8s.io/v1beta1`.
    pub(crate) fn openapi_keys(&self) -> impl Iterator<Item = String> {
        let available = self.remotes.iter().filter(|remote| remote.is_available);
        available.map(|remote| remote.path()[1..].to_owned())
    }
}

impl Aggregation {
    /// What is known.
    pub fn others(&self) -> Arc<Others> {
        self.others.load_full()
    }

    /// Reads the APIServices of a view.
    fn read(&self, view: &View) {
        let modified = view.modified(api_services());
        let before = self.others.load();
        if before.modified >= modified {
            return;
        }
        let entries = view.entries(api_services(), "");
        let remotes: Vec<Arc<Remote>> = entries
            .filter_map(|entry| Remote::of(&storage::decode(api_services(), entry)).map(Arc::new))
            .collect();
        let is_known = |name: &String| remotes.iter().any(|remote| remote.name == *name);
        let said = before.said.iter().filter(|(name, _)| is_known(name));
        let said = said.map(|(name, said)| (name.clone(), said.clone())).collect();
        self.others.store(Arc::new(Others { modified, remotes, said, merged: Mutex::default() }));
    }

    /// Notes what a server says of itself.
    fn note(&self, name: &str, said: Map) {
        let before = self.others.load();
        if before.said.get(name).is_some_and(|before| **before == said) {
            return;
        }
        let mut all = before.said.clone();
        all.insert(name.to_owned(), Arc::new(said));
        let (modified, remotes) = (before.modified, before.remotes.clone());
        self.others.store(Arc::new(Others { modified, remotes, said: all, merged: Mutex::default() }));
    }

    /// Who serves a path.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Remote>> {
        let others = self.others.load();
        if others.remotes.is_empty() {
            return None;
        }
        let (group, version) = group_version(path)?;
        let found = others.remotes.iter().find(|remote| remote.group == group && remote.version == version);
        found.cloned()
    }
}

/// The group version of a path of its own.
fn group_version(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/openapi/v3").unwrap_or(path).strip_prefix("/apis/")?;
    let mut segments = rest.split('/');
    let (group, version) = (segments.next()?, segments.next()?);
    (!group.is_empty() && !version.is_empty()).then_some((group, version))
}

impl Server {
    /// Whether somebody else answers at a path.
    pub(crate) fn is_of_others(&self, path: &str) -> bool {
        self.aggregation.find(path).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_group_versions_are_told_from_others() {
        for (path, expected) in [
            ("/apis/metrics.k8s.io/v1beta1", Some(("metrics.k8s.io", "v1beta1"))),
            ("/apis/metrics.k8s.io/v1beta1/namespaces/a/pods", Some(("metrics.k8s.io", "v1beta1"))),
            ("/openapi/v3/apis/metrics.k8s.io/v1beta1", Some(("metrics.k8s.io", "v1beta1"))),
            ("/apis/metrics.k8s.io", None),
            ("/apis/metrics.k8s.io/", None),
            ("/apis", None),
            ("/api/v1/pods", None),
        ] {
            assert_eq!(group_version(path), expected, "{path}");
        }
    }
}
