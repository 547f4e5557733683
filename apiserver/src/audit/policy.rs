//! Which requests are recorded, and how much of them: `Policy` of `audit.k8s.io/v1`.
//!
//! Keeps: the first rule that a request matches decides; what no rule matches is not recorded.

use serde::Deserialize;

use crate::authorization::rule::url_covers;
use crate::codec;
use crate::request::Attributes;
use crate::user::User;

/// How much of a request is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who asked for what, when, and with which result.
    Metadata,
    /// Also what was sent.
    Request,
    /// Also what was answered.
    RequestResponse,
}

/// When something is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub enum Stage {
    /// The request has come, and its user is known.
    RequestReceived,
    /// The answer has begun; only of requests that go on for long.
    ResponseStarted,
    /// Nothing more will be sent.
    ResponseComplete,
    /// Serving it failed in the program.
    Panic,
}

/// Rules, the first of which that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: serde::de::IgnoredAny,
    #[serde(default, deserialize_with = "or_empty")]
    rules: Vec<Rule>,
    #[serde(default, deserialize_with = "or_empty")]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Option<Level>,
    #[serde(default, deserialize_with = "or_empty")]
    users: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    user_groups: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    resources: Vec<GroupResources>,
    #[serde(default, deserialize_with = "or_empty")]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs", deserialize_with = "or_empty")]
    non_resource_urls: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    omit_stages: Vec<Stage>,
    omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default, deserialize_with = "or_empty")]
    resources: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    resource_names: Vec<String>,
}

/// Go's lists may be null.
fn or_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What is recorded of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How much.
    pub level: Level,
    /// At which stages nothing is.
    pub omitted: Vec<Stage>,
    /// Objects are recorded without their managed fields.
    pub omits_managed_fields: bool,
}

/// Why a text is no policy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("it is not a policy: {0}")]
    Unreadable(String),
    /// It is a document of another kind.
    #[error("it is {api_version:?} {kind:?}, where \"audit.k8s.io/v1\" \"Policy\" was expected")]
    OtherKind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// It has no rules, so nothing would ever be recorded.
    #[error("it has no rules")]
    Empty,
    /// A rule says what cannot be.
    #[error("{field}: {why}")]
    Invalid {
        /// `rules[0].level`
        field: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Policy {
    /// Reads a policy from YAML or JSON; a field that policies have not is an error.
    pub fn read(text: &[u8]) -> Result<Policy, PolicyError> {
        let unreadable = |error: &dyn std::fmt::Display| PolicyError::Unreadable(error.to_string());
        let json = codec::yaml::to_json(text, None).map_err(|error| unreadable(&error))?;
        let policy: Policy = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
        policy.validate()?;
        Ok(policy)
    }

    fn validate(&self) -> Result<(), PolicyError> {
        let Policy { api_version, kind, .. } = self;
        if api_version != "audit.k8s.io/v1" || kind != "Policy" {
            return Err(PolicyError::OtherKind { api_version: api_version.clone(), kind: kind.clone() });
        }
        if self.rules.is_empty() {
            return Err(PolicyError::Empty);
        }
        for (i, rule) in self.rules.iter().enumerate() {
            rule.validate()
                .map_err(|(field, why)| PolicyError::Invalid { field: format!("rules[{i}].{field}"), why })?;
        }
        Ok(())
    }

    /// What is recorded of a request; rules for certain users are not about one whose user nobody knows.
    pub fn extent(&self, attributes: &Attributes, user: Option<&User>) -> Extent {
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(attributes, user)) else {
            return Extent::default();
        };
        Extent {
            level: rule.level.unwrap_or_default(),
            omitted: [self.omit_stages.as_slice(), &rule.omit_stages].concat(),
            omits_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
        }
    }
}

impl Rule {
    fn validate(&self) -> Result<(), (String, &'static str)> {
        if self.level.is_none() {
            return Err(("level".to_owned(), "must be None, Metadata, Request or RequestResponse"));
        }
        let is_of_resources = !self.resources.is_empty() || !self.namespaces.is_empty();
        if is_of_resources && !self.non_resource_urls.is_empty() {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            return Err(("nonResourceURLs".to_owned(), why));
        }
        for (i, url) in self.non_resource_urls.iter().enumerate() {
            let field = format!("nonResourceURLs[{i}]");
            if url == "*" {
                continue;
            }
            if !url.starts_with('/') {
                return Err((field, "must begin with a '/'"));
            }
            if url.find('*').is_some_and(|at| at + 1 < url.len()) {
                return Err((field, "a '*' may only stand at the end"));
            }
        }
        for (i, of_group) in self.resources.iter().enumerate() {
            if of_group.group.contains('/') {
                return Err((
                    format!("resources[{i}].group"),
                    "is a group without a version: apps, not apps/v1",
                ));
            }
            if of_group.resources.is_empty() && !of_group.resource_names.is_empty() {
                let why = "names need resources that have them";
                return Err((format!("resources[{i}].resourceNames"), why));
            }
        }
        Ok(())
    }

    fn matches(&self, attributes: &Attributes, user: Option<&User>) -> bool {
        let names = |list: &[String], text: &str| list.iter().any(|name| name == text);
        let is_named = |user: &User| names(&self.users, &user.name);
        if !self.users.is_empty() && !user.is_some_and(is_named) {
            return false;
        }
        let is_member = |user: &User| user.groups.iter().any(|group| names(&self.user_groups, group));
        if !self.user_groups.is_empty() && !user.is_some_and(is_member) {
            return false;
        }
        if !self.verbs.is_empty() && !names(&self.verbs, &attributes.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return attributes.is_resource
                && (self.namespaces.is_empty() || names(&self.namespaces, &attributes.namespace))
                && (self.resources.is_empty() || self.resources.iter().any(|it| it.matches(attributes)));
        }
        self.non_resource_urls.is_empty()
            || !attributes.is_resource
                && self.non_resource_urls.iter().any(|url| url_covers(url, &attributes.path))
    }
}

impl GroupResources {
    fn matches(&self, attributes: &Attributes) -> bool {
        let Attributes { group, resource, subresource, name, .. } = attributes;
        if self.group != *group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        if !self.resource_names.is_empty() && !self.resource_names.contains(name) {
            return false;
        }
        self.resources.iter().any(|pattern| match pattern.split_once('/') {
            None => pattern == "*" || subresource.is_empty() && pattern == resource,
            Some(("*", sub)) => !subresource.is_empty() && sub == subresource,
            // Also the resource itself, as upstream has it.
            Some((of, "*")) => of == resource,
            Some((of, sub)) => of == resource && sub == subresource,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;

    fn read(rules: &str) -> Result<Policy, PolicyError> {
        Policy::read(format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}").as_bytes())
    }

    fn level(policy: &Policy, user: &str, method: http::Method, path: &str) -> Level {
        let user = User { name: user.to_owned(), groups: vec!["all".to_owned()], ..User::default() };
        let attributes = Attributes::parse(&method, path, &Query::parse(""));
        policy.extent(&attributes, Some(&user)).level
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = read(
            "
omitStages: [RequestReceived]
rules:
- {level: None, users: [quiet], verbs: [watch, get]}
- {level: None, nonResourceURLs: [/healthz*, /version]}
- level: RequestResponse
  resources: [{group: '', resources: [pods, 'services/*', '*/scale']}]
  omitStages: [ResponseStarted]
  omitManagedFields: true
- {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [a]}], namespaces: [x]}
- {level: Metadata, userGroups: [all], resources: [{group: apps}]}
- {level: Metadata, nonResourceURLs: ['*']}
",
        )
        .unwrap();
        let get = |path: &str| level(&policy, "jane", http::Method::GET, path);
        assert_eq!(level(&policy, "quiet", http::Method::GET, "/api/v1/namespaces/x/pods/a"), Level::None);
        assert_eq!(get("/healthz/etcd"), Level::None);
        assert_eq!(get("/version"), Level::None);
        assert_eq!(get("/version/x"), Level::Metadata);
        assert_eq!(get("/api/v1/namespaces/x/pods/a"), Level::RequestResponse);
        assert_eq!(get("/api/v1/namespaces/x/pods/a/status"), Level::None);
        assert_eq!(get("/api/v1/namespaces/x/services/a"), Level::RequestResponse);
        assert_eq!(get("/api/v1/namespaces/x/services/a/status"), Level::RequestResponse);
        assert_eq!(get("/api/v1/namespaces/x/replicationcontrollers/a/scale"), Level::RequestResponse);
        assert_eq!(get("/api/v1/namespaces/x/configmaps/a"), Level::Request);
        assert_eq!(get("/api/v1/namespaces/y/configmaps/a"), Level::None);
        assert_eq!(get("/api/v1/namespaces/x/configmaps/b"), Level::None);
        assert_eq!(get("/apis/apps/v1/deployments"), Level::Metadata);
        let pods = Attributes::parse(&http::Method::GET, "/api/v1/pods", &Query::default());
        let extent = policy.extent(&pods, None);
        assert_eq!(extent.omitted, [Stage::RequestReceived, Stage::ResponseStarted]);
        assert!(extent.omits_managed_fields);
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_place() {
        let refused = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(refused("rules: []"), "it has no rules");
        assert_eq!(
            refused("rules: [{level: Metadata}, {users: [a]}]"),
            "rules[1].level: must be None, Metadata, Request or RequestResponse"
        );
        assert!(refused("rules: [{level: Everything}]").contains("unknown variant `Everything`"));
        assert!(refused("rules: [{level: None, user: [a]}]").contains("unknown field `user`"));
        let both = refused("rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]");
        assert!(both.starts_with("rules[0].nonResourceURLs: rules cannot apply to both"));
        assert!(refused("rules: [{level: None, nonResourceURLs: [a]}]").contains("must begin with a '/'"));
        assert!(refused("rules: [{level: None, nonResourceURLs: ['/a*b']}]").contains("at the end"));
        let named = "rules: [{level: None, resources: [{group: '', resourceNames: [a]}]}]";
        assert!(refused(named).starts_with("rules[0].resources[0].resourceNames"));
        let other = Policy::read(b"{apiVersion: v1, kind: Policy}").unwrap_err().to_string();
        assert_eq!(other, "it is \"v1\" \"Policy\", where \"audit.k8s.io/v1\" \"Policy\" was expected");
    }
}
