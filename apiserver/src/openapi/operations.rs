//! The paths of a group version and what can be done at each, independent of the version of OpenAPI.
//!
//! Keeps: derived from kinds, verbs and subresources alone; operation ids are upstream's, because generated clients
//! are named after them.

use super::definitions::{DELETE_OPTIONS, PATCH, STATUS, VERSION_INFO, WATCH_EVENT};
use super::parameters::{self, Parameter};
use crate::discovery::{Catalog, GroupVersion, Served};
use crate::kind::{Action, BodyKind, Subresource};

/// Media types that an object is answered in.
pub(super) const OBJECT: &[&str] =
    &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// Media types that custom resources are answered in.
pub(super) const CUSTOM_OBJECT: &[&str] = &["application/json", "application/yaml"];
/// Media types that a list or a watch is answered in.
pub(super) const STREAM: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
/// Media types of a patch. kubectl picks strategic merge only when it is listed.
pub(super) const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
/// Media types of a patch of a custom resource.
pub(super) const CUSTOM_PATCHES: &[&str] =
    &["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
/// Any media type.
pub(super) const ANY: &[&str] = &["*/*"];
const JSON: &[&str] = &["application/json"];
const LOG: &[&str] =
    &["text/plain", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

const GROUP: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup";
const GROUP_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList";
const RESOURCE_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList";
const VERSIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions";

/// A path and its operations.
pub(super) struct Path {
    /// `/api/v1/namespaces/{namespace}/pods`
    pub(super) path: String,
    /// Parameters of every operation.
    pub(super) parameters: Vec<Parameter>,
    /// The operations, one per method.
    pub(super) operations: Vec<Operation>,
}

/// What a method does at a path.
pub(super) struct Operation {
    /// `get`, `put` …
    pub(super) method: &'static str,
    /// `list`, `get` …; empty for a path that is no resource.
    pub(super) action: &'static str,
    /// `listCoreV1NamespacedPod`
    pub(super) id: String,
    /// What it does.
    pub(super) description: String,
    /// `core_v1`
    pub(super) tag: String,
    /// The kind that it works on.
    pub(super) kind: Option<BodyKind>,
    /// Parameters beyond those of the path.
    pub(super) parameters: Vec<Parameter>,
    /// What it takes.
    pub(super) body: Option<Body>,
    /// What it answers on success; `None` is plain text.
    pub(super) answer: Option<&'static str>,
    /// Media types of the answer.
    pub(super) produces: &'static [&'static str],
    /// Codes of success with their words.
    pub(super) successes: &'static [(&'static str, &'static str)],
}

/// The body of a request.
pub(super) struct Body {
    /// Its type.
    pub(super) schema: &'static str,
    /// It may not be left out.
    pub(super) required: bool,
    /// Its media types.
    pub(super) consumes: &'static [&'static str],
}

const OK: &[(&str, &str)] = &[("200", "OK")];
const OK_CREATED: &[(&str, &str)] = &[("200", "OK"), ("201", "Created")];
const OK_CREATED_ACCEPTED: &[(&str, &str)] = &[("200", "OK"), ("201", "Created"), ("202", "Accepted")];
const OK_ACCEPTED: &[(&str, &str)] = &[("200", "OK"), ("202", "Accepted")];

impl Path {
    /// A path; what every operation of it has in common becomes the path's own.
    fn new(path: String, own: Vec<Parameter>, mut operations: Vec<Operation>) -> Path {
        let mut parameters = own;
        if let Some((first, others)) = operations.split_first() {
            let common =
                |parameter: &&Parameter| others.iter().all(|other| other.parameters.contains(parameter));
            parameters.extend(first.parameters.iter().filter(common).cloned());
        }
        for operation in &mut operations {
            operation.parameters.retain(|parameter| !parameters.contains(parameter));
            operation.parameters.sort();
        }
        parameters.sort();
        Path { path, parameters, operations }
    }
}

/// The path of a discovery document or of `/version`, named by its key in the index.
pub(super) fn discovery(key: &str) -> Path {
    let words: Vec<&str> = key.split('/').collect();
    let (description, answer, produces, suffix) = match words[..] {
        ["api"] => ("get available API versions", VERSIONS, OBJECT, "APIVersions"),
        ["apis"] => ("get available API versions", GROUP_LIST, OBJECT, "APIVersions"),
        ["apis", _] => ("get information of a group", GROUP, OBJECT, "APIGroup"),
        ["version"] => ("get the version information for this server", VERSION_INFO, JSON, "CodeVersion"),
        _ => ("get available resources", RESOURCE_LIST, OBJECT, "APIResources"),
    };
    let (tag, name) = match words[..] {
        ["api"] => ("core".to_owned(), "Core".to_owned()),
        ["apis", group] => (camel(group_word(group), false), camel(group_word(group), true)),
        ["api", version] => (format!("core_{version}"), format!("Core{}", camel(version, true))),
        ["apis", group, version] => names(group, version),
        _ => (key.to_owned(), String::new()),
    };
    let operation = Operation {
        method: "get",
        action: "",
        id: format!("get{name}{suffix}"),
        description: description.to_owned(),
        tag,
        kind: None,
        parameters: Vec::new(),
        body: None,
        answer: Some(answer),
        produces,
        successes: OK,
    };
    Path::new(format!("/{key}/"), Vec::new(), vec![operation])
}

/// `rbac.authorization` of `rbac.authorization.k8s.io`
fn group_word(group: &str) -> &str {
    group.strip_suffix(".k8s.io").unwrap_or(group)
}

/// Tag and name in operation ids: `apps_v1` and `AppsV1`.
fn names(group: &str, version: &str) -> (String, String) {
    let group = if group.is_empty() { "core" } else { group_word(group) };
    (format!("{}_{version}", camel(group, false)), format!("{}{}", camel(group, true), camel(version, true)))
}

/// Camel case of a dotted name.
fn camel(text: &str, capital: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut upper = capital;
    for c in text.chars() {
        match c {
            c if !c.is_ascii_alphanumeric() => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// Hands over every path of a group version, one after the other.
pub(super) fn paths(served: &GroupVersion, each: &mut dyn FnMut(Path)) {
    each(discovery(&served.path()[1..]));
    let base = served.path();
    let (tag, name) = names(served.group, served.version);
    for served in &served.kinds {
        let resource = Resource { base: &base, tag: &tag, name: &name, served };
        resource.paths(each);
        for subresource in served.kind.subresources {
            resource.subresource_paths(subresource, each);
        }
    }
}

/// A kind in a group version, with the words that its operations share.
struct Resource<'a> {
    base: &'a str,
    tag: &'a str,
    name: &'a str,
    served: &'a Served,
}

/// What the operations of one path have in common.
struct At<'a> {
    /// The kind that they work on.
    body: BodyKind,
    /// The last part of the description: ` of a Pod`.
    what: String,
    /// What stands in the id between group version and suffix.
    middle: String,
    suffix: &'a str,
}

impl Resource<'_> {
    fn body(&self) -> BodyKind {
        let version = self.served.version;
        BodyKind {
            group: version.group,
            version: version.version,
            kind: self.served.kind.names.kind,
            schema: version.schema,
        }
    }

    fn has(&self, verb: &str) -> bool {
        self.served.kind.verbs.contains(&verb)
    }

    /// The path of the collection, in a namespace when the kind is in one.
    fn collection(&self, prefix: &str) -> String {
        let namespace = if self.served.kind.namespaced() { "/namespaces/{namespace}" } else { "" };
        format!("{}{prefix}{namespace}/{}", self.base, self.served.kind.names.plural)
    }

    fn scope(&self) -> &'static str {
        if self.served.kind.namespaced() { "Namespaced" } else { "" }
    }

    /// The parameters in the path: the namespace, and the name of an object of `kind`.
    fn in_path(&self, name_of: Option<&str>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        if self.served.kind.namespaced() {
            let text = "object name and auth scope, such as for teams and projects";
            parameters.push(parameters::path("namespace", text));
        }
        if let Some(kind) = name_of {
            parameters.push(parameters::path("name", format!("name of the {kind}")));
        }
        parameters
    }

    fn paths(&self, each: &mut dyn FnMut(Path)) {
        let kind = self.served.kind.names.kind;
        let at = At {
            body: self.body(),
            what: kind.to_owned(),
            middle: format!("{}{kind}", self.scope()),
            suffix: "",
        };
        let watched = self.has("watch") && self.has("list");
        let operations = |verbs: &[&str]| -> Vec<Operation> {
            verbs.iter().filter(|verb| self.has(verb)).map(|verb| self.operation(verb, &at)).collect()
        };
        let collection = operations(&["list", "create", "deletecollection"]);
        let item = operations(&["get", "update", "patch", "delete"]);
        if !collection.is_empty() {
            each(Path::new(self.collection(""), self.in_path(None), collection));
        }
        if !item.is_empty() {
            each(Path::new(format!("{}/{{name}}", self.collection("")), self.in_path(Some(kind)), item));
        }
        if watched {
            let watch = self.collection("/watch");
            each(Path::new(watch.clone(), self.in_path(None), vec![self.operation("watchlist", &at)]));
            let item = vec![self.operation("watch", &at)];
            each(Path::new(format!("{watch}/{{name}}"), self.in_path(Some(kind)), item));
        }
        if self.served.kind.namespaced() {
            self.all_namespaces(watched, each);
        }
    }

    fn all_namespaces(&self, watched: bool, each: &mut dyn FnMut(Path)) {
        let names = &self.served.kind.names;
        let at = At {
            body: self.body(),
            what: names.kind.to_owned(),
            middle: names.kind.to_owned(),
            suffix: "ForAllNamespaces",
        };
        if self.has("list") {
            let path = format!("{}/{}", self.base, names.plural);
            each(Path::new(path, Vec::new(), vec![self.operation("list", &at)]));
        }
        if watched {
            let path = format!("{}/watch/{}", self.base, names.plural);
            each(Path::new(path, Vec::new(), vec![self.operation("watchlist", &at)]));
        }
    }

    fn subresource_paths(&self, subresource: &Subresource, each: &mut dyn FnMut(Path)) {
        let kind = self.served.kind.names.kind;
        let body = subresource.body.unwrap_or_else(|| self.body());
        let mut at = At {
            body,
            what: format!("{} of {kind}", subresource.name),
            middle: format!("{}{kind}{}", self.scope(), camel(subresource.name, true)),
            suffix: "",
        };
        let path = format!("{}/{{name}}/{}", self.collection(""), subresource.name);
        let in_path = self.in_path(Some(body.kind));
        if let Some(options) = connect_options(subresource) {
            let with_path = options.iter().any(|option| option.name == "path");
            let operations = self.connect(subresource, &options, &at);
            each(Path::new(path.clone(), in_path.clone(), operations));
            if with_path {
                at.suffix = "WithPath";
                let operations = self.connect(subresource, &options, &at);
                let mut in_path = in_path;
                in_path.push(parameters::path("path", "path to the resource"));
                each(Path::new(format!("{path}/{{path}}"), in_path, operations));
            }
            return;
        }
        let mut operations = Vec::new();
        for verb in subresource.verbs {
            let mut operation = self.operation(verb, &at);
            if let Some(options) = self.text_options(subresource) {
                operation.parameters.extend(options);
                operation.answer = None;
                operation.produces = LOG;
            }
            operations.push(operation);
        }
        each(Path::new(path, in_path, operations));
    }

    /// The options of a subresource that answers text: `PodLogOptions` of `log`.
    fn text_options(&self, subresource: &Subresource) -> Option<Vec<Parameter>> {
        if subresource.body.is_some() || !matches!(subresource.action, Action::Connect(_)) {
            return None;
        }
        parameters::options(&format!(
            "{}{}Options",
            self.served.version.schema,
            camel(subresource.name, true)
        ))
    }

    fn connect(&self, subresource: &Subresource, options: &[Parameter], at: &At<'_>) -> Vec<Operation> {
        let methods = subresource.verbs.iter().flat_map(|verb| match *verb {
            "get" if subresource.verbs.len() > 2 => &["get", "head", "options"][..],
            "get" => &["get"],
            "create" => &["post"],
            "update" => &["put"],
            "patch" => &["patch"],
            "delete" => &["delete"],
            _ => &[],
        });
        methods
            .map(|method| Operation {
                method,
                action: "connect",
                id: format!("connect{}{}{}{}", self.name, camel(method, true), at.middle, at.suffix),
                description: format!("Connect {} requests to {}", method.to_uppercase(), at.what),
                tag: self.tag.to_owned(),
                kind: Some(at.body),
                parameters: options.to_vec(),
                body: None,
                answer: None,
                produces: ANY,
                successes: OK,
            })
            .collect()
    }

    fn operation(&self, verb: &str, at: &At<'_>) -> Operation {
        let rule = Rule::of(verb);
        let own = at.body.schema;
        let answer = match rule.answer {
            Answer::Own => own,
            Answer::List if self.served.is_custom && own == self.served.version.schema => list_of_custom(own),
            Answer::List => list_of(own),
            Answer::Event => WATCH_EVENT,
            Answer::Status if verb == "delete" && self.served.kind.delete_returns_object => own,
            Answer::Status => STATUS,
        };
        let body = rule.takes.map(|takes| match takes {
            Takes::Own => Body { schema: own, required: true, consumes: ANY },
            Takes::Patch if self.served.is_custom => {
                Body { schema: PATCH, required: true, consumes: CUSTOM_PATCHES }
            }
            Takes::Patch => Body { schema: PATCH, required: true, consumes: PATCHES },
            Takes::Options => Body { schema: DELETE_OPTIONS, required: false, consumes: ANY },
        });
        let query = parameters::PRETTY.iter().chain(rule.query.iter().copied().flatten());
        // In ids the group version stands behind the first word of the verb.
        let (collection, list) = match verb {
            "deletecollection" => ("Collection", ""),
            "watchlist" => ("", "List"),
            _ => ("", ""),
        };
        Operation {
            method: rule.method,
            action: rule.action,
            id: format!("{}{}{collection}{}{list}{}", rule.word, self.name, at.middle, at.suffix),
            description: format!("{} {}", rule.description, at.what),
            tag: self.tag.to_owned(),
            kind: Some(at.body),
            parameters: query.map(|name| parameters::query(name)).collect(),
            body,
            answer: Some(answer),
            produces: if self.served.is_custom { CUSTOM_OBJECT } else { rule.produces },
            successes: rule.successes,
        }
    }
}

/// The name of a list type in the schema table.
fn list_of(item: &'static str) -> &'static str {
    let builtin = crate::schema::builtin();
    let list = builtin.find(&format!("{item}List")).map(|id| builtin.get(id).name.as_str());
    list.unwrap_or(item)
}

/// The name of the list type of a custom resource.
fn list_of_custom(item: &str) -> &'static str {
    crate::custom::kept(&format!("{item}List"))
}

/// The options of a subresource that passes a connection on; they are its body's type.
fn connect_options(subresource: &Subresource) -> Option<Vec<Parameter>> {
    let Action::Connect(_) = subresource.action else { return None };
    parameters::options(subresource.body?.schema)
}

#[derive(Clone, Copy)]
enum Answer {
    Own,
    List,
    Event,
    Status,
}

#[derive(Clone, Copy)]
enum Takes {
    Own,
    Patch,
    Options,
}

/// What is true of a verb on every kind.
struct Rule {
    method: &'static str,
    action: &'static str,
    /// The verb in operation ids.
    word: &'static str,
    description: &'static str,
    query: &'static [&'static [&'static str]],
    takes: Option<Takes>,
    answer: Answer,
    produces: &'static [&'static str],
    successes: &'static [(&'static str, &'static str)],
}

impl Rule {
    fn of(verb: &str) -> Rule {
        let read = Rule {
            method: "get",
            action: "get",
            word: "read",
            description: "Read the specified",
            query: &[],
            takes: None,
            answer: Answer::Own,
            produces: OBJECT,
            successes: OK,
        };
        let list =
            Rule { action: "list", word: "list", query: &[parameters::LIST], produces: STREAM, ..read };
        match verb {
            "list" => Rule { description: "List or watch objects of kind", answer: Answer::List, ..list },
            "watch" => Rule {
                action: "watch",
                word: "watch",
                description: "Deprecated: use watch with a field selector. Watch one object of kind",
                answer: Answer::Event,
                ..list
            },
            "watchlist" => Rule {
                action: "watchlist",
                word: "watch",
                description: "Deprecated: use list with watch. Watch objects of kind",
                answer: Answer::Event,
                ..list
            },
            "create" => Rule {
                method: "post",
                action: "post",
                word: "create",
                description: "Create an object of kind",
                query: &[parameters::WRITE],
                takes: Some(Takes::Own),
                successes: OK_CREATED_ACCEPTED,
                ..read
            },
            "update" => Rule {
                method: "put",
                action: "put",
                word: "replace",
                description: "Replace the specified",
                query: &[parameters::WRITE],
                takes: Some(Takes::Own),
                successes: OK_CREATED,
                ..read
            },
            "patch" => Rule {
                method: "patch",
                action: "patch",
                word: "patch",
                description: "Change a part of the specified",
                query: &[parameters::PATCH],
                takes: Some(Takes::Patch),
                successes: OK_CREATED,
                ..read
            },
            "delete" => Rule {
                method: "delete",
                action: "delete",
                word: "delete",
                description: "Delete the specified",
                query: &[parameters::DELETE],
                takes: Some(Takes::Options),
                answer: Answer::Status,
                successes: OK_ACCEPTED,
                ..read
            },
            "deletecollection" => Rule {
                method: "delete",
                action: "deletecollection",
                word: "delete",
                description: "Delete all objects of kind",
                query: &[parameters::DELETE, parameters::DELETE_COLLECTION],
                takes: Some(Takes::Options),
                answer: Answer::Status,
                ..read
            },
            _ => read,
        }
    }
}

/// Hands over every path of every group version, one after the other.
pub(super) fn all(catalog: &Catalog, each: &mut dyn FnMut(Path)) {
    ["api", "apis", "version"].into_iter().map(discovery).for_each(&mut *each);
    catalog.named_groups().map(|group| discovery(&format!("apis/{}", group.name))).for_each(&mut *each);
    for served in catalog.versions() {
        paths(served, each);
    }
}
