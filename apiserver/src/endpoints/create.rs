//! POST: a new object.

use crate::body;
use crate::codec::Memory;
use crate::negotiation;
use crate::options::{FieldValidation, WriteOptions};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::View;
use crate::tree::Map;
use crate::warning::Warnings;
use crate::write::{Attempt, Intent, Written};

struct Creation {
    body: Option<Map>,
    dry_run: bool,
}

impl Attempt for Creation {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let body = scope.body_of_attempt(&mut self.body)?;
        scope.prepare_create(body, view, self.dry_run).await
    }
}

impl Scope<'_> {
    /// Decodes the body of a create or update of the resource itself.
    pub fn decode_body(&mut self) -> Result<Map, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let mut warnings = std::mem::take(&mut self.warnings);
        let decoded = body::decode(self.request, self.expected(), options.field_validation, &mut warnings);
        self.warnings = warnings;
        decoded
    }

    /// As [`Scope::decode_body`], of a new object, whose spec may be a template's.
    fn decode_new(&mut self, validation: FieldValidation) -> Result<Map, Error> {
        let media = negotiation::content_type(self.request.header(http::header::CONTENT_TYPE))?;
        // Unknown fields that are not looked for are not known to be absent.
        let looks = validation != FieldValidation::Ignore;
        let mut asking = if looks { self.server.templates.ask(&self.resource, media) } else { None };
        let memory = asking.as_mut().map(|asking| asking as &mut dyn Memory);
        let mut warnings = std::mem::take(&mut self.warnings);
        let decoded =
            body::decode_with(&self.request.body, media, self.expected(), validation, &mut warnings, memory);
        self.warnings = warnings;
        let (object, findings) = decoded?;
        if findings.is_empty() {
            let never_owned = self.never_owned("");
            self.template = asking.and_then(|asking| asking.end(&self.resource, &object, never_owned));
        }
        Ok(object)
    }

    /// Creates an object.
    pub async fn create(&mut self) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let body = self.decode_new(options.field_validation)?;
        self.check_namespace(&body)?;
        self.generated = body.name().is_empty() && !body.str_at(&["metadata", "generateName"]).is_empty();
        let creation = Creation { body: Some(body), dry_run: options.dry_run };
        let mut written = self.commit(options.dry_run, creation).await?;
        if let Written::Dry { object, .. } = &mut written {
            object.metadata_mut().remove("resourceVersion");
        }
        Ok(self.written(written))
    }

    /// The body for one more attempt. The first takes the tree that was decoded: nobody else holds it, so nothing is
    /// copied when it is changed. Only a repeated attempt pays, by decoding again.
    pub fn body_of_attempt(&self, decoded: &mut Option<Map>) -> Result<Map, Error> {
        match decoded.take() {
            Some(body) => Ok(body),
            None => {
                body::decode(self.request, self.expected(), FieldValidation::Ignore, &mut Warnings::new())
            }
        }
    }

    /// The namespace in a body is absent or that of the URL; on cluster-scoped objects it is dropped.
    pub fn check_namespace(&self, body: &Map) -> Result<(), Error> {
        let stated = body.namespace();
        if self.resource.namespaced() && !stated.is_empty() && stated != self.namespace() {
            return Err(Error::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Refuses an object without a name, or with another one than the path's.
    pub fn require_name(&self, body: &Map) -> Result<(), Error> {
        if body.name().is_empty() {
            return Err(Error::BadRequest(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.name()
            )));
        }
        self.check_name(body)
    }

    /// The name in a body is absent or that of the URL.
    pub fn check_name(&self, body: &Map) -> Result<(), Error> {
        let stated = body.name();
        if !stated.is_empty() && stated != self.name() {
            return Err(Error::BadRequest(format!(
                "the name of the object ({stated}) does not match the name on the URL ({})",
                self.name()
            )));
        }
        Ok(())
    }
}
