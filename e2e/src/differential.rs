//! Asks two API servers the same and says where their answers differ: valid documents, and each of them again with one
//! thing wrong, for every field and every way in which it can be wrong.
//!
//! Keeps: nothing that the other server is asked depends on what the reference answered; what differs from request to
//! request on one server alone (uids, times, revisions, how struct values are printed) is no difference.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde_json::{Value, json};

use crate::load::{
    Error, Result,
    clock::Moment,
    connection::{Call, Connection},
    target::Target,
};

mod answers;
mod cases;

pub use answers::{Answer, Difference, differences};
pub use cases::{Case, cases, long_cases};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// What is asked of each case, always as a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To create it.
    Create,
    /// To put it in the place of the document, which was created before.
    Update,
    /// To patch the document with it, strategically.
    Patch,
    /// To apply it to the document by force, as another manager.
    Apply,
}

/// The two servers: the one that is right and the one that is tried.
pub struct Servers {
    reference: Peer,
    other: Peer,
    resources: BTreeMap<(String, String), Resource>,
}

struct Peer {
    target: Target,
    connection: Connection,
}

struct Resource {
    collection: String,
    plural: String,
    namespaced: bool,
}

/// Cases that differ in the same way.
pub struct Group {
    /// What was changed, of each case.
    pub changes: Vec<String>,
    /// How the answers to the first differ.
    pub differences: Vec<Difference>,
}

/// What came of a document.
#[derive(Default)]
pub struct Report {
    /// How many cases were asked.
    pub asked: usize,
    /// Why the reference refuses the document itself: then its cases show little.
    pub refusal: Option<String>,
    /// Those that differ, by how they differ.
    pub groups: BTreeMap<String, Group>,
    /// The case that took the other server longest.
    pub slowest: Option<Slowest>,
}

/// How long a case took, from request to answer.
pub struct Slowest {
    /// What was changed.
    pub change: String,
    /// The reference.
    pub reference: Duration,
    /// The other.
    pub other: Duration,
}

impl Servers {
    /// Connects to both.
    pub async fn connect(reference: Target, other: Target) -> Result<Servers> {
        let (reference, other) = (Peer::connect(reference).await?, Peer::connect(other).await?);
        Ok(Servers { reference, other, resources: BTreeMap::new() })
    }

    /// Asks both for all cases of a document.
    pub async fn compare(&mut self, document: &Value, cases: Vec<Case>, mode: Mode) -> Result<Report> {
        let collection = self.collection(document).await?;
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        let object = format!("{collection}/{name}");
        if mode != Mode::Create {
            let create = Call::send(Method::POST, collection.as_str(), JSON, document.to_string());
            self.reference.answer(&create).await?;
            self.other.answer(&create).await?;
        }
        let (method, path, media, more) = match mode {
            Mode::Create => (Method::POST, &collection, JSON, ""),
            Mode::Update => (Method::PUT, &object, JSON, ""),
            Mode::Patch => (Method::PATCH, &object, STRATEGIC, ""),
            Mode::Apply => (Method::PATCH, &object, APPLY, "&force=true&fieldManager=another"),
        };
        let path = format!("{path}?dryRun=All&fieldValidation=Warn{more}");
        let call = |body: &Value| Call::send(method.clone(), path.as_str(), media, body.to_string());
        // Some kinds are only updated from a state that one has seen; each server has its own revisions.
        let unconditional = self.reference.answer(&call(document)).await?;
        let is_conditional =
            mode == Mode::Update && unconditional.message().contains("metadata.resourceVersion");
        let mut report = Report::default();
        for case in cases {
            report.asked += 1;
            let (mut of_reference, mut of_other) = (case.body.clone(), case.body.clone());
            if is_conditional {
                self.reference.take_revision(&object, &mut of_reference).await?;
                self.other.take_revision(&object, &mut of_other).await?;
            }
            let asked = Moment::now();
            let reference = self.reference.answer(&call(&of_reference)).await?;
            let answered = asked.elapsed();
            let asked = Moment::now();
            let other = self.other.answer(&call(&of_other)).await?;
            report.time(&case.change, answered, asked.elapsed());
            if case.change.is_empty() && reference.code >= 400 {
                report.refusal = Some(reference.message().to_owned());
            }
            let differences = differences(&reference, &other);
            if let Some(first) = differences.first() {
                let group = report.groups.entry(first.signature());
                group.or_insert_with(|| Group { changes: Vec::new(), differences }).changes.push(case.change);
            }
        }
        if mode != Mode::Create {
            self.clean(&object).await?;
        }
        Ok(report)
    }

    async fn clean(&mut self, object: &str) -> Result<()> {
        let unheld = json!({ "metadata": { "finalizers": null } }).to_string();
        for peer in [&mut self.reference, &mut self.other] {
            let delete = format!("{object}?gracePeriodSeconds=0");
            peer.answer(&Call { method: Method::DELETE, ..Call::get(delete) }).await?;
            peer.answer(&Call::send(Method::PATCH, object, MERGE, unheld.clone())).await?;
        }
        Ok(())
    }

    /// The path of the document's collection.
    async fn collection(&mut self, document: &Value) -> Result<String> {
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let key = (version.clone(), kind.clone());
        if !self.resources.contains_key(&key) {
            let path =
                if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
            let found = self.other.answer(&Call::get(path.as_str())).await?;
            for resource in found.body["resources"].as_array().into_iter().flatten() {
                let plural = resource["name"].as_str().unwrap_or_default();
                if plural.contains('/') {
                    continue;
                }
                let kind = resource["kind"].as_str().unwrap_or_default().to_owned();
                let namespaced = resource["namespaced"].as_bool().unwrap_or(false);
                let resource = Resource { collection: path.clone(), plural: plural.to_owned(), namespaced };
                self.resources.insert((version.clone(), kind), resource);
            }
        }
        let Some(resource) = self.resources.get(&key) else {
            return Err(Error::Kubeconfig(format!("{version} {kind} is not served")));
        };
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default");
        let namespace = if resource.namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        Ok(format!("{}{namespace}/{}", resource.collection, resource.plural))
    }
}

impl Report {
    fn time(&mut self, change: &str, reference: Duration, other: Duration) {
        if self.slowest.as_ref().is_none_or(|slowest| slowest.other < other) {
            self.slowest = Some(Slowest { change: change.to_owned(), reference, other });
        }
    }
}

impl Peer {
    async fn connect(target: Target) -> Result<Peer> {
        let connection = target.connect().await?;
        Ok(Peer { target, connection })
    }

    /// Gives a body that names no revision that of the stored object.
    async fn take_revision(&mut self, object: &str, body: &mut Value) -> Result<()> {
        let stored = self.answer(&Call::get(object)).await?;
        let revision = &stored.body["metadata"]["resourceVersion"];
        if let (Some(metadata), true) = (body["metadata"].as_object_mut(), revision.is_string()) {
            metadata.entry("resourceVersion").or_insert_with(|| revision.clone());
        }
        Ok(())
    }

    /// The answer to a call. A server that panics over it breaks the connection: that is an answer, too.
    async fn answer(&mut self, call: &Call) -> Result<Answer> {
        let exchange = match self.connection.exchange(call).await {
            Ok(exchange) => exchange,
            Err(Error::Connection(_)) => {
                self.connection = self.target.connect().await?;
                return Ok(Answer { code: 0, warnings: Vec::new(), body: Value::Null });
            }
            Err(error) => return Err(error),
        };
        let body = serde_json::from_slice(&exchange.body);
        let body = body.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&exchange.body)));
        Ok(Answer { code: exchange.status.as_u16(), warnings: exchange.warnings, body })
    }
}
