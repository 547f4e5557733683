//! SubjectAccessReview in its three forms: may a user do this?

use crate::field::{FieldErrors, Path};
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::{Map, Node};
use crate::user::User;

use super::{Asking, attributes, refuse};

/// For the one who asks.
pub(super) fn answer_self(resource: &Resource, body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    let mut errors = FieldErrors::new();
    check_metadata(&body, &mut errors);
    check_attributes(&body, &mut errors);
    refuse(resource, errors)?;
    Ok(decide(body, asking.user, asking))
}

/// For anybody, by those who may ask.
pub(super) fn answer_subject(resource: &Resource, body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    let mut errors = FieldErrors::new();
    check_metadata(&body, &mut errors);
    check_attributes(&body, &mut errors);
    check_subject(&body, &mut errors);
    refuse(resource, errors)?;
    let user = subject(&body);
    Ok(decide(body, &user, asking))
}

/// For anybody, about one namespace, by those who may ask there.
pub(super) fn answer_local(resource: &Resource, body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    let mut errors = FieldErrors::new();
    check_attributes(&body, &mut errors);
    check_subject(&body, &mut errors);
    if let Some(path) = body.at(&["spec", "nonResourceAttributes"]) {
        let field = Path::new("spec.nonResourceAttributes");
        errors.invalid(&field, path.clone(), "disallowed on this kind of request");
    }
    let named = body.str_at(&["spec", "resourceAttributes", "namespace"]).to_owned();
    refuse(resource, errors)?;
    if named != asking.namespace {
        let namespace = asking.namespace;
        return Err(Error::BadRequest(format!(
            "spec.resourceAttributes.namespace must match namespace: {namespace}"
        )));
    }
    let user = subject(&body);
    Ok(decide(body, &user, asking))
}

fn decide(mut body: Map, user: &User, asking: &Asking<'_>) -> Map {
    let decision = {
        let spec = body.map("spec");
        let empty = Map::new();
        asking.authorizer.authorize(asking.view, user, &attributes(spec.unwrap_or(&empty)))
    };
    let mut status = Map::from([("allowed", decision.allowed())]);
    let reason = decision.reason();
    if !reason.is_empty() {
        status.set("reason", reason);
    }
    body.set("status", status);
    body
}

/// The user that a review asks about.
fn subject(body: &Map) -> User {
    let Some(spec) = body.map("spec") else { return User::default() };
    let texts = |list: &[Node]| list.iter().filter_map(Node::as_str).map(str::to_owned).collect::<Vec<_>>();
    let extra = spec.map("extra").map(|extra| {
        extra
            .iter()
            .map(|(key, values)| {
                let values = values.as_list().map(|values| texts(values)).unwrap_or_default();
                (key.as_str().to_ascii_lowercase(), values)
            })
            .collect()
    });
    User {
        name: spec.str("user").to_owned(),
        uid: spec.str("uid").to_owned(),
        groups: texts(spec.list("groups")),
        extra: extra.unwrap_or_default(),
    }
}

/// A review is not an object: it has no name.
fn check_metadata(body: &Map, errors: &mut FieldErrors) {
    let Some(metadata) = body.metadata() else { return };
    let named = metadata.keys().any(|key| !matches!(key.as_str(), "managedFields" | "creationTimestamp"));
    if named {
        errors.invalid(&Path::new("metadata"), metadata.clone(), "must be empty");
    }
}

fn check_attributes(body: &Map, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    let resource = body.at(&["spec", "resourceAttributes"]);
    let path_asked = body.at(&["spec", "nonResourceAttributes"]);
    match (resource, path_asked) {
        (Some(_), Some(asked)) => errors.invalid(
            &path.child("nonResourceAttributes"),
            asked.clone(),
            "cannot be specified in combination with resourceAttributes",
        ),
        (None, None) => errors.invalid(
            &path.child("resourceAttributes"),
            Node::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        _ => {}
    }
}

fn check_subject(body: &Map, errors: &mut FieldErrors) {
    let user = body.str_at(&["spec", "user"]);
    let groups = body.map("spec").is_some_and(|spec| !spec.list("groups").is_empty());
    if user.is_empty() && !groups {
        let path = Path::new("spec");
        errors.invalid(&path.child("user"), "", "at least one of user or group must be specified");
    }
}
