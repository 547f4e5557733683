//! Authorization: whether a user may do what a request asks, decided over the stored roles and bindings, and for
//! kubelets over their pods.
//!
//! Keeps: `system:masters` passes before anything is read; every other answer comes from a policy compiled from
//! the four RBAC kinds, compiled again only when one of them changed, and never older than the view it is asked
//! about.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::registry::Resource;
use crate::request;
use crate::status::Error;
use crate::storage::View;
use crate::user::{SYSTEM_MASTERS, User};

pub mod aggregation;
pub mod escalation;
pub(crate) mod node;
mod policy;
pub mod rbac;
pub mod rule;

pub use policy::Grant;
use policy::Policy;
use rbac::Kinds;
pub use rule::Rule;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `get`, `list`, `impersonate` …
    pub verb: &'a str,
    /// Whether a resource is asked for, not a path.
    pub is_resource: bool,
    /// API group; empty for core.
    pub group: &'a str,
    /// `pods`
    pub resource: &'a str,
    /// `log`; empty for the object itself.
    pub subresource: &'a str,
    /// Namespace; empty at cluster scope.
    pub namespace: &'a str,
    /// Object name; empty for the collection.
    pub name: &'a str,
    /// The node of an exact `spec.nodeName` selector; empty without one.
    pub selected_node: &'a str,
    /// The path, for requests that are not for resources.
    pub path: &'a str,
}

/// What the authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The user may, because of this grant.
    Allow(Reason),
    /// No role allows it; why some could not be looked at.
    NoOpinion(String),
}

/// Why the user may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user is in `system:masters`.
    Masters,
    /// The user is a kubelet and this is its own, or its pods'.
    Node,
    /// A binding grants it.
    Granted(Grant),
}

/// Decides over stored policy.
pub struct Authorizer {
    kinds: Kinds,
    policy: ArcSwap<Policy>,
    /// The newest revision at which the policy was found to be current.
    checked: AtomicU64,
    compiling: Mutex<()>,
}

impl<'a> From<&'a request::Attributes> for Attributes<'a> {
    fn from(request: &'a request::Attributes) -> Attributes<'a> {
        Attributes {
            verb: &request.verb,
            is_resource: request.is_resource,
            group: &request.group,
            resource: &request.resource,
            subresource: &request.subresource,
            namespace: &request.namespace,
            name: &request.name,
            selected_node: &request.selected_node,
            path: &request.path,
        }
    }
}

impl<'a> Attributes<'a> {
    /// `verb` on a stored object or, with an empty name, on all of a namespace.
    pub fn on(verb: &'a str, resource: &'a Resource, namespace: &'a str, name: &'a str) -> Attributes<'a> {
        Attributes {
            verb,
            is_resource: true,
            group: resource.version.group,
            resource: resource.kind.names.plural,
            namespace,
            name,
            ..Attributes::default()
        }
    }

    fn resource_text(&self) -> Cow<'a, str> {
        if self.subresource.is_empty() {
            Cow::Borrowed(self.resource)
        } else {
            Cow::Owned(format!("{}/{}", self.resource, self.subresource))
        }
    }

    /// The sentence of a refusal.
    fn refusal(&self, user: &User) -> String {
        let Attributes { verb, group, namespace, path, .. } = self;
        let name = &user.name;
        let text = if !self.is_resource {
            format!("User {name:?} cannot {verb} path {path:?}")
        } else {
            let resource = self.resource_text();
            let place = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            format!("User {name:?} cannot {verb} resource {resource:?} in API group {group:?} {place}")
        };
        escape_html(&text)
    }

    /// The error for a user who may not.
    pub fn forbidden(&self, user: &User, reason: &str) -> Error {
        let mut cause = self.refusal(user);
        if !reason.is_empty() {
            cause.push_str(": ");
            cause.push_str(reason);
        }
        if !self.is_resource {
            return Error::ForbiddenPath(cause);
        }
        let dot = if self.group.is_empty() { "" } else { "." };
        Error::forbidden(format!("{}{dot}{}", self.resource, self.group), self.name, cause)
    }
}

/// Names and paths come from clients, and some show messages in browsers.
fn escape_html(text: &str) -> String {
    if !text.contains(['&', '<', '>']) {
        return text.to_owned();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Decision {
    /// Whether the user may.
    pub fn allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    /// Why, in upstream's words; may be empty.
    pub fn reason(&self) -> String {
        match self {
            Decision::Allow(Reason::Masters | Reason::Node) => String::new(),
            Decision::Allow(Reason::Granted(grant)) => format!("RBAC: allowed by {grant}"),
            Decision::NoOpinion(reason) => reason.clone(),
        }
    }
}

impl Default for Authorizer {
    fn default() -> Authorizer {
        Authorizer::new()
    }
}

impl Authorizer {
    /// An authorizer that has not looked at any view yet. It belongs to one store.
    pub fn new() -> Authorizer {
        Authorizer {
            kinds: Kinds::builtin(),
            policy: ArcSwap::from_pointee(Policy::default()),
            checked: AtomicU64::new(0),
            compiling: Mutex::new(()),
        }
    }

    /// Whether `user` may do what `attributes` ask.
    pub fn authorize(&self, view: &View, user: &User, attributes: &Attributes<'_>) -> Decision {
        if user.in_group(SYSTEM_MASTERS) {
            return Decision::Allow(Reason::Masters);
        }
        // As upstream: the Node authorizer first, then RBAC; the first that allows decides.
        let node = node::identity(user).map(|node| node::authorize(view, node, attributes));
        if node == Some(node::Opinion::Allow) {
            return Decision::Allow(Reason::Node);
        }
        let policy = self.policy(view);
        match policy.find(user, attributes.namespace, |rule| rule.allows(attributes)) {
            Some(grant) => Decision::Allow(Reason::Granted(grant.clone())),
            None => {
                let mut why = policy.why_not(user, attributes.namespace);
                if let Some(node::Opinion::None(reason)) = node
                    && !reason.is_empty()
                {
                    why = if why.is_empty() { reason } else { format!("{reason}, {why}") };
                }
                Decision::NoOpinion(why)
            }
        }
    }

    /// Refuses with 403 what `user` may not do.
    pub fn check(&self, view: &View, user: &User, attributes: &Attributes<'_>) -> Result<(), Error> {
        if user.in_group(SYSTEM_MASTERS) {
            return Ok(());
        }
        // What is allowed needs no reason: most requests end here.
        let policy = self.policy(view);
        let granted = policy.find(user, attributes.namespace, |rule| rule.allows(attributes)).is_some();
        drop(policy);
        match granted {
            true => Ok(()),
            false => match self.authorize(view, user, attributes) {
                Decision::Allow(_) => Ok(()),
                Decision::NoOpinion(why) => Err(attributes.forbidden(user, &why)),
            },
        }
    }

    /// The rules that apply to `user` in a namespace (cluster-wide ones included; only those for an empty one),
    /// and what could not be resolved.
    pub fn rules(&self, view: &View, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let policy = self.policy(view);
        let mut rules = Vec::new();
        policy.find(user, namespace, |rule| {
            rules.push(rule.clone());
            false
        });
        (rules, policy.unresolved(user, namespace))
    }

    /// The resources of the four RBAC kinds.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    fn policy(&self, view: &View) -> arc_swap::Guard<Arc<Policy>> {
        // A policy that was current at a newer revision is what a request that began later would see.
        if view.revision() <= self.checked.load(Ordering::Acquire) {
            return self.policy.load();
        }
        self.refresh(view);
        self.policy.load()
    }

    #[cold]
    fn refresh(&self, view: &View) {
        if self.policy.load().is_current(&self.kinds, view) {
            self.checked.fetch_max(view.revision(), Ordering::AcqRel);
            return;
        }
        let _one_at_a_time = self.compiling.lock();
        let present = self.policy.load();
        if present.compiled_at() < view.revision() && !present.is_current(&self.kinds, view) {
            self.policy.store(Arc::new(Policy::compile(&self.kinds, view, &present)));
        }
        self.checked.fetch_max(view.revision(), Ordering::AcqRel);
    }
}

/// Refuses with 403 what a request's user may not do.
pub fn check(
    authorizer: &Authorizer,
    view: &View,
    user: &User,
    request: &request::Attributes,
) -> Result<(), Error> {
    authorizer.check(view, user, &Attributes::from(request))
}

#[cfg(test)]
mod tests;
