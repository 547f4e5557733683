//! `authorizer` in expressions: whether the user of a request, or a service account, may do something else.
//!
//! Keeps: what is asked is gathered in plain values; only `check` asks, and only whom the thread is lent for the evaluation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Value};

/// What an expression asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// Namespace and name of a service account; the user of the request without one.
    pub(crate) service_account: Option<(String, String)>,
    pub(crate) verb: String,
    /// A path, and not a resource.
    pub(crate) path: Option<String>,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Who answers: whether it is allowed, and why.
pub(crate) type Asked = Arc<dyn Fn(&Question) -> (bool, String) + Send + Sync>;

thread_local! {
    static LENT: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// Evaluates with somebody to be asked.
pub(super) fn lending<T>(asked: Option<&Asked>, evaluate: impl FnOnce() -> T) -> T {
    LENT.set(asked.cloned());
    let value = evaluate();
    LENT.set(None);
    value
}

/// What `authorizer` is. The question is about the request's own resource in `requestResource`.
pub(crate) fn value(own: &Question) -> Value {
    let texts = [
        ("group", &own.group),
        ("resource", &own.resource),
        ("subresource", &own.subresource),
        ("namespace", &own.namespace),
        ("name", &own.name),
    ];
    let own = texts.into_iter().map(|(field, value)| (key(field), text(value))).collect();
    map([(key("requestResource"), map(own))].into())
}

/// Adds the functions.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function("serviceAccount", |this: This<Value>, namespace: Arc<String>, name: Arc<String>| {
        with(with(this.0, "serviceAccountNamespace", &namespace)?, "serviceAccountName", &name)
    });
    context.add_function("path", |this: This<Value>, path: Arc<String>| with(this.0, "path", &path));
    context.add_function("group", |this: This<Value>, group: Arc<String>| with(this.0, "group", &group));
    context.add_function("resource", |this: This<Value>, it: Arc<String>| with(this.0, "resource", &it));
    context
        .add_function("subresource", |this: This<Value>, it: Arc<String>| with(this.0, "subresource", &it));
    context.add_function("namespace", |this: This<Value>, it: Arc<String>| with(this.0, "namespace", &it));
    context.add_function("name", |this: This<Value>, name: Arc<String>| with(this.0, "name", &name));
    context.add_function("check", |this: This<Value>, verb: Arc<String>| check(this.0, &verb));
    context.add_function("allowed", |this: This<Value>| field(&this.0, "allowed"));
    context.add_function("reason", |this: This<Value>| field(&this.0, "reason"));
    context
        .add_function("errored", |this: This<Value>| field(&this.0, "allowed").map(|_| Value::Bool(false)));
    context.add_function("error", |this: This<Value>| field(&this.0, "allowed").map(|_| text("")));
}

fn check(this: Value, verb: &str) -> Result<Value, ExecutionError> {
    let Value::Map(asked) = &this else { return Err(ExecutionError::NoSuchOverload) };
    let at = |field: &str| match asked.map.get(&key(field)) {
        Some(Value::String(text)) => text.to_string(),
        _ => String::new(),
    };
    let account = (at("serviceAccountNamespace"), at("serviceAccountName"));
    let question = Question {
        service_account: Some(account).filter(|(_, name)| !name.is_empty()),
        verb: verb.to_owned(),
        path: Some(at("path")).filter(|path| !path.is_empty()),
        group: at("group"),
        resource: at("resource"),
        subresource: at("subresource"),
        namespace: at("namespace"),
        name: at("name"),
    };
    if question.path.is_none() && question.resource.is_empty() {
        return Err(ExecutionError::NoSuchOverload);
    }
    let asked = LENT.with_borrow(Clone::clone).ok_or(ExecutionError::NoSuchOverload)?;
    let (allowed, reason) = asked(&question);
    let fields = [(key("allowed"), Value::Bool(allowed)), (key("reason"), text(&reason))];
    Ok(map(fields.into()))
}

/// The same question with one thing more.
fn with(this: Value, field: &str, value: &str) -> Result<Value, ExecutionError> {
    let Value::Map(asked) = this else { return Err(ExecutionError::NoSuchOverload) };
    let mut fields = (*asked.map).clone();
    fields.insert(key(field), text(value));
    Ok(map(fields))
}

fn field(this: &Value, name: &str) -> Result<Value, ExecutionError> {
    match this {
        Value::Map(decision) => decision.map.get(&key(name)).cloned().ok_or(ExecutionError::NoSuchOverload),
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map(fields: HashMap<Key, Value>) -> Value {
    Value::Map(Map { map: Arc::new(fields) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::Expression;

    #[test]
    fn what_is_asked_is_gathered_and_the_answer_told() {
        let asked: Asked = Arc::new(|question: &Question| {
            let Question { service_account, verb, path, group, resource, subresource, namespace, name } =
                question;
            (
                verb == "get",
                format!(
                    "{service_account:?} {verb} {path:?} {group}/{resource}/{subresource} {namespace}/{name}"
                ),
            )
        });
        let own = Question { resource: "pods".to_owned(), namespace: "a".to_owned(), ..Question::default() };
        let says = |text: &str| {
            let bind = |context: &mut Context<'_>| {
                context.add_variable_from_value("authorizer", value(&own));
            };
            match Expression::parse(text).unwrap().evaluate_asking(Some(&asked), bind) {
                Some(Ok(value)) => format!("{value:?}"),
                Some(Err(error)) => error.to_string(),
                None => "failed".to_owned(),
            }
        };
        for (text, expected) in [
            ("authorizer.requestResource.check('get').allowed()", "Bool(true)"),
            ("authorizer.requestResource.check('list').allowed()", "Bool(false)"),
            (
                "authorizer.group('apps').resource('deployments').subresource('scale').namespace('b').name('c').check('get').reason()",
                r#"String("None get None apps/deployments/scale b/c")"#,
            ),
            (
                "authorizer.serviceAccount('n', 's').path('/healthz').check('get').reason()",
                r#"String("Some((\"n\", \"s\")) get Some(\"/healthz\") // /")"#,
            ),
            ("authorizer.path('/healthz').check('get').errored()", "Bool(false)"),
            ("authorizer.check('get').allowed()", "No such overload"),
        ] {
            assert_eq!(says(text), expected, "{text}");
        }
    }
}
