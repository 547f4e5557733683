//! PodSecurity: namespaces say by labels how much their pods may ask of the node.
//!
//! Keeps: a namespace without labels is privileged; `enforce` refuses pods, `warn` speaks of pods and of the
//! templates that make them. Versions of the standards are read and shown, but the latest one is applied.

use std::sync::LazyLock;

use super::{Attributes, Operation, Plugin, builtin};
use crate::facts::FactsView;
use crate::field::{FieldErrors, Path};
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::Map;

mod baseline;
mod pod;
mod restricted;

use pod::Pod;

pub(super) struct PodSecurity;

const PREFIX: &str = "pod-security.kubernetes.io/";
const MODES: [&str; 3] = ["enforce", "audit", "warn"];

static NAMESPACES: LazyLock<&Resource> = LazyLock::new(|| builtin("", "namespaces"));

/// How much pods may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Level> {
        match text {
            "privileged" => Some(Level::Privileged),
            "baseline" => Some(Level::Baseline),
            "restricted" => Some(Level::Restricted),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }

    /// What the pod asks for beyond the level.
    fn violations(self, pod: &Pod<'_>) -> Vec<String> {
        match self {
            Level::Privileged => Vec::new(),
            Level::Baseline => baseline::violations(pod, false),
            Level::Restricted => {
                let mut violations = baseline::violations(pod, true);
                violations.extend(restricted::violations(pod));
                violations
            }
        }
    }
}

/// A check: what is wrong, in a few words and with the places in brackets.
type Check = fn(&Pod<'_>) -> Option<String>;

impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        let Some(object) = object.filter(|_| writes) else { return Ok(()) };
        if attributes.is_for("namespaces", "") {
            return check_labels(object, attributes.old);
        }
        let is_pod = attributes.is_for("pods", "") || attributes.is_for("pods", "ephemeralcontainers");
        let Some(pod) = pod_of(attributes, object, is_pod) else { return Ok(()) };
        if attributes.old.and_then(|old| pod_of(attributes, old, is_pod)).is_some_and(|old| old.same_as(&pod))
        {
            return Ok(());
        }
        let Some(namespace) = attributes.view.entry(&NAMESPACES, "", attributes.namespace) else {
            return Ok(());
        };
        let labels = FactsView::new(namespace.facts());
        let judge = |mode: &str| {
            let (level, version) = policy(&labels, mode);
            let violations = level.violations(&pod);
            (!violations.is_empty())
                .then(|| format!("PodSecurity \"{}:{version}\": {}", level.as_str(), violations.join(", ")))
        };
        if let Some(recording) = attributes.recording {
            if is_pod {
                let (level, version) = policy(&labels, "enforce");
                let enforced = || format!("{}:{version}", level.as_str());
                recording.annotate(format!("{PREFIX}enforce-policy"), enforced);
            }
            if let Some(violations) = judge("audit") {
                recording
                    .annotate(format!("{PREFIX}audit-violations"), || format!("would violate {violations}"));
            }
        }
        if is_pod && let Some(violations) = judge("enforce") {
            return Err(attributes.forbidden(Some(object), format!("violates {violations}")));
        }
        if let Some(violations) = judge("warn") {
            attributes.warnings.push(format!("would violate {violations}"));
        }
        Ok(())
    }
}

/// Level and version of a mode; a level that cannot be read is the strictest.
fn policy<'a>(labels: &FactsView<'a>, mode: &str) -> (Level, &'a str) {
    let level = match labels.label(&format!("{PREFIX}{mode}")) {
        None => Level::Privileged,
        Some(text) => Level::parse(text).unwrap_or(Level::Restricted),
    };
    (level, labels.label(&format!("{PREFIX}{mode}-version")).unwrap_or("latest"))
}

/// The pod that a write is about, or that it is a template of.
fn pod_of<'a>(attributes: &Attributes<'_>, object: &'a Map, is_pod: bool) -> Option<Pod<'a>> {
    if is_pod {
        return Pod::new(object);
    }
    if !attributes.subresource.is_empty() {
        return None;
    }
    let template = match attributes.resource.group_resource.as_str() {
        "podtemplates" => object.map("template"),
        "cronjobs.batch" => object.map_at(&["spec", "jobTemplate", "spec", "template"]),
        "replicationcontrollers"
        | "replicasets.apps"
        | "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => object.map_at(&["spec", "template"]),
        _ => None,
    };
    template.and_then(Pod::new)
}

/// Labels that ask for a level must name one, unless they did so before.
fn check_labels(namespace: &Map, old: Option<&Map>) -> Result<(), Error> {
    let mut errors = FieldErrors::new();
    let metadata = Path::new("metadata");
    let path = metadata.child("labels");
    for mode in MODES {
        let level = format!("{PREFIX}{mode}");
        let version = format!("{level}-version");
        let changed = |key: &str| {
            let value = namespace.label(key);
            value.filter(|_| old.and_then(|old| old.label(key)) != value)
        };
        if let Some(value) = changed(&level).filter(|value| Level::parse(value).is_none()) {
            errors.invalid(&path.key(&level), value, "must be one of privileged, baseline, restricted");
        }
        let is_version = |text: &str| {
            text == "latest"
                || text.strip_prefix("v1.").is_some_and(|minor| {
                    !minor.is_empty() && minor.len() < 6 && minor.bytes().all(|byte| byte.is_ascii_digit())
                })
        };
        if let Some(value) = changed(&version).filter(|value| !is_version(value)) {
            errors.invalid(&path.key(&version), value, "must be \"latest\" or \"v1.x\"");
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    let name = namespace.name().to_owned();
    Err(Error::Invalid { group: String::new(), kind: "Namespace".to_owned(), name, errors })
}

#[cfg(test)]
mod tests;
