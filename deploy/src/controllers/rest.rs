//! The calls of controllers as requests of the REST API. Both adapters speak it.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
use pintle_controllers::api::{
    DeleteOptions, ListOptions, PatchType, Resource, Target, Version, WATCH_TIMEOUT, WriteOptions,
};
use serde_json::json;

/// A request, whatever carries it.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) content_type: &'static str,
    pub(super) accept: &'static str,
    pub(super) body: Bytes,
}

const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

impl Rest {
    fn new(method: Method, path: String) -> Rest {
        Rest { method, path, query: String::new(), content_type: JSON, accept: JSON, body: Bytes::new() }
    }

    /// Whether nothing of objects but their metadata is asked for.
    pub(super) fn wants_metadata(&self) -> bool {
        matches!(self.accept, METADATA | METADATA_LIST)
    }

    fn with(mut self, key: &str, value: &str) -> Rest {
        if value.is_empty() {
            return self;
        }
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(key);
        self.query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.query.push(byte as char);
            } else {
                write!(self.query, "%{byte:02X}").expect("a string takes every write");
            }
        }
        self
    }

    /// One half of discovery: `/api` or `/apis`.
    pub(super) fn discovery(path: &str) -> Rest {
        Rest { accept: DISCOVERY, ..Rest::new(Method::GET, path.to_owned()) }
    }

    pub(super) fn fetch(target: Target<'_>) -> Rest {
        Rest::new(Method::GET, path(target, ""))
    }

    pub(super) fn list(resource: &Resource, namespace: &str, options: &ListOptions) -> Rest {
        let limit = if options.limit > 0 { options.limit.to_string() } else { String::new() };
        let rest = Rest::new(Method::GET, path(Target::new(resource, namespace, ""), ""))
            .with("labelSelector", &options.label_selector)
            .with("fieldSelector", &options.field_selector)
            .with("limit", &limit)
            .with("continue", &options.next);
        if options.metadata_only { Rest { accept: METADATA_LIST, ..rest } } else { rest }
    }

    pub(super) fn watch(resource: &Resource, namespace: &str, from: Version, options: &ListOptions) -> Rest {
        let rest = Rest::new(Method::GET, path(Target::new(resource, namespace, ""), ""))
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("resourceVersion", &from.to_string())
            .with("timeoutSeconds", &WATCH_TIMEOUT.as_secs().to_string())
            .with("labelSelector", &options.label_selector)
            .with("fieldSelector", &options.field_selector);
        if options.metadata_only { Rest { accept: METADATA, ..rest } } else { rest }
    }

    /// A new object, or a post to a subresource of one.
    pub(super) fn create(target: Target<'_>, body: Bytes, options: &WriteOptions) -> Rest {
        let target = if options.subresource.is_empty() { Target { name: "", ..target } } else { target };
        Rest { body, ..Rest::new(Method::POST, path(target, options.subresource)) }
            .with("fieldManager", options.field_manager)
    }

    pub(super) fn update(target: Target<'_>, body: Bytes, options: &WriteOptions) -> Rest {
        Rest { body, ..Rest::new(Method::PUT, path(target, options.subresource)) }
            .with("fieldManager", options.field_manager)
    }

    pub(super) fn patch(target: Target<'_>, kind: PatchType, body: Bytes, options: &WriteOptions) -> Rest {
        let content_type = match kind {
            PatchType::Merge => "application/merge-patch+json",
            PatchType::Strategic => "application/strategic-merge-patch+json",
            PatchType::Json => "application/json-patch+json",
            PatchType::Apply => "application/apply-patch+yaml",
        };
        Rest { body, content_type, ..Rest::new(Method::PATCH, path(target, options.subresource)) }
            .with("fieldManager", options.field_manager)
            .with("force", if options.force { "true" } else { "" })
    }

    pub(super) fn delete(target: Target<'_>, options: &DeleteOptions) -> Rest {
        let accept = METADATA;
        Rest { body: delete_options(options), accept, ..Rest::new(Method::DELETE, path(target, "")) }
    }

    pub(super) fn delete_collection(
        resource: &Resource,
        namespace: &str,
        selected: &ListOptions,
        options: &DeleteOptions,
    ) -> Rest {
        let rest = Rest::new(Method::DELETE, path(Target::new(resource, namespace, ""), ""))
            .with("labelSelector", &selected.label_selector)
            .with("fieldSelector", &selected.field_selector);
        Rest { body: delete_options(options), accept: METADATA_LIST, ..rest }
    }
}

fn path(target: Target<'_>, subresource: &str) -> String {
    let Resource { group, version, plural, namespaced, .. } = target.resource;
    let mut path = match group.as_ref() {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    let mut push = |part: &str| {
        if !part.is_empty() {
            path.push('/');
            path.push_str(part);
        }
    };
    if *namespaced && !target.namespace.is_empty() {
        push("namespaces");
        push(target.namespace);
    }
    push(plural);
    push(target.name);
    push(subresource);
    path
}

fn delete_options(options: &DeleteOptions) -> Bytes {
    let mut body = json!({ "kind": "DeleteOptions", "apiVersion": "v1" });
    if let Some(uid) = &options.uid {
        body["preconditions"]["uid"] = json!(uid);
    }
    if let Some(version) = options.version {
        body["preconditions"]["resourceVersion"] = json!(version.to_string());
    }
    if let Some(propagation) = options.propagation {
        body["propagationPolicy"] = json!(propagation.as_str());
    }
    if let Some(grace) = options.grace {
        body["gracePeriodSeconds"] = json!(grace.as_secs());
    }
    Bytes::from(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: &Resource = &Resource::namespaced("", "v1", "pods", "Pod");
    const ROLES: &Resource =
        &Resource::cluster("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole");

    fn url(rest: &Rest) -> String {
        format!("{} {}?{}", rest.method, rest.path, rest.query)
    }

    #[test]
    fn calls_become_requests() {
        let options = ListOptions { field_selector: "metadata.name=a".to_owned(), ..ListOptions::default() };
        let status = WriteOptions::subresource("status");
        for (rest, expected) in [
            (Rest::fetch(Target::new(PODS, "a", "b")), "GET /api/v1/namespaces/a/pods/b?"),
            (Rest::list(PODS, "", &options), "GET /api/v1/pods?fieldSelector=metadata.name%3Da"),
            (
                Rest::create(Target::new(PODS, "a", "b"), Bytes::new(), &WriteOptions::default()),
                "POST /api/v1/namespaces/a/pods?",
            ),
            (
                Rest::update(Target::new(ROLES, "", "r"), Bytes::new(), &status),
                "PUT /apis/rbac.authorization.k8s.io/v1/clusterroles/r/status?",
            ),
        ] {
            assert_eq!(url(&rest), expected);
        }
    }
}
