//! Expressions in CEL: the only place that runs somebody else's interpreter on what users wrote.
//!
//! Keeps: an expression is bounded in length, in depth and in the loops that it nests, because whoever writes objects
//! decides how long their lists are; a panic in the interpreter is an expression that cannot be evaluated, see
//! [`is_guarded`].

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{self, operators};
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value};

use crate::tree::Node;

mod authorizer;
pub(crate) mod check;
mod comprehensions;

pub(crate) use authorizer::{Asked, Question, value as authorizer_of};

/// An expression that was parsed and is within bounds.
pub(crate) struct Expression {
    parsed: IdedExpr,
    /// How many loops stand inside of one another.
    loops: u32,
    /// It makes lists of texts.
    divides: bool,
}

/// How large what an expression looks at is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Of the longest list or map.
    items: u64,
    /// Of the longest text, in bytes.
    bytes: u64,
}

impl Extent {
    /// The larger of both.
    pub(crate) fn or(self, other: Extent) -> Extent {
        Extent { items: self.items.max(other.items), bytes: self.bytes.max(other.bytes) }
    }
}

/// What an expression says; `None` when the interpreter failed.
pub(crate) type Outcome = Option<Result<Value, ExecutionError>>;

/// Longer or deeper expressions are refused: parser and interpreter go as deep as operators stand in a row, and the
/// stack would not suffice for some thousands of them.
const TEXT_BYTES_MAX: usize = 4096;
const DEPTH_MAX: usize = 500;

/// Functions that make a list of a text.
const DIVIDING: [&str; 3] = ["split", "findAll", "format"];

/// Functions that make lists as long as somebody says.
const UNBOUNDED: [&str; 2] = ["range", "lists.range"];

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// The functions that expressions may call.
    static FUNCTIONS: Context<'static> = functions();
}

fn functions() -> Context<'static> {
    let mut context = Context::default().with_all();
    authorizer::register(&mut context);
    comprehensions::register(&mut context);
    context
}

impl Expression {
    /// Parses a text; the error says why it is not an expression that can be evaluated here.
    pub(crate) fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
        }
        let mut parsed = guarded(|| {
            Parser::default().enable_optional_syntax(true).parse(text).map_err(|errors| errors.to_string())
        })
        .unwrap_or_else(|| Err("the interpreter failed".to_owned()))?;
        let unbounded = UNBOUNDED.iter().find(|name| parsed.references().has_function(name));
        match unbounded {
            Some(name) => Err(format!("{name} is not supported")),
            None if depth(&parsed.expr) > DEPTH_MAX => Err("it is nested too deeply".to_owned()),
            None => {
                adapt(&mut parsed);
                let divides = DIVIDING.iter().any(|name| parsed.references().has_function(name));
                Ok(Expression { loops: loops(&parsed.expr), divides, parsed })
            }
        }
    }

    /// Whether it uses a variable of that name.
    pub(crate) fn mentions(&self, variable: &str) -> bool {
        self.parsed.references().has_variable(variable)
    }

    /// The steps that it may take when nothing that it looks at is larger than `extent`.
    pub(crate) fn steps(&self, extent: Extent) -> u64 {
        let Extent { items, bytes } = extent;
        let longest = if self.divides { items.max(bytes) } else { items };
        longest.max(1).saturating_pow(self.loops).saturating_add(10)
    }

    /// Evaluates it with the variables that `bind` adds.
    pub(crate) fn evaluate(&self, bind: impl FnOnce(&mut Context<'_>)) -> Outcome {
        guarded(|| {
            FUNCTIONS.with(|functions| {
                let mut context = functions.new_inner_scope();
                bind(&mut context);
                Value::resolve(&self.parsed, &context)
            })
        })
    }

    /// As [`Expression::evaluate`], with somebody whom `authorizer` asks.
    pub(crate) fn evaluate_asking(
        &self,
        asked: Option<&Asked>,
        bind: impl FnOnce(&mut Context<'_>),
    ) -> Outcome {
        authorizer::lending(asked, || self.evaluate(bind))
    }
}

/// What is wrong with the grammar of an expression.
pub(crate) fn syntax_error(text: &str) -> Option<String> {
    let error = Expression::parse(text).err()?;
    error.contains("Syntax error").then(|| error.replace("\n|", "\n |"))
}

/// Why a text is no expression that can be evaluated here.
pub(crate) fn parse_error(text: &str) -> Option<String> {
    Expression::parse(text).err().map(|error| error.replace("\n|", "\n |"))
}

/// What one of the interpreter's own functions makes of a text.
pub(crate) fn call(function: &str, text: &str) -> Option<Value> {
    let expression = Expression::parse(&format!("{function}(it)")).ok()?;
    expression.evaluate(|context| context.add_variable_from_value("it", text.to_owned()))?.ok()
}

/// What a constant expression is, with the variables that `context` has; `null` when it cannot be told.
pub(crate) fn constant(text: &str, context: &Context<'_>) -> Value {
    let parsed = Parser::default().parse(text).ok();
    parsed.and_then(|parsed| Value::resolve(&parsed, context).ok()).unwrap_or(Value::Null)
}

/// How large a value is.
pub(crate) fn extent(node: &Node) -> Extent {
    let all = |nodes: &mut dyn Iterator<Item = &Node>, items: usize| {
        nodes.map(extent).fold(Extent { items: items as u64, bytes: 0 }, Extent::or)
    };
    match node {
        Node::List(list) => all(&mut list.iter(), list.len()),
        Node::Map(map) => all(&mut map.iter().map(|(_, below)| below), map.len()),
        Node::Str(text) | Node::Raw(text) => Extent { items: 0, bytes: text.len() as u64 },
        _ => Extent::default(),
    }
}

/// As [`extent`], of what an expression made.
pub(crate) fn extent_of_value(value: &Value) -> Extent {
    let all = |values: &mut dyn Iterator<Item = &Value>, items: usize| {
        values.map(extent_of_value).fold(Extent { items: items as u64, bytes: 0 }, Extent::or)
    };
    match value {
        Value::List(list) => all(&mut list.iter(), list.len()),
        Value::Map(map) => all(&mut map.map.values(), map.map.len()),
        Value::String(text) => Extent { items: 0, bytes: text.len() as u64 },
        Value::Bytes(bytes) => Extent { items: 0, bytes: bytes.len() as u64 },
        _ => Extent::default(),
    }
}

/// An error of the interpreter as upstream's would begin.
pub(crate) fn words(error: &ExecutionError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// What an expression is made of.
fn parts(expression: &ast::Expr) -> Vec<&IdedExpr> {
    use ast::{EntryExpr, Expr};
    match expression {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(it) => {
            vec![&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(ast::MapExpr { entries }) | Expr::Struct(ast::StructExpr { entries, .. }) => entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

/// As [`parts`], to be changed.
fn parts_mut(expression: &mut ast::Expr) -> Vec<&mut IdedExpr> {
    use ast::{EntryExpr, Expr};
    match expression {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::Comprehension(it) => {
            vec![&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result]
        }
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Map(ast::MapExpr { entries }) | Expr::Struct(ast::StructExpr { entries, .. }) => entries
            .iter_mut()
            .flat_map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                EntryExpr::StructField(field) => vec![&mut field.value],
            })
            .collect(),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

/// The interpreter takes a field of what has none (of `null`, say) for `false`, and an optional field that is not there for
/// an error; by index both are as they have to be. Objects of declared types (`Object{…}`), which it does not know, become
/// maps.
fn adapt(expression: &mut IdedExpr) {
    for part in parts_mut(&mut expression.expr) {
        adapt(part);
    }
    comprehensions::expand(expression);
    if let ast::Expr::Call(call) = &mut expression.expr
        && call.func_name == operators::OPT_SELECT
    {
        call.func_name = operators::OPT_INDEX.to_owned();
    }
    if let ast::Expr::Struct(object) = &mut expression.expr {
        let entries = std::mem::take(&mut object.entries).into_iter().map(as_map_entry).collect();
        expression.expr = ast::Expr::Map(ast::MapExpr { entries });
    }
    if let ast::Expr::Select(select) = &mut expression.expr
        && !select.test
    {
        let field = ast::LiteralValue::String(std::mem::take(&mut select.field).into());
        let operand = std::mem::take(&mut *select.operand);
        let key = IdedExpr { id: expression.id, expr: ast::Expr::Literal(field) };
        let args = vec![operand, key];
        expression.expr =
            ast::Expr::Call(ast::CallExpr { func_name: operators::INDEX.to_owned(), target: None, args });
    }
}

fn as_map_entry(entry: ast::IdedEntryExpr) -> ast::IdedEntryExpr {
    let expr = match entry.expr {
        ast::EntryExpr::StructField(field) => {
            let name = ast::LiteralValue::String(field.field.into());
            let key = IdedExpr { id: entry.id, expr: ast::Expr::Literal(name) };
            let ast::StructFieldExpr { value, optional, .. } = field;
            ast::EntryExpr::MapEntry(ast::MapEntryExpr { key, value, optional })
        }
        other => other,
    };
    ast::IdedEntryExpr { id: entry.id, expr }
}

/// How deeply an expression is nested.
fn depth(expression: &ast::Expr) -> usize {
    1 + parts(expression).into_iter().map(|part| depth(&part.expr)).max().unwrap_or(0)
}

/// How deeply loops are nested. To look for a value in a list is one; in a list that is written down it is none. One that
/// makes a list (`map`, `filter`) counts twice, since the interpreter copies the list for every item.
fn loops(expression: &ast::Expr) -> u32 {
    let most = |parts: &[&IdedExpr]| parts.iter().map(|part| loops(&part.expr)).max().unwrap_or(0);
    match expression {
        ast::Expr::Comprehension(it) => {
            let inside = most(&[&it.loop_cond, &it.loop_step]);
            let own = match (&it.iter_range.expr, &it.accu_init.expr) {
                (ast::Expr::List(range), _) if range.elements.is_empty() => 0,
                (_, ast::Expr::List(_) | ast::Expr::Map(_)) => 2,
                _ => 1,
            };
            most(&[&it.iter_range, &it.accu_init, &it.result]).max(inside + own)
        }
        ast::Expr::Call(call) => {
            let own = match (call.func_name.as_str(), call.args.last().map(|last| &last.expr)) {
                (_, Some(ast::Expr::List(_))) => 0,
                ("@in", _) => 1,
                ("distinct" | "equivalent" | "intersects", _) => 2,
                _ => 0,
            };
            own + most(&parts(expression))
        }
        other => most(&parts(other)),
    }
}

/// Runs what may panic inside of the interpreter; `None` when it did.
fn guarded<T>(body: impl FnOnce() -> T) -> Option<T> {
    GUARDED.set(true);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(body));
    GUARDED.set(false);
    outcome.ok()
}

/// Whether this thread is inside of the interpreter, where a panic ends the evaluation and not the process: nothing of
/// ours is half done there.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_fields_has_none_that_is_false() {
        let says = |text: &str| match Expression::parse(text).unwrap().evaluate(|context| {
            context.add_variable_from_value("nothing", Value::Null);
        }) {
            Some(Ok(value)) => format!("{value:?}"),
            Some(Err(error)) => words(&error),
            None => "failed".to_owned(),
        };
        for (text, expected) in [
            ("nothing.a == 1", "no such overload"),
            ("nothing.a.b", "no such overload"),
            ("nothing == null || nothing.a == 1", "Bool(true)"),
            ("{'a': {'b': 1}}.a.b == 1", "Bool(true)"),
            ("has({'a': {}}.a.b)", "Bool(false)"),
            ("{'a': {}}.a.?b.orValue(7) == 7", "Bool(true)"),
            ("[{'a': 1}].all(x, x.a == 1)", "Bool(true)"),
            ("Object{spec: Object.spec{a: 1}} == {'spec': {'a': 1}}", "Bool(true)"),
        ] {
            assert_eq!(says(text), expected, "{text}");
        }
    }

    #[test]
    fn loops_are_counted_where_they_are_inside_of_one_another() {
        for (text, expected) in [
            ("self.a == 1", 0),
            ("self.a.all(x, x > 1) && self.b.exists(x, x > 1)", 1),
            ("self.a.all(x, self.b.exists(y, x == y))", 2),
            ("self.a.filter(x, x > 1).all(x, x < 3)", 2),
            ("self.a.all(x, x in self.b)", 2),
            ("self.a.all(x, x in ['b', 'c'])", 1),
            ("self.a.map(x, x.b.map(y, y.c.all(z, z)))", 5),
            ("self.a.all(k, v, v.exists(w, w == k))", 2),
            ("self.a.transformMap(k, v, v.b)", 2),
        ] {
            assert_eq!(Expression::parse(text).unwrap().loops, expected, "{text}");
        }
        assert!(Expression::parse("lists.range(self.a).size() > 0").is_err());
        assert!(Expression::parse(&"a+".repeat(TEXT_BYTES_MAX)).is_err());
        assert!(Expression::parse(&format!("{}a", "a+".repeat(DEPTH_MAX))).is_err());
        assert!(Expression::parse(&format!("{}a", "a+".repeat(DEPTH_MAX / 2))).is_ok());
    }
}
