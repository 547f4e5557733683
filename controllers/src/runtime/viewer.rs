//! The caches of one controller, from which its views are made.

use std::sync::{Arc, OnceLock, Weak};

use crate::api::Resource;
use crate::runtime::cache::AnyCache;
use crate::view::View;

/// Makes views for a controller.
#[derive(Clone, Default)]
pub struct Viewer {
    attached: Arc<OnceLock<Attached>>,
}

struct Attached {
    caches: Vec<Arc<dyn AnyCache>>,
    primary: Option<Arc<dyn AnyCache>>,
}

/// A viewer that keeps nothing alive.
#[derive(Clone)]
pub(crate) struct WeakViewer {
    attached: Weak<OnceLock<Attached>>,
}

impl WeakViewer {
    pub(crate) fn upgrade(&self) -> Option<Viewer> {
        self.attached.upgrade().map(|attached| Viewer { attached })
    }
}

impl Viewer {
    pub(crate) fn downgrade(&self) -> WeakViewer {
        WeakViewer { attached: Arc::downgrade(&self.attached) }
    }

    pub(crate) fn set(&self, caches: Vec<Arc<dyn AnyCache>>, primary: Option<Arc<dyn AnyCache>>) {
        // Set once, by the runtime, before anything runs.
        let _ = self.attached.set(Attached { caches, primary });
    }

    fn caches(&self) -> &[Arc<dyn AnyCache>] {
        self.attached.get().map(|attached| attached.caches.as_slice()).unwrap_or_default()
    }

    /// The cache whose objects are the keys.
    pub(crate) fn primary(&self) -> Option<&Arc<dyn AnyCache>> {
        self.attached.get()?.primary.as_ref()
    }

    /// The newest snapshots.
    pub fn view(&self) -> View {
        let mut view = View::default();
        for cache in self.caches() {
            cache.snapshot(&mut view);
        }
        view
    }

    /// Resolves when every cache has been filled.
    pub async fn synced(&self) {
        for cache in self.caches() {
            cache.synced().await;
        }
    }

    /// The caches of a resource, in whatever version.
    pub(crate) fn of<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Arc<dyn AnyCache>> {
        self.caches().iter().filter(move |cache| {
            let cached = cache.resource();
            cached.group == resource.group && cached.plural == resource.plural
        })
    }
}
