//! Subresources that change an object by a body of their own (binding, eviction).

use crate::admission::subject::Body;
use crate::admission::{Companions, Operation};
use crate::body::{self, Expected};
use crate::endpoints::delete_options::DeleteOptions;
use crate::eviction;
use crate::kind::{BodyKind, Context, Subresource};
use crate::options::WriteOptions;
use crate::registry::Registry;
use crate::reply::Reply;
use crate::schema;
use crate::scope::Scope;
use crate::status::{Error, Status};
use crate::storage::{self, Compare, Op, View};
use crate::tree::Map;
use crate::write::{Attempt, Intent, Stage};

/// A body that changes an object.
type Change = fn(&mut Map, &Map, &Context<'_>) -> Result<(), Error>;

struct Changing<'a> {
    subresource: &'a str,
    name: &'a str,
    body: &'a Map,
    change: Change,
    dry_run: bool,
}

impl Attempt for Changing<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let resource = scope.resource.clone();
        let entry = view.entry(&resource, scope.namespace(), self.name).cloned();
        let entry = entry.ok_or_else(|| Error::not_found(resource.group_resource.as_str(), self.name))?;
        let old = storage::decode_for_write(&resource, &entry);
        let stage = Stage::new(Operation::Create, view, self.dry_run).through(self.subresource);
        let mut body = self.body.clone();
        body.metadata_mut().set("namespace", scope.namespace());
        if let Some(kind) = resource.kind.subresource(self.subresource).and_then(|found| found.body) {
            scope.review(&stage.showing(Body::Own(kind)), Some(&mut body)).await?;
        }
        let mut object = old.clone();
        (self.change)(&mut object, &body, &Context { now: &scope.now, user: scope.user })?;
        object.metadata_mut().remove("resourceVersion");
        let mut companions = Companions::default();
        let stage = Stage { old: Some(&old), ..stage };
        scope.admit(&stage, &mut object, &mut companions).await?;
        scope.validate_admission(&stage, Some(&object), &mut companions).await?;
        let op = Op::Put { key: entry.key.clone(), value: storage::encode(&resource, &object) };
        let own = (Compare::Modified(entry.key.clone(), entry.modified), op);
        let txn = companions.transaction(Some(own), None);
        Ok(Intent::Commit { txn, object, created: false, removed: false, exact: false })
    }
}

struct Eviction<'a> {
    body: &'a Map,
    kind: BodyKind,
    options: &'a DeleteOptions,
}

impl Attempt for Eviction<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let stage = Stage::new(Operation::Create, view, self.options.dry_run).through("eviction");
        let mut body = self.body.clone();
        body.metadata_mut().set("namespace", scope.namespace());
        scope.review(&stage.showing(Body::Own(self.kind)), Some(&mut body)).await?;
        let entry = scope.current(view)?;
        let pod = storage::decode(&scope.resource, &entry);
        let mut companions = Companions::default();
        let pod = eviction::evict(view, &pod, &scope.now, &mut companions)?;
        scope.delete_from(&entry, pod, self.options, view, None, companions).await
    }
}

impl Scope<'_> {
    /// POST of a body that changes the object: answers a Status.
    pub async fn change(&mut self, subresource: &Subresource, change: Change) -> Result<Reply, Error> {
        let name = self.name().to_owned();
        let body = self.special_body(subresource)?;
        if body.name() != name {
            let kind = subresource.body.map_or("", |body| body.kind);
            return Err(Error::BadRequest(format!("name in URL does not match name in {kind} object")));
        }
        self.change_named(subresource.name, &name, &body, change).await
    }

    /// POST of a Binding to the collection: the pod is the one that the body names.
    pub async fn bind_by_body(&mut self) -> Result<Reply, Error> {
        let pods = Registry::builtin().storage_of("", "pods").cloned().ok_or(Error::NoResource)?;
        let body = self.decode_body()?;
        self.check_namespace(&body)?;
        let binding = pods.kind.subresource("binding").ok_or(Error::NoResource)?;
        let crate::kind::Action::Change(change) = binding.action else { return Err(Error::NoResource) };
        self.resource = pods;
        let name = body.name().to_owned();
        self.change_named("binding", &name, &body, change).await
    }

    async fn change_named(
        &mut self,
        subresource: &str,
        name: &str,
        body: &Map,
        change: Change,
    ) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let changing = Changing { subresource, name, body, change, dry_run: options.dry_run };
        self.commit(options.dry_run, changing).await?;
        Ok(Reply::Status(Status::success(None, 201)))
    }

    pub(super) fn special_body(&mut self, subresource: &Subresource) -> Result<Map, Error> {
        let kind = subresource.body.ok_or(Error::NoResource)?;
        let schema = schema::builtin().find(kind.schema).ok_or(Error::NoResource)?;
        let api_version = if kind.group.is_empty() {
            kind.version.to_owned()
        } else {
            format!("{}/{}", kind.group, kind.version)
        };
        let expected = Expected { api_version: &api_version, kind: kind.kind, schema, custom: None };
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let mut warnings = std::mem::take(&mut self.warnings);
        let decoded = body::decode(self.request, expected, options.field_validation, &mut warnings);
        self.warnings = warnings;
        decoded
    }

    /// Subresources that other parts of the server answer.
    pub async fn special(&mut self, name: &str) -> Result<Reply, Error> {
        match name {
            "eviction" => self.evict().await,
            _ => self.token().await,
        }
    }

    /// POST of an Eviction: deletes the pod if its disruption budgets allow.
    async fn evict(&mut self) -> Result<Reply, Error> {
        let subresource = *self.resource.kind.subresource("eviction").ok_or(Error::NoResource)?;
        let kind = subresource.body.ok_or(Error::NoResource)?;
        let body = self.special_body(&subresource)?;
        if !body.name().is_empty() && body.name() != self.name() {
            return Err(Error::BadRequest(format!(
                "name in URL does not match name in Eviction object: \"{}\" != \"{}\"",
                self.name(),
                body.name()
            )));
        }
        let mut options = DeleteOptions::of(body.map("deleteOptions").unwrap_or(&Map::new()))?;
        options.dry_run |= WriteOptions::parse(&self.request.query, "CreateOptions")?.dry_run;
        self.commit(options.dry_run, Eviction { body: &body, kind, options: &options }).await?;
        Ok(Reply::Status(Status::success(None, 201)))
    }
}
