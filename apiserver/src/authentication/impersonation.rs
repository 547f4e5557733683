//! Impersonation: acting as another user, for those who may.
//!
//! Keeps: each name, group, uid and extra value is authorized on its own, as verb `impersonate` on its resource.

use std::sync::Arc;

use http::HeaderMap;

use crate::authorization::{Attributes, Authorizer};
use crate::request::percent_decode;
use crate::status::Error;
use crate::storage::View;
use crate::user::{SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED, User};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";

/// The user that the headers ask to act as; `None` when they ask for nothing.
pub fn impersonate(
    headers: &HeaderMap,
    user: &User,
    authorizer: &Authorizer,
    view: &View,
) -> Result<Option<Arc<User>>, Error> {
    let Some(wanted) = wanted(headers)? else { return Ok(None) };
    let allow = |resource: &str, subresource: &str, group: &str, namespace: &str, name: &str| {
        let attributes = Attributes {
            verb: "impersonate",
            group,
            resource,
            subresource,
            namespace,
            name,
            is_resource: true,
            ..Attributes::default()
        };
        authorizer.check(view, user, &attributes)
    };
    match service_account(&wanted.name) {
        Some((namespace, name)) => allow("serviceaccounts", "", "", namespace, name)?,
        None => allow("users", "", "", "", &wanted.name)?,
    }
    for group in &wanted.groups {
        allow("groups", "", "", "", group)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            allow("userextras", key, AUTHENTICATION_GROUP, "", value)?;
        }
    }
    if !wanted.uid.is_empty() {
        allow("uids", "", AUTHENTICATION_GROUP, "", &wanted.uid)?;
    }
    Ok(Some(Arc::new(complete(wanted))))
}

fn wanted(headers: &HeaderMap) -> Result<Option<User>, Error> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut user = User {
        name: headers.get(USER).map(text).unwrap_or_default(),
        uid: headers.get(UID).map(text).unwrap_or_default(),
        groups: headers.get_all(GROUP).iter().map(text).collect(),
        ..User::default()
    };
    for (header, value) in headers {
        if let Some(key) = header.as_str().strip_prefix(EXTRA) {
            let key = percent_decode(key).to_ascii_lowercase();
            user.extra.entry(key).or_default().push(text(value));
        }
    }
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == User::default() {
        return Ok(None);
    }
    Err(Error::BadRequest(format!("requested [{}] without impersonating a user", references(&user))))
}

/// What was asked for, printed as Go prints object references.
fn references(user: &User) -> String {
    let mut parts: Vec<String> = user.groups.iter().map(|group| format!("{{Group  {group}    }}")).collect();
    for (key, values) in &user.extra {
        let one = |value: &String| format!("{{UserExtra  {value}  {AUTHENTICATION_GROUP}/v1  {key}}}");
        parts.extend(values.iter().map(one));
    }
    if !user.uid.is_empty() {
        parts.push(format!("{{UID  {}  {AUTHENTICATION_GROUP}/v1  }}", user.uid));
    }
    parts.join(" ")
}

/// Namespace and name of `system:serviceaccount:<namespace>:<name>`.
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// Adds the groups that the user would have had by authenticating.
fn complete(mut user: User) -> User {
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account(&user.name)
    {
        user.groups =
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    if user.name == ANONYMOUS {
        if !user.in_group(SYSTEM_UNAUTHENTICATED) {
            user.groups.push(SYSTEM_UNAUTHENTICATED.to_owned());
        }
    } else if !user.in_group(SYSTEM_AUTHENTICATED) && !user.in_group(SYSTEM_UNAUTHENTICATED) {
        user.groups.push(SYSTEM_AUTHENTICATED.to_owned());
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)], expected: &str) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        let text = match wanted(&headers) {
            Ok(None) => "nobody".to_owned(),
            Ok(Some(user)) => {
                let user = complete(user);
                format!("{} {} {:?}", user.name, user.groups.join(","), user.extra)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn headers_name_a_complete_user() {
        check(&[], "nobody");
        check(&[("impersonate-user", "bob")], "bob system:authenticated {}");
        check(&[("impersonate-user", "system:anonymous")], "system:anonymous system:unauthenticated {}");
        check(
            &[("impersonate-user", "system:serviceaccount:a:b")],
            "system:serviceaccount:a:b system:serviceaccounts,system:serviceaccounts:a,system:authenticated {}",
        );
        check(
            &[
                ("impersonate-user", "bob"),
                ("impersonate-group", "dev"),
                ("impersonate-extra-acme.com%2fproject", "x"),
            ],
            "bob dev,system:authenticated {\"acme.com/project\": [\"x\"]}",
        );
        check(&[("impersonate-group", "dev")], "requested [{Group  dev    }] without impersonating a user");
    }
}
