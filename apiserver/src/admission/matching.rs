//! Which requests a configuration wants to judge: `rules`, `namespaceSelector` and `objectSelector`.
//!
//! Keeps: what is matched by another version of the same objects is shown in that version.

use std::sync::Arc;

use super::Operation;
use super::subject::Subject;
use crate::kinds::selector;
use crate::registry::{Registry, Resource};
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::View;
use crate::tree::Map;

/// The part of a configuration that says what it is about.
pub(crate) struct Matching {
    namespace_selector: Option<Map>,
    object_selector: Option<Map>,
    rules: Vec<Rule>,
    /// What these match is left out.
    excluded: Vec<Rule>,
    /// Without rules everything matches, and not nothing.
    matches_without_rules: bool,
    /// Other versions of the same objects match, too.
    is_equivalent: bool,
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
    /// Nothing else than objects of these names; any if empty.
    names: Vec<String>,
}

impl Matching {
    /// Of a webhook.
    pub(crate) fn of_webhook(webhook: &Map) -> Matching {
        Matching::of(webhook, "rules", false)
    }

    /// Of the `MatchResources` of a policy or a binding.
    pub(crate) fn of_resources(resources: &Map) -> Matching {
        Matching::of(resources, "resourceRules", true)
    }

    fn of(configuration: &Map, rules: &str, matches_without_rules: bool) -> Matching {
        let selector = |field| configuration.map(field).filter(|map| !selector::is_empty(Some(map))).cloned();
        Matching {
            namespace_selector: selector("namespaceSelector"),
            object_selector: selector("objectSelector"),
            rules: configuration.maps(rules).map(Rule::of).collect(),
            matches_without_rules,
            excluded: configuration.maps("excludeResourceRules").map(Rule::of).collect(),
            is_equivalent: configuration.str("matchPolicy") != "Exact",
        }
    }

    /// The resource in the version that the configuration wants to see; `None` when it does not want to see anything.
    pub(crate) fn resource_for(
        &self,
        subject: &Subject<'_>,
        scope: &Scope<'_>,
    ) -> Result<Option<Arc<Resource>>, Error> {
        let in_namespace = self.matches_namespace(subject);
        if matches!(in_namespace, Ok(false)) || !self.matches_object(subject) {
            return Ok(None);
        }
        let Some(found) = self.rule_for(subject, scope) else { return Ok(None) };
        in_namespace?;
        Ok(Some(found))
    }

    fn rule_for(&self, subject: &Subject<'_>, scope: &Scope<'_>) -> Option<Arc<Resource>> {
        if self.first_of(&self.excluded, subject, scope).is_some() {
            return None;
        }
        match self.rules.is_empty() {
            true => self.matches_without_rules.then(|| subject.resource.clone()),
            false => self.first_of(&self.rules, subject, scope),
        }
    }

    fn first_of(&self, rules: &[Rule], subject: &Subject<'_>, scope: &Scope<'_>) -> Option<Arc<Resource>> {
        let own = &subject.resource;
        if rules.iter().any(|rule| rule.matches(subject, own)) {
            return Some(own.clone());
        }
        if rules.is_empty() || !self.is_equivalent {
            return None;
        }
        let others = subject.others(scope);
        rules.iter().find_map(|rule| others.iter().find(|other| rule.matches(subject, other)).cloned())
    }

    fn matches_object(&self, subject: &Subject<'_>) -> bool {
        let Some(wanted) = &self.object_selector else { return true };
        [subject.object.as_ref(), subject.stage.old]
            .into_iter()
            .flatten()
            .filter(|object| object.metadata().is_some())
            .any(|object| selector::matches(Some(wanted), Subject::labels(Some(object))))
    }

    /// What is about no namespace is never exempt; a namespace that is not there is an error.
    fn matches_namespace(&self, subject: &Subject<'_>) -> Result<bool, Error> {
        let Some(wanted) = &self.namespace_selector else { return Ok(true) };
        let is_written = matches!(subject.stage.operation, Operation::Create | Operation::Update);
        if is_namespace(&subject.resource) && subject.stage.subresource.is_empty() && is_written {
            return Ok(selector::matches(Some(wanted), Subject::labels(subject.object.as_ref())));
        }
        if subject.namespace.is_empty() {
            return Ok(true);
        }
        let namespace = namespace_of(subject.stage.view, &subject.namespace)?;
        Ok(selector::matches(Some(wanted), Subject::labels(Some(&namespace))))
    }
}

fn is_namespace(resource: &Resource) -> bool {
    resource.group_resource == "namespaces"
}

/// The namespace of a request.
pub(crate) fn namespace_of(view: &View, name: &str) -> Result<Map, Error> {
    let resource = Registry::builtin().storage_of("", "namespaces").ok_or(Error::NoResource)?;
    view.object(resource, "", name).ok_or_else(|| Error::not_found("namespaces", name))
}

impl Rule {
    fn of(rule: &Map) -> Rule {
        let texts = |field| rule.texts(field).map(str::to_owned).collect();
        Rule {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: texts("resources"),
            scope: rule.str("scope").to_owned(),
            names: texts("resourceNames"),
        }
    }

    fn matches(&self, subject: &Subject<'_>, resource: &Resource) -> bool {
        let any = |list: &[String], text: &str| list.iter().any(|item| item == "*" || item == text);
        let stage = &subject.stage;
        let matches_resource = |wanted: &String| {
            let (plural, below) = wanted.split_once('/').unwrap_or((wanted, ""));
            (plural == "*" || plural == resource.kind.names.plural)
                && (below == "*" || below == stage.subresource)
        };
        let in_scope = || match self.scope.as_str() {
            "Namespaced" => !is_namespace(resource) && !subject.namespace.is_empty(),
            "Cluster" => is_namespace(resource) || subject.namespace.is_empty(),
            _ => true,
        };
        any(&self.operations, stage.operation.as_str())
            && any(&self.groups, resource.version.group)
            && any(&self.versions, resource.version.version)
            && self.resources.iter().any(matches_resource)
            && in_scope()
            && (self.names.is_empty() || self.names.contains(&subject.name))
    }
}
