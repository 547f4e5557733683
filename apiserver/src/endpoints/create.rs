//! POST: a new object.

use crate::body;
use crate::codec::{Findings, Memory};
use crate::negotiation;
use crate::options::{FieldValidation, WriteOptions};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::status::Error;
use crate::tree::Map;
use crate::write::Written;

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
    fn decode_new(&mut self) -> Result<Map, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let media = negotiation::content_type(self.request.header(http::header::CONTENT_TYPE))?;
        // Unknown fields that are not looked for are not known to be absent.
        let asking = match options.field_validation {
            FieldValidation::Ignore => None,
            FieldValidation::Warn | FieldValidation::Strict => {
                self.server.templates.ask(&self.resource, media)
            }
        };
        let Some(mut asking) = asking else { return self.decode_body() };
        let mut findings = Findings::default();
        let (found, memory) = (Some(&mut findings), Some(&mut asking as &mut dyn Memory));
        let object = body::decode_as(&self.request.body, media, self.expected(), found, memory)?;
        let mut warnings = std::mem::take(&mut self.warnings);
        let reported = body::report(&findings, self.expected(), options.field_validation, &mut warnings);
        self.warnings = warnings;
        reported?;
        if findings.is_empty() {
            self.template = asking.end(&self.resource, &object, self.never_owned(""));
        }
        Ok(object)
    }

    /// Creates an object.
    pub async fn create(&mut self) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let body = self.decode_new()?;
        self.check_namespace(&body)?;
        self.generated = body.name().is_empty() && !body.str_at(&["metadata", "generateName"]).is_empty();
        let mut body = Some(body);
        let mut written = self
            .commit(options.dry_run, |scope, view| {
                scope.prepare_create(scope.body_of_attempt(&mut body)?, view, options.dry_run)
            })
            .await?;
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
            None => body::decode(self.request, self.expected(), FieldValidation::Ignore, &mut Vec::new()),
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
