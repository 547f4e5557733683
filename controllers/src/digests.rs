//! Digest types that several controllers share, one file each.

pub mod custom_resource_definition;
pub mod endpoint_slice;
pub mod endpoints;
mod namespace;
mod node;
pub mod pod;
mod secret;
pub mod service;
mod service_account;

pub use custom_resource_definition::CustomResourceDefinition;
pub use endpoint_slice::EndpointSlice;
pub use endpoints::Endpoints;
pub use namespace::Namespace;
pub use node::{Node, Taint};
pub use pod::Pod;
pub use secret::{Expiration, Secret};
pub use service::Service;
pub use service_account::ServiceAccount;

/// Reads a list or map that may be `null`, which is what Go writes for an empty one.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}
