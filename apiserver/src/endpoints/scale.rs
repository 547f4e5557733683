//! The scale subresource: autoscaling/v1 Scale as a view of `spec.replicas`.
//!
//! Keeps: a write locks on the parent's version; ownership of replicas is recorded on the parent.

use crate::apply;
use crate::body::Expected;
use crate::codec;
use crate::field::{FieldErrors, Path};
use crate::kind::ScalePaths;
use crate::options::WriteOptions;
use crate::patch as patches;
use crate::reply::{Reply, TreeReply};
use crate::schema::{self, StructId};
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, Entry, View};
use crate::tree::{Map, Node};
use crate::write::{Attempt, Endpoint, Intent, Written};

const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
const API_VERSION: &str = "autoscaling/v1";

/// A Scale to take over, or a patch that makes one of the current one.
struct Scaling<'a> {
    wanted: Option<Map>,
    patch: Option<ScalePatch>,
    paths: &'a ScalePaths,
    options: WriteOptions,
}

impl Attempt for Scaling<'_> {
    async fn run(&mut self, scope: &mut Scope<'_>, view: &View) -> Result<Intent, Error> {
        let Scaling { wanted, patch, paths, options } = self;
        let entry = scope.shown(scope.current(view)?).await?;
        let old = storage::decode_for_write(&scope.resource, &entry);
        if let Some(ScalePatch::Apply(body)) = patch {
            return scope.apply_scale(&entry, old, body, paths, view, options).await;
        }
        let current = scale_of(&old, paths, false)?;
        let scale = match (wanted, patch) {
            (Some(scale), _) => scale.clone(),
            (None, Some(patch)) => patch.apply(current)?,
            (None, None) => current,
        };
        scope.scaled(&entry, old, &scale, paths, view, options.dry_run).await
    }
}

impl Scope<'_> {
    /// get, update or patch of a Scale.
    pub async fn scale(&mut self, paths: &ScalePaths, verb: &str) -> Result<Reply, Error> {
        if verb == "get" {
            let view = View::new(self.server.reader().latest().await?);
            let entry = self.shown(self.current(&view)?).await?;
            let object = storage::decode(&self.resource, &entry);
            return self.scale_reply(&object, paths);
        }
        let options = WriteOptions::parse(&self.request.query, "UpdateOptions")?;
        let wanted = if verb == "update" { Some(self.scale_body(&options)?) } else { None };
        let patch = if verb == "patch" { Some(self.scale_patch()?) } else { None };
        let written = self.commit(options.dry_run, Scaling { wanted, patch, paths, options }).await?;
        let object = match written {
            Written::Stored { entry, .. } => storage::decode(&self.resource, &*self.shown(entry).await?),
            Written::Finished { object } | Written::Dry { object, .. } => object,
        };
        self.scale_reply(&object, paths)
    }

    fn scale_body(&mut self, options: &WriteOptions) -> Result<Map, Error> {
        let mut warnings = std::mem::take(&mut self.warnings);
        let body =
            crate::body::decode(self.request, scale_expected(), options.field_validation, &mut warnings);
        self.warnings = warnings;
        let body = body?;
        self.check_name(&body)?;
        Ok(body)
    }

    fn scale_patch(&self) -> Result<ScalePatch, Error> {
        let header = self.request.header(http::header::CONTENT_TYPE).unwrap_or("");
        let media = header.split(';').next().unwrap_or("").trim();
        let node = codec::json::decode_untyped(&self.request.body)
            .or_else(|error| match media {
                "application/apply-patch+yaml" => codec::yaml::to_json(&self.request.body, None)
                    .and_then(|json| codec::json::decode_untyped(&json)),
                _ => Err(error),
            })
            .map_err(|error| Error::BadRequest(error.to_string()))?;
        match media {
            "application/json-patch+json" => Ok(ScalePatch::Json(node)),
            // A Scale has no lists, so both kinds of merge are one.
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                Ok(ScalePatch::Merge(node))
            }
            "application/apply-patch+yaml" => match node {
                Node::Map(map) => Ok(ScalePatch::Apply(map)),
                other => Err(Error::BadRequest(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    other.type_name()
                ))),
            },
            _ => Err(crate::negotiation::unsupported(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ])),
        }
    }

    /// Applies a Scale: the manager owns `spec.replicas` of the object behind it.
    async fn apply_scale(
        &mut self,
        entry: &std::sync::Arc<Entry>,
        old: Map,
        body: &Map,
        paths: &ScalePaths,
        view: &View,
        options: &WriteOptions,
    ) -> Result<Intent, Error> {
        let mut applied = Map::new();
        applied.metadata_mut().set("name", self.name());
        if let Some(replicas) = body.at(&["spec", "replicas"]) {
            applied.set_at(paths.replicas, replicas.clone());
        }
        let live = self.served(old.clone());
        let request = apply::Request {
            context: self.ownership("scale"),
            kind: self.resource.kind.names.kind,
            force: options.force.unwrap_or(false),
            object: self.resource.schema,
        };
        let new = self.applied(Some(&live), &applied, &request).await?;
        let endpoint = Endpoint { name: "scale", view: None, owns: false };
        self.prepare_update(entry, old, new, endpoint, view, options.dry_run).await
    }

    async fn scaled(
        &mut self,
        entry: &std::sync::Arc<Entry>,
        old: Map,
        scale: &Map,
        paths: &ScalePaths,
        view: &View,
        dry_run: bool,
    ) -> Result<Intent, Error> {
        let replicas = scale.map("spec").and_then(|spec| spec.int("replicas")).unwrap_or(0);
        if replicas < 0 {
            let mut errors = FieldErrors::new();
            errors.invalid(
                &Path::new("spec").child("replicas"),
                replicas,
                "must be greater than or equal to 0",
            );
            return Err(Error::Invalid {
                group: "autoscaling".to_owned(),
                kind: "Scale".to_owned(),
                name: self.name().to_owned(),
                errors,
            });
        }
        let mut object = self.served(old.clone());
        let version = scale.str_at(&["metadata", "resourceVersion"]).to_owned();
        let uid = scale.str_at(&["metadata", "uid"]).to_owned();
        let metadata = object.metadata_mut();
        metadata.set("resourceVersion", version);
        metadata.set("uid", uid);
        object.set_at(paths.replicas, replicas);
        let endpoint = Endpoint { name: "scale", view: None, owns: true };
        self.prepare_update(entry, old, object, endpoint, view, dry_run).await
    }

    fn scale_reply(&self, object: &Map, paths: &ScalePaths) -> Result<Reply, Error> {
        Ok(Reply::Tree(TreeReply {
            resource: None,
            api_version: API_VERSION.to_owned(),
            kind: "Scale".to_owned(),
            schema: scale_schema(),
            object: scale_of(object, paths, self.resource.custom.is_some())?,
            created: false,
        }))
    }
}

enum ScalePatch {
    Json(Node),
    Merge(Node),
    Apply(Map),
}

impl ScalePatch {
    fn apply(&self, current: Map) -> Result<Map, Error> {
        let bad = |cause: String| Error::BadRequest(cause);
        let mut map = match self {
            ScalePatch::Json(patch) => {
                let mut document = Node::Map(current);
                patches::json::apply(patch, &mut document)?;
                let Node::Map(map) = document else {
                    return Err(bad("the patch leaves no object".to_owned()));
                };
                map
            }
            ScalePatch::Merge(patch) => {
                let mut document = current;
                patches::merge::apply(patch, &mut document)?;
                document
            }
            ScalePatch::Apply(_) => current,
        };
        map.remove("apiVersion");
        map.remove("kind");
        codec::json::typed(map, schema::builtin(), scale_schema(), None)
            .map_err(|error| bad(error.to_string()))
    }
}

/// The struct of a Scale.
pub(crate) fn scale_schema() -> StructId {
    schema::builtin().find(SCALE).expect("the table has Scale")
}

fn scale_expected() -> Expected<'static> {
    Expected { api_version: API_VERSION, kind: "Scale", schema: scale_schema(), custom: None }
}

/// The Scale of an object of the storage version.
pub(crate) fn scale_of(object: &Map, paths: &ScalePaths, is_custom: bool) -> Result<Map, Error> {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.metadata().and_then(|metadata| metadata.get(field)) {
            metadata.set(field, value.clone());
        }
    }
    let mut spec = Map::new();
    let number = |path| object.at(path).and_then(Node::as_int);
    match number(paths.replicas) {
        Some(0) => {}
        Some(replicas) => spec.set("replicas", replicas),
        None if is_custom => {
            let path = paths.replicas.join(".");
            return Err(Error::Internal(format!("the spec replicas field \".{path}\" does not exist")));
        }
        None => {}
    }
    let replicas = number(paths.status_replicas).unwrap_or(0);
    let mut status = Map::from([("replicas", Node::Int(replicas))]);
    let selector = paths.selector.of(object);
    if !selector.is_empty() {
        status.set("selector", selector);
    }
    Ok(Map::from([
        ("metadata", Node::Map(metadata)),
        ("spec", Node::Map(spec)),
        ("status", Node::Map(status)),
    ]))
}
