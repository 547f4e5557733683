//! Reviews: questions about users and rights, answered in the body that asked and never stored.
//!
//! Keeps: a review is its own answer: what was sent comes back with `status` filled in.

use crate::authorization::{Attributes, Authorizer};
use crate::cluster::Cluster;
use crate::field::FieldErrors;
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::View;
use crate::tree::{List, Map, Node};
use crate::user::User;

mod access;
mod rules;
mod subject;
mod token;

/// Who asks, about what state.
pub struct Asking<'a> {
    /// By whom.
    pub user: &'a User,
    /// Everything stored.
    pub view: &'a View,
    /// The cluster's authorizer.
    pub authorizer: &'a Authorizer,
    /// The cluster's settings.
    pub cluster: &'a Cluster,
    /// The namespace of the URL; empty at cluster scope.
    pub namespace: &'a str,
    /// Now, canonical.
    pub now: &'a str,
}

/// Answers a review.
pub type Answer = fn(&Resource, Map, &Asking<'_>) -> Result<Map, Error>;

/// The reviews, by group and plural.
static REVIEWS: &[(&str, &str, Answer)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", subject::answer),
    ("authentication.k8s.io", "tokenreviews", token::answer),
    ("authorization.k8s.io", "localsubjectaccessreviews", access::answer_local),
    ("authorization.k8s.io", "selfsubjectaccessreviews", access::answer_self),
    ("authorization.k8s.io", "selfsubjectrulesreviews", rules::answer),
    ("authorization.k8s.io", "subjectaccessreviews", access::answer_subject),
];

/// How a resource is answered, when it is a review.
pub fn find(resource: &Resource) -> Option<Answer> {
    of(resource.kind.names.group, resource.kind.names.plural)
}

/// Whether `plural` of `group` is a review.
pub fn answers(group: &str, plural: &str) -> bool {
    of(group, plural).is_some()
}

fn of(group: &str, plural: &str) -> Option<Answer> {
    let mut reviews = REVIEWS.iter();
    reviews.find(|review| (review.0, review.1) == (group, plural)).map(|(.., answer)| *answer)
}

/// Answers a review of `resource`.
pub fn handle(resource: &Resource, body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    match find(resource) {
        Some(answer) => answer(resource, body, asking),
        None => Err(Error::NoResource),
    }
}

fn refuse(resource: &Resource, errors: FieldErrors) -> Result<(), Error> {
    if errors.is_empty() {
        return Ok(());
    }
    let names = &resource.kind.names;
    Err(Error::Invalid {
        group: names.group.to_owned(),
        kind: names.kind.to_owned(),
        name: String::new(),
        errors,
    })
}

fn texts(items: &[String]) -> List {
    items.iter().map(|item| Node::from(item.as_str())).collect()
}

/// A user as reviews print it.
fn user_info(user: &User) -> Map {
    let mut info = Map::new();
    for (key, value) in [("username", &user.name), ("uid", &user.uid)] {
        if !value.is_empty() {
            info.set(key, value.as_str());
        }
    }
    if !user.groups.is_empty() {
        info.set("groups", texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let extra: Map = user
            .extra
            .iter()
            .map(|(key, values)| (ecow::EcoString::from(key.as_str()), texts(values)))
            .collect();
        info.set("extra", extra);
    }
    info
}

/// The attributes of a `resourceAttributes` or `nonResourceAttributes`.
fn attributes<'a>(spec: &'a Map) -> Attributes<'a> {
    if let Some(resource) = spec.map("resourceAttributes") {
        return Attributes {
            verb: resource.str("verb"),
            is_resource: true,
            group: resource.str("group"),
            resource: resource.str("resource"),
            subresource: resource.str("subresource"),
            namespace: resource.str("namespace"),
            name: resource.str("name"),
            ..Attributes::default()
        };
    }
    let path = spec.map("nonResourceAttributes");
    let text = |key: &str| path.map_or("", |path| path.str(key));
    Attributes { verb: text("verb"), path: text("path"), ..Attributes::default() }
}

#[cfg(test)]
mod tests;
