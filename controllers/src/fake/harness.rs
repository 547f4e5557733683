//! Runs controllers on the fake API until nothing happens any more.
//!
//! Needs tokio's current-thread runtime, where everything takes turns.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Clock};
use crate::controller::Controller;
use crate::runtime::{self, Metrics, Running};

use super::{FakeApi, FakeClock};

/// Turns of all tasks without a call before everything counts as settled.
const QUIET_TURNS: usize = 64;

pub(crate) struct Harness {
    pub(crate) api: FakeApi,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) metrics: Metrics,
    controllers: Vec<&'static Controller>,
    running: Option<Running>,
}

impl Harness {
    /// Controllers that are not started yet, so that a test can lay objects before them.
    pub(crate) fn new(controllers: &[&'static Controller]) -> Harness {
        Harness {
            api: FakeApi::new(),
            clock: Arc::new(FakeClock::default()),
            metrics: Metrics::default(),
            controllers: controllers.to_vec(),
            running: None,
        }
    }

    /// Starts the controllers, ending those that run: a restart in the middle of whatever they do.
    pub(crate) fn start(&mut self) {
        self.running = None;
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.running = Some(runtime::start(&self.controllers, &self.api, &clock, &self.metrics));
    }

    /// Ends the controllers.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Lets everybody take turns until nothing happens.
    pub(crate) async fn settle(&self) {
        let mut quiet = 0;
        let mut before = self.api.activity();
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            let now = self.api.activity();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
    }

    /// Lets time pass, then everybody take turns.
    pub(crate) async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
        self.api.set_now(clock::time(self.clock.now()));
        self.settle().await;
    }
}
