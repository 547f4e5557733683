//! Expressions about a request (`matchConditions`): what they see, and what follows when one fails.

use std::collections::HashMap;
use std::sync::Arc;

use ecow::EcoString;
use kube_cel::cel::objects::{Key as CelKey, Map as CelMap};
use kube_cel::cel::{ExecutionError, Value};

use super::subject::Subject;
use crate::authorization::{Attributes, Authorizer};
use crate::cel::{self, Asked, Expression, Extent, Question};
use crate::codec;
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::View;
use crate::tree::{Map, Node};
use crate::user::{SYSTEM_AUTHENTICATED, User};

/// Steps that the conditions of one configuration may take together.
const BUDGET: u64 = 2_500_000;

/// `matchConditions`, read once.
pub(crate) struct Conditions {
    conditions: Vec<(String, Result<Expression, String>)>,
}

/// What expressions see of a request.
#[derive(Clone)]
pub(crate) struct Variables {
    values: Vec<(&'static str, Value)>,
    /// Of the largest among them.
    extent: Extent,
    /// Whom `authorizer` asks.
    asked: Option<Asked>,
    /// Named expressions that could not be computed, and why.
    failed: Vec<(String, String)>,
}

impl Conditions {
    pub(crate) fn of(configuration: &Map) -> Conditions {
        let conditions = configuration.maps("matchConditions").map(|condition| {
            let text = condition.str("expression").trim();
            (text.to_owned(), Expression::parse(text))
        });
        Conditions { conditions: conditions.collect() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether all of them hold. Any that does not decides; else the error says why it cannot be told.
    pub(crate) fn hold(&self, variables: &Variables) -> Result<bool, String> {
        let mut budget = BUDGET;
        let mut errors = Vec::new();
        for (text, condition) in &self.conditions {
            let outcome = match condition {
                Ok(expression) => variables.judge(expression, &mut budget),
                Err(why) => Err(format!("compilation error: {why}")),
            };
            match outcome {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(Value::Bool(true)) => {}
                Ok(_) => errors.push(format!("expression '{text}' is neither true nor false")),
                Err(why) => errors.push(format!("expression '{text}' resulted in error: {why}")),
            }
        }
        match &errors[..] {
            [] => Ok(true),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}

impl Variables {
    /// None yet.
    pub(crate) fn empty() -> Variables {
        Variables { values: Vec::new(), extent: Extent::default(), asked: None, failed: Vec::new() }
    }

    /// `object`, `oldObject` and `request`.
    pub(crate) fn of(subject: &Subject<'_>, seen_as: &Resource) -> Result<Variables, Error> {
        let read = |bytes: &[u8]| {
            codec::json::decode_untyped(bytes).map_err(|error| Error::Internal(error.to_string()))
        };
        let object = read(&subject.object_as(seen_as)?)?;
        let old = read(&subject.old_as(seen_as)?)?;
        let request = Node::Map(subject.request(seen_as));
        let mut variables = Variables::empty();
        for (name, node) in [("object", object), ("oldObject", old), ("request", request)] {
            variables.add(name, &node);
        }
        Ok(variables)
    }

    /// Lets expressions ask what else the user of the request may do.
    pub(crate) fn lend(&mut self, subject: &Subject<'_>, authorizer: &Arc<Authorizer>) {
        let own = Question {
            group: subject.resource.version.group.to_owned(),
            resource: subject.resource.kind.names.plural.to_owned(),
            subresource: subject.stage.subresource.to_owned(),
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
            ..Question::default()
        };
        self.values.push(("authorizer", cel::authorizer_of(&own)));
        let (authorizer, view, user) = (authorizer.clone(), subject.stage.view.clone(), subject.user.clone());
        self.asked = Some(Arc::new(move |question| answer(&authorizer, &view, &user, question)));
    }

    /// Shows one more.
    pub(crate) fn add(&mut self, name: &'static str, node: &Node) {
        self.extent = self.extent.or(cel::extent(node));
        self.values.push((name, value(node)));
    }

    /// What an expression says, as long as there are steps left.
    pub(crate) fn judge(&self, expression: &Expression, budget: &mut u64) -> Result<Value, String> {
        let steps = expression.steps(self.extent);
        *budget = budget.checked_sub(steps).ok_or("operation cancelled: actual cost limit exceeded")?;
        let outcome = expression.evaluate_asking(self.asked.as_ref(), |context| {
            for (name, value) in &self.values {
                context.add_variable_from_value(*name, value.clone());
            }
        });
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(ExecutionError::NoSuchKey(key))) => {
                let failed = self.failed.iter().find(|(name, _)| *name == *key);
                Err(failed.map_or_else(
                    || cel::words(&ExecutionError::NoSuchKey(key.clone())),
                    |(name, why)| format!("composited variable {name:?} fails to evaluate: {why}"),
                ))
            }
            Some(Err(error)) => Err(cel::words(&error)),
            None => Err("the interpreter failed".to_owned()),
        }
    }

    /// Computes named expressions, each of which may use those before it as `variables.name`. One that fails matters
    /// only to those who use it.
    pub(crate) fn compute(
        &mut self,
        expressions: &[(String, Result<Expression, String>)],
        budget: &mut u64,
    ) -> Result<(), String> {
        let mut computed: HashMap<CelKey, Value> = HashMap::new();
        for (name, expression) in expressions {
            let expression = expression.as_ref().map_err(|why| format!("compilation error: {why}"))?;
            match self.judge(expression, budget) {
                Ok(value) => {
                    self.extent = self.extent.or(cel::extent_of_value(&value));
                    computed.insert(CelKey::String(Arc::new(name.clone())), value);
                }
                Err(why) => self.failed.push((name.clone(), why)),
            }
            let map = Value::Map(CelMap { map: Arc::new(computed.clone()) });
            self.values.retain(|(name, _)| *name != "variables");
            self.values.push(("variables", map));
        }
        Ok(())
    }

    /// Whether an expression's value is true.
    pub(crate) fn is_true(value: &Value) -> bool {
        matches!(value, Value::Bool(true))
    }

    /// Whether an expression's value is nothing.
    pub(crate) fn is_null(value: &Value) -> bool {
        matches!(value, Value::Null)
    }

    /// The text that an expression's value is, if it is one.
    pub(crate) fn text(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }
    }
}

/// What an authorizer says to a question of an expression.
fn answer(authorizer: &Authorizer, view: &View, user: &User, question: &Question) -> (bool, String) {
    let account = question.service_account.as_ref().map(|(namespace, name)| User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            SYSTEM_AUTHENTICATED.to_owned(),
        ],
        ..User::default()
    });
    let attributes = Attributes {
        verb: &question.verb,
        is_resource: question.path.is_none(),
        group: &question.group,
        resource: &question.resource,
        subresource: &question.subresource,
        namespace: &question.namespace,
        name: &question.name,
        selected_node: "",
        path: question.path.as_deref().unwrap_or(""),
    };
    let decision = authorizer.authorize(view, account.as_ref().unwrap_or(user), &attributes);
    (decision.allowed(), decision.reason())
}

/// A value as plain JSON, if it has such a form.
pub(crate) fn node(value: &Value) -> Option<Node> {
    Some(match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Int(value) => Node::Int(*value),
        Value::UInt(value) => Node::Int(i64::try_from(*value).ok()?),
        Value::Float(value) => Node::Float(*value),
        Value::String(text) => Node::from(text.as_str()),
        Value::List(list) => Node::List(list.iter().map(node).collect::<Option<_>>()?),
        Value::Map(map) => {
            let mut out = Map::new();
            for (key, value) in map.map.iter() {
                let CelKey::String(key) = key else { return None };
                out.set(EcoString::from(key.as_str()), node(value)?);
            }
            Node::Map(out)
        }
        _ => return None,
    })
}

/// A value of plain JSON as expressions see it.
pub(crate) fn value(node: &Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::Int(value) => Value::Int(*value),
        Node::Float(value) => Value::Float(*value),
        Node::Str(text) | Node::Raw(text) => Value::String(Arc::new(text.to_string())),
        Node::List(list) => Value::List(Arc::new(list.iter().map(value).collect())),
        Node::Map(map) => {
            let entries: HashMap<CelKey, Value> = map
                .iter()
                .map(|(key, node)| (CelKey::String(Arc::new(key.to_string())), value(node)))
                .collect();
            Value::Map(CelMap { map: Arc::new(entries) })
        }
    }
}
