//! The pipeline: every request, from any source, passes [`Server::call`].
//!
//! Keeps: authorize -> dispatch happens here and nowhere else; an adapter (HTTP, in-process) authenticates,
//! hands over a parsed [`Request`] and encodes the [`Reply`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::admission::policies::Policies;
use crate::admission::webhooks::Hooks;
use crate::aggregation::{self, Aggregation};
use crate::audit::{Audit, Recording};
use crate::authentication::oidc;
use crate::authorization::{self, Authorizer};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::connect::Outbound;
use crate::custom::{self, Definitions};
use crate::extension::Extension;
use crate::identity::Identity;
use crate::kind::{Action, Connect};
use crate::metrics::Metrics;
use crate::negotiation::Form;
use crate::options::ListOptions;
use crate::read::Reader;
use crate::registry::{Registry, Resource};
use crate::remote::Remotes;
use crate::reply::Reply;
use crate::request::{Attributes, Request};
use crate::scope::Scope;
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, Interest, Outcome, Prefix, Revision, State, Store, View};
use crate::templates::Templates;
use crate::user::User;
use crate::warning::Warnings;
use crate::{bootstrap, expiry, identity, nonresource, reviews, service_account};

/// How often the first objects are planned before the start fails.
const BOOTSTRAP_ATTEMPTS_MAX: usize = 10;

/// The API server.
pub struct Server {
    /// Where objects are.
    pub store: Store,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// Who may do what.
    pub authorizer: Arc<Authorizer>,
    /// The cluster's settings.
    pub cluster: Cluster,
    /// What users have defined.
    pub definitions: Definitions,
    /// What is counted.
    pub metrics: Metrics,
    /// Specs that come again and again.
    pub templates: Templates,
    /// Whether it is listed among the cluster's servers.
    pub identity: Identity,
    /// Who answers paths that are none of Kubernetes'.
    pub extensions: Vec<Arc<dyn Extension>>,
    /// How it connects to kubelets and to what it passes requests on to; without it, it does not.
    pub outbound: Option<Outbound>,
    /// The connections to servers of users'.
    pub remotes: Remotes,
    /// What other API servers serve.
    pub aggregation: Aggregation,
    /// Who records requests, if anybody does.
    pub audit: Option<Arc<Audit>>,
    /// The webhooks of admission.
    pub hooks: Hooks,
    /// The policies of admission.
    pub policies: Policies,
    draining: AtomicBool,
}

/// An answer with the warnings that go along, also with a refusal.
pub struct Answer {
    /// The reply, or why there is none.
    pub reply: Result<Reply, Error>,
    /// Warning headers.
    pub warnings: Warnings,
}

impl Server {
    /// A server over a store that is ready.
    pub fn new(store: Store, cluster: Cluster, clock: Arc<dyn Clock>) -> Server {
        let cluster = Cluster { node: store.status().node, ..cluster };
        Server {
            store,
            clock,
            authorizer: Arc::new(Authorizer::new()),
            cluster,
            definitions: Definitions::default(),
            metrics: Metrics::new(),
            templates: Templates::default(),
            identity: Identity::default(),
            extensions: Vec::new(),
            outbound: None,
            remotes: Remotes::default(),
            aggregation: Aggregation::default(),
            audit: None,
            hooks: Hooks::default(),
            policies: Policies::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on `/readyz` fails, so that load balancers send new clients elsewhere; everything is still answered.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether this server asks load balancers to go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Makes what a cluster must hold and starts the server's own loops. Needs a tokio runtime.
    pub async fn start(self: &Arc<Self>) -> Result<(), Error> {
        self.bootstrap().await?;
        tokio::spawn(custom::run(self.clone()));
        tokio::spawn(aggregation::run(self.clone()));
        tokio::spawn(expiry::run(self.clone()));
        tokio::spawn(identity::run_renewal(self.clone()));
        tokio::spawn(identity::run_list(self.clone()));
        tokio::spawn(service_account::last_use::run(self.clone()));
        tokio::spawn(oidc::run(self.clone()));
        Ok(())
    }

    /// Plans and writes the objects of a fresh cluster, again when somebody else wrote meanwhile.
    async fn bootstrap(&self) -> Result<(), Error> {
        for _ in 0..BOOTSTRAP_ATTEMPTS_MAX {
            let view = View::new(self.reader().latest().await?);
            let plan = bootstrap::plan(&view, &self.cluster, &*self.clock);
            if plan.ops.is_empty() {
                return Ok(());
            }
            match self.store.txn(plan.transaction(None, None)).await {
                Outcome::Applied { .. } => return Ok(()),
                Outcome::Failed { .. } | Outcome::Unknown => {}
                Outcome::NotProposed(why) => return Err(storage::refused(why)),
            }
        }
        Err(Error::Internal("the cluster's first objects could not be written".to_owned()))
    }

    /// The read side.
    pub fn reader(&self) -> Reader<'_> {
        Reader { store: &self.store, clock: &*self.clock, converter: None }
    }

    /// Everything that is served as of the newest local view.
    pub fn registry(&self) -> Arc<Registry> {
        self.definitions.registry(&self.view())
    }

    /// The resource of a group, version and plural as of the newest local view.
    pub fn known(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let builtin = Registry::builtin().find(group, version, plural);
        builtin.cloned().or_else(|| self.registry().find(group, version, plural).cloned())
    }

    /// The newest local view.
    pub fn view(&self) -> View {
        View::new(self.store.state())
    }

    /// Waits until an object of a resource changes after a revision, or until that cannot be told.
    pub(crate) async fn changed(&self, resource: &Resource, since: Revision) {
        let bucket = &resource.bucket;
        let cursor = self.store.watch(bucket, Prefix::new(bucket.as_str()), since, Interest::All);
        let Ok(mut cursor) = cursor else { return tokio::task::yield_now().await };
        let mut events = Vec::new();
        if std::future::poll_fn(|context| cursor.poll_next(context, 64, &mut events)).await.is_err() {
            tracing::debug!(resource = resource.group_resource, "a watch begins anew");
        }
    }

    /// Authorizes and carries out a request of an authenticated user.
    pub async fn call(&self, user: &User, request: &Request, form: Result<Form, Error>) -> Answer {
        let refused = |error| Answer { reply: Err(error), warnings: Warnings::new() };
        let authorized = match &request.recording {
            None => self.authorize(user, &request.attributes).await,
            Some(recording) => self.authorize_recorded(user, request, recording).await,
        };
        if let Err(error) = authorized {
            return refused(error);
        }
        if let Some(remote) = self.aggregation.find(&request.attributes.path) {
            let reply = Box::pin(self.pass_to(&remote, user, request)).await;
            return Answer { reply, warnings: Warnings::new() };
        }
        if request.origin.is_some() && !self.passes_on(&request.attributes) {
            // Its body was not read, since somebody else answered here a moment ago.
            return refused(Error::Unavailable("what is served here is changing".to_owned()));
        }
        if !request.attributes.is_resource {
            return Answer {
                reply: Box::pin(nonresource::answer(self, user, request)).await,
                warnings: Warnings::new(),
            };
        }
        let resource = match self.resource(&request.attributes).await {
            Ok(resource) => resource,
            Err(error) => return refused(error),
        };
        let form = match form {
            Ok(form) => form,
            // Somebody else answers, in a form of theirs.
            Err(_) if self.passes_on(&request.attributes) => Form::JSON,
            Err(error) => return refused(error),
        };
        let mut scope = Scope::new(self, user, request, resource, form);
        let reply = scope.dispatch().await;
        Answer { reply, warnings: scope.warnings }
    }

    /// As [`Server::authorize`], saying why; what is sent is recorded of those who may.
    async fn authorize_recorded(
        &self,
        user: &User,
        request: &Request,
        recording: &Recording,
    ) -> Result<(), Error> {
        let attributes = authorization::Attributes::from(&request.attributes);
        let view = self.view();
        let mut decision = self.authorizer.authorize(&view, user, &attributes);
        if !decision.allowed()
            && let Some(latest) = self.newer_than(&view).await
        {
            decision = self.authorizer.authorize(&latest, user, &attributes);
        }
        let (reason, allowed) = (decision.reason(), decision.allowed());
        let word = if allowed { "allow" } else { "forbid" };
        recording.annotate("authorization.k8s.io/decision", || word.to_owned());
        recording.annotate("authorization.k8s.io/reason", || reason.clone());
        if !allowed {
            return Err(attributes.forbidden(user, &reason));
        }
        if request.attributes.is_resource {
            recording.sent(request);
        }
        Ok(())
    }

    /// Decides on the local view first; a refusal is decided again behind a barrier.
    pub(crate) async fn authorize(&self, user: &User, attributes: &Attributes) -> Result<(), Error> {
        let view = self.view();
        let Err(refusal) = authorization::check(&self.authorizer, &view, user, attributes) else {
            return Ok(());
        };
        match self.newer_than(&view).await {
            Some(latest) => authorization::check(&self.authorizer, &latest, user, attributes),
            None => Err(refusal),
        }
    }

    /// The view behind a barrier, when it is newer than `view`: what was refused on that may be allowed on this.
    pub(crate) async fn newer_than(&self, view: &View) -> Option<View> {
        let latest = self.reader().latest().await.ok()?;
        (latest.revision != view.revision()).then(|| View::new(latest))
    }

    /// The resource that a path names: one that is built in, or that a definition of the newest state makes.
    pub async fn resource(&self, attributes: &Attributes) -> Result<Arc<Resource>, Error> {
        let view = self.view();
        match self.resource_of(attributes, &view) {
            Err(refusal) => match self.newer_than(&view).await {
                Some(latest) => self.resource_of(attributes, &latest),
                None => Err(refusal),
            },
            found => found,
        }
    }

    fn resource_of(&self, attributes: &Attributes, view: &View) -> Result<Arc<Resource>, Error> {
        let Attributes { group, version, resource, .. } = attributes;
        let found = match Registry::builtin().find(group, version, resource) {
            Some(found) => found.clone(),
            None => self.definitions.registry(view).found(group, version, resource)?,
        };
        if !attributes.subresource.is_empty() && found.kind.subresource(&attributes.subresource).is_none() {
            return Err(Error::NoResource);
        }
        if !found.namespaced() && !attributes.namespace.is_empty() && attributes.resource != "namespaces" {
            return Err(Error::NoResource);
        }
        Ok(found)
    }
}

impl Reader<'_> {
    /// A state that has applied `revision`.
    pub async fn at_least(&self, revision: Revision) -> Result<Arc<State>, Error> {
        const WAIT: Duration = Duration::from_secs(10);
        self.store.state_at_least(revision, WAIT).await.map_err(|_| Error::Timeout)
    }
}

impl Scope<'_> {
    async fn dispatch(&mut self) -> Result<Reply, Error> {
        let attributes = self.attributes();
        let kind = self.resource.kind;
        if !attributes.subresource.is_empty() {
            return Box::pin(self.subresource()).await;
        }
        if attributes.verb.is_empty() || !kind.verbs.contains(&attributes.verb.as_str()) {
            return Err(self.no_verb());
        }
        if self.resource.namespaced() && attributes.namespace.is_empty() {
            if attributes.names_object {
                return Err(Error::NoResource);
            }
            if matches!(attributes.verb.as_str(), "create" | "deletecollection") {
                return Err(Error::MethodNotAllowed);
            }
        }
        match attributes.verb.as_str() {
            "update" | "patch" if !attributes.names_object => Err(Error::MethodNotAllowed),
            "create" if attributes.names_object => Err(Error::MethodNotAllowed),
            "create" if crate::virtual_kinds::is_virtual(kind) => Box::pin(self.create_virtual()).await,
            "get" | "list" if crate::virtual_kinds::is_virtual(kind) => Box::pin(self.read_virtual()).await,
            "create" => Box::pin(self.create()).await,
            "get" => {
                let revision = self.read_version()?;
                let reader = self.reader(&Selection::default());
                let found = reader.get(&self.resource, self.namespace(), self.name(), revision).await?;
                self.check_definition(&self.server.view())?;
                Ok(found)
            }
            "list" => {
                let options = ListOptions::parse(&self.request.query, false)?;
                let selection = self.selection(&options)?;
                let reader = self.reader(&selection);
                let list = Box::pin(reader.list(&self.resource, &selection, &options)).await?;
                self.check_definition(&self.server.view())?;
                Ok(Reply::List(list))
            }
            "watch" => {
                let options = ListOptions::parse(&self.request.query, true)?;
                let selection = self.selection(&options)?;
                let reader = self.reader(&selection);
                let watch = reader.watch(&self.resource, selection, &options, self.form).await?;
                self.check_definition(&self.server.view())?;
                Ok(watch)
            }
            "update" => Box::pin(self.update()).await,
            "patch" => Box::pin(self.patch()).await,
            "delete" => Box::pin(self.delete()).await,
            "deletecollection" => Box::pin(self.delete_collection()).await,
            _ => Err(self.no_verb()),
        }
    }

    fn no_verb(&self) -> Error {
        Error::MethodNotAllowed
    }

    fn read_version(&self) -> Result<Option<Revision>, Error> {
        match self.request.query.non_empty("resourceVersion") {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Error::BadRequest(format!("invalid resource version: {text:?}"))),
        }
    }

    /// The selectors of the request; a name in the path of a watch counts as one.
    pub fn selection(&self, options: &ListOptions) -> Result<Selection, Error> {
        let name = if self.attributes().names_object { self.name() } else { "" };
        Selection::new(
            &self.resource,
            self.namespace(),
            name,
            &options.label_selector,
            &options.field_selector,
        )
    }

    async fn subresource(&mut self) -> Result<Reply, Error> {
        let attributes = self.attributes();
        let subresource =
            *self.resource.kind.subresource(&attributes.subresource).ok_or(Error::NoResource)?;
        let verb = attributes.verb.as_str();
        // OPTIONS, which is no verb, is for whom the request is passed on to.
        let is_options = matches!(subresource.action, Action::Connect(Connect::Proxy))
            && self.request.method == http::Method::OPTIONS
            && verb.is_empty();
        if !is_options && !subresource.verbs.contains(&verb) {
            return Err(Error::MethodNotAllowed);
        }
        match (subresource.action, verb) {
            (Action::View(_), "get") => {
                let reader = self.reader(&Selection::default());
                reader.get(&self.resource, self.namespace(), self.name(), None).await
            }
            (Action::View(view), "update") => self.update_view(subresource.name, &view).await,
            (Action::View(view), _) => self.patch_view(subresource.name, &view).await,
            (Action::Scale(paths), _) => self.scale(&paths, verb).await,
            (Action::Change(change), _) => self.change(&subresource, change).await,
            (Action::Connect(to), _) => self.connect(to).await,
            (Action::Special, _) => self.special(subresource.name).await,
        }
    }

    /// POST of a review or another kind that is never stored.
    async fn create_virtual(&mut self) -> Result<Reply, Error> {
        if self.resource.kind.names.kind == "Binding" {
            return self.bind_by_body().await;
        }
        let body = self.decode_body()?;
        if self.resource.kind.names.kind == "TokenReview" {
            // Whether it found any, the review says.
            let _ = self.server.has_newer_keys_for(body.str_at(&["spec", "token"])).await;
        }
        let view = View::new(self.server.reader().latest().await?);
        let asking = reviews::Asking {
            user: self.user,
            view: &view,
            authorizer: &self.server.authorizer,
            cluster: &self.server.cluster,
            namespace: self.namespace(),
            now: &self.now,
        };
        let object = reviews::handle(&self.resource, body, &asking)?;
        Ok(self.tree_reply(object, true))
    }
}

#[cfg(test)]
mod tests;
