//! What the server knows of a kind: one value per kind, made of facts and pure hooks.
//!
//! Keeps: hooks are synchronous and free of IO, authorization and HTTP; everything that can be derived from a
//! [`Kind`] (discovery, OpenAPI, tables, selectors, storage keys) is derived, never written again.

use ecow::EcoString;

use crate::custom::JsonPath;
use crate::field::FieldErrors;
use crate::status::Error;
use crate::tree::{Map, Node};
use crate::user::User;
use crate::warning::Warnings;

/// Everything about a kind. Fill in what differs from [`Kind::DEFAULT`].
pub struct Kind {
    /// Its names and scope.
    pub names: Names,
    /// Served versions in order of preference; exactly one is `storage`.
    pub versions: &'static [Version],
    /// Verbs of the main endpoint.
    pub verbs: &'static [&'static str],
    /// `categories` of discovery (`all`, `api-extensions`).
    pub categories: &'static [&'static str],
    /// Endpoints below an object.
    pub subresources: &'static [Subresource],
    /// Columns of `kubectl get`; empty means Name and Created At.
    pub columns: &'static [Column],
    /// Conditions of a table row (finished pods); an empty list prints none.
    pub row_conditions: fn(&Map) -> Vec<Node>,
    /// Field selectors beyond `metadata.name` and `metadata.namespace`.
    pub selectable: &'static [Selectable],
    /// What a name must look like.
    pub name_rule: NameRule,
    /// Finalizers need not say whose they are.
    pub plain_finalizers: bool,
    /// When `metadata.generation` counts.
    pub generation: Generation,
    /// PUT to a name that does not exist creates it.
    pub creates_on_update: bool,
    /// PUT without a resourceVersion overwrites; otherwise it is refused with 422.
    pub unconditional_update: bool,
    /// DELETE answers the deleted object instead of a Status.
    pub delete_returns_object: bool,
    /// A warning sent with every request to the kind's endpoints.
    pub deprecation: &'static str,
    /// What a delete that names no policy does with the object's dependents.
    pub dependents: Dependents,
    /// Graceful deletion: the grace period in seconds for this object given the requested one (pods).
    pub grace_period: Option<fn(&Map, requested: Option<i64>) -> i64>,
    /// When an object of a kind that does not last is deleted by the server, in Unix seconds (events).
    pub expires: Option<fn(&Map) -> Option<i64>>,
    /// What else changes when deletion begins (a namespace's phase).
    pub begin_deletion: fn(&mut Map),
    /// Fills in what an absent field means, on the typed tree, after the schema's declared defaults.
    pub set_defaults: fn(&mut Map),
    /// Clears and sets what the server owns on create (status, generated fields). Not generation, not metadata.
    pub prepare_for_create: fn(&mut Map, &Context<'_>),
    /// The same on update of the main endpoint; the pipeline has already kept `status` from `old` when the kind
    /// has a status subresource.
    pub prepare_for_update: fn(&mut Map, old: &Map, &Context<'_>),
    /// Reports what is wrong with labels and annotations that mean something for the kind; runs before `validate`.
    pub validate_metadata: fn(&Map, &mut FieldErrors),
    /// Reports what is wrong with an object beyond the schema (required, enum … are checked by the schema).
    pub validate: fn(&Map, &mut FieldErrors),
    /// Of an update, `validate_update` speaks before `validate`, as upstream's does for this kind.
    pub changes_first: bool,
    /// `set_defaults` and `validate` look at nothing in metadata that an update may change. An update that leaves
    /// everything else as it was then does without them: what is stored was defaulted and judged before.
    pub ignores_metadata: bool,
    /// For kinds of which many are created alike: whether what `set_defaults`, `validate` and `warnings` make of a new
    /// object follows from everything but its metadata, its name included.
    pub repeats: Option<fn(&Map) -> bool>,
    /// Reports what may not change from `old`.
    pub validate_update: fn(&Map, old: &Map, &mut FieldErrors),
    /// Reports what depends on the request to the main endpoint: whether it creates (no old object) or updates, and
    /// through which version it came (events.k8s.io is stricter than core).
    pub validate_request: fn(&Version, &Map, old: Option<&Map>, &mut FieldErrors),
    /// Advice about the metadata of a new object; comes before that of `warnings`.
    pub metadata_warnings: fn(&Map, &mut Warnings),
    /// Advice for the writer, sent as Warning headers.
    pub warnings: fn(&Map, old: Option<&Map>, &mut Warnings),
}

/// What a hook may know of the request beyond the object.
pub struct Context<'a> {
    /// Now, canonical (`2026-01-02T03:04:05Z`).
    pub now: &'a str,
    /// Who asks.
    pub user: &'a User,
}

/// Names and scope of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// API group; empty for core.
    pub group: &'static str,
    /// `ConfigMap`
    pub kind: &'static str,
    /// `configmaps`
    pub plural: &'static str,
    /// `configmap`
    pub singular: &'static str,
    /// `["cm"]`
    pub short: &'static [&'static str],
    /// In a namespace or in the cluster.
    pub scope: Scope,
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
}

/// One served version of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// Group of this view; normally the kind's own (Event is served in two).
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// OpenAPI name of the struct: `io.k8s.api.core.v1.ConfigMap`.
    pub schema: &'static str,
    /// Objects are stored in this version.
    pub storage: bool,
    /// How trees of this version and of the storage version become one another; `None` when equal.
    pub conversion: Option<Conversion>,
}

/// A pair of pure conversions between a served version and the storage version.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// Served to storage.
    pub to_storage: fn(&mut Map),
    /// Storage to served.
    pub from_storage: fn(&mut Map),
}

impl Version {
    /// The storage version `version` of `group`.
    pub const fn storage(group: &'static str, version: &'static str, schema: &'static str) -> Version {
        Version { group, version, schema, storage: true, conversion: None }
    }
}

/// Whether and when `metadata.generation` counts.
#[derive(Clone, Copy)]
pub enum Generation {
    /// The kind has none.
    None,
    /// 1 on create, +1 whenever `spec` changes.
    Spec,
    /// 1 on create, +1 whenever the function says the object changed.
    When(fn(new: &Map, old: &Map) -> bool),
}

/// What a delete that names no policy does with dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependents {
    /// They follow their owner.
    Deleted,
    /// They are left without it, as the first clients of the kind expected; the writer is warned, if there is a text.
    Orphaned(&'static str),
    /// There are none, and a policy is ignored (events).
    None,
}

/// What `metadata.name` must be.
#[derive(Clone, Copy)]
pub enum NameRule {
    /// RFC 1123 subdomain, up to 253.
    DnsSubdomain,
    /// RFC 1123 label, up to 63.
    DnsLabel,
    /// Anything that can stand in a path.
    PathSegment,
    /// A rule of the kind's own: answers what is wrong.
    Custom(fn(name: &str, is_prefix: bool) -> Vec<String>),
}

/// A field that can be selected by.
#[derive(Clone, Copy, Debug)]
pub struct Selectable {
    /// `spec.nodeName`
    pub name: &'static str,
    /// Its value in an object of the storage version; empty when absent. It never follows from metadata.
    pub value: FieldValue,
    /// The store keeps an index by it, and an exact watch is woken by it alone (`spec.nodeName`, event targets).
    pub indexed: bool,
}

/// Where the text to select by comes from.
#[derive(Clone, Copy, Debug)]
pub enum FieldValue {
    /// Of a field: a text as it is, a number or boolean as it is printed.
    At(&'static [&'static str]),
    /// Made from the object.
    Of(fn(&Map) -> EcoString),
}

impl FieldValue {
    /// The value in an object; empty when absent.
    pub fn of(&self, object: &Map) -> EcoString {
        match self {
            FieldValue::Of(value) => value(object),
            FieldValue::At(path) => match object.at(path) {
                Some(Node::Str(text)) => text.clone(),
                Some(node @ (Node::Bool(_) | Node::Int(_) | Node::Float(_))) => ecow::eco_format!("{node}"),
                _ => EcoString::new(),
            },
        }
    }
}

/// An endpoint below an object.
#[derive(Clone, Copy)]
pub struct Subresource {
    /// `status`, `scale` …
    pub name: &'static str,
    /// Its verbs.
    pub verbs: &'static [&'static str],
    /// Group, version and kind of its body when it is not the object's own.
    pub body: Option<BodyKind>,
    /// What it does.
    pub action: Action,
}

/// Group, version and kind of a subresource's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyKind {
    /// Group as discovery shows it.
    pub group: &'static str,
    /// Version as discovery shows it.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// OpenAPI name of its struct.
    pub schema: &'static str,
}

/// What a subresource does.
#[derive(Clone, Copy)]
pub enum Action {
    /// get, update, patch of the object itself, with rules of its own.
    View(View),
    /// autoscaling/v1 Scale.
    Scale(ScalePaths),
    /// POST of a body that changes the object (binding): answers a Status.
    Change(fn(object: &mut Map, body: &Map, &Context<'_>) -> Result<(), Error>),
    /// Handled by a named part of the server (`eviction`, `token`).
    Special,
    /// Passed on to a kubelet, a pod or a service.
    Connect(Connect),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// The output of a container, from its kubelet.
    Log,
    /// A running container's input and output: another protocol, through its kubelet.
    Attach,
    /// As attaching, to a new process.
    Exec,
    /// Connections to ports of a pod: another protocol, through its kubelet.
    PortForward,
    /// Any request, to whoever the path names.
    Proxy,
}

/// Rules of a view of the object.
#[derive(Clone, Copy)]
pub struct View {
    /// Puts back from `old` everything that this endpoint does not write.
    pub prepare: fn(&mut Map, old: &Map, &Context<'_>),
    /// Validates the change in place of the kind's own `validate` and `validate_update`.
    pub validate: fn(&Map, old: &Map, &mut FieldErrors),
}

/// Where the numbers of a Scale live.
#[derive(Clone, Copy)]
pub struct ScalePaths {
    /// The wanted number: `spec.replicas`.
    pub replicas: &'static [&'static str],
    /// The observed one: `status.replicas`.
    pub status_replicas: &'static [&'static str],
    /// Selector text for `status.selector`.
    pub selector: FieldValue,
}

/// A column of a table.
#[derive(Clone, Copy)]
pub struct Column {
    /// `Ready`
    pub name: &'static str,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: &'static str,
    /// `name` for the primary column, else empty.
    pub format: &'static str,
    /// What `kubectl` shows as help.
    pub description: &'static str,
    /// 0 is always shown, 1 only in wide output.
    pub priority: i32,
    /// What stands in it.
    pub cell: Cell,
}

/// What stands in a column.
#[derive(Clone, Copy)]
pub enum Cell {
    /// Made from the object (storage version); `now` in Unix seconds.
    Of(fn(&Map, now: i64) -> Node),
    /// What a path finds in the object (of the served version), as a value of the column's type.
    At(&'static JsonPath),
}

impl Column {
    /// The cell of an object; `now` in Unix seconds.
    pub fn cell(&self, object: &Map, now: i64) -> Node {
        match self.cell {
            Cell::Of(cell) => cell(object, now),
            Cell::At(path) => path.cell(self.kind, object, now),
        }
    }
}

/// A column that is always shown.
pub const fn column(name: &'static str, kind: &'static str, cell: fn(&Map, i64) -> Node) -> Column {
    Column { name, kind, format: "", description: "", priority: 0, cell: Cell::Of(cell) }
}

/// A column of wide output.
pub const fn wide(name: &'static str, kind: &'static str, cell: fn(&Map, i64) -> Node) -> Column {
    Column { name, kind, format: "", description: "", priority: 1, cell: Cell::Of(cell) }
}

/// The first column: the object's name.
pub const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    description: "Name must be unique within a namespace.",
    priority: 0,
    cell: Cell::Of(|object, _| object.name().into()),
};

/// The age of the object, in words.
pub const AGE: Column = Column {
    name: "Age",
    kind: "string",
    format: "",
    description: "Time since the object was created.",
    priority: 0,
    cell: Cell::Of(|object, now| {
        crate::age::age(object.str_at(&["metadata", "creationTimestamp"]), now).into()
    }),
};

/// The verbs of an ordinary resource.
pub const STANDARD_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The verbs of a view of an object.
pub const VIEW_VERBS: &[&str] = &["get", "patch", "update"];

impl Kind {
    /// What most kinds have in common.
    pub const DEFAULT: Kind = Kind {
        names: Names { group: "", kind: "", plural: "", singular: "", short: &[], scope: Scope::Namespaced },
        versions: &[],
        verbs: STANDARD_VERBS,
        categories: &[],
        subresources: &[],
        columns: &[],
        row_conditions: |_| Vec::new(),
        selectable: &[],
        name_rule: NameRule::DnsSubdomain,
        plain_finalizers: false,
        generation: Generation::None,
        creates_on_update: false,
        unconditional_update: true,
        delete_returns_object: false,
        deprecation: "",
        dependents: Dependents::Deleted,
        grace_period: None,
        expires: None,
        begin_deletion: |_| {},
        set_defaults: |_| {},
        prepare_for_create: |_, _| {},
        prepare_for_update: |_, _, _| {},
        validate_metadata: |_, _| {},
        validate: |_, _| {},
        changes_first: false,
        ignores_metadata: false,
        repeats: None,
        validate_update: |_, _, _| {},
        validate_request: |_, _, _, _| {},
        metadata_warnings: |_, _| {},
        warnings: |_, _, _| {},
    };

    /// The version that objects are stored in.
    pub fn storage_version(&self) -> &'static Version {
        self.versions.iter().find(|version| version.storage).expect("every kind has a storage version")
    }

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.names.scope == Scope::Namespaced
    }

    /// `deployments.apps`, or `pods` in the core group.
    pub fn group_resource(&self) -> String {
        if self.names.group.is_empty() {
            self.names.plural.to_owned()
        } else {
            format!("{}.{}", self.names.plural, self.names.group)
        }
    }
}

/// The `status` endpoint of most kinds: everything but `status` comes from the old object.
pub const STATUS: Subresource = Subresource {
    name: "status",
    verbs: VIEW_VERBS,
    body: None,
    action: Action::View(View { prepare: keep_all_but_status, validate: |_, _, _| {} }),
};

/// A `status` endpoint with rules of its own.
pub const fn status(
    prepare: fn(&mut Map, &Map, &Context<'_>),
    validate: fn(&Map, &Map, &mut FieldErrors),
) -> Subresource {
    Subresource {
        name: "status",
        verbs: VIEW_VERBS,
        body: None,
        action: Action::View(View { prepare, validate }),
    }
}

/// The `scale` endpoint: a Scale of autoscaling/v1 over `spec.replicas` and `status.replicas`.
pub const fn scale(selector: fn(&Map) -> EcoString) -> Subresource {
    Subresource {
        name: "scale",
        verbs: VIEW_VERBS,
        body: Some(BodyKind {
            group: "autoscaling",
            version: "v1",
            kind: "Scale",
            schema: "io.k8s.api.autoscaling.v1.Scale",
        }),
        action: Action::Scale(ScalePaths {
            replicas: &["spec", "replicas"],
            status_replicas: &["status", "replicas"],
            selector: FieldValue::Of(selector),
        }),
    }
}

/// `prepare_for_create` of most kinds with a status: a client's status is not taken on create.
pub fn clear_status(object: &mut Map, _: &Context<'_>) {
    object.remove("status");
}

/// Puts back `spec` and every other top-level field but `metadata` and `status` from `old`.
pub fn keep_all_but_status(object: &mut Map, old: &Map, _: &Context<'_>) {
    object.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    for (key, node) in old.iter() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            object.push_new(key.clone(), node.clone());
        }
    }
}

/// As [`keep_all_but_status`], and puts back the metadata that users write (upstream's `ResetObjectMetaForStatus`).
pub fn keep_metadata_and_all_but_status(object: &mut Map, old: &Map, context: &Context<'_>) {
    keep_all_but_status(object, old, context);
    keep_metadata(object, old, &["labels", "annotations", "finalizers", "ownerReferences"]);
}

/// Puts back `fields` of the metadata from `old`.
pub fn keep_metadata(object: &mut Map, old: &Map, fields: &[&'static str]) {
    for field in fields {
        match old.metadata().and_then(|metadata| metadata.get(field)) {
            Some(node) => object.metadata_mut().set(*field, node.clone()),
            None => {
                object.metadata_mut().remove(field);
            }
        }
    }
}
