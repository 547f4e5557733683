//! PUT: a whole object in place of the stored one, or of a part that a view shows.

use crate::kind::View as SubresourceView;
use crate::options::WriteOptions;
use crate::registry::Resource;
use crate::reply::Reply;
use crate::request::Attributes;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, Entry, Key, View};
use crate::tree::Map;
use crate::write::{Attempt, Endpoint, Intent};
use std::sync::Arc;

struct Replacement {
    body: Option<Map>,
    dry_run: bool,
}

impl Attempt for Replacement {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let body = scope.body_of_attempt(&mut self.body)?;
        let endpoint = Endpoint { name: "", view: None, owns: true };
        scope.replace(body, endpoint, view, self.dry_run).await
    }
}

/// Of the part that a view shows.
struct PartialReplacement<'a> {
    body: Option<Map>,
    endpoint: Endpoint<'a>,
    dry_run: bool,
}

impl Attempt for PartialReplacement<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let body = scope.body_of_attempt(&mut self.body)?;
        let entry = scope.shown(scope.current(view)?).await?;
        let old = storage::decode_for_write(&scope.resource, &entry);
        scope.prepare_update(&entry, old, body, self.endpoint, view, self.dry_run).await
    }
}

impl Scope<'_> {
    /// Replaces an object; some kinds are created when absent.
    pub async fn update(&mut self) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "UpdateOptions")?;
        let body = self.decode_body()?;
        self.check_namespace(&body)?;
        self.require_name(&body)?;
        let replacement = Replacement { body: Some(body), dry_run: options.dry_run };
        let written = self.commit(options.dry_run, replacement).await?;
        Ok(self.written(written))
    }

    /// Replaces what a view of an object writes.
    pub async fn update_view(&mut self, name: &'static str, rules: &SubresourceView) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "UpdateOptions")?;
        let body = self.decode_body()?;
        self.check_namespace(&body)?;
        self.check_name(&body)?;
        let endpoint = Endpoint { name, view: Some(rules), owns: true };
        let replacement = PartialReplacement { body: Some(body), endpoint, dry_run: options.dry_run };
        let written = self.commit(options.dry_run, replacement).await?;
        Ok(self.written(written))
    }

    async fn replace(
        &mut self,
        mut body: Map,
        endpoint: Endpoint<'_>,
        view: &View,
        dry_run: bool,
    ) -> Result<Intent, Error> {
        match self.find(view) {
            Some(entry) => {
                let entry = self.shown(entry).await?;
                let old = storage::decode_for_write(&self.resource, &entry);
                self.prepare_update(&entry, old, body, endpoint, view, dry_run).await
            }
            None if self.resource.kind.creates_on_update => {
                self.authorize_create(view)?;
                let version = body.str_at(&["metadata", "resourceVersion"]);
                if !version.is_empty() && version != "0" {
                    return Err(Error::modified(self.resource.group_resource.as_str(), self.name()));
                }
                body.metadata_mut().remove("resourceVersion");
                self.prepare_create(body, view, dry_run).await
            }
            None => Err(self.not_found()),
        }
    }

    /// Creating by PUT or apply needs the right to create, too.
    pub fn authorize_create(&self, view: &View) -> Result<(), Error> {
        let attributes = Attributes { verb: "create".to_owned(), ..self.attributes().clone() };
        crate::authorization::check(&self.server.authorizer, view, self.user, &attributes)
    }

    /// The stored object of the path.
    pub fn find(&self, view: &View) -> Option<Arc<Entry>> {
        let resource: &Resource = &self.resource;
        view.state().get(&Key::new(resource.key(self.namespace(), self.name()))).cloned()
    }

    /// The stored object of the path, or 404.
    pub fn current(&self, view: &View) -> Result<Arc<Entry>, Error> {
        self.find(view).ok_or_else(|| self.not_found())
    }
}
