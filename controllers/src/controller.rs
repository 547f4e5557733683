//! What a controller is: a name, what it watches, and one of three ways to act.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::api::ApiError;
use crate::context::Context;
use crate::digest::{Change, Digest};
use crate::key::Key;
use crate::plan::Plan;
use crate::runtime::Watches;
use crate::view::View;

/// A controller. Its constant stands in its own file and in [`crate::ALL`].
#[derive(Clone, Copy)]
pub struct Controller {
    /// Its name, also that of its service account in kube-system: `namespace-controller`.
    pub name: &'static str,
    /// Declares what is watched and which keys a change concerns.
    pub watches: fn(&mut Watches<'_>),
    /// How it acts.
    pub shape: Shape,
    /// What its service account may do, in the words of the bootstrap policy: `R core:pods`, `EV`, `CPU apps:*`.
    /// Empty when the bootstrap policy has upstream's role of this name.
    pub rules: &'static [&'static str],
    /// Keys that are worked on at once.
    pub workers: usize,
    /// How often every object of the primary resource is looked at again.
    pub resync: Duration,
}

/// The three ways to act.
#[derive(Clone, Copy)]
pub enum Shape {
    /// A pure function of a view; the runtime carries the plan out.
    Plan(fn(&Key, &View, Timestamp) -> Plan),
    /// A function that reads live or calls others.
    Reconcile(Reconcile),
    /// A loop with a state of its own. It runs until it is dropped.
    Loop(fn(Context) -> BoxFuture<'static, ()>),
}

/// Looks at a key and acts. Errors are retried with backoff.
pub type Reconcile = for<'a> fn(&'a Context, &'a Key) -> BoxFuture<'a, Result<Next, ApiError>>;

/// When a key is looked at again although nothing changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    #[default]
    Change,
    /// At the latest after this time.
    After(Duration),
    /// With growing delays, as after a failure.
    Backoff,
}

/// Maps a change to the keys that have to be looked at.
pub type Mapping<D> = fn(&Change<'_, D>, &View, &mut dyn FnMut(Key));

impl Controller {
    /// What most controllers have in common.
    pub const DEFAULT: Controller = Controller {
        name: "",
        watches: |_| {},
        shape: Shape::Plan(|_, _, _| Plan { actions: Vec::new(), requeue_after: None }),
        rules: &[],
        workers: 8,
        resync: Duration::from_secs(30 * 60),
    };
}

/// The mapping of a resource whose objects are the keys.
pub fn own_key<D: Digest>(change: &Change<'_, D>, _: &View, put: &mut dyn FnMut(Key)) {
    if let Some(held) = change.newest() {
        put(Key::from(&held.meta));
    }
}
