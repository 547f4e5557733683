//! An object on its way between API and controllers: its bytes and what everybody needs of its metadata.

use bytes::Bytes;
use ecow::EcoString;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{ApiError, Version};

/// An object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// What everybody needs of its metadata.
    pub meta: Meta,
    /// The JSON document; kind and apiVersion may be missing. Lists and watches of metadata hold `metadata` alone.
    pub json: Bytes,
}

/// The part of metadata that identifies a version of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Empty at cluster scope.
    #[serde(default)]
    pub namespace: EcoString,
    /// The name.
    #[serde(default)]
    pub name: EcoString,
    /// The uid.
    #[serde(default)]
    pub uid: EcoString,
    /// The resourceVersion.
    #[serde(default, rename = "resourceVersion", deserialize_with = "version")]
    pub version: Version,
}

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// `apps/v1`
    pub api_version: EcoString,
    /// `ReplicaSet`
    pub kind: EcoString,
    /// Name of the owner.
    pub name: EcoString,
    /// Its uid.
    pub uid: EcoString,
    /// It is the managing controller.
    pub controller: bool,
    /// A foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let text = EcoString::deserialize(deserializer)?;
    if text.is_empty() { Ok(0) } else { text.parse().map_err(serde::de::Error::custom) }
}

impl Object {
    /// Reads the metadata of a JSON document.
    pub fn parse(json: Bytes) -> Result<Object, ApiError> {
        #[derive(Deserialize)]
        struct Document {
            metadata: Meta,
        }
        let document: Document = serde_json::from_slice(&json)
            .map_err(|error| ApiError::malformed(format!("an object could not be read: {error}")))?;
        Ok(Object { meta: document.metadata, json })
    }

    /// Decodes the document, or what of it a type declares.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        self.read().map_err(|error| {
            ApiError::malformed(format!(
                "{} {:?} could not be read: {error}",
                self.meta.namespace, self.meta.name
            ))
        })
    }

    /// Reads what a type declares. Null is as good as absent, as everywhere in the API: a time that is not set, say,
    /// is written as null.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        // The text is looked through once, not piece by piece.
        let text = std::str::from_utf8(&self.json).map_err(serde::de::Error::custom)?;
        serde_json::from_str(text).or_else(|_| {
            // Nulls are rare, so a document is first read as if it had none.
            let mut document: Value = serde_json::from_str(text)?;
            drop_nulls(&mut document);
            serde_json::from_value(document)
        })
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
