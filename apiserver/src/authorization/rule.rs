//! A policy rule: which verbs on which resources, or on which paths.
//!
//! Keeps: matching allocates nothing and looks at the verb first, by a bit for the common ones.

use std::fmt::{self, Write as _};

use ecow::EcoString;

use super::Attributes;
use crate::tree::{List, Map, Node};

/// A `PolicyRule`, ready for matching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `apiGroups`
    pub groups: Vec<EcoString>,
    /// `resources`
    pub resources: Vec<EcoString>,
    /// `resourceNames`; empty for all.
    pub names: Vec<EcoString>,
    /// `nonResourceURLs`
    pub urls: Vec<EcoString>,
    verbs: Vec<EcoString>,
    /// A bit per common verb; all bits for `*`.
    common: u16,
}

const COMMON_VERBS: [&str; 8] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const EVERY_VERB: u16 = u16::MAX;

fn verb_bit(verb: &str) -> Option<u16> {
    COMMON_VERBS.iter().position(|common| *common == verb).map(|at| 1 << at)
}

fn texts(map: &Map, key: &str) -> Vec<EcoString> {
    map.list(key).iter().filter_map(Node::as_str).map(EcoString::from).collect()
}

fn holds(list: &[EcoString], text: &str) -> bool {
    list.iter().any(|candidate| candidate == text)
}

impl Rule {
    /// A rule of resources.
    pub fn new(verbs: Vec<EcoString>, groups: Vec<EcoString>, resources: Vec<EcoString>) -> Rule {
        Rule { groups, resources, ..Rule::default() }.with_verbs(verbs)
    }

    /// A rule of paths.
    pub fn of_paths(verbs: Vec<EcoString>, urls: Vec<EcoString>) -> Rule {
        Rule { urls, ..Rule::default() }.with_verbs(verbs)
    }

    /// The same rule for these objects only.
    pub fn named(self, names: Vec<EcoString>) -> Rule {
        Rule { names, ..self }
    }

    /// The same rule for other verbs.
    pub fn with_verbs(mut self, verbs: Vec<EcoString>) -> Rule {
        self.common = verbs.iter().fold(0, |bits, verb| match verb.as_str() {
            "*" => EVERY_VERB,
            verb => bits | verb_bit(verb).unwrap_or(0),
        });
        self.verbs = verbs;
        self
    }

    /// Reads a stored rule.
    pub fn from_map(map: &Map) -> Rule {
        Rule {
            groups: texts(map, "apiGroups"),
            resources: texts(map, "resources"),
            names: texts(map, "resourceNames"),
            urls: texts(map, "nonResourceURLs"),
            ..Rule::default()
        }
        .with_verbs(texts(map, "verbs"))
    }

    /// The rule as it is stored.
    pub fn to_map(&self) -> Map {
        let mut map = Map::new();
        let lists: [(&'static str, &[EcoString]); 5] = [
            ("verbs", &self.verbs),
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
        ];
        for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            map.set(key, list.iter().map(|text| Node::Str(text.clone())).collect::<List>());
        }
        map
    }

    /// Its verbs.
    pub fn verbs(&self) -> &[EcoString] {
        &self.verbs
    }

    fn allows_verb(&self, verb: &str) -> bool {
        match verb_bit(verb) {
            Some(bit) => self.common & bit != 0,
            None => self.common == EVERY_VERB || holds(&self.verbs, verb),
        }
    }

    /// Whether the rule allows what is asked.
    pub fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !self.allows_verb(asked.verb) {
            return false;
        }
        if !asked.is_resource {
            return self.urls.iter().any(|url| url_covers(url, asked.path));
        }
        self.groups.iter().any(|group| group == "*" || group == asked.group)
            && self.resources.iter().any(|rule| resource_matches(rule, asked.resource, asked.subresource))
            && (self.names.is_empty() || holds(&self.names, asked.name))
    }

    /// Whether whoever has this rule has all that the simple rule `part` grants.
    fn covers(&self, part: &Rule) -> bool {
        let has_all = |mine: &[EcoString], theirs: &[EcoString]| {
            holds(mine, "*") || theirs.iter().all(|text| holds(mine, text))
        };
        let resources = holds(&self.resources, "*")
            || part.resources.iter().all(|theirs| {
                holds(&self.resources, theirs)
                    || theirs.split_once('/').is_some_and(|(_, subresource)| {
                        self.resources.iter().any(|mine| mine.strip_prefix("*/") == Some(subresource))
                    })
            });
        let names = if part.names.is_empty() {
            self.names.is_empty()
        } else {
            self.names.is_empty() || part.names.iter().all(|name| holds(&self.names, name))
        };
        has_all(&self.verbs, &part.verbs)
            && has_all(&self.groups, &part.groups)
            && resources
            && names
            && part.urls.iter().all(|url| self.urls.iter().any(|mine| url_covers(mine, url)))
    }

    /// The rule as rules of one verb on one resource (and name), or one verb on one path.
    fn parts(&self) -> Vec<Rule> {
        let mut parts = Vec::new();
        for verb in &self.verbs {
            for group in &self.groups {
                for resource in &self.resources {
                    let part = Rule::new(vec![verb.clone()], vec![group.clone()], vec![resource.clone()]);
                    if self.names.is_empty() {
                        parts.push(part);
                        continue;
                    }
                    parts.extend(
                        self.names.iter().map(|name| Rule { names: vec![name.clone()], ..part.clone() }),
                    );
                }
            }
            for url in &self.urls {
                parts.push(Rule::of_paths(vec![verb.clone()], vec![url.clone()]));
            }
        }
        parts
    }
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    match rule.split_once('/') {
        None => subresource.is_empty() && rule == resource,
        Some((parent, below)) => {
            !subresource.is_empty() && below == subresource && (parent == "*" || parent == resource)
        }
    }
}

/// Whether a pattern, which may end with `*`, is of a path.
pub(crate) fn url_covers(rule: &str, path: &str) -> bool {
    rule == "*" || rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}

/// What `wanted` grants and `held` does not, in simple rules.
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    wanted.iter().flat_map(Rule::parts).filter(|part| !held.iter().any(|rule| rule.covers(part))).collect()
}

/// Joins simple rules that differ only in their verb.
pub fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = joined.iter_mut().find(|other| {
            rule.urls.is_empty()
                && other.urls.is_empty()
                && (&other.groups, &other.resources, &other.names)
                    == (&rule.groups, &rule.resources, &rule.names)
        });
        match same {
            Some(other) => {
                let mut verbs = std::mem::take(&mut other.verbs);
                verbs.extend(rule.verbs);
                *other = std::mem::take(other).with_verbs(verbs);
            }
            None => joined.push(rule),
        }
    }
    joined
}

impl fmt::Display for Rule {
    /// As upstream prints it in messages: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        let lists: [(&str, &[EcoString]); 5] = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let mut first = true;
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let quoted: Vec<String> = list.iter().map(|text| format!("{:?}", text.as_str())).collect();
            write!(f, "{}{name}:[{}]", if first { "" } else { ", " }, quoted.join(" "))?;
            first = false;
        }
        f.write_char('}')
    }
}
