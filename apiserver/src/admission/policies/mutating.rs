//! MutatingAdmissionPolicies: expressions that make an object to be merged into that of the request, or a JSON patch.
//!
//! Keeps: every expression sees what the one before made of the object; what a policy sets is owned by nobody.

use std::sync::Arc;

use super::policy::{Binding, Mutation, Policy};
use super::{BUDGET, found_params};
use crate::admission::subject::Subject;
use crate::admission::webhooks::Reinvocation;
use crate::admission::{Operation, conditions};
use crate::apply;
use crate::codec;
use crate::patch::{self, PatchError};
use crate::pipeline::Server;
use crate::registry::Resource;
use crate::scope::Scope;
use crate::status::{Error, Status, StatusCause};
use crate::tree::{Map, Node};

/// A policy in one of its bindings, with one of its parameters: their names.
pub(crate) type Invocation = (String, String, String);

/// Why policies refuse: what is said of each, and the reason of the first.
#[derive(Default)]
struct Failures {
    messages: Vec<String>,
    reason: &'static str,
}

impl Failures {
    fn add(&mut self, policy: &Policy, binding: Option<&Binding>, why: &str, reason: &'static str) {
        if policy.ignores_failures {
            return;
        }
        let of = match binding {
            Some(binding) => format!("policy '{}' with binding '{}'", policy.name, binding.name),
            None => format!("policy {:?}", policy.name),
        };
        if self.messages.is_empty() {
            self.reason = reason;
        }
        self.messages.push(format!("{of} denied request: {why}"));
    }
}

/// What is to be carried out.
struct Due {
    policy: Arc<Policy>,
    binding: usize,
    seen_as: Arc<Resource>,
    params: Node,
}

impl Due {
    fn key(&self) -> Invocation {
        let metadata = self.params.as_map().and_then(Map::metadata);
        let params = metadata.map_or(String::new(), |metadata| {
            format!("{}/{}", metadata.str("namespace"), metadata.str("name"))
        });
        (self.policy.name.clone(), self.policy.bindings[self.binding].name.clone(), params)
    }
}

impl Scope<'_> {
    /// Lets the policies in force change the object. Answers whether any did.
    pub(crate) async fn mutate(
        &mut self,
        policies: &[Arc<Policy>],
        subject: &mut Subject<'_>,
        reinvocation: &mut Reinvocation<Invocation>,
        is_again: bool,
    ) -> Result<bool, Error> {
        if subject.object.is_none() || subject.stage.operation == Operation::Connect {
            return Ok(false);
        }
        let mut failures = Failures::default();
        let mut is_changed = false;
        for due in self.due(policies, subject, &mut failures).await {
            let key = due.key();
            if is_again && !reinvocation.is_due(&key) {
                continue;
            }
            let changed = self.carry_out(&due, subject, &mut failures).await?;
            if changed {
                is_changed = true;
                reinvocation.changed();
            }
            if due.policy.is_reinvoked {
                reinvocation.asked(key);
            }
        }
        match failures.messages.is_empty() {
            true => Ok(is_changed),
            false => Err(refused(subject, failures)),
        }
    }

    /// The policies that are about the request, in each binding and with each parameter.
    async fn due(
        &self,
        policies: &[Arc<Policy>],
        subject: &Subject<'_>,
        failures: &mut Failures,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for policy in policies {
            let seen_as = match policy.matching.resource_for(subject, self) {
                Ok(None) => continue,
                Ok(Some(seen_as)) => seen_as,
                Err(error) => {
                    failures.add(policy, None, &format!("failed to configure policy: {error}"), "");
                    continue;
                }
            };
            let param_resource = match self.param_resource(policy) {
                Ok(found) => found,
                Err(why) => {
                    failures.add(policy, None, &format!("failed to configure policy: {why}"), "");
                    continue;
                }
            };
            for (at, binding) in policy.bindings.iter().enumerate() {
                let matches = match &binding.matching {
                    Some(matching) => matching.resource_for(subject, self).map(|found| found.is_some()),
                    None => Ok(true),
                };
                let params = match matches {
                    Ok(true) => {
                        let (resource, wanted) = (param_resource.as_deref(), binding.params.as_ref());
                        found_params(self.server, resource, wanted, subject).await
                    }
                    Ok(false) => Ok(Vec::new()),
                    Err(error) => Err(error),
                };
                match params {
                    Ok(params) => due.extend(params.into_iter().map(|params| Due {
                        policy: policy.clone(),
                        binding: at,
                        seen_as: seen_as.clone(),
                        params,
                    })),
                    Err(error) => {
                        let why = format!("failed to configure binding: {error}");
                        failures.add(policy, Some(binding), &why, "");
                    }
                }
            }
        }
        due
    }

    /// Makes the changes of one policy. Answers whether the object is another one now.
    async fn carry_out(
        &self,
        due: &Due,
        subject: &mut Subject<'_>,
        failures: &mut Failures,
    ) -> Result<bool, Error> {
        let Due { policy, binding, seen_as, params } = due;
        let mut is_changed = false;
        for (at, mutation) in policy.mutations.iter().enumerate() {
            let mut variables = self.variables(subject, seen_as).await?;
            variables.add("params", params);
            if at == 0 {
                match policy.conditions.hold(&variables) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(why) => {
                        failures.add(policy, Some(&policy.bindings[*binding]), &why, "Invalid");
                        return Ok(false);
                    }
                }
            }
            let mut budget = BUDGET;
            let computed = variables.compute(&policy.variables, &mut budget);
            let value = computed.and_then(|()| mutation.value(&variables, &mut budget));
            let applied = match value {
                Ok(value) => mutation.apply(value, subject, seen_as, self.server).await?,
                Err(why) => Err(why),
            };
            match applied {
                Ok(changed) => is_changed |= changed,
                Err(why) => failures.add(policy, Some(&policy.bindings[*binding]), &why, "Invalid"),
            }
        }
        Ok(is_changed)
    }
}

impl Mutation {
    fn value(&self, variables: &conditions::Variables, budget: &mut u64) -> Result<Node, String> {
        let expression = self.expression.as_ref().map_err(|why| format!("compilation error: {why}"))?;
        let failed = |why: String| format!("expression '{}' resulted in error: {why}", self.text);
        let value = variables.judge(expression, budget).map_err(failed)?;
        conditions::node(&value).ok_or_else(|| failed("its value has no form in JSON".to_owned()))
    }

    /// The inner error is the policy's, and its failure policy says what follows.
    async fn apply(
        &self,
        value: Node,
        subject: &mut Subject<'_>,
        seen_as: &Resource,
        server: &Server,
    ) -> Result<Result<bool, String>, Error> {
        if self.is_json_patch {
            return apply_patch(&value, subject, seen_as, server).await;
        }
        let Node::Map(mut written) = value else {
            return Ok(Err("the expression does not make an object".to_owned()));
        };
        written.remove("apiVersion");
        written.remove("kind");
        let Some(live) = subject.tree_as(seen_as)? else { return Ok(Ok(false)) };
        let (schema, id) = live.types;
        let merged = apply::merged(&live.object, &written, schema, id, live.id);
        match merged {
            Ok(merged) => subject.take_over(merged, seen_as, server).await.map(Ok),
            Err(why) => Ok(Err(format!("error applying patch: {why}"))),
        }
    }
}

/// Applies a JSON patch. One whose test fails changes nothing.
async fn apply_patch(
    patch: &Node,
    subject: &mut Subject<'_>,
    seen_as: &Resource,
    server: &Server,
) -> Result<Result<bool, String>, Error> {
    let object = subject.object_as(seen_as)?;
    let mut document =
        codec::json::decode_untyped(&object).map_err(|error| Error::Internal(error.to_string()))?;
    match patch::json::apply(patch, &mut document) {
        Ok(()) => subject.replace(document, seen_as, true, server).await.map(Ok),
        Err(PatchError::Failed(why)) if why.contains("testing value") => Ok(Ok(false)),
        Err(error) => Ok(Err(format!("JSON Patch: {error}"))),
    }
}

/// The refusal, as the client gets it.
fn refused(subject: &Subject<'_>, Failures { messages, reason }: Failures) -> Error {
    let mut status =
        Error::forbidden(subject.resource.group_resource.as_str(), subject.shown_name(), "").status();
    if !reason.is_empty() {
        status.reason = reason.to_owned();
    }
    let mut details = status.details.take().unwrap_or_default();
    let causes =
        messages.iter().map(|message| StatusCause { message: message.clone(), ..Default::default() });
    details.causes.extend(causes);
    let message = messages.into_iter().next().unwrap_or_default();
    Error::Foreign(Box::new(Status { message, details: Some(details), ..status }))
}
