//! Parameters of operations.
//!
//! Keeps: a query parameter is described once, whatever operation has it.

use std::borrow::Cow;

use crate::schema::{self, Type};

/// A parameter in the path or the query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// In the path; otherwise in the query.
    pub(super) in_path: bool,
    /// `string`, `integer`, `boolean`
    pub(super) ty: &'static str,
    /// What it does.
    pub(super) description: Cow<'static, str>,
}

/// Query parameters of every operation that answers an object.
pub(super) const PRETTY: &[&str] = &["pretty"];
/// Query parameters of list and watch.
pub(super) const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
/// Query parameters of create and update.
pub(super) const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
/// Query parameters of patch.
pub(super) const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
/// Query parameters of delete.
pub(super) const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];
/// Query parameters of deletecollection beyond those of delete.
pub(super) const DELETE_COLLECTION: &[&str] = &[
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

/// Name, type and meaning of each query parameter.
#[rustfmt::skip]
const QUERY: &[(&str, &str, &str)] = &[
    ("allowWatchBookmarks", "boolean", "Asks a watch for BOOKMARK events, which carry only the resource version reached."),
    ("command", "string", "The command to run, one parameter per argument; no shell is involved."),
    ("container", "string", "The container; may be left out when the pod has only one."),
    ("continue", "string", "The token from a partial list, to get the next part of it."),
    ("dryRun", "string", "With the value All the request is checked and answered, and nothing is stored."),
    ("fieldManager", "string", "The name under which changed fields are recorded; at most 128 printable characters. Apply requires it."),
    ("fieldSelector", "string", "Restricts the result to objects whose fields match."),
    ("fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore them, Warn (the default), or refuse the request (Strict)."),
    ("follow", "boolean", "Keep the log stream open and send lines as they are written."),
    ("force", "boolean", "Apply takes over fields that other managers own. Only for apply."),
    ("gracePeriodSeconds", "integer", "Seconds until the object is removed; 0 removes it at once. Without it the kind's own period counts."),
    ("insecureSkipTLSVerifyBackend", "boolean", "Do not check the certificate of the kubelet that the log comes from."),
    ("labelSelector", "string", "Restricts the result to objects whose labels match."),
    ("limit", "integer", "The most items that a list may have; a longer one ends with a continue token."),
    ("limitBytes", "integer", "Ends the log after about this many bytes."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy. Whether dependents stay behind."),
    ("path", "string", "The path to ask the proxied target for."),
    ("ports", "integer", "The ports to forward; required over WebSocket."),
    ("pretty", "string", "With true the answer is indented. Without it, only for browsers, curl and wget."),
    ("previous", "boolean", "The log of the container's previous run."),
    ("propagationPolicy", "string", "What happens to dependents: Orphan, Background or Foreground."),
    ("resourceVersion", "string", "Constrains how new the answered data must be."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied to a list: Exact or NotOlderThan."),
    ("sendInitialEvents", "boolean", "A watch begins with an ADDED event per object and a bookmark that ends them."),
    ("sinceSeconds", "integer", "Only lines of the last so many seconds."),
    ("sinceTime", "string", "Only lines written after this time."),
    ("stderr", "boolean", "Connects the standard error stream."),
    ("stdin", "boolean", "Connects the standard input stream."),
    ("stdout", "boolean", "Connects the standard output stream."),
    ("stream", "string", "Which streams of the log to send: All, Stdout or Stderr."),
    ("tailLines", "integer", "Only this many lines from the end of the log."),
    ("timeoutSeconds", "integer", "Ends the list or watch after so many seconds."),
    ("timestamps", "boolean", "Puts the time in front of every line."),
    ("tty", "boolean", "Allocates a terminal."),
    ("watch", "boolean", "Answers with a stream of changes instead of a list."),
];

/// The query parameter of a name.
pub(super) fn query(name: &'static str) -> Parameter {
    let known = QUERY.iter().find(|(candidate, ..)| *candidate == name);
    let (name, ty, description) = known.copied().unwrap_or((name, "string", ""));
    Parameter { name: name.into(), in_path: false, ty, description: description.into() }
}

/// A parameter of the path.
pub(super) fn path(name: &'static str, description: impl Into<Cow<'static, str>>) -> Parameter {
    Parameter { name: name.into(), in_path: true, ty: "string", description: description.into() }
}

/// The query parameters that the fields of an options type are; `None` when there is no such type.
pub(super) fn options(schema: &str) -> Option<Vec<Parameter>> {
    let builtin = schema::builtin();
    let fields = &builtin.get(builtin.find(schema)?).flat;
    let names = fields.iter().map(|flat| &flat.field).filter(|field| {
        !matches!(field.name.as_str(), "kind" | "apiVersion") && !matches!(field.ty, Type::Struct(_))
    });
    let mut parameters: Vec<Parameter> = names
        .map(|field| {
            let item = match &field.ty {
                Type::List { item, .. } => item,
                ty => ty,
            };
            let ty = match item {
                Type::Bool => "boolean",
                Type::Int32 | Type::Int64 => "integer",
                _ => "string",
            };
            Parameter { ty, ..query(field.name.as_str()) }
        })
        .collect();
    parameters.sort();
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_an_operation_has_is_described() {
        let lists = [PRETTY, LIST, WRITE, PATCH, DELETE, DELETE_COLLECTION];
        for name in lists.iter().flat_map(|list| list.iter()) {
            assert!(!query(name).description.is_empty(), "{name}");
        }
        for schema in [
            "PodExecOptions",
            "PodAttachOptions",
            "PodLogOptions",
            "PodPortForwardOptions",
            "PodProxyOptions",
        ] {
            let options = options(&format!("io.k8s.api.core.v1.{schema}")).expect(schema);
            assert!(!options.is_empty());
            for parameter in options {
                assert!(!parameter.description.is_empty(), "{schema} {}", parameter.name);
            }
        }
    }
}
