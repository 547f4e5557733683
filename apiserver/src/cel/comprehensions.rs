//! Loops that the interpreter does not know: those with two variables (`all(key, value, …)`, `transformMap(…)`) and
//! `sortBy`.
//!
//! Keeps: they become loops with one variable and calls of functions whose names nobody can write (`@keys`), so that
//! the interpreter evaluates them and their steps are counted as those of all others.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, MapExpr, operators,
};
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value};

/// What is looped over.
const RANGE: &str = "@range";
const RESULT: &str = "@result";

/// Indexes of a list, or keys of a map.
const KEYS: &str = "@keys";
/// A map with one entry more.
const PUT: &str = "@put";
/// A map with the entries of another one.
const MERGE: &str = "@merge";
/// A list in the order of another one of the same length.
const SORTED: &str = "@sorted";

/// Adds the functions.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function(KEYS, |range: Value| keys(&range));
    context.add_function(PUT, put);
    context.add_function(MERGE, merge);
    context.add_function(SORTED, sorted);
}

/// Makes a call that is such a loop one that the interpreter knows.
pub(super) fn expand(expression: &mut IdedExpr) {
    let Expr::Call(call) = &mut expression.expr else { return };
    let make = Make { id: expression.id };
    let Some(made) = make.expanded(call) else { return };
    *expression = made;
}

/// Makes expressions that stand where another one stood.
#[derive(Clone, Copy)]
struct Make {
    id: u64,
}

impl Make {
    fn expanded(self, call: &mut CallExpr) -> Option<IdedExpr> {
        let target = call.target.as_deref()?;
        let name = |at: usize| match &call.args.get(at)?.expr {
            Expr::Ident(name) => Some(name.clone()),
            _ => None,
        };
        if call.func_name == "sortBy" && call.args.len() == 2 {
            let keys = self.listed(self.name(RANGE), name(0)?, call.args[1].clone());
            let sorted = self.call(SORTED, vec![self.name(RANGE), keys]);
            return Some(self.bound(RANGE.to_owned(), target.clone(), sorted));
        }
        let (key, value) = (name(0)?, name(1)?);
        let (filter, body) = match &call.args[2..] {
            [body] => (None, body.clone()),
            [filter, body] if call.func_name.starts_with("transform") => (Some(filter.clone()), body.clone()),
            _ => return None,
        };
        let result = || self.name(RESULT);
        let one = |value: i64| self.literal(LiteralValue::Int(value.into()));
        let truth = |value: bool| self.literal(LiteralValue::Boolean(value.into()));
        let going = |so_far: IdedExpr| self.call(operators::NOT_STRICTLY_FALSE, vec![so_far]);
        let empty_map = || self.make(Expr::Map(MapExpr { entries: Vec::new() }));
        let (start, going_on, step, end) = match call.func_name.as_str() {
            "all" => (
                truth(true),
                going(result()),
                self.call(operators::LOGICAL_AND, vec![result(), body]),
                result(),
            ),
            "exists" => (
                truth(false),
                going(self.call(operators::LOGICAL_NOT, vec![result()])),
                self.call(operators::LOGICAL_OR, vec![result(), body]),
                result(),
            ),
            "existsOne" | "exists_one" => {
                let more = self.call(operators::ADD, vec![result(), one(1)]);
                let step = self.call(operators::CONDITIONAL, vec![body, more, result()]);
                (one(0), truth(true), step, self.call(operators::EQUALS, vec![result(), one(1)]))
            }
            "transformList" => {
                let item = self.make(Expr::List(ListExpr::new(vec![body])));
                let step = self.call(operators::ADD, vec![result(), item]);
                (self.empty_list(), truth(true), step, result())
            }
            "transformMap" => {
                let step = self.call(PUT, vec![result(), self.name(&key), body]);
                (empty_map(), truth(true), step, result())
            }
            "transformMapEntry" => {
                (empty_map(), truth(true), self.call(MERGE, vec![result(), body]), result())
            }
            _ => return None,
        };
        let step = match filter {
            Some(filter) => self.call(operators::CONDITIONAL, vec![filter, step, result()]),
            None => step,
        };
        let item = self.call(operators::INDEX, vec![self.name(RANGE), self.name(&key)]);
        let step = self.bound(value, item, step);
        let keys = self.call(KEYS, vec![self.name(RANGE)]);
        let looped = self.looped(keys, (key, RESULT.to_owned()), start, going_on, (step, end));
        Some(self.bound(RANGE.to_owned(), target.clone(), looped))
    }

    fn make(self, expr: Expr) -> IdedExpr {
        IdedExpr { id: self.id, expr }
    }

    fn name(self, name: &str) -> IdedExpr {
        self.make(Expr::Ident(name.to_owned()))
    }

    fn literal(self, value: LiteralValue) -> IdedExpr {
        self.make(Expr::Literal(value))
    }

    fn empty_list(self) -> IdedExpr {
        self.make(Expr::List(ListExpr::new(Vec::new())))
    }

    fn call(self, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.make(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
    }

    fn looped(
        self,
        range: IdedExpr,
        (item, so_far): (String, String),
        start: IdedExpr,
        going_on: IdedExpr,
        (step, end): (IdedExpr, IdedExpr),
    ) -> IdedExpr {
        self.make(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: range,
            iter_var: item,
            iter_var2: None,
            accu_var: so_far,
            accu_init: start,
            loop_cond: going_on,
            loop_step: step,
            result: end,
        })))
    }

    /// An expression with a name for a value: a loop over nothing.
    fn bound(self, name: String, value: IdedExpr, body: IdedExpr) -> IdedExpr {
        let never = self.literal(LiteralValue::Boolean(false.into()));
        let step = self.name(&name);
        self.looped(self.empty_list(), ("@unused".to_owned(), name), value, never, (step, body))
    }

    /// What an expression makes of each item of a list.
    fn listed(self, range: IdedExpr, item: String, body: IdedExpr) -> IdedExpr {
        let made = self.make(Expr::List(ListExpr::new(vec![body])));
        let step = self.call(operators::ADD, vec![self.name(RESULT), made]);
        let going_on = self.literal(LiteralValue::Boolean(true.into()));
        let end = self.name(RESULT);
        self.looped(range, (item, RESULT.to_owned()), self.empty_list(), going_on, (step, end))
    }
}

fn keys(range: &Value) -> Result<Value, ExecutionError> {
    let keys: Vec<Value> = match range {
        Value::List(list) => (0..list.len() as i64).map(Value::Int).collect(),
        Value::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            keys.into_iter().map(Value::from).collect()
        }
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    Ok(Value::List(Arc::new(keys)))
}

fn put(map: Value, key: Value, value: Value) -> Result<Value, ExecutionError> {
    let Value::Map(Map { map }) = map else { return Err(ExecutionError::NoSuchOverload) };
    let mut entries: HashMap<Key, Value> = Arc::unwrap_or_clone(map);
    let key: Key = key.try_into().map_err(|_| ExecutionError::NoSuchOverload)?;
    entries.insert(key, value);
    Ok(Value::Map(Map { map: Arc::new(entries) }))
}

fn merge(map: Value, more: Value) -> Result<Value, ExecutionError> {
    let (Value::Map(Map { map }), Value::Map(more)) = (map, more) else {
        return Err(ExecutionError::NoSuchOverload);
    };
    let mut entries: HashMap<Key, Value> = Arc::unwrap_or_clone(map);
    for (key, value) in more.map.iter() {
        if entries.insert(key.clone(), value.clone()).is_some() {
            return Err(ExecutionError::function_error(
                "transformMapEntry",
                "insert failed: key already exists",
            ));
        }
    }
    Ok(Value::Map(Map { map: Arc::new(entries) }))
}

fn sorted(list: Value, keys: Value) -> Result<Value, ExecutionError> {
    let (Value::List(list), Value::List(keys)) = (list, keys) else {
        return Err(ExecutionError::NoSuchOverload);
    };
    let comparable = keys.iter().all(|key| keys[0].partial_cmp(key).is_some());
    if !comparable || list.len() != keys.len() {
        return Err(ExecutionError::NoSuchOverload);
    }
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|a, b| keys[*a].partial_cmp(&keys[*b]).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Value::List(Arc::new(order.into_iter().map(|at| list[at].clone()).collect())))
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, words};

    #[test]
    fn loops_with_two_variables_see_keys_and_values() {
        for (text, expected) in [
            ("[1, 2, 3].all(i, v, v == i + 1)", "Bool(true)"),
            ("[1, 2, 4].all(i, v, v == i + 1)", "Bool(false)"),
            ("{'a': 1, 'b': 2}.all(k, v, k < 'c' && v < 3)", "Bool(true)"),
            ("{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)", "Bool(true)"),
            ("{'a': 1, 'b': 2}.exists(k, v, k == 'a' && v == 2)", "Bool(false)"),
            ("{'a': 1, 'b': 2}.existsOne(k, v, v > 1)", "Bool(true)"),
            ("[5, 6].existsOne(i, v, v > 1)", "Bool(false)"),
            ("[5, 6, 7].transformList(i, v, i > 0, v * 10) == [60, 70]", "Bool(true)"),
            ("{'b': 1, 'a': 2}.transformList(k, v, k) == ['a', 'b']", "Bool(true)"),
            ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v + 1) == {'b': 3}", "Bool(true)"),
            ("{'a': 'x'}.transformMapEntry(k, v, {v: k}) == {'x': 'a'}", "Bool(true)"),
            ("[[1, 2], [3]].all(i, inner, inner.all(j, v, v == 2 * i + j + 1))", "Bool(true)"),
            ("[{'n': 2}, {'n': 1}].sortBy(x, x.n) == [{'n': 1}, {'n': 2}]", "Bool(true)"),
            ("[].sortBy(x, x.n) == []", "Bool(true)"),
            ("[1, 'a'].sortBy(x, x) == []", "no such overload"),
            ("1.all(k, v, true)", "no such overload"),
        ] {
            let says = match Expression::parse(text).unwrap().evaluate(|_| {}) {
                Some(Ok(value)) => format!("{value:?}"),
                Some(Err(error)) => words(&error),
                None => "failed".to_owned(),
            };
            assert_eq!(says, expected, "{text}");
        }
        let twice = Expression::parse("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})").unwrap();
        assert!(twice.evaluate(|_| {}).unwrap().is_err());
    }
}
