//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.
//!
//! Keeps: a patch without a resourceVersion is applied again when the object changed meanwhile; the result is
//! decoded as strictly as a body.

use crate::apply;
use crate::codec::{self, Findings};
use crate::field::{FieldErrors, Path};
use crate::kind::View as SubresourceView;
use crate::managed_fields;
use crate::negotiation;
use crate::options::{FieldValidation, WriteOptions, invalid};
use crate::patch;
use crate::reply::Reply;
use crate::schema;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{Map, Node};
use crate::write::{Attempt, Endpoint, Intent};

/// A patch, read once.
pub(super) enum Patch {
    /// RFC 6902.
    Json(Node),
    /// RFC 7386.
    Merge(Node),
    /// Strategic merge.
    Strategic(Map),
    /// Server-side apply: the body as it was written, without apiVersion and kind.
    Apply(Map),
}

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

struct Patching<'a> {
    patch: Patch,
    endpoint: Endpoint<'a>,
    options: WriteOptions,
}

impl Attempt for Patching<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        scope.attempt_patch(&self.patch, self.endpoint, &self.options, view).await
    }
}

impl Scope<'_> {
    /// Patches an object; apply creates one that is absent.
    pub async fn patch(&mut self) -> Result<Reply, Error> {
        self.patch_endpoint("", None).await
    }

    /// Patches what a view of an object writes.
    pub async fn patch_view(&mut self, name: &'static str, rules: &SubresourceView) -> Result<Reply, Error> {
        self.patch_endpoint(name, Some(rules)).await
    }

    async fn patch_endpoint(
        &mut self,
        name: &'static str,
        rules: Option<&SubresourceView>,
    ) -> Result<Reply, Error> {
        let options = WriteOptions::parse(&self.request.query, "PatchOptions")?;
        let patch = self.read_patch(&options)?;
        let endpoint = Endpoint { name, view: rules, owns: !matches!(patch, Patch::Apply(_)) };
        let written = self.commit(options.dry_run, Patching { patch, endpoint, options }).await?;
        Ok(self.written(written))
    }

    async fn attempt_patch(
        &mut self,
        patch: &Patch,
        endpoint: Endpoint<'_>,
        options: &WriteOptions,
        view: &View,
    ) -> Result<Intent, Error> {
        let entry = match self.find(view) {
            Some(entry) => Some(self.shown(entry).await?),
            None => None,
        };
        let old = entry.as_ref().map(|entry| storage::decode_for_write(&self.resource, entry));
        let live = old.clone().map(|old| self.served(old));
        match (patch, entry) {
            (Patch::Apply(applied), entry) => {
                if entry.is_none() && (endpoint.view.is_some() || !self.may_apply_create(applied)?) {
                    return Err(self.not_found());
                }
                let context = self.ownership(endpoint.name);
                let force = options.force.unwrap_or(false);
                let (kind, object) = (self.resource.kind.names.kind, self.resource.schema);
                let request = apply::Request { context, kind, force, object };
                let mut new = self.applied(live.as_ref(), applied, &request).await?;
                self.place_applied(&mut new)?;
                match entry {
                    Some(entry) => {
                        let old = old.unwrap_or_default();
                        self.prepare_update(&entry, old, new, endpoint, view, options.dry_run).await
                    }
                    None => {
                        self.authorize_create(view)?;
                        self.skip_ownership = true;
                        self.prepare_create(new, view, options.dry_run).await
                    }
                }
            }
            (patch, Some(entry)) => {
                let live = live.unwrap_or_default();
                let new = self.patched(patch, &live, options.field_validation)?;
                drop(live);
                self.require_name(&new)?;
                self.check_namespace(&new)?;
                let old = old.unwrap_or_default();
                self.prepare_update(&entry, old, new, endpoint, view, options.dry_run).await
            }
            (_, None) => Err(self.not_found()),
        }
    }

    /// What an apply makes of the live object.
    pub(super) async fn applied(
        &self,
        live: Option<&Map>,
        body: &Map,
        request: &apply::Request<'_>,
    ) -> Result<Map, Error> {
        let (schema, id) = self.resource.ownership();
        let Some(live) = live.filter(|_| self.resource.is_converted()) else {
            return apply::apply(live, body, schema, id, request);
        };
        let subresource = request.context.subresource;
        let mut planned = apply::plan(Some(live), body, schema, id, request, true)?;
        let mut elsewhere = self.elsewhere(live, &planned.object, subresource).await?;
        if planned.removes_from_others(&elsewhere) {
            planned = apply::plan(Some(live), body, schema, id, request, false)?;
            elsewhere = self.elsewhere(live, &planned.object, subresource).await?;
        }
        let context = managed_fields::Context { elsewhere: &elsewhere, ..request.context };
        planned.finish(Some(live), schema, id, &apply::Request { context, ..*request })
    }

    /// A tree of the storage version in the version of the request.
    pub fn served(&self, mut object: Map) -> Map {
        self.resource.from_storage(&mut object);
        object
    }

    /// An applied object is where the URL says.
    fn place_applied(&self, object: &mut Map) -> Result<(), Error> {
        self.check_namespace(object)?;
        self.require_name(object)?;
        if object.namespace().is_empty() && !self.namespace().is_empty() {
            object.metadata_mut().set("namespace", self.namespace());
        }
        Ok(())
    }

    fn may_apply_create(&self, applied: &Map) -> Result<bool, Error> {
        let uid = applied.str_at(&["metadata", "uid"]);
        if uid.is_empty() {
            return Ok(true);
        }
        Err(Error::Conflict {
            resource: self.resource.group_resource.clone(),
            name: self.name().to_owned(),
            cause: format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            ),
        })
    }

    fn read_patch(&mut self, options: &WriteOptions) -> Result<Patch, Error> {
        let header = self.request.header(http::header::CONTENT_TYPE).unwrap_or("");
        let media = header.split(';').next().unwrap_or("").trim().to_owned();
        let is_apply = media == APPLY_PATCH;
        let mut errors = FieldErrors::new();
        if options.force.is_some() && !is_apply {
            errors.forbidden(&Path::new("force"), "may not be specified for non-apply patch");
        }
        if is_apply && self.request.query.non_empty("fieldManager").is_none() {
            errors.required(&Path::new("fieldManager"), "is required for apply patch");
        }
        if !errors.is_empty() {
            return Err(invalid("PatchOptions", errors));
        }
        let untyped = |body: &[u8]| {
            codec::json::decode_untyped(body).map_err(|error| Error::BadRequest(error.to_string()))
        };
        match media.as_str() {
            JSON_PATCH => Ok(Patch::Json(untyped(&self.request.body)?)),
            MERGE_PATCH => Ok(Patch::Merge(untyped(&self.request.body)?)),
            STRATEGIC_PATCH if self.resource.custom.is_none() => match untyped(&self.request.body)? {
                Node::Map(map) => Ok(Patch::Strategic(map)),
                other => Err(Error::BadRequest(format!(
                    "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    other.type_name()
                ))),
            },
            APPLY_PATCH => self.read_apply(options).map(Patch::Apply),
            _ if self.resource.custom.is_some() => {
                Err(negotiation::unsupported(&[JSON_PATCH, MERGE_PATCH, APPLY_PATCH]))
            }
            _ => Err(negotiation::unsupported(&[JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])),
        }
    }

    /// The body of an apply: JSON or YAML of exactly the endpoint's version.
    fn read_apply(&mut self, options: &WriteOptions) -> Result<Map, Error> {
        let body = &self.request.body;
        let mut duplicates = Findings::default();
        let json = codec::yaml::to_json(body, Some(&mut duplicates))
            .map_err(|error| Error::BadRequest(format!("error decoding YAML: {error}")))?;
        let repeated = duplicates.repeated_keys();
        match options.field_validation {
            FieldValidation::Strict if !repeated.is_empty() => {
                return Err(Error::BadRequest(format!(
                    "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  {}",
                    repeated.join("\n  ")
                )));
            }
            FieldValidation::Warn => self.warnings.extend(repeated),
            _ => {}
        }
        let expected = self.expected();
        let mut object = match codec::json::decode_untyped(&json) {
            Ok(Node::Map(map)) => map,
            Ok(other) => {
                return Err(Error::BadRequest(format!(
                    "an apply patch must be an object, not {}",
                    other.type_name()
                )));
            }
            Err(error) => return Err(Error::BadRequest(format!("error decoding patch: {error}"))),
        };
        let stated = object.str("apiVersion");
        if stated.is_empty() || object.str("kind").is_empty() {
            return Err(Error::BadRequest("apiVersion and kind must be set in an apply patch".to_owned()));
        }
        if stated != expected.api_version {
            return Err(Error::BadRequest(format!(
                "Incorrect version specified in apply patch. Specified patch version: {stated}, expected: {}",
                expected.api_version
            )));
        }
        if object.str("kind") != expected.kind {
            return Err(Error::BadRequest(format!(
                "the kind in the data ({}) does not match the expected kind ({})",
                object.str("kind"),
                expected.kind
            )));
        }
        object.remove("apiVersion");
        object.remove("kind");
        if object.metadata().is_some_and(|metadata| metadata.contains("managedFields")) {
            return Err(Error::BadRequest("metadata.managedFields must be nil".to_owned()));
        }
        Ok(object)
    }

    /// Applies a patch to the live object and makes the result typed again.
    fn patched(&mut self, patch: &Patch, live: &Map, validation: FieldValidation) -> Result<Map, Error> {
        let (schema, id) = (schema::builtin(), self.resource.schema);
        let mut document = live.clone();
        document.set("apiVersion", self.resource.api_version.as_str());
        document.set("kind", self.resource.kind.names.kind);
        let document = match patch {
            Patch::Strategic(patch) => {
                patch::strategic::apply(patch, &mut document, schema, id)?;
                document
            }
            Patch::Json(patch) => self.untyped_patch(document, |node| patch::json::apply(patch, node))?,
            Patch::Merge(patch) => {
                patch::merge::apply(patch, &mut document)?;
                document
            }
            Patch::Apply(_) => document,
        };
        let mut findings = Findings::default();
        let wanted = (validation != FieldValidation::Ignore).then_some(&mut findings);
        let typed = match patch {
            Patch::Strategic(_) => codec::json::restored(document.clone(), Some(live), schema, id, wanted),
            _ => codec::json::typed_again(document.clone(), live, schema, id, wanted),
        };
        let mut object = typed.map_err(|error| unusable_result(&document, &error.to_string()))?;
        if let Some(custom) = &self.resource.custom {
            custom.prune(&mut object, (validation != FieldValidation::Ignore).then_some(&mut findings));
        }
        let sentences = findings.sentences();
        match validation {
            FieldValidation::Strict if !sentences.is_empty() => {
                return Err(unusable_result(
                    &document,
                    &format!("strict decoding error: {}", sentences.join(", ")),
                ));
            }
            FieldValidation::Warn => self.warnings.extend(sentences),
            _ => {}
        }
        for (field, expected) in
            [("apiVersion", self.resource.api_version.as_str()), ("kind", self.resource.kind.names.kind)]
        {
            let stated = object.str(field);
            if stated != expected {
                return Err(Error::BadRequest(format!(
                    "{field} of the patched object ({stated}) does not match the expected one ({expected})"
                )));
            }
            object.remove(field);
        }
        Ok(object)
    }

    /// A patch in terms of plain JSON, on a tree that shows what clients see.
    fn untyped_patch(
        &self,
        document: Map,
        apply: impl FnOnce(&mut Node) -> Result<(), patch::PatchError>,
    ) -> Result<Map, Error> {
        let mut bytes = Vec::new();
        codec::json::encode(&document, schema::builtin(), self.resource.schema, &mut bytes);
        let mut node =
            codec::json::decode_untyped(&bytes).map_err(|error| Error::Internal(error.to_string()))?;
        apply(&mut node)?;
        match node {
            Node::Map(map) => Ok(map),
            other => Err(unusable_result(
                &Map::new(),
                &format!("the patch leaves {} instead of an object", other.type_name()),
            )),
        }
    }
}

/// 422 for a patched object that cannot be decoded.
fn unusable_result(document: &Map, cause: &str) -> Error {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("patch"), document.to_string(), cause);
    Error::Invalid { group: String::new(), kind: String::new(), name: String::new(), errors }
}
