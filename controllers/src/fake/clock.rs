//! A clock that moves when it is told to.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Clock;

/// Unix seconds at which the clock starts.
const START: i64 = 1_800_000_000;

#[derive(Default)]
pub(crate) struct FakeClock {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl FakeClock {
    /// Lets time pass.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut state = self.state.lock();
        state.elapsed += duration;
        let now = state.elapsed;
        let (due, later) = std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
        state.sleepers = later;
        let due: Vec<(Duration, oneshot::Sender<()>)> = due;
        drop(state);
        for (_, wake) in due {
            // Whoever slept may have been dropped.
            let _ = wake.send(());
        }
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.state.lock().elapsed;
        Timestamp::from_second(START).unwrap() + elapsed
    }

    fn elapsed(&self) -> Duration {
        self.state.lock().elapsed
    }

    fn sleep_until(&self, deadline: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.state.lock();
        if deadline <= state.elapsed {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        state.sleepers.push((deadline, wake));
        Box::pin(async {
            let _ = woken.await;
        })
    }
}
