//! Why a call failed, as a Status says it.

use std::time::Duration;

/// A refusal, or a call whose outcome is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The Status' code; 0 when no answer came.
    pub code: u16,
    /// The Status' reason: `Conflict`, `NotFound` …
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// When to try again, if the server said so.
    pub retry_after: Option<Duration>,
    /// The causes of its details.
    pub causes: Vec<Cause>,
}

/// A cause in the details of a Status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `NamespaceTerminating` …
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The field, when there is one.
    pub field: String,
}

impl ApiError {
    /// A call that no answer came to; it may or may not have had its effect.
    pub fn unanswered(message: impl Into<String>) -> ApiError {
        ApiError { reason: "Unanswered".to_owned(), message: message.into(), ..ApiError::default() }
    }

    /// An answer that could not be understood.
    pub fn malformed(message: impl Into<String>) -> ApiError {
        ApiError { reason: "Malformed".to_owned(), message: message.into(), ..ApiError::default() }
    }

    /// There is no such object (or resource).
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// The object has changed, or a precondition does not hold.
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason != "AlreadyExists"
    }

    /// The name is taken.
    pub fn already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The user may not do this, or admission refused it.
    pub fn is_forbidden(&self) -> bool {
        self.code == 403
    }

    /// The resource does not have this verb.
    pub fn is_method_not_supported(&self) -> bool {
        self.code == 405
    }

    /// The object breaks rules.
    pub fn is_invalid(&self) -> bool {
        self.code == 422
    }

    /// The version is no longer available.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }

    /// The namespace is on its way out, so nothing can be created in it.
    pub fn is_namespace_terminating(&self) -> bool {
        self.code == 403 && self.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// The same call may succeed later without anybody changing an object.
    pub fn is_transient(&self) -> bool {
        matches!(self.code, 0 | 429 | 500..)
    }
}
