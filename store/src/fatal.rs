//! The end of the process, when going on could lose or falsify data.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Ends the process with a clear message. After a failed write or sync nothing may be retried: the kernel reports
/// the next sync as fine while the data is gone.
pub(crate) fn fatal(what: impl Display) -> ! {
    #[cfg(any(test, feature = "simulation"))]
    if let Some(node) = simulated::node() {
        std::panic::resume_unwind(Box::new(simulated::NodeEnds { node, why: what.to_string() }));
    }
    let message = format!("the store cannot go on and ends this process: {what}");
    tracing::error!("{message}");
    eprintln!("pintle: {message}");
    std::process::abort()
}

/// Starts a thread whose panic ends the process: a store without one of its threads must not stay half alive.
pub(crate) fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            fatal(format_args!("the thread {name} panicked"));
        }
    })
}

/// In a simulation the end of a process is the end of a node: it unwinds to the simulator.
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod simulated {
    use std::cell::Cell;

    thread_local! {
        static NODE: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// What unwinds when a simulated node ends.
    #[derive(Debug)]
    pub(crate) struct NodeEnds {
        #[allow(dead_code, reason = "shown when a simulation is traced")]
        pub(crate) node: usize,
        pub(crate) why: String,
    }

    /// Runs `body` as a part of a simulated node.
    pub(crate) fn within<R>(node: usize, body: impl FnOnce() -> R) -> R {
        struct Leave(Option<usize>);
        impl Drop for Leave {
            fn drop(&mut self) {
                NODE.set(self.0);
            }
        }
        let _leave = Leave(NODE.replace(Some(node)));
        body()
    }

    pub(crate) fn node() -> Option<usize> {
        NODE.get()
    }
}
