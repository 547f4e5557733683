//! Names of custom resources: a definition whose names nobody in its group has is established, and the versions that it
//! serves get their APIServices.
//!
//! Keeps: a name is accepted of one definition of a group at a time, because a group is looked at as a whole and only when
//! the view has seen what was decided before.

use std::collections::BTreeSet;

use ecow::EcoString;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{DeleteOptions, PatchType, Resource, WriteOptions};
use crate::clock;
use crate::digest::{Digest, Held, Index, Term};
use crate::digests::custom_resource_definition::{CustomResourceDefinition, Names, set_condition};
use crate::{Action, Controller, Key, Plan, Shape, View};

#[cfg(test)]
mod tests;

/// The controller. Its keys are groups.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "custom-resource-names-controller",
    watches: |watches| {
        watches.watch::<CustomResourceDefinition>(|change, _, put| {
            change.versions().for_each(|held| put(Key::new("", held.spec.group.clone())));
        });
        watches.watch::<ApiService>(|change, _, put| {
            change.versions().filter(|held| held.is_of_definitions()).for_each(|held| {
                put(Key::new("", held.spec.group.clone()));
            });
        });
    },
    shape: Shape::Plan(plan),
    rules: &[
        "R apiextensions.k8s.io:customresourcedefinitions",
        "update,patch apiextensions.k8s.io:customresourcedefinitions/status",
        "R apiregistration.k8s.io:apiservices",
        "create,delete apiregistration.k8s.io:apiservices",
    ],
    ..Controller::DEFAULT
};

/// An APIService.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ApiService {
    metadata: ApiServiceMetadata,
    spec: ApiServiceSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ApiServiceMetadata {
    labels: std::collections::BTreeMap<EcoString, EcoString>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ApiServiceSpec {
    group: EcoString,
}

const BY_GROUP: Index = Index(0);
/// Who keeps an APIService: `onstart` is the server, `true` are the definitions.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Where groups of custom resources stand among the others, and versions among themselves.
const GROUP_PRIORITY: i64 = 1000;
const VERSION_PRIORITY: i64 = 100;

impl ApiService {
    fn is_of_definitions(&self) -> bool {
        self.metadata.labels.get(MANAGED).is_some_and(|value| value == "true")
    }
}

impl Digest for ApiService {
    const RESOURCE: &'static Resource =
        &Resource::cluster("apiregistration.k8s.io", "v1", "apiservices", "APIService");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        put(BY_GROUP.term(&[&self.spec.group]));
    }
}

fn plan(key: &Key, view: &View, now: Timestamp) -> Plan {
    let term = CustomResourceDefinition::BY_GROUP.term(&[&key.name]);
    let mut definitions: Vec<_> = view
        .of::<CustomResourceDefinition>()
        .indexed(term)
        .filter(|held| held.spec.group == key.name)
        .cloned()
        .collect();
    definitions.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    // What was accepted stays; who comes first among the others is first.
    let mut accepted: Vec<Names> =
        definitions.iter().map(|held| held.status.accepted_names.clone()).collect();
    let mut actions = Vec::new();
    let mut served = BTreeSet::new();
    for at in 0..definitions.len() {
        let held = &definitions[at];
        if held.is_terminating() || held.broken {
            continue;
        }
        let verdict = judge(held, at, &accepted);
        accepted[at] = verdict.names.clone();
        if held.is("Established") || verdict.conflict.is_none() {
            served.extend(held.spec.versions.iter().filter(|it| it.served).map(|it| it.name.clone()));
        }
        actions.extend(status_patch(held, verdict, &clock::time(now)));
    }
    actions.extend(api_services(key, view, &served));
    Plan::from(actions)
}

/// What becomes of the names that a definition asks for.
struct Verdict {
    names: Names,
    /// Reason and message of what stands in the way.
    conflict: Option<(&'static str, String)>,
}

fn judge(held: &Held<CustomResourceDefinition>, at: usize, accepted: &[Names]) -> Verdict {
    let (wanted, own) = (&held.spec.names, &held.status.accepted_names);
    let others = || accepted.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, names)| names);
    let resources: BTreeSet<&EcoString> = others()
        .flat_map(|names| [&names.plural, &names.singular].into_iter().chain(&names.short_names))
        .filter(|name| !name.is_empty())
        .collect();
    let kinds: BTreeSet<&EcoString> =
        others().flat_map(|names| [&names.kind, &names.list_kind]).filter(|name| !name.is_empty()).collect();
    let mut names = own.clone();
    let mut conflict = None;
    let mut accept =
        |reason: &'static str, wanted: &EcoString, own: &mut EcoString, used: &BTreeSet<&EcoString>| {
            if wanted != own && used.contains(wanted) {
                conflict = Some((reason, format!("{:?} is already in use", wanted.as_str())));
            } else {
                *own = wanted.clone();
            }
        };
    accept("PluralConflict", &wanted.plural, &mut names.plural, &resources);
    accept("SingularConflict", &wanted.singular, &mut names.singular, &resources);
    let taken: Vec<String> = (wanted.short_names.iter())
        .filter(|name| !own.short_names.contains(name) && resources.contains(name))
        .map(|name| format!("{:?} is already in use", name.as_str()))
        .collect();
    let mut short_conflict = None;
    match taken.as_slice() {
        [] => names.short_names = wanted.short_names.clone(),
        [one] => short_conflict = Some(("ShortNamesConflict", one.clone())),
        several => short_conflict = Some(("ShortNamesConflict", format!("[{}]", several.join(", ")))),
    }
    accept("KindConflict", &wanted.kind, &mut names.kind, &kinds);
    accept("ListKindConflict", &wanted.list_kind, &mut names.list_kind, &kinds);
    names.categories = wanted.categories.clone();
    Verdict { names, conflict: conflict.or(short_conflict) }
}

/// The write that brings a definition's status up to date, if there is something to write.
fn status_patch(held: &Held<CustomResourceDefinition>, verdict: Verdict, now: &str) -> Option<Action> {
    let mut conditions = held.status.conditions.clone();
    let mut changed = held.status.accepted_names != verdict.names;
    let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
        changed |= set_condition(&mut conditions, kind, status, reason, message, now);
    };
    let is_established = held.is("Established");
    match &verdict.conflict {
        None => {
            set("NamesAccepted", "True", "NoConflicts", "no conflicts found");
            if !is_established {
                set("Established", "True", "InitialNamesAccepted", "the initial names have been accepted");
            }
        }
        Some((reason, message)) => {
            set("NamesAccepted", "False", reason, message);
            if !is_established {
                set("Established", "False", "NotAccepted", "not all names are accepted");
            }
        }
    }
    if let Some((status, reason, message)) = approval(held) {
        set("KubernetesAPIApprovalPolicyConformant", status, reason, &message);
    }
    changed.then(|| Action::Patch {
        resource: CustomResourceDefinition::RESOURCE,
        namespace: EcoString::new(),
        name: held.meta.name.clone(),
        kind: PatchType::Merge,
        patch: json!({
            "metadata": { "resourceVersion": held.meta.version.to_string() },
            "status": { "acceptedNames": replaced(&verdict.names), "conditions": conditions },
        }),
        options: WriteOptions::subresource("status"),
    })
}

/// Names for a merge patch: what there is none of goes.
fn replaced(names: &Names) -> Value {
    let mut value = json!(names);
    for field in ["singular", "listKind", "shortNames", "categories"] {
        if value.get(field).is_none() {
            value[field] = Value::Null;
        }
    }
    value
}

/// Groups of the Kubernetes project say who has approved their definitions.
fn approval(held: &Held<CustomResourceDefinition>) -> Option<(&'static str, &'static str, String)> {
    let group = held.spec.group.as_str();
    let is_protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")));
    let annotation = held.metadata.annotations.get("api-approved.kubernetes.io").filter(|_| is_protected)?;
    Some(if annotation.starts_with("unapproved") {
        ("False", "UnapprovedAnnotation", format!("not approved: {:?}", annotation.as_str()))
    } else {
        ("True", "ApprovedAnnotation", format!("approved in {annotation}"))
    })
}

/// Makes the APIServices that lack of the served versions of a group, and removes those of versions that are not served.
fn api_services(key: &Key, view: &View, served: &BTreeSet<EcoString>) -> Vec<Action> {
    let group = &key.name;
    let name = |version: &EcoString| format!("{version}.{group}");
    let snapshot = view.of::<ApiService>();
    let lacking = served.iter().filter(|version| snapshot.get("", &name(version)).is_none()).map(|version| {
        let object = json!({
            "metadata": { "name": name(version), "labels": { MANAGED: "true" } },
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": GROUP_PRIORITY,
                "versionPriority": VERSION_PRIORITY,
            },
        });
        Action::Create { resource: ApiService::RESOURCE, object }
    });
    let wanted: BTreeSet<String> = served.iter().map(name).collect();
    let superfluous = snapshot
        .indexed(BY_GROUP.term(&[group]))
        .filter(|held| held.spec.group == *group && held.is_of_definitions())
        .filter(|held| !wanted.contains(held.meta.name.as_str()))
        .map(|held| Action::Delete {
            resource: ApiService::RESOURCE,
            namespace: EcoString::new(),
            name: held.meta.name.clone(),
            options: DeleteOptions::of_uid(held.meta.uid.as_str()),
        });
    lacking.chain(superfluous).collect()
}
