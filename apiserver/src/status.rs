//! Errors as clients see them: one enum, and the one place where it becomes a Kubernetes `Status`.
//!
//! Keeps: HTTP status codes stand only here; the match in [`Error::status`] is exhaustive.

use crate::field::FieldErrors;
use crate::tree::{List, Map, Node};

/// Why a request was refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Credentials were presented and are not valid.
    #[error("Unauthorized")]
    Unauthorized,
    /// The user may not do this, or admission refused it.
    #[error("{} is forbidden: {cause}", named(resource, name))]
    Forbidden {
        /// `deployments.apps`
        resource: String,
        /// Object name; may be empty.
        name: String,
        /// Why.
        cause: String,
        /// Causes for the details (`NamespaceTerminating`).
        causes: Vec<StatusCause>,
    },
    /// The user may not get this path.
    #[error("forbidden: {0}")]
    ForbiddenPath(String),
    /// The object does not exist.
    #[error("{} not found", named(resource, name))]
    NotFound {
        /// `deployments.apps`
        resource: String,
        /// Object name.
        name: String,
    },
    /// The group version is served, the resource is not.
    #[error("the server could not find the requested resource")]
    NoResource,
    /// Nothing is served at this path.
    #[error("404 page not found")]
    NoPath,
    /// The path exists, the method does not.
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// The resource does not have this verb.
    #[error("{action} is not supported on resources of kind \"{resource}\"")]
    MethodNotSupported {
        /// The verb.
        action: &'static str,
        /// `deployments.apps`
        resource: String,
    },
    /// No clause of Accept can be met.
    #[error("only the following media types are accepted: {0}")]
    NotAcceptable(String),
    /// The name is taken.
    #[error("{}{} already exists{}", if *.deleting { "object is being deleted: " } else { "" }, named(resource, name), if *.generated { ", the server was not able to generate a unique name for the object" } else { "" })]
    AlreadyExists {
        /// `deployments.apps`
        resource: String,
        /// Object name.
        name: String,
        /// The present object is on its way out.
        deleting: bool,
        /// The name was generated.
        generated: bool,
    },
    /// The object is not what the request says it is.
    #[error("Operation cannot be fulfilled on {}: {cause}", named(resource, name))]
    Conflict {
        /// `deployments.apps`
        resource: String,
        /// Object name.
        name: String,
        /// Why.
        cause: String,
    },
    /// Server-side apply met fields of other managers.
    #[error("{message}")]
    ApplyConflict {
        /// The whole sentence.
        message: String,
        /// One per field.
        causes: Vec<StatusCause>,
    },
    /// The resource version is no longer available.
    #[error("{message}")]
    Expired {
        /// The whole sentence.
        message: String,
        /// A token that goes on at the latest version; for an expired continue token.
        continue_token: Option<String>,
    },
    /// The body is over the limit.
    #[error("Request entity too large: limit is {0}")]
    TooLarge(usize),
    /// The body's media type is not accepted here.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The object breaks rules.
    #[error("{} is invalid: {errors}", invalid_name(group, kind, name))]
    Invalid {
        /// API group.
        group: String,
        /// Kind.
        kind: String,
        /// Object name.
        name: String,
        /// What is wrong.
        errors: FieldErrors,
    },
    /// Try again later.
    #[error("{message}")]
    TooManyRequests {
        /// The whole sentence.
        message: String,
        /// Seconds; 0 sends no Retry-After.
        retry_after: u32,
        /// Causes for the details (`DisruptionBudget`).
        causes: Vec<StatusCause>,
    },
    /// The server is at fault.
    #[error("Internal error occurred: {0}")]
    Internal(String),
    /// An error without a reason, as upstream's plain Go errors become.
    #[error("{0}")]
    Plain(String),
    /// The operation could not be completed in time.
    #[error(
        "The {action} operation against {resource} could not be completed at this time, please try again."
    )]
    ServerTimeout {
        /// The verb.
        action: &'static str,
        /// `deployments.apps`
        resource: String,
    },
    /// No leader, or stopping.
    #[error("{0}")]
    Unavailable(String),
    /// What a request is passed on to cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A kubelet does not give the log that it was asked for.
    #[error("{message} ( pods/log {pod})")]
    Kubelet {
        /// Its HTTP status code.
        code: u16,
        /// The reason that upstream's client finds in the code; may be empty.
        reason: &'static str,
        /// What the code means, or what the kubelet said where that is for people.
        message: String,
        /// The pod whose log was asked for.
        pod: String,
    },
    /// There is no room for growth.
    #[error("{0}")]
    StorageFull(String),
    /// The deadline has passed.
    #[error("Timeout: request did not complete within the allotted timeout")]
    Timeout,
    /// The resource version lies in the future.
    #[error("Timeout: Too large resource version: {asked}, current: {current}")]
    TooLargeResourceVersion {
        /// What the client asked for.
        asked: u64,
        /// Where the server is.
        current: u64,
    },
    /// Not here, in this release.
    #[error("{0}")]
    NotImplemented(String),
    /// A Status made elsewhere, unchanged.
    #[error("{}", .0.message)]
    Foreign(Box<Status>),
}

/// A cause in a Status' details.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct StatusCause {
    /// `FieldValueInvalid`; printed as `reason`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The field, when there is one.
    pub field: String,
}

/// `metav1.Status`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Status {
    /// `Success` or `Failure`.
    pub success: bool,
    /// The sentence for people.
    pub message: String,
    /// The word for programs.
    pub reason: String,
    /// What it is about.
    pub details: Option<StatusDetails>,
    /// HTTP status code; 0 prints none.
    pub code: u16,
    /// `metadata.continue`.
    pub continue_token: String,
}

/// `metav1.StatusDetails`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct StatusDetails {
    /// Object name.
    pub name: String,
    /// API group.
    pub group: String,
    /// Plural resource, or the Kind for Invalid.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// The causes.
    pub causes: Vec<StatusCause>,
    /// When to try again.
    pub retry_after_seconds: u32,
}

fn named(resource: &str, name: &str) -> String {
    if name.is_empty() { resource.to_owned() } else { format!("{resource} {name:?}") }
}

fn invalid_name(group: &str, kind: &str, name: &str) -> String {
    if group.is_empty() { format!("{kind} {name:?}") } else { format!("{kind}.{group} {name:?}") }
}

fn split_resource(resource: &str) -> (&str, &str) {
    resource.split_once('.').unwrap_or((resource, ""))
}

/// The reason and the sentence that upstream's clients find in the code of an answer that is no Status.
pub fn words_of_code(code: u16, said: String) -> (&'static str, String) {
    match code {
        400 => ("BadRequest", "the server rejected our request for an unknown reason".to_owned()),
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_owned()),
        403 => ("Forbidden", said),
        404 => ("NotFound", Error::NoResource.to_string()),
        405 => ("MethodNotAllowed", Error::MethodNotAllowed.to_string()),
        406 => ("NotAcceptable", said),
        409 => ("Conflict", "the server reported a conflict".to_owned()),
        415 => ("UnsupportedMediaType", said),
        422 => ("Invalid", "the server rejected our request due to an error in our request".to_owned()),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later".to_owned(),
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned()),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_owned(),
        ),
        500.. => (
            "InternalError",
            format!("an error on the server ({said:?}) has prevented the request from succeeding"),
        ),
        _ => (
            "",
            format!("the server responded with the status code {code} but did not return more information"),
        ),
    }
}

impl Error {
    /// 404 for an object of `resource` (`deployments.apps`).
    pub fn not_found(resource: impl Into<String>, name: impl Into<String>) -> Error {
        Error::NotFound { resource: resource.into(), name: name.into() }
    }

    /// 403 by admission or authorization.
    pub fn forbidden(
        resource: impl Into<String>,
        name: impl Into<String>,
        cause: impl Into<String>,
    ) -> Error {
        Error::Forbidden {
            resource: resource.into(),
            name: name.into(),
            cause: cause.into(),
            causes: Vec::new(),
        }
    }

    /// What it means for the client that a kubelet refuses the log of `pod` with this code, and says so.
    pub fn of_kubelet(code: u16, pod: impl Into<String>, said: String) -> Error {
        match code {
            400 => Error::BadRequest(said),
            500 => Error::Internal(said),
            _ => {
                let (reason, message) = words_of_code(code, said);
                Error::Kubelet { code, reason, message, pod: pod.into() }
            }
        }
    }

    /// 409 with upstream's sentence for a lost race.
    pub fn modified(resource: impl Into<String>, name: impl Into<String>) -> Error {
        Error::Conflict {
            resource: resource.into(),
            name: name.into(),
            cause:
                "the object has been modified; please apply your changes to the latest version and try again"
                    .into(),
        }
    }

    /// The `Status` that clients get.
    pub fn status(&self) -> Status {
        let message = self.to_string();
        let failure = |code: u16, reason: &str, details: Option<StatusDetails>| Status {
            success: false,
            message: message.clone(),
            reason: reason.to_owned(),
            details,
            code,
            continue_token: String::new(),
        };
        let object = |resource: &str, name: &str| {
            let (kind, group) = split_resource(resource);
            StatusDetails {
                name: name.into(),
                group: group.into(),
                kind: kind.into(),
                ..StatusDetails::default()
            }
        };
        match self {
            Error::BadRequest(_) => failure(400, "BadRequest", None),
            Error::Unauthorized => failure(401, "Unauthorized", None),
            Error::Forbidden { resource, name, causes, .. } => failure(
                403,
                "Forbidden",
                Some(StatusDetails { causes: causes.clone(), ..object(resource, name) }),
            ),
            Error::ForbiddenPath(_) => failure(403, "Forbidden", Some(StatusDetails::default())),
            Error::NotFound { resource, name } => failure(404, "NotFound", Some(object(resource, name))),
            Error::NoResource => failure(404, "NotFound", Some(StatusDetails::default())),
            Error::NoPath => failure(404, "NotFound", None),
            Error::MethodNotAllowed | Error::MethodNotSupported { .. } => {
                failure(405, "MethodNotAllowed", Some(StatusDetails::default()))
            }
            Error::NotAcceptable(_) => failure(406, "NotAcceptable", None),
            Error::AlreadyExists { resource, name, generated, .. } => failure(
                409,
                "AlreadyExists",
                Some(StatusDetails { retry_after_seconds: u32::from(*generated), ..object(resource, name) }),
            ),
            Error::Conflict { resource, name, .. } => failure(409, "Conflict", Some(object(resource, name))),
            Error::ApplyConflict { causes, .. } => failure(
                409,
                "Conflict",
                Some(StatusDetails { causes: causes.clone(), ..StatusDetails::default() }),
            ),
            Error::Expired { continue_token, .. } => Status {
                continue_token: continue_token.clone().unwrap_or_default(),
                ..failure(410, "Expired", None)
            },
            Error::TooLarge(_) => failure(413, "RequestEntityTooLarge", None),
            Error::UnsupportedMediaType(_) => failure(415, "UnsupportedMediaType", None),
            Error::Invalid { group, kind, name, errors } => failure(
                422,
                "Invalid",
                Some(StatusDetails {
                    name: name.clone(),
                    group: group.clone(),
                    kind: kind.clone(),
                    causes: errors
                        .iter()
                        .map(|error| StatusCause {
                            reason: error.cause.reason().to_owned(),
                            message: error.message.clone(),
                            field: error.field.clone(),
                        })
                        .collect(),
                    ..StatusDetails::default()
                }),
            ),
            Error::TooManyRequests { retry_after, causes, .. } => failure(
                429,
                "TooManyRequests",
                Some(StatusDetails {
                    retry_after_seconds: *retry_after,
                    causes: causes.clone(),
                    ..StatusDetails::default()
                }),
            ),
            Error::Internal(cause) => failure(
                500,
                "InternalError",
                Some(StatusDetails {
                    causes: vec![StatusCause { message: cause.clone(), ..StatusCause::default() }],
                    ..StatusDetails::default()
                }),
            ),
            Error::Plain(_) => failure(500, "", None),
            Error::ServerTimeout { action, resource } => failure(
                500,
                "ServerTimeout",
                Some(StatusDetails { retry_after_seconds: 2, ..object(resource, action) }),
            ),
            Error::Unavailable(_) => failure(
                503,
                "ServiceUnavailable",
                Some(StatusDetails { retry_after_seconds: 1, ..StatusDetails::default() }),
            ),
            Error::Unreachable(_) => failure(503, "ServiceUnavailable", None),
            Error::Kubelet { code, reason, pod, .. } => failure(*code, reason, Some(object("pods/log", pod))),
            Error::StorageFull(_) => failure(507, "InsufficientStorage", None),
            Error::Timeout => failure(504, "Timeout", Some(StatusDetails::default())),
            Error::TooLargeResourceVersion { .. } => failure(
                504,
                "Timeout",
                Some(StatusDetails {
                    causes: vec![StatusCause {
                        reason: "ResourceVersionTooLarge".into(),
                        message: "Too large resource version".into(),
                        field: String::new(),
                    }],
                    retry_after_seconds: 1,
                    ..StatusDetails::default()
                }),
            ),
            Error::NotImplemented(_) => failure(501, "NotImplemented", None),
            Error::Foreign(status) => (**status).clone(),
        }
    }
}

impl Status {
    /// A success about an object, as delete and create-type subresources answer.
    pub fn success(details: Option<StatusDetails>, code: u16) -> Status {
        Status { success: true, details, code, ..Status::default() }
    }

    /// The HTTP status code of the answer.
    pub fn http_code(&self) -> u16 {
        match self.code {
            0 => 200,
            code => code,
        }
    }

    /// The tree of `metav1.Status` (kind and apiVersion included), empty keys left out.
    pub fn to_tree(&self) -> Map {
        let mut metadata = Map::new();
        if !self.continue_token.is_empty() {
            metadata.set("continue", self.continue_token.as_str());
        }
        let mut map = Map::from([
            ("kind", Node::from("Status")),
            ("apiVersion", Node::from("v1")),
            ("metadata", Node::from(metadata)),
            ("status", Node::from(if self.success { "Success" } else { "Failure" })),
        ]);
        if !self.message.is_empty() {
            map.set("message", self.message.as_str());
        }
        if !self.reason.is_empty() {
            map.set("reason", self.reason.as_str());
        }
        if let Some(details) = &self.details {
            map.set("details", details.to_tree());
        }
        if self.code != 0 {
            map.set("code", i64::from(self.code));
        }
        map
    }
}

impl StatusDetails {
    fn to_tree(&self) -> Map {
        let mut map = Map::new();
        let mut text = |key: &'static str, value: &str| {
            if !value.is_empty() {
                map.set(key, value);
            }
        };
        text("name", &self.name);
        text("group", &self.group);
        text("kind", &self.kind);
        text("uid", &self.uid);
        if !self.causes.is_empty() {
            let causes: List = self
                .causes
                .iter()
                .map(|cause| {
                    let mut map = Map::new();
                    for (key, value) in
                        [("reason", &cause.reason), ("message", &cause.message), ("field", &cause.field)]
                    {
                        if !value.is_empty() {
                            map.set(key, value.as_str());
                        }
                    }
                    Node::Map(map)
                })
                .collect();
            map.set("causes", causes);
        }
        if self.retry_after_seconds > 0 {
            map.set("retryAfterSeconds", i64::from(self.retry_after_seconds));
        }
        map
    }
}
