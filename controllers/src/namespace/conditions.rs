//! What was found while a namespace was emptied, as its five conditions say it.
//!
//! Keeps: a condition is written only when its status, reason or message changes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::content::Remaining;
use crate::api::{ApiError, Resource};
use crate::clock;

/// How long objects with finalizers are expected to take.
const FINALIZERS_PATIENCE: Duration = Duration::from_secs(15);

/// What one round found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    undiscovered: Vec<String>,
    failures: Vec<String>,
    /// `pods.`, 1
    remaining: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
    patience: Duration,
}

impl Findings {
    /// Group versions that could not tell their resources.
    pub(super) fn undiscovered(&mut self, group_versions: &[String]) {
        self.undiscovered.extend_from_slice(group_versions);
    }

    /// What became of a resource.
    pub(super) fn found(&mut self, resource: &Resource, outcome: Result<Remaining, ApiError>) {
        let remaining = match outcome {
            Ok(remaining) => remaining,
            Err(error) => return self.failures.push(error.message),
        };
        if remaining.objects == 0 {
            return;
        }
        self.remaining.insert(format!("{}.{}", resource.plural, resource.group), remaining.objects);
        let patience = if remaining.grace.is_zero() { FINALIZERS_PATIENCE } else { remaining.grace };
        self.patience = self.patience.max(patience);
        for (finalizer, count) in remaining.finalizers {
            *self.finalizers.entry(finalizer).or_default() += count;
        }
    }

    /// Nothing is left and nothing failed so far, discovery aside.
    pub(super) fn is_clean(&self) -> bool {
        self.remaining.is_empty() && self.failures.is_empty()
    }

    /// Why the round has to be repeated with growing delays.
    pub(super) fn failure(&self) -> Option<ApiError> {
        let mut failures = self.failures.clone();
        failures.extend(self.discovery_failure());
        (!failures.is_empty()).then(|| ApiError::malformed(failures.join("; ")))
    }

    /// How long to wait for what remains; nothing when nothing does.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.remaining.is_empty()).then(|| self.patience / 2 + Duration::from_secs(1))
    }

    fn discovery_failure(&self) -> Option<String> {
        let failed = &self.undiscovered;
        (!failed.is_empty())
            .then(|| format!("unable to retrieve the complete list of server APIs: {}", failed.join(", ")))
    }

    /// Brings the conditions of `status` up to date; answers whether one changed.
    pub(super) fn write_conditions(&self, status: &mut Value, now: Timestamp) -> bool {
        let failures = (!self.failures.is_empty()).then(|| {
            format!(
                "Failed to delete all resource types, {} remaining: {}",
                self.failures.len(),
                self.failures.join(", ")
            )
        });
        let listed = |counts: &BTreeMap<String, usize>, words: &str, joint: &str| {
            let each =
                counts.iter().map(|(name, count)| format!("{name} {words} {count} resource instances"));
            (!counts.is_empty()).then(|| each.collect::<Vec<_>>().join(joint))
        };
        let remaining =
            listed(&self.remaining, "has", ", ").map(|list| format!("Some resources are remaining: {list}"));
        let finalizers = listed(&self.finalizers, "in", ", ")
            .map(|list| format!("Some content in the namespace has finalizers remaining: {list}"));
        let conditions = [
            Condition {
                kind: "NamespaceDeletionDiscoveryFailure",
                fine: ("ResourcesDiscovered", "All resources successfully discovered"),
                reason: "DiscoveryFailed",
                message: self.discovery_failure().map(|failure| {
                    format!(
                        "Discovery failed for some groups, {} failing: {failure}",
                        self.undiscovered.len()
                    )
                }),
            },
            Condition {
                kind: "NamespaceDeletionGroupVersionParsingFailure",
                fine: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
                // Discovery answers parsed versions here, so there is none that could not be.
                reason: "GroupVersionParsingFailed",
                message: None,
            },
            Condition {
                kind: "NamespaceDeletionContentFailure",
                fine: ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
                reason: "ContentDeletionFailed",
                message: failures,
            },
            Condition {
                kind: "NamespaceContentRemaining",
                fine: ("ContentRemoved", "All content successfully removed"),
                reason: "SomeResourcesRemain",
                message: remaining,
            },
            Condition {
                kind: "NamespaceFinalizersRemaining",
                fine: ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
                reason: "SomeFinalizersRemain",
                message: finalizers,
            },
        ];
        let mut changed = false;
        for condition in conditions {
            changed |= condition.write(status, now);
        }
        changed
    }
}

/// One condition: fine, or with a message that says what is not.
struct Condition {
    kind: &'static str,
    fine: (&'static str, &'static str),
    reason: &'static str,
    message: Option<String>,
}

impl Condition {
    fn write(self, status: &mut Value, now: Timestamp) -> bool {
        let (state, reason, message) = match self.message {
            Some(message) => ("True", self.reason, message),
            None => ("False", self.fine.0, self.fine.1.to_owned()),
        };
        if !status["conditions"].is_array() {
            status["conditions"] = json!([]);
        }
        let Some(conditions) = status["conditions"].as_array_mut() else { return false };
        let present = conditions.iter().position(|it| it["type"] == self.kind);
        let equal = |it: &Value| it["status"] == state && it["reason"] == reason && it["message"] == *message;
        if present.is_some_and(|at| equal(&conditions[at])) {
            return false;
        }
        let condition = json!({
            "type": self.kind,
            "status": state,
            "lastTransitionTime": clock::time(now),
            "reason": reason,
            "message": message,
        });
        match present {
            Some(at) => conditions[at] = condition,
            None => conditions.push(condition),
        }
        true
    }
}
