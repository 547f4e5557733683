//! The API as controllers need it: a trait owned by its consumer, with objects as JSON bytes.
//!
//! Keeps: nothing here knows how a request travels; a write answers the version that it left behind, so that whoever
//! wrote can wait until it has seen it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::settings::Settings;

mod error;
mod object;
mod options;
mod resource;

pub use error::{ApiError, Cause};
pub use object::{Meta, Object, OwnerReference};
pub use options::{DeleteOptions, ListOptions, PatchType, Propagation, WriteOptions};
pub use resource::{Resource, ServedResource, Verb};

/// A number that counts changes: a resourceVersion.
pub type Version = u64;

/// What a call comes back with.
pub type Call<'a, T> = BoxFuture<'a, Result<T, ApiError>>;

/// The changes of a watch. It ends when it has to be started again from the last version seen.
pub type Changes = BoxStream<'static, Result<WatchEvent, ApiError>>;

/// Names an object: its resource, namespace (empty at cluster scope) and name.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// Empty at cluster scope.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

impl<'a> Target<'a> {
    /// The object `name` of `namespace`.
    pub fn new(resource: &'a Resource, namespace: &'a str, name: &'a str) -> Target<'a> {
        Target { resource, namespace, name }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The objects in order.
    pub items: Vec<Object>,
    /// The version of the list; a watch goes on from here.
    pub version: Version,
    /// Where the next page starts; empty on the last.
    pub next: String,
}

/// One event of a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// An object that is selected now and was not before.
    Added(Object),
    /// An object has changed.
    Modified(Object),
    /// An object is gone (or no longer selected). Its version is that of the deletion.
    Deleted(Object),
    /// Everything up to this version has been delivered.
    Bookmark(Version),
    /// The version to go on from is no longer available: list again.
    Expired,
}

/// What became of a deletion.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// Finalizers or a grace period hold it; this is how it is now.
    Held(Object),
}

/// Everything that a controller can ask of an API server, as one user.
///
/// Errors carry the Status' code and reason; [`ApiError::is_transient`] says which are worth the same call again.
pub trait Api: Send + Sync + 'static {
    /// Every resource that is served, in its preferred version.
    fn discover(&self) -> Call<'_, Discovery>;

    /// One object, as it is after everything that was acknowledged before the call.
    fn fetch<'a>(&'a self, target: Target<'a>) -> Call<'a, Object>;

    /// One page of a resource, of all namespaces when `namespace` is empty.
    fn list<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        options: &'a ListOptions,
    ) -> Call<'a, Page>;

    /// The changes after `from`, with bookmarks where the server sends any.
    fn watch<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        from: Version,
        options: &'a ListOptions,
    ) -> Call<'a, Changes>;

    /// Creates an object (`subresource` empty) or posts to one of its subresources.
    fn create<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object>;

    /// Replaces an object, or its part behind a subresource (`status`, `finalize`).
    fn update<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object>;

    /// Changes an object by a patch.
    fn patch<'a>(
        &'a self,
        target: Target<'a>,
        kind: PatchType,
        body: Bytes,
        options: &'a WriteOptions,
    ) -> Call<'a, Object>;

    /// Deletes an object.
    fn delete<'a>(&'a self, target: Target<'a>, options: &'a DeleteOptions) -> Call<'a, Deleted>;

    /// Deletes every selected object of a namespace.
    fn delete_collection<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selected: &'a ListOptions,
        options: &'a DeleteOptions,
    ) -> Call<'a, ()>;
}

/// What discovery found, and which groups could not tell.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Every resource, in its preferred version.
    pub resources: Vec<ServedResource>,
    /// Every version of every group, as `group/version` (`v1` for core).
    pub group_versions: Vec<String>,
    /// Group versions that are served but could not be asked, as `group/version`.
    pub failed: Vec<String>,
}

/// Gives every controller its own connection, as its own user.
pub trait Connect: Send + Sync + 'static {
    /// The API as the controller `name` (`namespace-controller`) sees it.
    fn controller(&self, name: &str) -> std::sync::Arc<dyn Api>;

    /// The API as the views, which several controllers share, see it.
    fn shared(&self) -> std::sync::Arc<dyn Api>;

    /// What controllers need to know and no API tells.
    fn settings(&self) -> Settings {
        Settings::default()
    }
}

/// How long the server is asked to keep a watch open; the runtime starts it again.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(8 * 60);
