//! What a request does, as it is shown to those who judge it by JSON: webhooks and expressions.
//!
//! Keeps: an object is shown in a served version, as a client would get it; before validation a new object has neither
//! uid nor a name that is made up for it, as upstream's has not.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ecow::EcoString;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Operation;
use crate::codec::{self, Findings};
use crate::endpoints::scale;
use crate::forms::{self, Place};
use crate::kind::{BodyKind, ScalePaths};
use crate::pipeline::Server;
use crate::registry::Resource;
use crate::schema::{self, Schema, StructId};
use crate::scope::Scope;
use crate::status::Error;
use crate::tree::{List, Map, Node};
use crate::user::User;
use crate::write::Stage;

/// What the tree of a subject is.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// An object of the resource, in the storage version.
    Object,
    /// The same, of which a Scale is shown.
    Scale(ScalePaths),
    /// A body of the subresource's own.
    Own(BodyKind),
}

/// An object in some version.
pub(crate) struct Typed<'a> {
    pub(crate) object: Map,
    /// By which its fields are owned.
    pub(crate) types: (&'a Schema, StructId),
    /// By which it is read.
    pub(crate) id: StructId,
}

/// A request and its object.
pub(crate) struct Subject<'a> {
    pub(crate) stage: Stage<'a>,
    pub(crate) body: Body,
    /// The resource of the request.
    pub(crate) resource: Arc<Resource>,
    /// That of a Namespace is its own name.
    pub(crate) namespace: String,
    /// Empty when it is about to be made up.
    pub(crate) name: String,
    pub(crate) user: &'a User,
    /// CreateOptions, UpdateOptions or DeleteOptions; `null` for a connection.
    pub(crate) options: Node,
    pub(crate) object: Option<Map>,
    /// What has been made up for a new object is not shown.
    pub(crate) hides_made_up: bool,
    /// The name is one of those.
    pub(crate) generated_name: bool,
    /// The resources with the same objects, in other versions.
    pub(crate) others: OnceLock<Vec<Arc<Resource>>>,
    /// What webhooks made of its objects, by the version's resource.
    converted: Mutex<FxHashMap<u32, Pair>>,
}

/// An object and the stored one, in another version.
#[derive(Clone, Default)]
struct Pair {
    object: Option<Option<Map>>,
    old: Option<Option<Map>>,
}

impl Operation {
    /// As configurations and reviews write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

impl<'a> Scope<'a> {
    /// The request as it is shown to who judges it. `is_new` as long as nothing that is made up for an object is seen.
    pub(crate) fn subject<'s>(
        &self,
        stage: &Stage<'s>,
        body: Body,
        object: Option<Map>,
        is_new: bool,
    ) -> Subject<'s>
    where
        'a: 's,
    {
        let creates = stage.operation == Operation::Create && matches!(body, Body::Object);
        let hides_made_up = is_new && creates;
        let generated_name = self.generates_name();
        let name = match (self.name(), &object) {
            ("", Some(_)) if hides_made_up && generated_name => "",
            ("", Some(object)) => object.name(),
            (name, _) => name,
        };
        let name = name.to_owned();
        let is_namespace = self.resource.group_resource == "namespaces";
        Subject {
            stage: *stage,
            body,
            resource: self.resource.clone(),
            namespace: if is_namespace { name.clone() } else { self.namespace().to_owned() },
            name,
            user: self.user,
            options: self.operation_options(stage),
            object,
            hides_made_up,
            generated_name,
            others: OnceLock::new(),
            converted: Mutex::default(),
        }
    }

    fn operation_options(&self, stage: &Stage<'_>) -> Node {
        let kind = match stage.operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => return Node::Null,
        };
        let mut options = stage.delete_options.cloned().unwrap_or_default();
        if stage.delete_options.is_none() {
            let query = &self.request.query;
            for field in ["fieldManager", "fieldValidation"] {
                if let Some(text) = query.non_empty(field) {
                    options.set(field, text);
                }
            }
            options.set("dryRun", query.all("dryRun").map(Node::from).collect::<List>());
        }
        if options.list("dryRun").is_empty() {
            options.remove("dryRun");
        }
        options.set("kind", kind);
        options.set("apiVersion", "meta.k8s.io/v1");
        Node::Map(options)
    }
}

impl Subject<'_> {
    /// Labels of the object, or of the stored one.
    pub(crate) fn labels(object: Option<&Map>) -> Option<&Map> {
        object.and_then(Map::metadata).and_then(|metadata| metadata.map("labels"))
    }

    /// The name as refusals show it.
    pub(crate) fn shown_name(&self) -> &str {
        let generated =
            self.object.as_ref().map_or("", |object| object.str_at(&["metadata", "generateName"]));
        [self.name.as_str(), generated].into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown")
    }

    /// The resources with the same objects as that of the request.
    pub(crate) fn others(&self, scope: &Scope<'_>) -> &[Arc<Resource>] {
        self.others.get_or_init(|| {
            let registry = scope.server.registry();
            let same = |other: &&Arc<Resource>| {
                other.bucket == self.resource.bucket && other.api_version != self.resource.api_version
            };
            registry.iter().filter(same).cloned().collect()
        })
    }

    /// Group, version and kind of what is shown in the version of `resource`.
    pub(crate) fn kind<'b>(&self, resource: &'b Resource) -> (&'b str, &'b str, &'b str) {
        match self.body {
            Body::Object => (resource.version.group, resource.version.version, resource.kind.names.kind),
            Body::Scale(_) => ("autoscaling", "v1", "Scale"),
            Body::Own(kind) => (kind.group, kind.version, kind.kind),
        }
    }

    /// Whether a webhook has to make what is shown in the version of `resource`.
    fn converts_to(&self, resource: &Resource) -> bool {
        matches!(self.body, Body::Object)
            && resource.is_converted()
            && resource.version.version != self.resource.version.version
    }

    /// Has the objects converted, if they have to be for being shown in the version of `resource`.
    pub(crate) async fn convert_to(&self, resource: &Resource, server: &Server) -> Result<(), Error> {
        if !self.converts_to(resource) {
            return Ok(());
        }
        let convert = async |object: Option<&Map>| match object {
            Some(object) => server.converted_tree(&self.resource, resource, object).await.map(Some),
            None => Ok(None),
        };
        let mut pair = self.converted.lock().get(&resource.id).cloned().unwrap_or_default();
        if pair.object.is_none() {
            pair.object = Some(convert(self.object.as_ref()).await?);
        }
        if pair.old.is_none() {
            pair.old = Some(convert(self.stage.old).await?);
        }
        self.converted.lock().insert(resource.id, pair);
        Ok(())
    }

    /// Another object takes the place of the request's.
    pub(crate) fn set_object(&mut self, object: Option<Map>) {
        self.object = object;
        self.converted.get_mut().values_mut().for_each(|pair| pair.object = None);
    }

    /// The object, in the version of `resource` if a webhook makes that.
    fn own_object(&self, resource: &Resource) -> Option<Map> {
        match self.converts_to(resource) {
            true => self.converted.lock().get(&resource.id)?.object.clone().flatten(),
            false => self.object.clone(),
        }
    }

    /// As [`Subject::own_object`], of the stored one.
    fn old_object(&self, resource: &Resource) -> Option<Map> {
        match self.converts_to(resource) {
            true => self.converted.lock().get(&resource.id)?.old.clone().flatten(),
            false => self.stage.old.cloned(),
        }
    }

    /// The JSON of the object.
    pub(crate) fn object_as(&self, resource: &Resource) -> Result<Bytes, Error> {
        match self.seen(resource) {
            Some(object) => self.encode(object, resource),
            None => Ok(Bytes::from_static(b"null")),
        }
    }

    /// The object in the version of `resource`.
    pub(crate) fn tree_as<'b>(&self, resource: &'b Resource) -> Result<Option<Typed<'b>>, Error> {
        let Some(object) = self.seen(resource) else { return Ok(None) };
        let (object, id) = self.in_version(object, resource)?;
        let types = match self.body {
            Body::Object => resource.ownership(),
            _ => (schema::builtin(), id),
        };
        Ok(Some(Typed { object, types, id }))
    }

    /// The object without what is not shown.
    fn seen(&self, resource: &Resource) -> Option<Map> {
        let mut object = self.own_object(resource)?;
        if matches!(self.body, Body::Object | Body::Scale(_)) {
            let metadata = object.metadata_mut();
            if !self.stage.version.is_empty() {
                metadata.set("resourceVersion", self.stage.version);
            }
            if self.hides_made_up {
                metadata.remove("uid");
                metadata.remove("creationTimestamp");
                if self.generated_name {
                    metadata.remove("name");
                }
            }
        }
        Some(object)
    }

    /// The JSON of the stored object.
    pub(crate) fn old_as(&self, resource: &Resource) -> Result<Bytes, Error> {
        match (self.old_object(resource), self.body) {
            (Some(old), Body::Object | Body::Scale(_)) => self.encode(old, resource),
            _ => Ok(Bytes::from_static(b"null")),
        }
    }

    fn encode(&self, object: Map, resource: &Resource) -> Result<Bytes, Error> {
        let (group, version, kind) = self.kind(resource);
        let api_version = api_version(group, version);
        let mut out = Vec::with_capacity(1024);
        let (object, id) = self.in_version(object, resource)?;
        forms::append_tree_json(&object, id, Place::Alone, &api_version, kind, &mut out);
        Ok(out.into())
    }

    /// A tree of the subject in the version of `resource`, and its struct.
    fn in_version(&self, mut object: Map, resource: &Resource) -> Result<(Map, StructId), Error> {
        let id = match self.body {
            Body::Object => {
                resource.from_storage(&mut object);
                resource.schema
            }
            Body::Scale(paths) => {
                object = scale::scale_of(&object, &paths, resource.custom.is_some())?;
                scale::scale_schema()
            }
            Body::Own(kind) => schema::builtin().find(kind.schema).ok_or(Error::NoResource)?,
        };
        Ok((object, id))
    }

    /// Takes over what somebody made of the JSON of the object. Answers whether that changed it. Fields that nobody knows
    /// are dropped, unless it has to be strictly right.
    pub(crate) async fn replace(
        &mut self,
        changed: Node,
        resource: &Resource,
        is_strict: bool,
        server: &Server,
    ) -> Result<bool, Error> {
        let internal = |why: String| Error::Internal(why);
        let Node::Map(mut changed) = changed else {
            return Err(internal("a patch leaves something else than an object".to_owned()));
        };
        let (group, version, kind) = self.kind(resource);
        let expected = api_version(group, version);
        if changed.str("apiVersion") != expected || changed.str("kind") != kind {
            let is = format!("{}, Kind={}", changed.str("apiVersion"), changed.str("kind"));
            return Err(internal(format!("a patch makes {is} of {expected}, Kind={kind}")));
        }
        changed.remove("apiVersion");
        changed.remove("kind");
        let id = match self.body {
            Body::Object => resource.schema,
            Body::Scale(_) => scale::scale_schema(),
            Body::Own(kind) => schema::builtin().find(kind.schema).ok_or(Error::NoResource)?,
        };
        let mut findings = Findings::default();
        let typed = codec::json::typed(changed, schema::builtin(), id, is_strict.then_some(&mut findings))
            .map_err(|error| internal(error.to_string()))?;
        let unknown = findings.sentences();
        if !unknown.is_empty() {
            return Err(internal(format!("strict decoding error: {}", unknown.join(", "))));
        }
        self.take_over(typed, resource, server).await
    }

    /// Takes over what somebody made of the object in the version of `resource`. Answers whether that changed it.
    pub(crate) async fn take_over(
        &mut self,
        mut typed: Map,
        resource: &Resource,
        server: &Server,
    ) -> Result<bool, Error> {
        if self.converts_to(resource) {
            resource.set_defaults(&mut typed);
            typed = server.converted_tree(resource, &self.resource, &typed).await?;
        }
        let own = self.resource.clone();
        let resource = if self.converts_to(resource) { &*own } else { resource };
        let before = self.object.take().unwrap_or_default();
        match self.body {
            Body::Object => {
                if let Some(custom) = &resource.custom {
                    custom.prune(&mut typed, None);
                }
                resource.default_served(&mut typed);
                resource.to_storage(&mut typed);
                if self.hides_made_up {
                    for field in ["uid", "creationTimestamp"] {
                        if let Some(made_up) = before.metadata().and_then(|metadata| metadata.get(field)) {
                            typed.metadata_mut().set(field, made_up.clone());
                        }
                    }
                    if self.generated_name && typed.name().is_empty() {
                        typed.metadata_mut().set("name", before.name());
                    }
                }
                if !before.metadata().is_some_and(|metadata| metadata.contains("resourceVersion")) {
                    typed.metadata_mut().remove("resourceVersion");
                }
            }
            Body::Scale(paths) => {
                let replicas = typed.at(&["spec", "replicas"]).and_then(Node::as_int).unwrap_or(0);
                typed = before.clone();
                typed.set_at(paths.replicas, replicas);
            }
            Body::Own(_) => {}
        }
        let is_changed = typed != before;
        self.set_object(Some(if is_changed { typed } else { before }));
        Ok(is_changed)
    }

    /// `request` of an AdmissionReview, without the objects; `seen_as` is the resource in the version that is shown.
    pub(crate) fn request(&self, seen_as: &Resource) -> Map {
        let resource_of = |resource: &Resource| {
            let (group, version) = (resource.version.group, resource.version.version);
            identity(group, version, ("resource", resource.kind.names.plural))
        };
        let kind_of = |resource: &Resource| {
            let (group, version, kind) = self.kind(resource);
            identity(group, version, ("kind", kind))
        };
        let mut request = Map::from([
            ("uid", Node::from("")),
            ("kind", kind_of(seen_as)),
            ("resource", resource_of(seen_as)),
            ("requestKind", kind_of(&self.resource)),
            ("requestResource", resource_of(&self.resource)),
            ("operation", Node::from(self.stage.operation.as_str())),
            ("userInfo", user_info(self.user)),
            ("dryRun", Node::Bool(self.stage.dry_run)),
            ("options", self.options.clone()),
        ]);
        for (field, text) in [
            ("subResource", self.stage.subresource),
            ("requestSubResource", self.stage.subresource),
            ("name", self.name.as_str()),
            ("namespace", self.namespace.as_str()),
        ] {
            if !text.is_empty() {
                request.set(field, text);
            }
        }
        request
    }
}

/// `apps/v1`, or `v1`.
fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn identity(group: &str, version: &str, (field, name): (&'static str, &str)) -> Node {
    let fields = [("group", Node::from(group)), ("version", Node::from(version)), (field, Node::from(name))];
    Node::Map(Map::from(fields))
}

fn user_info(user: &User) -> Node {
    let mut info = Map::new();
    let texts = |texts: &[String]| texts.iter().map(|text| Node::from(text.as_str())).collect::<List>();
    for (field, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            info.set(field, text.as_str());
        }
    }
    if !user.groups.is_empty() {
        info.set("groups", texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let mut extra = Map::new();
        for (key, values) in &user.extra {
            extra.set(EcoString::from(key.as_str()), texts(values));
        }
        info.set("extra", extra);
    }
    Node::Map(info)
}
