//! The API as one run uses it: every write is remembered as a hold on the run's key.

use std::sync::Arc;

use bytes::Bytes;
use ecow::EcoString;
use parking_lot::Mutex;

use crate::api::{
    Api, ApiError, Call, Changes, DeleteOptions, Deleted, Discovery, ListOptions, Object, Page, PatchType,
    Resource, Target, Version, WriteOptions,
};
use crate::key::Key;
use crate::runtime::hold::{Hold, Seen};
use crate::runtime::viewer::Viewer;

/// An API that remembers what was written through it.
pub(crate) struct Tracked {
    api: Arc<dyn Api>,
    viewer: Viewer,
    holds: Mutex<Vec<Hold>>,
}

impl Tracked {
    pub(crate) fn new(api: Arc<dyn Api>, viewer: Viewer) -> Tracked {
        Tracked { api, viewer, holds: Mutex::default() }
    }

    /// What must be seen before the key runs again.
    pub(crate) fn take_holds(&self) -> Vec<Hold> {
        std::mem::take(&mut self.holds.lock())
    }

    fn wrote(&self, resource: &Resource, seen: &Seen) {
        let mut holds = self.holds.lock();
        holds.extend(self.viewer.of(resource).map(|cache| Hold { cache: cache.clone(), seen: seen.clone() }));
    }

    fn stored(&self, target: Target<'_>, result: Result<Object, ApiError>) -> Result<Object, ApiError> {
        if let Ok(object) = &result {
            self.wrote(target.resource, &Seen::Version(object.meta.version));
        }
        result
    }

    /// A deleted object is waited for under the uid that the views know it by.
    fn gone(&self, target: Target<'_>, uid: Option<&str>) {
        let key = Key::new(target.namespace, target.name);
        let known = |uid: EcoString| self.wrote(target.resource, &Seen::Gone(key.clone(), uid));
        match uid {
            Some(uid) => known(uid.into()),
            None => {
                if let Some((uid, _)) = self.viewer.of(target.resource).find_map(|cache| cache.find(&key)) {
                    known(uid);
                }
            }
        }
    }
}

impl Api for Tracked {
    fn discover(&self) -> Call<'_, Discovery> {
        self.api.discover()
    }

    fn fetch<'a>(&'a self, target: Target<'a>) -> Call<'a, Object> {
        self.api.fetch(target)
    }

    fn list<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        options: &'a ListOptions,
    ) -> Call<'a, Page> {
        self.api.list(resource, namespace, options)
    }

    fn watch<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        from: Version,
        options: &'a ListOptions,
    ) -> Call<'a, Changes> {
        self.api.watch(resource, namespace, from, options)
    }

    fn create<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(async move {
            let result = self.api.create(target, body, options).await;
            // What a subresource answers is not an object of the resource.
            if options.subresource.is_empty() { self.stored(target, result) } else { result }
        })
    }

    fn update<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(async move { self.stored(target, self.api.update(target, body, options).await) })
    }

    fn patch<'a>(
        &'a self,
        target: Target<'a>,
        kind: PatchType,
        body: Bytes,
        options: &'a WriteOptions,
    ) -> Call<'a, Object> {
        Box::pin(async move { self.stored(target, self.api.patch(target, kind, body, options).await) })
    }

    fn delete<'a>(&'a self, target: Target<'a>, options: &'a DeleteOptions) -> Call<'a, Deleted> {
        Box::pin(async move {
            let result = self.api.delete(target, options).await;
            match &result {
                Ok(Deleted::Held(object)) => {
                    self.wrote(target.resource, &Seen::Version(object.meta.version));
                }
                Ok(Deleted::Gone) => self.gone(target, options.uid.as_deref()),
                // The view is behind: it still had the object.
                Err(error) if error.is_not_found() => self.gone(target, options.uid.as_deref()),
                Err(_) => {}
            }
            result
        })
    }

    fn delete_collection<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selected: &'a ListOptions,
        options: &'a DeleteOptions,
    ) -> Call<'a, ()> {
        self.api.delete_collection(resource, namespace, selected, options)
    }
}
