//! Webhooks of admission: servers of users' that change objects (one after another) and judge them (all at once).
//!
//! Keeps: a webhook is asked the same question once per request, however often the write is tried; what it makes of an
//! object is decoded, defaulted and validated as if a client had sent it; without configurations nothing is done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::conditions::Variables;
use super::subject::Subject;
use super::{Operation, subject::Body};
use crate::codec;
use crate::metrics::WebhookLabels;
use crate::patch;
use crate::pipeline::Server;
use crate::registry::Resource;
use crate::request::Request;
use crate::scope::Scope;
use crate::status::{Error, Status};
use crate::storage::View;
use crate::tree::Node;
use crate::webhook::Unanswered;

mod hook;
mod review;

pub use hook::Hooks;
pub(crate) use hook::{Hook, Sort, judges};
use review::{Answer, Decision, Invalid, Question};

/// A webhook and the digest of what it was asked.
type Key = (u64, [u8; 32]);

/// What came of asking a webhook.
struct Asking {
    key: Key,
    answer: Result<Answer, Unanswered>,
}

/// What webhooks answered to a request so far.
#[derive(Default)]
pub struct Asked {
    answers: FxHashMap<Key, Result<Answer, Unanswered>>,
}

/// Who may change an object and was asked so far, and may be asked again.
pub(crate) struct Reinvocation<K> {
    /// Asked since the object last changed.
    asked: Vec<K>,
    /// To be asked again.
    due: Vec<K>,
}

impl<K> Default for Reinvocation<K> {
    fn default() -> Reinvocation<K> {
        Reinvocation { asked: Vec::new(), due: Vec::new() }
    }
}

impl<K: PartialEq> Reinvocation<K> {
    /// The object has changed: those that were asked before are due.
    pub(crate) fn changed(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        self.due.extend(asked);
    }

    /// One that wants to be asked again was asked.
    pub(crate) fn asked(&mut self, who: K) {
        self.asked.push(who);
    }

    /// Whether one is to be asked again.
    pub(crate) fn is_due(&self, who: &K) -> bool {
        self.due.contains(who)
    }
}

/// Why a webhook lets nothing through.
enum Failure {
    /// It refuses.
    Denied(Box<Status>),
    /// It could not be asked, or did not answer; its policy says what follows.
    Call(Unanswered),
    /// The request fails whatever its policy says.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Final(error)
    }
}

impl Hook {
    /// What follows for the request from how asking ended.
    fn settle<T>(&self, outcome: Result<T, Failure>) -> Result<Option<T>, Error> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Denied(status)) => Err(Error::Foreign(status)),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Call(Unanswered { why, .. })) => {
                let why = format!("failed calling webhook {:?}: {why}", self.name);
                if !self.ignores_failures {
                    return Err(Error::Internal(why));
                }
                tracing::warn!("{why}; the request goes on, as its failurePolicy says");
                Ok(None)
            }
        }
    }
}

impl Scope<'_> {
    /// The webhooks that may have to be asked about the request.
    pub(crate) fn hooks(&self, sort: Sort, view: &View) -> Arc<[Arc<Hook>]> {
        match judges(&self.resource) {
            true => self.server.hooks.of(sort, view),
            false => Arc::default(),
        }
    }

    /// Asks the mutating webhooks in their order, each about what the one before made of the object. Answers whether
    /// any of them changed it.
    pub(crate) async fn ask_mutating(
        &mut self,
        hooks: &[Arc<Hook>],
        subject: &mut Subject<'_>,
        reinvocation: &mut Reinvocation<u64>,
        is_again: bool,
    ) -> Result<bool, Error> {
        let mut is_changed = false;
        for (index, hook) in hooks.iter().enumerate() {
            let Some(seen_as) = self.wants(hook, subject).await? else { continue };
            if is_again && !reinvocation.is_due(&hook.id) {
                continue;
            }
            let began = Instant::now();
            let answer = self.server.answer(hook, subject, &seen_as, &self.asked).await;
            let place = NoteOf { hook, round: usize::from(is_again), index };
            let outcome = match self.take(hook, answer) {
                Ok(Some(patch)) => {
                    let changed = changed(hook, &patch, subject, &seen_as, self.server).await;
                    if matches!(changed, Ok(true)) {
                        place.annotate_patch(&patch, self.request);
                    }
                    changed
                }
                Ok(None) => Ok(false),
                Err(failure) => Err(failure),
            };
            place.annotate(outcome.as_ref().copied(), self.request);
            self.server.count(hook, subject.stage.operation, &outcome, began.elapsed());
            if matches!(outcome, Ok(true)) {
                is_changed = true;
                reinvocation.changed();
            }
            if hook.is_reinvoked {
                reinvocation.asked(hook.id);
            }
            hook.settle(outcome)?;
        }
        Ok(is_changed)
    }

    /// Asks all validating webhooks that want to judge the request, at once.
    pub(crate) async fn ask_validating(
        &mut self,
        hooks: &[Arc<Hook>],
        subject: &Subject<'_>,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for hook in hooks {
            if let Some(seen_as) = self.wants(hook, subject).await? {
                wanted.push((hook, seen_as));
            }
        }
        let (server, asked) = (self.server, &self.asked);
        let asking = wanted.iter().map(|(hook, seen_as)| async move {
            let began = Instant::now();
            (server.answer(hook, subject, seen_as, asked).await, began.elapsed())
        });
        let answers = future::join_all(asking).await;
        let mut refusal = None;
        for (index, ((hook, _), (answer, took))) in wanted.iter().zip(answers).enumerate() {
            let outcome = self.take(hook, answer);
            let place = NoteOf { hook, round: 0, index };
            place.annotate(outcome.as_ref().map(|_| false), self.request);
            self.server.count(hook, subject.stage.operation, &outcome, took);
            if let Err(error) = hook.settle(outcome) {
                refusal.get_or_insert(error);
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// The resource in the version in which a webhook wants to see the request, if it does.
    async fn wants(&self, hook: &Hook, subject: &Subject<'_>) -> Result<Option<Arc<Resource>>, Error> {
        let Some(seen_as) = hook.matching.resource_for(subject, self)? else { return Ok(None) };
        subject.convert_to(&seen_as, self.server).await?;
        if hook.conditions.is_empty() {
            return Ok(Some(seen_as));
        }
        let mut variables = Variables::of(subject, &seen_as)?;
        variables.lend(subject, &self.server.authorizer);
        match hook.conditions.hold(&variables) {
            Ok(holds) => Ok(holds.then_some(seen_as)),
            Err(_) if hook.ignores_failures => Ok(None),
            Err(why) => {
                Err(Error::forbidden(self.resource.group_resource.as_str(), subject.name.as_str(), why))
            }
        }
    }

    /// Remembers an answer and passes its warnings on; what is left is the patch, if there is one.
    fn take(&mut self, hook: &Hook, asked: Result<Asking, Failure>) -> Result<Option<Node>, Failure> {
        let Asking { key, answer } = asked?;
        self.asked.answers.insert(key, answer.clone());
        let answer = answer.map_err(Failure::Call)?;
        let Answer { decision, warnings, audit_annotations } = answer;
        self.warnings.extend(warnings);
        for (key, value) in audit_annotations {
            self.request.annotate(format!("{}/{key}", hook.name), || value);
        }
        match decision {
            Decision::Allowed(patch) => Ok(patch),
            Decision::Denied(status) => Err(Failure::Denied(status)),
        }
    }
}

/// A webhook that was asked, as records name it.
struct NoteOf<'a> {
    hook: &'a Hook,
    /// How often the object was shown to all of them before.
    round: usize,
    index: usize,
}

impl NoteOf<'_> {
    fn key(&self, what: &str) -> String {
        let sort = match self.hook.sort {
            Sort::Mutating => "mutation",
            Sort::Validating => "validating",
        };
        format!("{what}{sort}.webhook.admission.k8s.io/round_{}_index_{}", self.round, self.index)
    }

    /// Says what a mutating webhook did, and that one let the request through because it could not be asked.
    fn annotate(&self, outcome: Result<bool, &Failure>, request: &Request) {
        let Hook { name, configuration, .. } = self.hook;
        if self.hook.sort == Sort::Mutating {
            let is_changed = matches!(outcome, Ok(true));
            request.annotate(self.key(""), || {
                json!({"configuration": configuration, "webhook": name, "mutated": is_changed}).to_string()
            });
        }
        if self.hook.ignores_failures && matches!(outcome, Err(Failure::Call(_))) {
            request.annotate(self.key("failed-open."), || name.clone());
        }
    }

    /// Shows how the object was changed, where objects are shown.
    fn annotate_patch(&self, patch: &Node, request: &Request) {
        if !request.recording.as_ref().is_some_and(|recording| recording.shows_objects()) {
            return;
        }
        let mut text = Vec::new();
        codec::json::encode_untyped(patch, &mut text);
        let patch: Value = serde_json::from_slice(&text).unwrap_or_default();
        let Hook { name, configuration, .. } = self.hook;
        let (round, index) = (self.round, self.index);
        request.annotate(format!("patch.webhook.admission.k8s.io/round_{round}_index_{index}"), || {
            json!({"configuration": configuration, "webhook": name, "patch": patch, "patchType": "JSONPatch"})
                .to_string()
        });
    }
}

/// Applies a webhook's patch to what it was shown.
async fn changed(
    hook: &Hook,
    patch: &Node,
    subject: &mut Subject<'_>,
    seen_as: &Resource,
    server: &Server,
) -> Result<bool, Failure> {
    let internal = |why: String| Failure::Final(Error::Internal(why));
    if subject.object.is_none() || subject.stage.operation == Operation::Connect {
        return Err(internal(format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name
        )));
    }
    let mut document = codec::json::decode_untyped(&subject.object_as(seen_as)?)
        .map_err(|error| internal(error.to_string()))?;
    patch::json::apply(patch, &mut document).map_err(|error| internal(error.to_string()))?;
    Ok(subject.replace(document, seen_as, false, server).await?)
}

impl Server {
    /// What a webhook says of a request, if it was not asked before.
    async fn answer(
        &self,
        hook: &Hook,
        subject: &Subject<'_>,
        seen_as: &Resource,
        asked: &Asked,
    ) -> Result<Asking, Failure> {
        if subject.stage.dry_run && !hook.takes_dry_runs {
            let why = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Failure::Final(Error::BadRequest(why)));
        }
        let version = hook.version.ok_or_else(|| {
            let why = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)";
            Failure::Call(Unanswered { why: why.to_owned(), code: 400 })
        })?;
        let (object, old) = (subject.object_as(seen_as)?, subject.old_as(seen_as)?);
        let question = Question::new(subject.request(seen_as), object, old, version);
        let key = (hook.id, Sha256::digest(question.encode("")).into());
        let answer = match asked.answers.get(&key) {
            Some(known) => known.clone(),
            None => self.put(hook, &question, subject.stage.view).await,
        };
        Ok(Asking { key, answer })
    }

    /// Puts a question to a webhook.
    async fn put(&self, hook: &Hook, question: &Question, view: &View) -> Result<Answer, Unanswered> {
        let place = hook.place.as_ref();
        let place = place.map_err(|why| Unanswered::new(format!("could not get REST client: {why}")))?;
        let uid = self.clock.uuid();
        let body = self.ask(place, view, question.encode(&uid).into(), hook.timeout).await;
        let body = body.map_err(|Unanswered { why, code }| Unanswered {
            why: format!("failed to call webhook: {why}"),
            code,
        })?;
        let response = question.answered(&body, &uid, hook.sort).map_err(|invalid| match invalid {
            Invalid::Undecodable(why) => {
                format!("failed to call webhook: couldn't get version/kind; json parse error: {why}")
            }
            Invalid::Wrong(why) => format!("received invalid webhook response: {why}"),
        });
        let decided =
            response.and_then(|response| response.decided(&hook.name, hook.sort, question.version()));
        decided.map_err(Unanswered::new)
    }

    fn count<T>(&self, hook: &Hook, operation: Operation, outcome: &Result<T, Failure>, took: Duration) {
        let (code, is_rejected, cause) = match outcome {
            Ok(_) => (200, false, ""),
            Err(Failure::Denied(status)) => (status.code, true, "no_error"),
            Err(Failure::Call(Unanswered { code, .. })) => {
                (*code, !hook.ignores_failures, "calling_webhook_error")
            }
            Err(Failure::Final(_)) => (0, true, "apiserver_internal_error"),
        };
        let labels = WebhookLabels {
            name: hook.name.clone(),
            kind: hook.sort.as_str(),
            operation: operation.as_str(),
            is_rejected,
        };
        self.metrics.asked_webhook(labels, code, cause, took.as_secs_f64());
    }
}

/// What the tree of an update through `subresource` shows to webhooks.
pub(crate) fn shown(resource: &Resource, subresource: &str) -> Body {
    match resource.kind.subresource(subresource).map(|found| found.action) {
        Some(crate::kind::Action::Scale(paths)) => Body::Scale(paths),
        _ => Body::Object,
    }
}
