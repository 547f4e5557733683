//! The scenarios, in the order in which they build on each other: what the first ones create, the later ones read.

mod endpoints;
mod lists;
mod namespaces;
mod reads;
mod watches;
mod writes;

use std::time::Duration;

use http::Method;

use super::{
    Result,
    closed_loop::{Clients, Limit},
    connection::{Answer, Call},
    objects,
    table::{self, Row, megabytes},
    target::Target,
};

pub(super) const JSON: &str = "application/json";
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Operations that a scenario bounded by time never reaches.
const OPERATIONS_UNBOUNDED: usize = usize::MAX;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Clients and connections of the closed loops.
    pub clients: Clients,
    /// How long a scenario that has no end of its own runs.
    pub time: Duration,
    /// ConfigMaps to create.
    pub config_maps: usize,
    /// Pods to create.
    pub pods: usize,
    /// Services to create, each with ten pods.
    pub services: usize,
    /// Only scenarios whose name contains one of these; all when empty.
    pub only: Vec<String>,
}

/// A run of the scenarios against one server.
pub struct Run {
    target: Target,
    plan: Plan,
    /// Where the objects of this run are.
    namespace: String,
    /// How many there are and how many bytes they have as JSON.
    stored: Stored,
    failures: usize,
}

/// What a run has created so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    /// ConfigMaps.
    pub config_maps: usize,
    /// Pods.
    pub pods: usize,
    /// Bytes of all as the server answers them.
    pub bytes: u64,
}

impl Run {
    /// A run with a namespace of its own.
    pub async fn new(target: Target, plan: Plan, namespace: &str) -> Result<Run> {
        target.ensure("/api/v1/namespaces", objects::namespace(namespace)).await?;
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        target.ensure(&accounts, objects::service_account()).await?;
        Ok(Run { target, plan, namespace: namespace.to_owned(), stored: Stored::default(), failures: 0 })
    }

    /// Runs every scenario that needs only a running server, printing each row as it comes.
    pub async fn all(&mut self) {
        writes::create(self).await;
        self.memory();
        reads::get(self).await;
        writes::change(self).await;
        lists::all(self).await;
        watches::fan_out(self).await;
        watches::by_node(self).await;
        writes::events(self).await;
        reads::events(self).await;
        endpoints::all(self).await;
        writes::create_unlike(self).await;
        namespaces::delete(self).await;
    }

    /// What was created.
    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// Scenarios that could not be measured.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// The path of one ConfigMap that exists.
    pub fn a_config_map(&self) -> String {
        self.path("configmaps", "map-0")
    }

    fn memory(&mut self) {
        let Stored { config_maps, pods, bytes } = self.stored;
        if let (Some(usage), true) = (self.target.usage(), bytes > 0) {
            let resident = usage.memory.resident;
            let scenario = format!("memory with {config_maps} ConfigMaps and {pods} Pods");
            self.print(Row {
                scenario,
                memory: megabytes(resident),
                note: format!(
                    "{} of JSON, {:.2} bytes a byte",
                    megabytes(bytes),
                    resident as f64 / bytes as f64
                ),
                ..Row::default()
            });
        }
    }

    fn wants(&self, scenario: &str) -> bool {
        self.plan.only.is_empty() || self.plan.only.iter().any(|only| scenario.contains(only.as_str()))
    }

    fn print(&self, row: Row) {
        if self.wants(&row.scenario) {
            table::print(&row);
        }
    }

    /// Prints the row, or says in its place why there is none.
    fn finish(&mut self, scenario: &str, outcome: Result<Row>) {
        let row = outcome.unwrap_or_else(|error| {
            self.failures += 1;
            Row { scenario: scenario.to_owned(), note: format!("FAILED: {error}"), ..Row::default() }
        });
        self.print(row);
    }

    fn for_a_while(&self) -> Limit {
        Limit { operations: OPERATIONS_UNBOUNDED, time: self.plan.time }
    }

    fn path(&self, resource: &str, name: &str) -> String {
        let collection = self.collection(resource);
        format!("{collection}/{name}")
    }

    fn collection(&self, resource: &str) -> String {
        match resource.split_once('/') {
            Some((group, resource)) => format!("/apis/{group}/v1/namespaces/{}/{resource}", self.namespace),
            None => format!("/api/v1/namespaces/{}/{resource}", self.namespace),
        }
    }

    /// Makes an object, or leaves the one that is there.
    async fn create(&self, resource: &str, body: impl Into<bytes::Bytes>) -> Result<Answer> {
        let call = Call::send(Method::POST, self.collection(resource), JSON, body);
        self.target.connect().await?.call(&call).await
    }
}
