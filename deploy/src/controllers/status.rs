//! Statuses that come over the wire, as errors of calls.

use std::time::Duration;

use pintle_controllers::api::{ApiError, Cause};
use serde::Deserialize;

/// A Status as it comes over the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
    message: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    causes: Vec<StatusCause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

/// The error that a Status document tells of; `code` counts when it names none, or is not a Status.
pub(super) fn error_of(code: u16, body: &[u8]) -> ApiError {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let message = if status.message.is_empty() {
        String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned()
    } else {
        status.message
    };
    let causes = status.details.causes.into_iter();
    ApiError {
        code: if status.code == 0 { code } else { status.code },
        reason: status.reason,
        message,
        retry_after: (status.details.retry_after_seconds > 0)
            .then(|| Duration::from_secs(status.details.retry_after_seconds)),
        causes: causes
            .map(|cause| Cause { reason: cause.reason, message: cause.message, field: cause.field })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_an_error_and_anything_else_too() {
        let error = error_of(
            403,
            br#"{"kind":"Status","code":403,"reason":"Forbidden","message":"no","details":{"retryAfterSeconds":2,"causes":[{"reason":"NamespaceTerminating"}]}}"#,
        );
        assert!(error.is_namespace_terminating());
        assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
        let error = error_of(502, b"<html>bad gateway");
        assert_eq!((error.code, error.message.as_str()), (502, "<html>bad gateway"));
    }
}
