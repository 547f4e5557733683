//! A store in a directory of its own, filled from JSON: what tests of plug-ins and policy look at.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::admission::{self, Attributes, Companions, Operation};
use crate::authorization::Authorizer;
use crate::clock::{Clock, SystemClock};
use crate::cluster::Cluster;
use crate::codec;
use crate::pipeline::Server;
use crate::registry::{Registry, Resource};
use crate::request::{Attributes as RequestAttributes, Query, Request};
use crate::schema;
use crate::status::Error;
use crate::storage::{self, Op, Outcome, Store, View};
use crate::tree::Map;
use crate::user::User;
use crate::warning::Warnings;

/// The time of every test.
pub(crate) const NOW: &str = "2026-01-02T03:04:05Z";

/// A clock that stands still and a source of randomness that counts.
#[derive(Default)]
pub(crate) struct Still(std::sync::atomic::AtomicU8);

impl Clock for Still {
    fn unix_nanos(&self) -> i128 {
        1_767_323_045_000_000_000
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

/// A store with what belongs around it.
pub(crate) struct Fixture {
    store: Option<Store>,
    runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    pub(crate) authorizer: Authorizer,
    pub(crate) cluster: Cluster,
    pub(crate) clock: Still,
}

/// The resource of a group and plural.
pub(crate) fn resource(group: &str, plural: &str) -> &'static Arc<Resource> {
    Registry::builtin().storage_of(group, plural).unwrap()
}

/// An object from JSON.
pub(crate) fn object(resource: &Resource, json: &Value) -> Map {
    codec::json::decode(json.to_string().as_bytes(), schema::builtin(), resource.storage_schema, None)
        .unwrap()
}

/// A map of any shape from JSON.
pub(crate) fn untyped(json: &Value) -> Map {
    codec::json::decode_untyped(json.to_string().as_bytes()).unwrap().as_map().unwrap().clone()
}

/// A user of some groups.
pub(crate) fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..User::default()
    }
}

/// Runs `body` with a server over a new store.
pub(crate) fn serving<T>(body: impl AsyncFnOnce(&Server) -> T) -> T {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(pintle_store::Options::new(directory.path().join("data"))).unwrap();
        let clock = Arc::new(SystemClock::default());
        let server = Arc::new(Server::new(store.clone(), Cluster::default(), clock));
        server.start().await.unwrap();
        let outcome = body(&server).await;
        store.shutdown().await;
        outcome
    })
}

/// A request to such a server; the path may have a query.
pub(crate) fn request(
    method: Method,
    url: &str,
    content_type: &'static str,
    body: impl AsRef<[u8]>,
) -> Request {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query = Query::parse(query);
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    let attributes = RequestAttributes::parse(&method, path, &query);
    let body = Bytes::copy_from_slice(body.as_ref());
    Request { attributes, method, query, headers, body, fence: None, origin: None, recording: None }
}

impl Fixture {
    /// An empty store.
    pub(crate) fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = pintle_store::Options::new(directory.path().join("data"));
        let store = runtime.block_on(async { Store::open(options) }).unwrap();
        let fixture = Fixture {
            store: Some(store),
            runtime,
            directory,
            authorizer: Authorizer::new(),
            cluster: Cluster::default(),
            clock: Still(0.into()),
        };
        assert!(fixture.directory.path().exists());
        fixture
    }

    /// A store with the objects of a fresh cluster.
    pub(crate) fn bootstrapped() -> Fixture {
        let fixture = Fixture::new();
        let plan = crate::bootstrap::plan(&fixture.view(), &fixture.cluster, &fixture.clock);
        fixture.commit(plan);
        fixture
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Everything stored.
    pub(crate) fn view(&self) -> View {
        View::new(self.store().state())
    }

    /// Applies compares and writes, which must hold.
    pub(crate) fn commit(&self, companions: Companions) {
        if companions.ops.is_empty() {
            return;
        }
        let outcome = self.runtime.block_on(self.store().txn(companions.transaction(None, None)));
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }

    /// Stores an object, whatever was there.
    pub(crate) fn put(&self, resource: &Resource, object: &Map) {
        let key = storage::Key::new(resource.key(object.namespace(), object.name()));
        let mut companions = Companions::default();
        companions.ops.push(Op::Put { key, value: storage::encode(resource, object) });
        self.commit(companions);
    }

    /// Stores objects given as group, plural and JSON.
    pub(crate) fn fill(&self, objects: &[(&str, &str, Value)]) {
        for (group, plural, json) in objects {
            let resource = resource(group, plural);
            self.put(resource, &object(resource, json));
        }
    }

    /// A stored object.
    pub(crate) fn stored(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Map> {
        self.view().object(resource(group, plural), namespace, name)
    }

    /// Runs every plug-in on a write and answers the object with what else would be written.
    pub(crate) fn admit(
        &self,
        operation: Operation,
        resource: &Resource,
        user: &User,
        old: Option<&Map>,
        new: Option<Map>,
    ) -> Result<(Option<Map>, Companions), Error> {
        let mut companions = Companions::default();
        let mut warnings = Warnings::new();
        let view = self.view();
        let any = new.as_ref().or(old).cloned().unwrap_or_default();
        let mut attributes = Attributes {
            operation,
            resource,
            subresource: "",
            namespace: any.namespace(),
            name: any.name(),
            user,
            dry_run: false,
            now: NOW,
            old,
            removes: operation == Operation::Delete,
            view: &view,
            authorizer: &self.authorizer,
            cluster: &self.cluster,
            clock: &self.clock,
            warnings: &mut warnings,
            companions: &mut companions,
            recording: None,
        };
        let mut new = new;
        if let Some(object) = &mut new {
            for plugin in admission::PLUGINS.iter().chain(admission::LAST_PLUGINS) {
                plugin.admit(&mut attributes, object)?;
            }
        }
        for plugin in admission::PLUGINS.iter().chain(admission::LAST_PLUGINS) {
            plugin.validate(&mut attributes, new.as_ref())?;
        }
        Ok((new, companions))
    }

    /// Admits a write and commits it with its companions.
    pub(crate) fn write(
        &self,
        resource: &Resource,
        user: &User,
        old: Option<&Map>,
        new: Option<Map>,
    ) -> Result<Option<Map>, Error> {
        let operation = match (old, &new) {
            (_, None) => Operation::Delete,
            (None, Some(_)) => Operation::Create,
            (Some(_), Some(_)) => Operation::Update,
        };
        let (object, mut companions) = self.admit(operation, resource, user, old, new)?;
        let key = |object: &Map| storage::Key::new(resource.key(object.namespace(), object.name()));
        companions.ops.push(match (&object, old) {
            (Some(object), _) => Op::Put { key: key(object), value: storage::encode(resource, object) },
            (None, Some(old)) => Op::Delete { key: key(old) },
            (None, None) => panic!("a delete has an old object"),
        });
        self.commit(companions);
        Ok(object)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.runtime.block_on(store.shutdown());
        }
    }
}
