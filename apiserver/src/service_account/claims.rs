//! What a token says. Keeps: names and order of the claims are upstream's, so a token that is decoded by others reads as
//! one of upstream's.

use serde::{Deserialize, Deserializer, Serialize};

use crate::authentication::authenticated;
use crate::user::User;
use std::sync::Arc;

/// The claims of bound tokens and of those in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// For whom the token is; one text or several.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_several")]
    pub aud: Vec<String>,
    /// When it ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// By whom.
    pub iss: String,
    /// Its own id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// The account and what it is bound to.
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// Of a token in a Secret: the namespace.
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", skip_serializing_if = "String::is_empty")]
    pub legacy_namespace: String,
    /// Of a token in a Secret: the Secret's name.
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", skip_serializing_if = "String::is_empty")]
    pub legacy_secret: String,
    /// Of a token in a Secret: the account's name.
    #[serde(
        rename = "kubernetes.io/serviceaccount/service-account.name",
        skip_serializing_if = "String::is_empty"
    )]
    pub legacy_name: String,
    /// Of a token in a Secret: the account's uid.
    #[serde(
        rename = "kubernetes.io/serviceaccount/service-account.uid",
        skip_serializing_if = "String::is_empty"
    )]
    pub legacy_uid: String,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The user's name.
    pub sub: String,
}

/// The claim `kubernetes.io` of bound tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    /// The account's namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The node that the token is bound to, or the one of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The pod that the token is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The Secret that the token is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serviceaccount: Option<Reference>,
    /// From when on the token should have been replaced by another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

/// An object of a name that may be taken by another one later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// How far clocks may be apart.
pub const LEEWAY_SECONDS: i64 = 60;

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

impl Claims {
    /// Whether the token is valid at `now`.
    pub fn check_time(&self, now: i64) -> Result<(), &'static str> {
        if self.nbf.is_some_and(|nbf| now.saturating_add(LEEWAY_SECONDS) < nbf) {
            return Err("service account token is not valid yet");
        }
        if self.exp.is_some_and(|exp| now.saturating_sub(LEEWAY_SECONDS) > exp) {
            return Err("service account token has expired");
        }
        if self.iat.is_some_and(|iat| now.saturating_add(LEEWAY_SECONDS) < iat) {
            return Err("service account token is issued in the future");
        }
        Ok(())
    }

    /// Whom the token proves while all that it names exists.
    pub(super) fn user(&self) -> Arc<User> {
        let Some(bound) = &self.kubernetes else {
            return authenticated(super::user(&self.legacy_namespace, &self.legacy_name, &self.legacy_uid));
        };
        let account = bound.serviceaccount.clone().unwrap_or_default();
        let mut user = super::user(&bound.namespace, &account.name, &account.uid);
        let mut extra = |key: &str, value: String| user.extra.insert(key.to_owned(), vec![value]);
        if let Some(pod) = bound.pod.as_ref().filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty()) {
            extra("authentication.kubernetes.io/pod-name", pod.name.clone());
            extra("authentication.kubernetes.io/pod-uid", pod.uid.clone());
        }
        if let Some(node) = bound.node.as_ref().filter(|node| !node.name.is_empty()) {
            extra("authentication.kubernetes.io/node-name", node.name.clone());
            // The node of a pod may not exist yet when its token is made.
            if !node.uid.is_empty() {
                extra("authentication.kubernetes.io/node-uid", node.uid.clone());
            }
        }
        if !self.jti.is_empty() {
            extra(CREDENTIAL_ID, format!("JTI={}", self.jti));
        }
        authenticated(user)
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(audience) => vec![audience],
        Audience::Several(audiences) => audiences,
    })
}
