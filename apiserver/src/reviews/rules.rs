//! SelfSubjectRulesReview: everything that the one who asks may do in a namespace.

use crate::registry::Resource;
use crate::status::Error;
use crate::tree::{List, Map, Node};

use super::Asking;

pub(super) fn answer(_: &Resource, mut body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    let namespace = body.str_at(&["spec", "namespace"]).to_owned();
    if namespace.is_empty() {
        return Err(Error::BadRequest("no namespace on request".to_owned()));
    }
    let (rules, unresolved) = asking.authorizer.rules(asking.view, asking.user, &namespace);
    let (mut on_resources, mut on_paths) = (List::new(), List::new());
    for rule in rules {
        let mut map = rule.to_map();
        if rule.urls.is_empty() {
            on_resources.push(Node::Map(map));
        } else {
            map.retain(|key, _| matches!(key.as_str(), "verbs" | "nonResourceURLs"));
            on_paths.push(Node::Map(map));
        }
    }
    let mut status = Map::from([
        ("resourceRules", Node::List(on_resources)),
        ("nonResourceRules", Node::List(on_paths)),
        ("incomplete", Node::Bool(false)),
    ]);
    if !unresolved.is_empty() {
        status.set("evaluationError", unresolved.join(", "));
    }
    body.set("status", status);
    Ok(body)
}
