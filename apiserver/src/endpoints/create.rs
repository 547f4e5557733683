//! POST: a new object.

use crate::body;
use crate::options::WriteOptions;
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

    /// Creates an object.
    pub async fn create(&mut self) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "CreateOptions")?;
        let body = self.decode_body()?;
        self.check_namespace(&body)?;
        let written = self.create_object(&body, options.dry_run).await?;
        Ok(self.written(written))
    }

    /// Creates `body`, a tree of the served version.
    pub async fn create_object(&mut self, body: &Map, dry_run: bool) -> Result<Written, Error> {
        self.generated = body.name().is_empty() && !body.str_at(&["metadata", "generateName"]).is_empty();
        let mut written =
            self.commit(dry_run, |scope, view| scope.prepare_create(body, view, dry_run)).await?;
        if let Written::Dry { object, .. } = &mut written {
            object.metadata_mut().remove("resourceVersion");
        }
        Ok(written)
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
