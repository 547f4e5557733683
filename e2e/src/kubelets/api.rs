//! A kubelet's way to the server: one connection, opened anew after it broke.

use std::sync::Arc;

use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use crate::{
    kubeconfig::Kubeconfig,
    load::{
        Error, Result,
        connection::{Call, Connection, Endpoint},
    },
};

const JSON: &str = "application/json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// One user's connection to one server.
pub(super) struct Api {
    endpoint: Arc<Endpoint>,
    connection: Option<Connection>,
}

impl Api {
    pub(super) fn new(kubeconfig: &Kubeconfig) -> Result<Api> {
        Ok(Api { endpoint: Arc::new(Endpoint::new(kubeconfig)?), connection: None })
    }

    /// The same user with a connection of its own.
    pub(super) fn another(&self) -> Api {
        Api { endpoint: self.endpoint.clone(), connection: None }
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value> {
        self.call(&Call::get(path)).await
    }

    pub(super) async fn post(&mut self, path: &str, object: &Value) -> Result<Value> {
        self.call(&Call::send(Method::POST, path, JSON, object.to_string())).await
    }

    pub(super) async fn put(&mut self, path: &str, object: &Value) -> Result<Value> {
        self.call(&Call::send(Method::PUT, path, JSON, object.to_string())).await
    }

    /// A strategic merge patch, as kubelets send.
    pub(super) async fn patch(&mut self, path: &str, patch: &Value) -> Result<Value> {
        self.call(&Call::send(Method::PATCH, path, STRATEGIC, patch.to_string())).await
    }

    pub(super) async fn delete(&mut self, path: &str, options: &Value) -> Result<Value> {
        self.call(&Call::send(Method::DELETE, path, JSON, options.to_string())).await
    }

    /// Opens a watch.
    pub(super) async fn watch(&mut self, path: &str) -> Result<Incoming> {
        let connection = self.connection().await?;
        let opened = connection.stream(&Call::get(path)).await;
        self.forget_broken(opened)
    }

    async fn call(&mut self, call: &Call) -> Result<Value> {
        let connection = self.connection().await?;
        let answered = connection.call(call).await;
        let answer = self.forget_broken(answered)?;
        serde_json::from_slice(&answer.body).map_err(|_| Error::Unreadable("an answer is not JSON"))
    }

    async fn connection(&mut self) -> Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.endpoint.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    fn forget_broken<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Connection(_) | Error::Io { .. })) {
            self.connection = None;
        }
        outcome
    }
}

/// Whether the server refused with this status.
pub(super) fn refused<T>(outcome: &Result<T>, with: StatusCode) -> bool {
    matches!(outcome, Err(Error::Answer { status, .. }) if *status == with)
}
