//! Policies of admission: expressions of administrators that a request has to satisfy (ValidatingAdmissionPolicies) or that
//! change its object ([`mutating`]).
//!
//! Keeps: what cannot be judged is refused unless the policy's failurePolicy says otherwise; parameters are read from the
//! view that the write is decided on; expressions take a bounded number of steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::Variables;
use super::matching::namespace_of;
use super::subject::Subject;
use super::webhooks::{Sort, judges};
use crate::codec;
use crate::forms::{self, Place};
use crate::kinds::selector;
use crate::pipeline::Server;
use crate::registry::Resource;
use crate::request::Request;
use crate::scope::Scope;
use crate::status::{Error, Status, StatusCause};
use crate::storage::{self, Entry, View};
use crate::tree::{Map, Node};

mod mutating;
mod policy;

pub use policy::Policies;
pub(crate) use policy::Policy;
use policy::{AuditAnnotation, Binding, ParamRef};

/// Steps that the validations of a policy may take together for one parameter.
const BUDGET: u64 = 10_000_000;
/// Under which failures are recorded of policies that say so.
const VALIDATION_FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";
/// Longer values are cut before they are recorded.
const ANNOTATION_BYTES_MAX: usize = 10 * 1024;
/// Longer messages of expressions are not shown.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// Why a policy refuses.
struct Denial {
    message: String,
    reason: String,
    /// Which of its validations does; 0 when it could not be judged.
    index: usize,
    /// Whatever its bindings say.
    is_final: bool,
}

impl Denial {
    /// It could not be judged.
    fn failure(message: String) -> Denial {
        Denial { message, reason: String::new(), index: 0, is_final: false }
    }
}

/// What policies want to be recorded of a request.
#[derive(Default)]
struct Notes {
    /// Validations that failed and have that recorded.
    failures: Vec<Value>,
    /// Values by key, each once.
    values: BTreeMap<String, Vec<String>>,
}

impl Notes {
    fn fail(&mut self, policy: &Policy, binding: &Binding, denial: &Denial) {
        self.failures.push(json!({
            "message": denial.message,
            "policy": policy.name,
            "binding": binding.name,
            "expressionIndex": denial.index,
            "validationActions": binding.actions,
        }));
    }

    fn add(&mut self, policy: &Policy, key: &str, value: String) {
        let values = self.values.entry(format!("{}/{key}", policy.name)).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    fn annotate(self, request: &Request) {
        if !self.failures.is_empty() {
            request.annotate(VALIDATION_FAILURE, || Value::from(self.failures).to_string());
        }
        for (key, values) in self.values {
            request.annotate(key, || values.join(", "));
        }
    }
}

/// A policy in one of its bindings.
struct PlaceOf<'a> {
    policy: &'a Policy,
    binding: &'a Binding,
    /// The version that the policy sees.
    seen_as: &'a Arc<Resource>,
    /// Of its parameters.
    params: Option<&'a Resource>,
}

/// What is judged of a request in one version.
struct Judged {
    seen_as: Arc<Resource>,
    variables: Variables,
}

impl Scope<'_> {
    /// The policies that may have something to say about the request.
    pub(crate) fn policies(&self, sort: Sort, view: &View) -> Arc<[Arc<Policy>]> {
        match judges(&self.resource) {
            true => self.server.policies.of(sort, view),
            false => Arc::default(),
        }
    }

    /// Refuses what any policy in force does not allow.
    pub(crate) async fn obey(
        &mut self,
        policies: &[Arc<Policy>],
        subject: &Subject<'_>,
    ) -> Result<(), Error> {
        let mut refusal = None;
        let mut judged: Vec<Judged> = Vec::new();
        let mut notes = Notes::default();
        for policy in policies {
            let seen_as = match policy.matching.resource_for(subject, self) {
                Ok(None) => continue,
                Ok(Some(seen_as)) => seen_as,
                Err(error) => {
                    if !policy.ignores_failures {
                        let denial = Denial::failure(format!("failed to configure policy: {error}"));
                        refusal.get_or_insert_with(|| refused(subject, policy, None, denial));
                    }
                    continue;
                }
            };
            let param_resource = match self.param_resource(policy) {
                Ok(found) => found,
                Err(_) if policy.ignores_failures => continue,
                Err(why) => {
                    let denial = Denial::failure(format!("failed to configure policy: {why}"));
                    refusal.get_or_insert_with(|| refused(subject, policy, None, denial));
                    continue;
                }
            };
            for binding in &policy.bindings {
                let place = PlaceOf { policy, binding, seen_as: &seen_as, params: param_resource.as_deref() };
                let denials = match self.denials(&place, subject, &mut judged, &mut notes).await {
                    Ok(denials) => denials,
                    Err(_) if policy.ignores_failures => continue,
                    Err(error) => {
                        let denial = Denial::failure(format!("failed to configure binding: {error}"));
                        refusal.get_or_insert_with(|| refused(subject, policy, Some(binding), denial));
                        continue;
                    }
                };
                for denial in denials {
                    if binding.warns {
                        self.warnings.push(format!(
                            "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                            policy.name, binding.name, denial.message
                        ));
                    }
                    if binding.audits {
                        notes.fail(policy, binding, &denial);
                    }
                    if binding.denies || denial.is_final {
                        refusal.get_or_insert_with(|| refused(subject, policy, Some(binding), denial));
                    }
                }
            }
        }
        notes.annotate(self.request);
        refusal.map_or(Ok(()), Err)
    }

    /// What a policy in a binding has against a request; the error says why that cannot be told.
    async fn denials(
        &self,
        PlaceOf { policy, binding, seen_as, params }: &PlaceOf<'_>,
        subject: &Subject<'_>,
        judged: &mut Vec<Judged>,
        notes: &mut Notes,
    ) -> Result<Vec<Denial>, Error> {
        if let Some(matching) = &binding.matching
            && matching.resource_for(subject, self)?.is_none()
        {
            return Ok(Vec::new());
        }
        let params = found_params(self.server, *params, binding.params.as_ref(), subject).await?;
        let at = match judged.iter().position(|it| Arc::ptr_eq(&it.seen_as, seen_as)) {
            Some(at) => at,
            None => {
                let variables = self.variables(subject, seen_as).await?;
                judged.push(Judged { seen_as: Arc::clone(seen_as), variables });
                judged.len() - 1
            }
        };
        let mut denials = Vec::new();
        for params in &params {
            let mut variables = judged[at].variables.clone();
            variables.add("params", params);
            denials.extend(judge(policy, variables, notes));
        }
        Ok(denials)
    }

    async fn variables(&self, subject: &Subject<'_>, seen_as: &Resource) -> Result<Variables, Error> {
        subject.convert_to(seen_as, self.server).await?;
        let mut variables = Variables::of(subject, seen_as)?;
        let is_namespace = subject.resource.group_resource == "namespaces";
        let namespace = match subject.namespace.as_str() {
            "" => Node::Null,
            _ if is_namespace => Node::Null,
            name => {
                let mut namespace = namespace_of(subject.stage.view, name)?;
                for hidden in ["managedFields", "ownerReferences"] {
                    namespace.metadata_mut().remove(hidden);
                }
                Node::Map(namespace)
            }
        };
        variables.add("namespaceObject", &namespace);
        variables.lend(subject, &self.server.authorizer);
        Ok(variables)
    }

    /// The resource of a policy's parameters, if it takes any.
    fn param_resource(&self, policy: &Policy) -> Result<Option<Arc<Resource>>, String> {
        let Some((api_version, kind)) = &policy.param_kind else { return Ok(None) };
        let registry = self.server.registry();
        let of_kind = |it: &&Arc<Resource>| it.api_version == *api_version && it.kind.names.kind == kind;
        let found = registry.iter().find(of_kind).cloned();
        found.map(Some).ok_or_else(|| {
            format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'")
        })
    }
}

/// The parameters that a policy is judged with, one after another. Without any kind of them it is judged once.
async fn found_params(
    server: &Server,
    resource: Option<&Resource>,
    wanted: Option<&ParamRef>,
    subject: &Subject<'_>,
) -> Result<Vec<Node>, Error> {
    let (Some(resource), Some(wanted)) = (resource, wanted) else { return Ok(vec![Node::Null]) };
    let wrong = |why: &str| Error::Plain(why.to_owned());
    let namespace = match (resource.namespaced(), wanted.namespace.as_str(), subject.namespace.as_str()) {
        (false, "", _) => "",
        (false, _, _) => {
            return Err(wrong("paramRef.namespace must not be provided for a cluster-scoped `paramKind`"));
        }
        (true, "", "") => {
            return Err(wrong(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
            ));
        }
        (true, "", own) => own,
        (true, stated, _) => stated,
    };
    let view = subject.stage.view;
    let is_wanted = |object: &Map| match &wanted.selector {
        Some(wanted) => selector::matches(Some(wanted), Subject::labels(Some(object))),
        None => false,
    };
    let entries: Vec<Arc<Entry>> = match wanted.name.as_str() {
        "" => view.entries(resource, namespace).cloned().collect(),
        name => view.entry(resource, namespace, name).cloned().into_iter().collect(),
    };
    let shown = server.shown(resource, entries, false).await?;
    let objects = shown.iter().map(|entry| storage::decode(resource, entry));
    let objects: Vec<Map> = objects.filter(|object| !wanted.name.is_empty() || is_wanted(object)).collect();
    if objects.is_empty() && wanted.needs_any {
        return Err(wrong("no params found for policy binding with `Deny` parameterNotFoundAction"));
    }
    objects.into_iter().map(|object| shown_params(resource, object)).collect()
}

/// A parameter as expressions see it.
fn shown_params(resource: &Resource, mut object: Map) -> Result<Node, Error> {
    resource.from_storage(&mut object);
    let mut bytes = Vec::new();
    let (api_version, kind) = (&resource.api_version, resource.kind.names.kind);
    forms::append_tree_json(&object, resource.schema, Place::Alone, api_version, kind, &mut bytes);
    codec::json::decode_untyped(&bytes).map_err(|error| Error::Internal(error.to_string()))
}

/// What a policy has against what its variables show.
fn judge(policy: &Policy, mut variables: Variables, notes: &mut Notes) -> Vec<Denial> {
    let failed = |why: String| match policy.ignores_failures {
        true => Vec::new(),
        false => vec![Denial::failure(why)],
    };
    match policy.conditions.hold(&variables) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(why) => return failed(why),
    }
    let mut budget = BUDGET;
    if let Err(why) = variables.compute(&policy.variables, &mut budget) {
        return failed(why);
    }
    let mut denials = Vec::new();
    for (index, validation) in policy.validations.iter().enumerate() {
        let outcome = match &validation.expression {
            Ok(expression) => {
                variables.judge(expression, &mut budget).map(|value| Variables::is_true(&value))
            }
            Err(why) => Err(format!("compilation error: {why}")),
        };
        match outcome {
            Ok(true) => {}
            Ok(false) => {
                let own = validation.message_expression.as_ref().and_then(|it| it.as_ref().ok());
                let own = own.and_then(|it| variables.judge(it, &mut budget).ok());
                let own = own.and_then(|value| Variables::text(&value)).map(|text| text.trim().to_owned());
                let is_shown = |text: &String| {
                    !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n')
                };
                let message = own.filter(is_shown).unwrap_or_else(|| match validation.message.as_str() {
                    "" => format!("failed expression: {}", validation.text),
                    message => message.to_owned(),
                });
                denials.push(Denial { message, reason: validation.reason.clone(), index, is_final: false });
            }
            Err(why) => {
                let failed = failed(format!("expression '{}' resulted in error: {why}", validation.text));
                denials.extend(failed.into_iter().map(|denial| Denial { index, ..denial }));
            }
        }
    }
    for annotation in &policy.audit_annotations {
        match annotated(annotation, &variables, &mut budget) {
            Ok(Some(value)) => notes.add(policy, &annotation.key, value),
            Ok(None) => {}
            Err(why) => denials.extend(failed(why).into_iter().map(|it| Denial { is_final: true, ..it })),
        }
    }
    denials
}

/// What is to be recorded, if anything is; the error says why that cannot be told.
fn annotated(
    annotation: &AuditAnnotation,
    variables: &Variables,
    budget: &mut u64,
) -> Result<Option<String>, String> {
    let AuditAnnotation { text, value, .. } = annotation;
    let value = match value {
        Ok(value) => variables.judge(value, budget),
        Err(why) => Err(format!("compilation error: {why}")),
    };
    let value = value.map_err(|why| format!("valueExpression '{text}' resulted in error: {why}"))?;
    if Variables::is_null(&value) {
        return Ok(None);
    }
    let mut value = Variables::text(&value).ok_or_else(|| {
        format!("valueExpression '{text}' resulted in unsupported return type. Return type must be either string or null.")
    })?;
    value.truncate(value.floor_char_boundary(ANNOTATION_BYTES_MAX));
    let value = value.trim();
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// The refusal of a policy, as the client gets it.
fn refused(subject: &Subject<'_>, policy: &Policy, binding: Option<&Binding>, denial: Denial) -> Error {
    let bound = binding.map_or(String::new(), |binding| format!(" with binding '{}'", binding.name));
    let message =
        format!("ValidatingAdmissionPolicy '{}'{bound} denied request: {}", policy.name, denial.message);
    let forbidden =
        Error::forbidden(subject.resource.group_resource.as_str(), subject.shown_name(), &message);
    let status = forbidden.status();
    let reason = if denial.reason.is_empty() { "Invalid".to_owned() } else { denial.reason };
    let code = match reason.as_str() {
        "Forbidden" => 403,
        "Unauthorized" => 401,
        "RequestEntityTooLarge" => 413,
        _ => 422,
    };
    let mut details = status.details.unwrap_or_default();
    details.causes.push(StatusCause { message, ..StatusCause::default() });
    Error::Foreign(Box::new(Status { reason, code, details: Some(details), ..status }))
}
