//! The server's end, for tasks that are woken often.
//!
//! Keeps: a task that was told to wait is woken when the server stops. To be told again costs no lock: channel and
//! timers keep the waker of who asked last.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

/// Tells whether the server is stopping.
pub(crate) struct Closing {
    receiver: watch::Receiver<bool>,
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
    asked: Asked,
}

/// Who is woken when something happens.
#[derive(Default)]
pub(crate) struct Asked {
    waker: Option<Waker>,
}

impl Closing {
    pub(crate) fn new(receiver: watch::Receiver<bool>) -> Closing {
        let mut waiting = receiver.clone();
        let wait = Box::pin(async move {
            // A sender that is gone has stopped, too.
            let _ = waiting.wait_for(|closing| *closing).await;
        });
        Closing { receiver, wait, asked: Asked::default() }
    }

    /// Ready once the server stops; else the task is woken then.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        let unchanged = matches!(self.receiver.has_changed(), Ok(false));
        if self.asked.already(context) && unchanged {
            return Poll::Pending;
        }
        self.wait.as_mut().poll(&mut Context::from_waker(context.waker()))
    }
}

impl Asked {
    /// Whether this task asked last; it has from now on.
    pub(crate) fn already(&mut self, context: &Context<'_>) -> bool {
        let same = self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if !same {
            self.waker = Some(context.waker().clone());
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wakes::Wakes;

    #[test]
    fn a_task_that_asked_twice_is_woken_once_and_another_that_asked_later_instead_of_it() {
        let (sender, receiver) = watch::channel(false);
        let mut closing = Closing::new(receiver);
        let counts = [Arc::new(Wakes::default()), Arc::new(Wakes::default())];
        let wakers = counts.clone().map(Waker::from);
        for waker in [&wakers[0], &wakers[0], &wakers[1], &wakers[1]] {
            assert!(closing.poll(&Context::from_waker(waker)).is_pending());
        }
        sender.send_replace(true);
        assert_eq!(counts.map(|count| count.number()), [0, 1]);
        assert!(closing.poll(&Context::from_waker(&wakers[1])).is_ready());
    }

    #[test]
    fn a_server_that_stopped_before_anybody_asked_has_stopped() {
        let (sender, receiver) = watch::channel(false);
        drop(sender);
        assert!(Closing::new(receiver).poll(&Context::from_waker(Waker::noop())).is_ready());
        let (_sender, receiver) = watch::channel(true);
        assert!(Closing::new(receiver).poll(&Context::from_waker(Waker::noop())).is_ready());
    }
}
