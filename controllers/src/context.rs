//! What a controller that acts by itself holds in its hands.

use std::sync::Arc;

use crate::api::Api;
use crate::clock::Clock;
use crate::runtime::{Metrics, Recorder, Viewer};
use crate::settings::Settings;
use crate::view::View;

/// The surroundings of a reconcile or a loop.
#[derive(Clone)]
pub struct Context {
    /// The API as the controller's own user. In a reconcile its writes are remembered: the key does not run again before
    /// the views have seen them.
    pub api: Arc<dyn Api>,
    /// The API as the shared views see it, for further watches of a loop.
    pub shared: Arc<dyn Api>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells people.
    pub events: Recorder,
    /// What is counted.
    pub metrics: Metrics,
    /// What no API tells.
    pub settings: Arc<Settings>,
    /// The controller's name.
    pub name: &'static str,
    pub(crate) viewer: Viewer,
}

impl Context {
    /// What the controller's watches have brought so far.
    pub fn view(&self) -> View {
        self.viewer.view()
    }
}
