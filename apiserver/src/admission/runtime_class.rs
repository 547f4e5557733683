//! RuntimeClass: what a runtime costs and where it runs is the class's word, not the pod's.

use std::sync::LazyLock;

use super::{Attributes, Plugin, builtin};
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::{Map, Node};

pub(super) struct RuntimeClass;

static RUNTIME_CLASSES: LazyLock<&Resource> = LazyLock::new(|| builtin("node.k8s.io", "runtimeclasses"));

impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
        if !attributes.creates("pods") {
            return Ok(());
        }
        let Some(class) = class(attributes, pod)? else { return Ok(()) };
        apply(&class, pod.map_mut("spec")).map_err(|cause| attributes.forbidden(Some(pod), cause))
    }

    fn validate(&self, attributes: &mut Attributes<'_>, pod: Option<&Map>) -> Result<(), Error> {
        let Some(pod) = pod.filter(|_| attributes.creates("pods")) else { return Ok(()) };
        let asked = pod.at(&["spec", "overhead"]);
        let class = class(attributes, pod)?;
        let defined = class.as_ref().and_then(|class| class.at(&["overhead", "podFixed"]));
        let cause = match (asked, defined) {
            (Some(_), None) => {
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            }
            (asked, Some(defined)) if asked != Some(defined) => {
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            }
            _ => return Ok(()),
        };
        Err(attributes.forbidden(Some(pod), cause))
    }
}

fn class(attributes: &Attributes<'_>, pod: &Map) -> Result<Option<Map>, Error> {
    let name = pod.str_at(&["spec", "runtimeClassName"]);
    if name.is_empty() {
        return Ok(None);
    }
    let missing =
        || attributes.forbidden(Some(pod), format!("pod rejected: RuntimeClass {name:?} not found"));
    attributes.view.object(&RUNTIME_CLASSES, "", name).map(Some).ok_or_else(missing)
}

fn apply(class: &Map, spec: &mut Map) -> Result<(), String> {
    if let Some(overhead) = class.at(&["overhead", "podFixed"]) {
        if spec.get("overhead").is_some_and(|own| own != overhead) {
            return Err(
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead".to_owned()
            );
        }
        spec.set("overhead", overhead.clone());
    }
    let Some(scheduling) = class.map("scheduling") else { return Ok(()) };
    for (key, value) in scheduling.map("nodeSelector").into_iter().flat_map(Map::iter) {
        let own = spec.map_mut("nodeSelector");
        if own.get(key).is_some_and(|present| present != value) {
            let (wanted, present) = (value.as_str().unwrap_or(""), own.str(key));
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = \
                 {present}"
            ));
        }
        own.set(key.clone(), value.clone());
    }
    for toleration in scheduling.list("tolerations") {
        let own = spec.list_mut("tolerations");
        if !own.contains(toleration) {
            own.push(Node::clone(toleration));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_selectors_merge_unless_they_disagree() {
        let selector = |value: &'static str| Map::from([("nodeSelector", Map::from([("a", value)]))]);
        let class = Map::from([("scheduling", selector("1"))]);
        let mut spec = Map::new();
        assert_eq!(apply(&class, &mut spec), Ok(()));
        assert_eq!(spec, selector("1"));
        let conflict = "conflict: runtimeClass.scheduling.nodeSelector[a] = 1; pod.spec.nodeSelector[a] = 2";
        assert_eq!(apply(&class, &mut selector("2")), Err(conflict.to_owned()));
    }
}
