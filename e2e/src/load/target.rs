//! The server under load: how to reach it, and its processes where they can be measured.

use std::{sync::Arc, time::Duration};

use super::{
    Error, Result,
    connection::{Connection, Endpoint},
};
use crate::{
    kubeconfig::Kubeconfig,
    process::{Memory, Processes},
};

/// A server and its processes.
#[derive(Clone)]
pub struct Target {
    endpoint: Arc<Endpoint>,
    processes: Option<Processes>,
}

/// Processor time and memory at one moment, or the difference of two.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time.
    pub processor: Duration,
    /// Resident memory.
    pub memory: Memory,
}

impl Target {
    /// The server of a kubeconfig; without process ids only what the client sees is measured.
    pub fn new(kubeconfig: &Kubeconfig, processes: Vec<u32>) -> Result<Target> {
        let processes = if processes.is_empty() { None } else { Some(Processes::new(processes)) };
        Ok(Target { endpoint: Arc::new(Endpoint::new(kubeconfig)?), processes })
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<Connection> {
        self.endpoint.connect().await
    }

    /// Opens several connections.
    pub async fn connect_many(&self, count: usize) -> Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }

    /// What the processes have used so far.
    pub fn usage(&self) -> Option<Usage> {
        let processes = self.processes.as_ref()?;
        Some(Usage { processor: processes.processor_time(), memory: processes.memory() })
    }

    /// Lets the peak of memory begin anew.
    pub fn reset_peak(&self) {
        if let Some(processes) = &self.processes {
            processes.reset_peak();
        }
    }

    /// Makes an object that may exist already.
    pub async fn ensure(&self, path: &str, body: String) -> Result<()> {
        let call =
            super::connection::Call::send(http::Method::POST, path, "application/json", body.into_bytes());
        match self.connect().await?.call(&call).await {
            Err(Error::Answer { status: http::StatusCode::CONFLICT, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
