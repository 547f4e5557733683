//! LimitRanger: a namespace's LimitRanges give containers their defaults and hold pods and claims within bounds.

use std::sync::LazyLock;

use super::pod_usage::{Usage, quantity};
use super::{Attributes, Operation, Plugin, builtin};
use crate::quantity::Quantity;
use crate::registry::Resource;
use crate::status::Error;
use crate::storage;
use crate::tree::Map;

pub(super) struct LimitRanger;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

static LIMIT_RANGES: LazyLock<&Resource> = LazyLock::new(|| builtin("", "limitranges"));

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
        if attributes.creates("pods") {
            for range in ranges(attributes) {
                set_defaults(&range, pod);
            }
        }
        Ok(())
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let Some(object) = object else { return Ok(()) };
        let claim = matches!(attributes.operation, Operation::Create | Operation::Update)
            && attributes.is_for("persistentvolumeclaims", "");
        if !claim && !attributes.creates("pods") {
            return Ok(());
        }
        for range in ranges(attributes) {
            let mut errors = Vec::new();
            for limit in limits(&range) {
                if claim {
                    check_claim(limit, object, &mut errors)
                } else {
                    check_pod(limit, object, &mut errors)
                }
            }
            let cause = match errors.as_slice() {
                [] => continue,
                [one] => one.clone(),
                several => format!("[{}]", several.join(", ")),
            };
            return Err(attributes.forbidden(Some(object), cause));
        }
        Ok(())
    }
}

fn ranges(attributes: &Attributes<'_>) -> Vec<Map> {
    let view = attributes.view;
    view.entries(&LIMIT_RANGES, attributes.namespace)
        .map(|entry| storage::decode(&LIMIT_RANGES, entry))
        .collect()
}

fn limits(range: &Map) -> impl Iterator<Item = &Map> {
    range.map("spec").into_iter().flat_map(|spec| spec.maps("limits"))
}

/// Gives containers the limits and requests that they lack, and says so in an annotation.
fn set_defaults(range: &Map, pod: &mut Map) {
    let mut notes = Vec::new();
    for limit in limits(range).filter(|limit| limit.str("type") == "Container") {
        let spec = pod.map_mut("spec");
        for (containers, title) in [("containers", "container"), ("initContainers", "init container")] {
            for container in spec.existing_list_mut(containers).unwrap_or_default() {
                let Some(container) = container.as_map_mut() else { continue };
                let name = container.str("name").to_owned();
                for (defaults, part, word) in
                    [("defaultRequest", "requests", "request"), ("default", "limits", "limit")]
                {
                    let set = fill(limit.map(defaults), container, part);
                    if !set.is_empty() {
                        notes.push(format!("{} {word} for {title} {name}", set.join(", ")));
                    }
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.metadata_mut().map_mut("annotations").set(ANNOTATION, note);
    }
}

fn fill(defaults: Option<&Map>, container: &mut Map, part: &'static str) -> Vec<String> {
    let Some(defaults) = defaults.filter(|defaults| !defaults.is_empty()) else { return Vec::new() };
    let own = container.map_mut("resources").map_mut(part);
    let mut set = Vec::new();
    for (resource, value) in defaults.iter() {
        if own.set_default(resource.clone(), value.clone()) {
            set.push(resource.as_str().to_owned());
        }
    }
    set.sort_unstable();
    set
}

fn check_pod(limit: &Map, pod: &Map, errors: &mut Vec<String>) {
    let Some(spec) = pod.map("spec") else { return };
    match limit.str("type") {
        kind @ "Container" => {
            for container in spec.maps("containers").chain(spec.maps("initContainers")) {
                check_bounds(kind, limit, &Usage::of(container.map("resources")), errors);
            }
        }
        kind @ "Pod" => check_bounds(kind, limit, &Usage::of_pod(spec), errors),
        _ => {}
    }
}

fn bounds<'a>(limit: &'a Map, key: &str) -> impl Iterator<Item = (&'a str, Quantity, &'a str)> {
    let mut bounds: Vec<_> = limit
        .map(key)
        .into_iter()
        .flat_map(Map::iter)
        .filter_map(|(resource, value)| {
            let text = value.as_str()?;
            Some((resource.as_str(), Quantity::parse(text).ok()?, text))
        })
        .collect();
    bounds.sort_unstable_by_key(|(resource, ..)| *resource);
    bounds.into_iter()
}

fn check_bounds(kind: &str, limit: &Map, usage: &Usage, errors: &mut Vec<String>) {
    let amounts = |resource: &str| (quantity(&usage.requests, resource), quantity(&usage.limits, resource));
    for (resource, bound, text) in bounds(limit, "min") {
        let start = format!("minimum {resource} usage per {kind} is {text}");
        match amounts(resource) {
            (None, _) => errors.push(format!("{start}.  No request is specified")),
            (Some(request), _) if request < bound => {
                errors.push(format!("{start}, but request is {}", request.canonical()));
            }
            (_, Some(limit)) if limit < bound => {
                errors.push(format!("{start}, but limit is {}", limit.canonical()))
            }
            _ => {}
        }
    }
    for (resource, bound, text) in bounds(limit, "max") {
        let start = format!("maximum {resource} usage per {kind} is {text}");
        match amounts(resource) {
            (_, None) => errors.push(format!("{start}.  No limit is specified")),
            (_, Some(limit)) if limit > bound => {
                errors.push(format!("{start}, but limit is {}", limit.canonical()))
            }
            (Some(request), _) if request > bound => {
                errors.push(format!("{start}, but request is {}", request.canonical()));
            }
            _ => {}
        }
    }
    for (resource, bound, text) in bounds(limit, "maxLimitRequestRatio") {
        let start = format!("{resource} max limit to request ratio per {kind} is {text}");
        match amounts(resource) {
            (request, _) if request.is_none_or(|request| request.is_zero()) => {
                errors.push(format!("{start}, but no request is specified or request is 0"));
            }
            (_, limit) if limit.is_none_or(|limit| limit.is_zero()) => {
                errors.push(format!("{start}, but no limit is specified or limit is 0"));
            }
            (Some(request), Some(limit)) => {
                let ratio = limit.milli_value() as f64 / request.milli_value() as f64;
                if ratio * 1000.0 > bound.milli_value() as f64 {
                    errors.push(format!("{start}, but provided ratio is {ratio:.6}"));
                }
            }
            _ => {}
        }
    }
}

fn check_claim(limit: &Map, claim: &Map, errors: &mut Vec<String>) {
    let kind = limit.str("type");
    if kind != "PersistentVolumeClaim" {
        return;
    }
    let usage = Usage::of(claim.map_at(&["spec", "resources"]));
    for (resource, bound, text) in bounds(limit, "min") {
        let start = format!("minimum {resource} usage per {kind} is {text}");
        match quantity(&usage.requests, resource) {
            None => errors.push(format!("{start}.  No request is specified")),
            Some(request) if request < bound => {
                errors.push(format!("{start}, but request is {}", request.canonical()))
            }
            _ => {}
        }
    }
    for (resource, bound, text) in bounds(limit, "max") {
        let start = format!("maximum {resource} usage per {kind} is {text}");
        match quantity(&usage.requests, resource) {
            None => errors.push(format!("{start}.  No request is specified")),
            Some(request) if request > bound => {
                errors.push(format!("{start}, but request is {}", request.canonical()))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    fn resources(requests: &'static str, limits: &'static str) -> Map {
        let part = |text: &'static str| if text.is_empty() { Map::new() } else { Map::from([("cpu", text)]) };
        Map::from([("requests", part(requests)), ("limits", part(limits))])
    }

    fn check(
        bound: &'static str,
        value: &'static str,
        requests: &'static str,
        limits: &'static str,
        expected: &str,
    ) {
        let limit = Map::from([(bound, Map::from([("cpu", value)]))]);
        let mut errors = Vec::new();
        check_bounds("Container", &limit, &Usage::of(Some(&resources(requests, limits))), &mut errors);
        assert_eq!(errors.join("|"), expected);
    }

    #[test]
    fn amounts_out_of_bounds_are_named() {
        check("max", "1", "1", "2", "maximum cpu usage per Container is 1, but limit is 2");
        check("max", "1", "1", "1", "");
        check("max", "1", "1", "", "maximum cpu usage per Container is 1.  No limit is specified");
        check("min", "500m", "100m", "1", "minimum cpu usage per Container is 500m, but request is 100m");
        check("min", "500m", "", "", "minimum cpu usage per Container is 500m.  No request is specified");
        let ratio = "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000";
        check("maxLimitRequestRatio", "2", "1", "4", ratio);
        check("maxLimitRequestRatio", "4", "1", "4", "");
    }

    #[test]
    fn defaults_are_filled_in_and_noted() {
        let part = |value: &'static str| Map::from([("cpu", value)]);
        let limit = Map::from([
            ("type", Node::from("Container")),
            ("defaultRequest", Node::Map(part("100m"))),
            ("default", Node::Map(part("1"))),
        ]);
        let limits: Node = [Node::Map(limit)].into_iter().collect();
        let range = Map::from([("spec", Map::from([("limits", limits)]))]);
        let containers: Node = [Node::Map(Map::from([("name", "c")]))].into_iter().collect();
        let mut pod = Map::from([("spec", Map::from([("containers", containers)]))]);
        set_defaults(&range, &mut pod);
        let note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c";
        assert_eq!(pod.annotation(ANNOTATION), Some(note));
        let before = pod.clone();
        set_defaults(&range, &mut pod);
        assert_eq!(pod, before);
    }
}
