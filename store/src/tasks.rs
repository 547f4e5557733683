//! Where work runs that belongs to no thread of the store: reading records, which may block.
//!
//! Keeps: the store asks for this by a trait, so that a simulation can run everything on one thread.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// A future without an answer.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks and blocking work.
pub trait Tasks: Debug + Send + Sync {
    /// Runs a task to its end, whether or not anybody waits for it.
    fn spawn(&self, task: Task);
    /// Runs work that may block.
    fn block(&self, work: Box<dyn FnOnce() + Send>);
}

/// The tokio runtime of the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTasks;

impl Tasks for TokioTasks {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }

    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}
