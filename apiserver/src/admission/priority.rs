//! Priority: a pod's priority is its class's value, and nobody else's choice.

use std::sync::LazyLock;

use super::{Attributes, Operation, Plugin, builtin, mentions};
use crate::registry::Resource;
use crate::status::Error;
use crate::storage;
use crate::tree::Map;

pub(super) struct Priority;

const DEFAULT_PREEMPTION: &str = "PreemptLowerPriority";

static PRIORITY_CLASSES: LazyLock<&Resource> =
    LazyLock::new(|| builtin("scheduling.k8s.io", "priorityclasses"));

impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
        if !attributes.is_for("pods", "") {
            return Ok(());
        }
        match attributes.operation {
            Operation::Create => prioritize(attributes, pod),
            Operation::Update => {
                keep(attributes.old, pod);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn validate(&self, attributes: &mut Attributes<'_>, class: Option<&Map>) -> Result<(), Error> {
        let Some(class) = class.filter(|_| attributes.is_for("priorityclasses.scheduling.k8s.io", "")) else {
            return Ok(());
        };
        if class.bool("globalDefault") != Some(true) {
            return Ok(());
        }
        match default_class(attributes) {
            Some(present) if present.name() != class.name() => {
                let name = present.name();
                let cause =
                    format!("PriorityClass {name} is already marked as default. Only one default can exist");
                Err(attributes.forbidden(Some(class), cause))
            }
            _ => Ok(()),
        }
    }
}

/// Clients that do not know the computed fields leave them out when they replace a pod.
fn keep(old: Option<&Map>, pod: &mut Map) {
    let old = old.filter(|old| !pod.shares("spec", old));
    let Some(old) = old.and_then(|old| old.map("spec")) else { return };
    let spec = pod.map_mut("spec");
    for key in ["priority", "preemptionPolicy"] {
        if let Some(value) = old.get(key) {
            spec.set_default(key, value.clone());
        }
    }
}

fn prioritize(attributes: &Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
    let class = match pod.str_at(&["spec", "priorityClassName"]) {
        "" => default_class(attributes),
        name => match attributes.view.object(&PRIORITY_CLASSES, "", name) {
            Some(class) => Some(class),
            None => {
                let cause = format!("no PriorityClass with name {name} was found");
                return Err(attributes.forbidden(Some(pod), cause));
            }
        },
    };
    let value = class.as_ref().and_then(|class| class.int("value")).unwrap_or(0);
    let preemption = class.as_ref().map_or("", |class| class.str("preemptionPolicy"));
    let preemption = if preemption.is_empty() { DEFAULT_PREEMPTION } else { preemption };
    let spec = pod.map_mut("spec");
    if let Some(class) = &class {
        spec.set("priorityClassName", class.name());
    }
    let cause = match (spec.int("priority"), spec.str("preemptionPolicy")) {
        (Some(given), _) if given != value => Some(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        )),
        (_, given) if !given.is_empty() && given != preemption => Some(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {preemption} from the given PriorityClass name"
        )),
        _ => None,
    };
    if let Some(cause) = cause {
        return Err(attributes.forbidden(Some(pod), cause));
    }
    spec.set("priority", value);
    spec.set("preemptionPolicy", preemption);
    Ok(())
}

/// The class of pods that name none; of several (a race of upstream's) the one with the lowest value.
fn default_class(attributes: &Attributes<'_>) -> Option<Map> {
    attributes
        .view
        .entries(&PRIORITY_CLASSES, "")
        .filter(|entry| mentions(entry, "\"globalDefault\":true"))
        .map(|entry| storage::decode(&PRIORITY_CLASSES, entry))
        .filter(|class| class.bool("globalDefault") == Some(true))
        .min_by_key(|class| class.int("value").unwrap_or(0))
}
