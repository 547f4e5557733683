//! Policies of admission and their bindings, read once for all requests until one of them changes.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::admission::conditions::Conditions;
use crate::admission::matching::Matching;
use crate::admission::webhooks::Sort;
use crate::cel::Expression;
use crate::registry::{Registry, Resource};
use crate::storage::{self, Revision, View};
use crate::tree::{Map, Node};

/// An expression, or why it is none.
pub(super) type Compiled = Result<Expression, String>;

/// A policy with the bindings that put it into force.
pub(crate) struct Policy {
    pub(super) name: String,
    pub(crate) matching: Matching,
    pub(super) conditions: Conditions,
    /// By name, in the order in which they may use one another.
    pub(super) variables: Vec<(String, Compiled)>,
    pub(super) validations: Vec<Validation>,
    /// What is recorded of a request, by key.
    pub(super) audit_annotations: Vec<AuditAnnotation>,
    pub(super) mutations: Vec<Mutation>,
    /// It is asked again when somebody changed the object after it.
    pub(super) is_reinvoked: bool,
    /// What cannot be judged is let through.
    pub(super) ignores_failures: bool,
    /// `apiVersion` and `kind` of its parameters.
    pub(super) param_kind: Option<(String, String)>,
    pub(super) bindings: Vec<Binding>,
}

/// What has to hold.
pub(super) struct Validation {
    pub(super) text: String,
    pub(super) expression: Compiled,
    pub(super) message: String,
    pub(super) message_expression: Option<Compiled>,
    pub(super) reason: String,
}

/// What is recorded of a request that is judged.
pub(super) struct AuditAnnotation {
    pub(super) key: String,
    pub(super) text: String,
    /// Gives a text, or null for nothing.
    pub(super) value: Compiled,
}

/// How an object is changed.
pub(super) struct Mutation {
    /// The expression makes a JSON patch, and not an object to be merged.
    pub(super) is_json_patch: bool,
    pub(super) text: String,
    pub(super) expression: Compiled,
}

/// Where a policy is in force, with which parameters, and what follows.
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) matching: Option<Matching>,
    pub(super) params: Option<ParamRef>,
    pub(super) denies: bool,
    pub(super) warns: bool,
    pub(super) audits: bool,
    /// All that follows, as it was written.
    pub(super) actions: Vec<String>,
}

/// Which parameters a binding takes.
pub(super) struct ParamRef {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) selector: Option<Map>,
    /// It is an error when there are none.
    pub(super) needs_any: bool,
}

/// The policies in force as of the newest view that was asked about.
#[derive(Default)]
pub struct Policies {
    mutating: ArcSwap<Read>,
    validating: ArcSwap<Read>,
}

#[derive(Default)]
struct Read {
    /// Of the newest change to any policy and to any binding.
    modified: (Revision, Revision),
    policies: Arc<[Arc<Policy>]>,
}

fn resource(plural: &str) -> &'static Arc<Resource> {
    Registry::builtin().storage_of("admissionregistration.k8s.io", plural).expect("policies are built in")
}

impl Policies {
    /// The policies of a view that have a binding, by name.
    pub(crate) fn of(&self, sort: Sort, view: &View) -> Arc<[Arc<Policy>]> {
        let (read_here, policies, bindings) = match sort {
            Sort::Mutating => {
                (&self.mutating, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
            }
            Sort::Validating => {
                (&self.validating, "validatingadmissionpolicies", "validatingadmissionpolicybindings")
            }
        };
        let (policies, bindings) = (resource(policies), resource(bindings));
        let modified = (view.modified(policies), view.modified(bindings));
        let read = read_here.load();
        if read.modified.0 >= modified.0 && read.modified.1 >= modified.1 {
            return read.policies.clone();
        }
        let bound: Vec<Map> =
            view.entries(bindings, "").map(|entry| storage::decode(bindings, entry)).collect();
        let all: Arc<[Arc<Policy>]> = view
            .entries(policies, "")
            .map(|entry| Policy::of(&storage::decode(policies, entry), &bound))
            .filter(|policy| !policy.bindings.is_empty())
            .map(Arc::new)
            .collect();
        read_here.store(Arc::new(Read { modified, policies: all.clone() }));
        all
    }
}

impl Policy {
    fn of(policy: &Map, bindings: &[Map]) -> Policy {
        let empty = Map::new();
        let spec = policy.map("spec").unwrap_or(&empty);
        let name = policy.name();
        let bindings = bindings.iter().filter(|it| it.str_at(&["spec", "policyName"]) == name);
        let kind = spec.map("paramKind");
        Policy {
            name: name.to_owned(),
            matching: Matching::of_resources(spec.map("matchConstraints").unwrap_or(&empty)),
            conditions: Conditions::of(spec),
            variables: spec
                .maps("variables")
                .map(|it| (it.str("name").to_owned(), Expression::parse(it.str("expression").trim())))
                .collect(),
            validations: spec.maps("validations").map(Validation::of).collect(),
            audit_annotations: spec.maps("auditAnnotations").map(AuditAnnotation::of).collect(),
            mutations: spec.maps("mutations").map(Mutation::of).collect(),
            is_reinvoked: spec.str("reinvocationPolicy") == "IfNeeded",
            ignores_failures: spec.str("failurePolicy") == "Ignore",
            param_kind: kind.map(|kind| (kind.str("apiVersion").to_owned(), kind.str("kind").to_owned())),
            bindings: bindings.map(Binding::of).collect(),
        }
    }
}

impl Validation {
    fn of(validation: &Map) -> Validation {
        let text = validation.str("expression").trim();
        let message = Some(validation.str("messageExpression").trim()).filter(|text| !text.is_empty());
        Validation {
            text: text.to_owned(),
            expression: Expression::parse(text),
            message: validation.str("message").trim().to_owned(),
            message_expression: message.map(Expression::parse),
            reason: validation.str("reason").to_owned(),
        }
    }
}

impl AuditAnnotation {
    fn of(annotation: &Map) -> AuditAnnotation {
        let text = annotation.str("valueExpression").trim();
        let key = annotation.str("key").to_owned();
        AuditAnnotation { key, text: text.to_owned(), value: Expression::parse(text) }
    }
}

impl Mutation {
    fn of(mutation: &Map) -> Mutation {
        let is_json_patch = mutation.str("patchType") == "JSONPatch";
        let field = if is_json_patch { "jsonPatch" } else { "applyConfiguration" };
        let text = mutation.str_at(&[field, "expression"]).trim();
        Mutation { is_json_patch, text: text.to_owned(), expression: Expression::parse(text) }
    }
}

impl Binding {
    fn of(binding: &Map) -> Binding {
        let empty = Map::new();
        let spec = binding.map("spec").unwrap_or(&empty);
        let actions: Vec<String> = spec.texts("validationActions").map(str::to_owned).collect();
        let acts = |action: &str| actions.iter().any(|it| it == action);
        Binding {
            name: binding.name().to_owned(),
            matching: spec.map("matchResources").map(Matching::of_resources),
            params: spec.map("paramRef").map(|it| ParamRef {
                name: it.str("name").to_owned(),
                namespace: it.str("namespace").to_owned(),
                selector: it.get("selector").and_then(Node::as_map).cloned(),
                needs_any: it.str("parameterNotFoundAction") == "Deny",
            }),
            denies: acts("Deny"),
            warns: acts("Warn"),
            audits: acts("Audit"),
            actions,
        }
    }
}
