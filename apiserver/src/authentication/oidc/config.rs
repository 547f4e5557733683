//! Whose tokens are believed and what their claims mean: `AuthenticationConfiguration` of `apiserver.config.k8s.io`, and the
//! flags `--oidc-…`, which say the same for one provider.

use std::collections::BTreeSet;

use http::Uri;
use serde::Deserialize;

use super::keys::Algorithm;
use super::{Anonymous, Issuer};
use crate::cel::{self, Expression};
use crate::codec;

const API_GROUP: &str = "apiserver.config.k8s.io/";
/// Both have the fields that are read here.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("it is not an AuthenticationConfiguration: {0}")]
    Unreadable(String),
    /// It is a document of another kind.
    #[error(
        "it is {api_version:?} {kind:?}, where \"apiserver.config.k8s.io/v1\" \"AuthenticationConfiguration\" was expected"
    )]
    OtherKind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// A field cannot be as it is.
    #[error("{field}: {why}")]
    Invalid {
        /// `jwt[0].issuer.url`
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Who may ask for what without saying who they are, and whose tokens are believed.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Providers of tokens.
    pub issuers: Vec<Issuer>,
    /// Nothing if the document does not say.
    pub anonymous: Option<Anonymous>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    jwt: Option<Vec<JwtAuthenticator>>,
    anonymous: Option<AnonymousDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnonymousDocument {
    enabled: bool,
    #[serde(default)]
    conditions: Vec<AnonymousCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnonymousCondition {
    path: String,
}

/// What is said of one provider.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtAuthenticator {
    /// The provider.
    pub issuer: IssuerDocument,
    /// What has to be true of claims.
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimRule>,
    /// Who the user is.
    #[serde(default)]
    pub claim_mappings: Mappings,
    /// What has to be true of the user.
    #[serde(default)]
    pub user_validation_rules: Vec<UserRule>,
}

/// A provider of tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerDocument {
    /// `iss` of its tokens, and where its discovery document is found.
    #[serde(default)]
    pub url: String,
    /// Where that is found instead.
    #[serde(rename = "discoveryURL", default)]
    pub discovery_url: String,
    /// PEM of the authorities of its certificates; empty for the machine's own roots.
    #[serde(default)]
    pub certificate_authority: String,
    /// One of these stands in `aud`.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// `MatchAny`, or empty for one audience.
    #[serde(default)]
    pub audience_match_policy: String,
}

/// A claim that is required.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimRule {
    /// The claim.
    #[serde(default)]
    pub claim: String,
    /// The text that it is.
    #[serde(default)]
    pub required_value: String,
    /// Instead: an expression over `claims` that is true.
    #[serde(default)]
    pub expression: String,
    /// What is said when it is not.
    #[serde(default)]
    pub message: String,
}

/// Something that is required of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRule {
    /// An expression over `user` that is true.
    #[serde(default)]
    pub expression: String,
    /// What is said when it is not.
    #[serde(default)]
    pub message: String,
}

/// From what a user is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mappings {
    /// The name.
    #[serde(default)]
    pub username: PrefixedClaim,
    /// The groups; none if nothing is said.
    #[serde(default)]
    pub groups: PrefixedClaim,
    /// The uid; none if nothing is said.
    #[serde(default)]
    pub uid: ClaimOrExpression,
    /// Further facts.
    #[serde(default)]
    pub extra: Vec<ExtraMapping>,
}

/// A claim with a prefix, or an expression.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixedClaim {
    /// The claim.
    #[serde(default)]
    pub claim: String,
    /// What is put in front; must be said of a claim.
    pub prefix: Option<String>,
    /// Instead: an expression over `claims`.
    #[serde(default)]
    pub expression: String,
}

/// A claim, or an expression.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimOrExpression {
    /// The claim.
    #[serde(default)]
    pub claim: String,
    /// Instead: an expression over `claims`.
    #[serde(default)]
    pub expression: String,
}

/// A further fact of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtraMapping {
    /// `example.com/team`
    #[serde(default)]
    pub key: String,
    /// An expression over `claims` that gives a text, several, or null.
    #[serde(default)]
    pub value_expression: String,
}

/// A text of a claim, or of an expression.
pub(super) enum Source {
    Claim { name: String, prefix: String },
    Expression { text: String, expression: Expression },
}

/// What has to be true.
pub(super) enum Requirement {
    Claim { name: String, value: String },
    Expression { text: String, expression: Expression, message: String },
}

/// A user made of claims.
pub(super) struct Mapping {
    pub(super) username: Source,
    pub(super) groups: Option<Source>,
    pub(super) uid: Option<Source>,
    pub(super) extra: Vec<(String, Source)>,
    pub(super) claim_rules: Vec<Requirement>,
    pub(super) user_rules: Vec<Requirement>,
}

impl Configuration {
    /// Reads a document from YAML or JSON; a field that it does not know is an error. `own` issue the cluster's own tokens.
    pub fn read(text: &[u8], own: &[String]) -> Result<Configuration, ConfigError> {
        let unreadable = |error: &dyn std::fmt::Display| ConfigError::Unreadable(error.to_string());
        let json = codec::yaml::to_json(text, None).map_err(|error| unreadable(&error))?;
        let document: Document = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
        let version = document.api_version.strip_prefix(API_GROUP).unwrap_or("");
        if !VERSIONS.contains(&version) || document.kind != "AuthenticationConfiguration" {
            let Document { api_version, kind, .. } = document;
            return Err(ConfigError::OtherKind { api_version, kind });
        }
        let anonymous = document.anonymous.map(Anonymous::try_from).transpose()?;
        let (mut issuers, mut urls) = (Vec::new(), BTreeSet::new());
        for (i, authenticator) in document.jwt.unwrap_or_default().iter().enumerate() {
            let place = format!("jwt[{i}]");
            let url = &authenticator.issuer.url;
            if own.contains(url) {
                return Err(invalid(&place, "issuer.url", "is the issuer of service account tokens"));
            }
            if !urls.insert(url.clone()) {
                return Err(invalid(&place, "issuer.url", "stands here twice"));
            }
            issuers.push(Issuer::new(authenticator, Algorithm::ALL.to_vec(), &place)?);
        }
        Ok(Configuration { issuers, anonymous })
    }
}

impl TryFrom<AnonymousDocument> for Anonymous {
    type Error = ConfigError;

    fn try_from(document: AnonymousDocument) -> Result<Anonymous, ConfigError> {
        let paths: Vec<String> = document.conditions.into_iter().map(|condition| condition.path).collect();
        match (document.enabled, paths.is_empty()) {
            (false, false) => Err(invalid("anonymous", "conditions", "need enabled: true")),
            (false, true) => Ok(Anonymous::Nowhere),
            (true, true) => Ok(Anonymous::Everywhere),
            (true, false) => Ok(Anonymous::At(paths)),
        }
    }
}

fn invalid(place: &str, field: &str, why: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { field: format!("{place}.{field}"), why: why.into() }
}

/// An address that is asked over HTTPS.
pub(super) fn https(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("https"), Some(authority)) if !authority.as_str().contains('@') => Ok(uri),
        _ => Err(format!("{url:?} must be https://HOST with or without a path")),
    }
}

impl IssuerDocument {
    pub(super) fn validate(&self, place: &str) -> Result<(), ConfigError> {
        for (field, url) in [("issuer.url", &self.url), ("issuer.discoveryURL", &self.discovery_url)] {
            if url.is_empty() && field != "issuer.url" {
                continue;
            }
            let uri = https(url).map_err(|why| invalid(place, field, why))?;
            if uri.query().is_some() || url.contains('#') {
                return Err(invalid(place, field, "must have neither query nor fragment"));
            }
        }
        if self.url == self.discovery_url {
            return Err(invalid(place, "issuer.discoveryURL", "must be another one than issuer.url"));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return Err(invalid(place, "issuer.audiences", "at least one must be named, and none be empty"));
        }
        match (self.audience_match_policy.as_str(), self.audiences.len()) {
            ("MatchAny", _) | ("", 1) => Ok(()),
            ("", _) => {
                Err(invalid(place, "issuer.audienceMatchPolicy", "must be MatchAny for several audiences"))
            }
            _ => Err(invalid(place, "issuer.audienceMatchPolicy", "must be MatchAny")),
        }
    }
}

fn parse(place: &str, field: &str, text: &str) -> Result<Expression, ConfigError> {
    Expression::parse(text).map_err(|_| {
        let why = cel::parse_error(text).unwrap_or_default();
        invalid(place, field, format!("is no expression: {why}"))
    })
}

impl Mapping {
    pub(super) fn new(authenticator: &JwtAuthenticator, place: &str) -> Result<Mapping, ConfigError> {
        let JwtAuthenticator { claim_mappings: mappings, .. } = authenticator;
        let prefixed = |mapping: &PrefixedClaim, field: &str| -> Result<Option<Source>, ConfigError> {
            match (mapping.claim.as_str(), mapping.expression.as_str(), &mapping.prefix) {
                ("", "", None) => Ok(None),
                ("", "", Some(_)) => Err(invalid(place, field, "a prefix needs a claim")),
                ("", text, None) => source(place, field, text).map(Some),
                ("", _, Some(_)) => Err(invalid(place, field, "an expression has no prefix")),
                (claim, "", Some(prefix)) => {
                    Ok(Some(Source::Claim { name: claim.to_owned(), prefix: prefix.clone() }))
                }
                (_, "", None) => {
                    Err(invalid(place, field, "prefix is required with a claim; it may be empty"))
                }
                _ => Err(invalid(place, field, "claim and expression cannot both be set")),
            }
        };
        let username = prefixed(&mappings.username, "claimMappings.username")?;
        let username = username
            .ok_or_else(|| invalid(place, "claimMappings.username", "claim or expression is required"))?;
        let uid = match (mappings.uid.claim.as_str(), mappings.uid.expression.as_str()) {
            ("", "") => None,
            (claim, "") => Some(Source::Claim { name: claim.to_owned(), prefix: String::new() }),
            ("", text) => Some(source(place, "claimMappings.uid", text)?),
            _ => {
                return Err(invalid(place, "claimMappings.uid", "claim and expression cannot both be set"));
            }
        };
        let mut extra: Vec<(String, Source)> = Vec::new();
        for ExtraMapping { key, value_expression } in &mappings.extra {
            if let Some(why) = wrong_key(key) {
                return Err(invalid(place, &format!("claimMappings.extra[{key:?}]"), why));
            }
            if extra.iter().any(|(other, _)| other == key) {
                return Err(invalid(place, &format!("claimMappings.extra[{key:?}]"), "stands here twice"));
            }
            extra
                .push((key.clone(), source(place, "claimMappings.extra.valueExpression", value_expression)?));
        }
        let mapping = Mapping {
            username,
            groups: prefixed(&mappings.groups, "claimMappings.groups")?,
            uid,
            extra,
            claim_rules: claim_rules(&authenticator.claim_validation_rules, place)?,
            user_rules: user_rules(&authenticator.user_validation_rules, place)?,
        };
        mapping.check_email(place)?;
        Ok(mapping)
    }

    /// An expression that names users by their address has to look whether the provider has verified it.
    fn check_email(&self, place: &str) -> Result<(), ConfigError> {
        let of_mapping = [&self.username].into_iter().chain(self.extra.iter().map(|(_, source)| source));
        let mapped = of_mapping.filter_map(|source| match source {
            Source::Expression { text, .. } => Some(text),
            Source::Claim { .. } => None,
        });
        let required = self.claim_rules.iter().filter_map(|rule| match rule {
            Requirement::Expression { text, .. } => Some(text),
            Requirement::Claim { .. } => None,
        });
        let Source::Expression { text: username, .. } = &self.username else { return Ok(()) };
        let is_checked = mapped.chain(required).any(|text| mentions(text, "claims.email_verified"));
        if mentions(username, "claims.email") && !is_checked {
            let why = "who uses claims.email must use claims.email_verified in it, in an extra or in a claim validation rule";
            return Err(invalid(place, "claimMappings.username.expression", why));
        }
        Ok(())
    }
}

/// Whether a claim stands in an expression, and not merely one whose name begins alike.
fn mentions(text: &str, claim: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(claim).any(|(at, _)| !goes_on(&text[at + claim.len()..]))
}

fn source(place: &str, field: &str, text: &str) -> Result<Source, ConfigError> {
    Ok(Source::Expression { text: text.to_owned(), expression: parse(place, field, text)? })
}

fn claim_rules(rules: &[ClaimRule], place: &str) -> Result<Vec<Requirement>, ConfigError> {
    let mut requirements = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let field = format!("claimValidationRules[{i}]");
        requirements.push(match (rule.claim.as_str(), rule.expression.as_str()) {
            ("", "") => return Err(invalid(place, &field, "claim or expression is required")),
            (claim, "") if rule.message.is_empty() => {
                Requirement::Claim { name: claim.to_owned(), value: rule.required_value.clone() }
            }
            (_, "") => return Err(invalid(place, &field, "message is for expressions")),
            ("", text) if rule.required_value.is_empty() => requirement(place, &field, text, &rule.message)?,
            ("", _) => return Err(invalid(place, &field, "requiredValue is for claims")),
            _ => return Err(invalid(place, &field, "claim and expression cannot both be set")),
        });
    }
    Ok(requirements)
}

fn user_rules(rules: &[UserRule], place: &str) -> Result<Vec<Requirement>, ConfigError> {
    let rule = |(i, rule): (usize, &UserRule)| {
        requirement(place, &format!("userValidationRules[{i}]"), &rule.expression, &rule.message)
    };
    rules.iter().enumerate().map(rule).collect()
}

fn requirement(place: &str, field: &str, text: &str, message: &str) -> Result<Requirement, ConfigError> {
    let expression = parse(place, &format!("{field}.expression"), text)?;
    Ok(Requirement::Expression { text: text.to_owned(), expression, message: message.to_owned() })
}

/// Keys are paths of a domain, in lower case, and not Kubernetes' own.
fn wrong_key(key: &str) -> Option<&'static str> {
    let domain = match key.split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => domain,
        _ => return Some("must be a domain and a path: example.com/team"),
    };
    if key.chars().any(char::is_uppercase) {
        return Some("must be in lower case");
    }
    let is_reserved = |own: &str| domain == own || domain.ends_with(&format!(".{own}"));
    (is_reserved("kubernetes.io") || is_reserved("k8s.io")).then_some("k8s.io and kubernetes.io are reserved")
}
