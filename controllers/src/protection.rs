//! A finalizer that holds an object for as long as it is in use.
//!
//! Keeps: the finalizer is written together with the version of the object that was judged.

use bytes::Bytes;
use ecow::EcoString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{ApiError, Object, OwnerReference, Target, WriteOptions};
use crate::context::Context;

/// An object that may be protected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Protected {
    pub(crate) metadata: Metadata,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(crate) deletion_timestamp: Option<EcoString>,
    pub(crate) finalizers: Vec<EcoString>,
    pub(crate) owner_references: Vec<OwnerReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// `Bound` …
    pub(crate) phase: EcoString,
}

/// What is to become of the finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It lacks.
    Add,
    /// It goes as soon as nobody uses the object.
    Release,
    /// Nothing.
    Stay,
}

impl Protected {
    /// What `finalizer` is due for.
    pub(crate) fn step(&self, finalizer: &str) -> Step {
        let has = self.metadata.finalizers.iter().any(|it| it == finalizer);
        match (self.metadata.deletion_timestamp.is_some(), has) {
            (false, false) => Step::Add,
            (true, true) => Step::Release,
            _ => Step::Stay,
        }
    }
}

/// The object as it is now; nothing when it is gone.
pub(crate) async fn fetch(context: &Context, target: Target<'_>) -> Result<Option<Object>, ApiError> {
    match context.api.fetch(target).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds the finalizer to this version of the object, or takes it away.
pub(crate) async fn write(
    context: &Context,
    target: Target<'_>,
    object: &Object,
    finalizer: &str,
    present: bool,
) -> Result<(), ApiError> {
    let mut object: Value = object.decode()?;
    let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.retain(|it| it != finalizer);
    if present {
        finalizers.push(json!(finalizer));
    }
    object["metadata"]["finalizers"] = Value::Array(finalizers);
    let body = Bytes::from(object.to_string());
    match context.api.update(target, body, &WriteOptions::default()).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
