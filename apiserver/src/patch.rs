//! Patches: JSON patch, merge patch and strategic merge patch, as pure functions on trees.

use crate::status::{Error, Status, StatusCause, StatusDetails};

pub(crate) mod go_text;
pub mod json;
pub mod merge;
pub mod strategic;

/// Why a patch could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is no patch.
    #[error("{0}")]
    Malformed(String),
    /// It does not fit the object.
    #[error("{0}")]
    Failed(String),
    /// It does not fit what the API declares, in upstream's words.
    #[error("{0}")]
    Unfit(String),
    /// It is larger than it may be.
    #[error("{0}")]
    TooLarge(String),
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Error {
        match error {
            PatchError::Malformed(cause) => Error::BadRequest(cause),
            PatchError::Unfit(message) => Error::Plain(message),
            // Upstream keeps the cause to itself. It is given here beside its sentence, where kubectl shows it.
            PatchError::Failed(cause) => Error::Foreign(Box::new(Status {
                message: "the server rejected our request due to an error in our request".to_owned(),
                reason: "Invalid".to_owned(),
                details: Some(StatusDetails {
                    causes: vec![StatusCause { message: cause, ..StatusCause::default() }],
                    ..StatusDetails::default()
                }),
                code: 422,
                ..Status::default()
            })),
            PatchError::TooLarge(cause) => Error::Foreign(Box::new(Status {
                message: format!("Request entity too large: {cause}"),
                reason: "RequestEntityTooLarge".to_owned(),
                code: 413,
                ..Status::default()
            })),
        }
    }
}
