//! From claims to a user.

use std::collections::BTreeMap;

use kube_cel::cel::Value as CelValue;
use serde_json::{Map as JsonMap, Value};

use super::config::{Mapping, Requirement, Source};
use crate::admission::conditions::Variables;
use crate::codec;
use crate::tree::Node;
use crate::user::User;

/// What a token says.
pub(super) type Claims = JsonMap<String, Value>;

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// Steps that all expressions about one token may take together.
const BUDGET: u64 = 10_000_000;

impl Mapping {
    /// Whom claims make; the error says why nobody.
    pub(super) fn user(&self, claims: &Claims) -> Result<User, String> {
        let mut looking = Looking { claims, variables: Variables::empty(), budget: BUDGET };
        if self.has_expressions() {
            let claims = Value::Object(claims.clone());
            looking.variables.add("claims", &node(&with_doubles(&claims))?);
        }
        let name = looking.text(&self.username, "username")?;
        if name.is_empty() {
            return Err("the user's name is empty".to_owned());
        }
        let groups = self.groups.as_ref().map_or(Ok(Vec::new()), |source| looking.texts(source, "groups"))?;
        let uid = self.uid.as_ref().map_or(Ok(String::new()), |source| looking.text(source, "uid"))?;
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
        }
        for (key, source) in &self.extra {
            let values = looking.texts(source, key)?;
            if !values.is_empty() {
                extra.insert(key.clone(), values);
            }
        }
        for rule in &self.claim_rules {
            looking.require(rule)?;
        }
        let user = User { name, uid, groups, extra };
        if !self.user_rules.is_empty() {
            let User { name, uid, groups, extra } = &user;
            let shown = serde_json::json!({"username": name, "uid": uid, "groups": groups, "extra": extra});
            looking.variables.add("user", &node(&shown)?);
            for rule in &self.user_rules {
                looking.require(rule)?;
            }
        }
        Ok(user)
    }

    fn has_expressions(&self) -> bool {
        let sources = [Some(&self.username), self.groups.as_ref(), self.uid.as_ref()].into_iter().flatten();
        let mut sources = sources.chain(self.extra.iter().map(|(_, source)| source));
        sources.any(|source| matches!(source, Source::Expression { .. }))
            || self.claim_rules.iter().any(|rule| matches!(rule, Requirement::Expression { .. }))
    }
}

/// Expressions see all numbers of a token as doubles, as upstream's do.
fn with_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(items) => items.iter().map(with_doubles).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), with_doubles(value))).collect()
        }
        other => other.clone(),
    }
}

fn node(value: &Value) -> Result<Node, String> {
    codec::json::decode_untyped(value.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// What the mapping of one token looks at.
struct Looking<'a> {
    claims: &'a Claims,
    variables: Variables,
    budget: u64,
}

impl Looking<'_> {
    fn text(&mut self, source: &Source, what: &str) -> Result<String, String> {
        match source {
            Source::Claim { name, prefix } => {
                let failed = |why: &str| format!("parse {what} claim {name:?}: {why}");
                let said = self.claims.get(name).ok_or_else(|| failed("claim not present"))?;
                let text = said.as_str().ok_or_else(|| failed("it is no text"))?;
                if name == "email" && what == "username" {
                    self.check_email()?;
                }
                Ok(format!("{prefix}{text}"))
            }
            Source::Expression { text, expression } => {
                let value = self.variables.judge(expression, &mut self.budget);
                let value = value.map_err(|why| format!("error evaluating {what}: {why}"))?;
                Variables::text(&value)
                    .ok_or_else(|| format!("error evaluating {what}: {text:?} gives no text"))
            }
        }
    }

    /// An address that its provider has not verified is nobody's.
    fn check_email(&self) -> Result<(), String> {
        match self.claims.get("email_verified") {
            None | Some(Value::Bool(true)) => Ok(()),
            Some(Value::Bool(false)) => Err("email not verified".to_owned()),
            Some(_) => Err("parse 'email_verified' claim: it is neither true nor false".to_owned()),
        }
    }

    /// One text, several or none.
    fn texts(&mut self, source: &Source, what: &str) -> Result<Vec<String>, String> {
        let (prefix, texts) = match source {
            Source::Claim { name, prefix } => {
                let wrong =
                    || format!("parse {what} claim {name:?}: it is neither a text nor a list of texts");
                let texts: Vec<String> = match self.claims.get(name) {
                    None => Vec::new(),
                    Some(Value::String(text)) => vec![text.clone()],
                    Some(Value::Array(items)) => items
                        .iter()
                        .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                        .collect::<Result<_, _>>()?,
                    Some(_) => return Err(wrong()),
                };
                (prefix.as_str(), texts)
            }
            Source::Expression { text, expression } => {
                let value = self.variables.judge(expression, &mut self.budget);
                let value = value.map_err(|why| format!("error evaluating {what}: {why}"))?;
                let wrong =
                    || format!("error evaluating {what}: {text:?} gives neither a text nor a list of texts");
                let texts: Vec<String> = match &value {
                    CelValue::Null => Vec::new(),
                    CelValue::String(text) => vec![text.to_string()],
                    CelValue::List(items) => items
                        .iter()
                        .map(|item| Variables::text(item).ok_or_else(wrong))
                        .collect::<Result<_, _>>()?,
                    _ => return Err(wrong()),
                };
                ("", texts.into_iter().filter(|text| !text.is_empty()).collect())
            }
        };
        Ok(texts.into_iter().map(|text| format!("{prefix}{text}")).collect())
    }

    fn require(&mut self, rule: &Requirement) -> Result<(), String> {
        match rule {
            Requirement::Claim { name, value } => {
                let said = self.claims.get(name);
                let said = said.ok_or_else(|| format!("required claim {name} not present in ID token"))?;
                match said.as_str() {
                    Some(said) if said == value => Ok(()),
                    Some(said) => Err(format!(
                        "required claim {name} value does not match. Got = {said}, want = {value}"
                    )),
                    None => Err(format!("parse claim {name}: it is no text")),
                }
            }
            Requirement::Expression { text, expression, message } => {
                let value = self.variables.judge(expression, &mut self.budget);
                let value = value.map_err(|why| format!("error evaluating expression {text:?}: {why}"))?;
                let message = if message.is_empty() { "it is not true" } else { message };
                Variables::is_true(&value)
                    .then_some(())
                    .ok_or_else(|| format!("validation expression '{text}' failed: {message}"))
            }
        }
    }
}
