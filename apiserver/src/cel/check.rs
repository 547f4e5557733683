//! What can be told of an expression before it is evaluated: names that nobody has declared, fields that a schema has not,
//! operands that do not go together, results of a type that is not wanted.
//!
//! Keeps: what is not certain is `Dyn`, and nothing is said of it, so that no expression is refused here that Kubernetes
//! takes. A schema is looked into only as far as an expression goes.

use std::fmt;
use std::rc::Rc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{self, Expr, LiteralValue, operators as op};
use kube_cel::cel::parser::Parser;

use super::guarded;
use crate::tree::Map;

mod functions;
mod schema;

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type<'a> {
    /// It cannot be told.
    Dyn,
    /// Of the items of an empty list: it goes with all others.
    Unset,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A whole number without a sign.
    Uint,
    /// A number.
    Double,
    /// A text.
    String,
    /// Bytes.
    Bytes,
    /// Nothing.
    Null,
    /// A length of time.
    Duration,
    /// A moment.
    Timestamp,
    /// Items of one type.
    List(Box<Type<'a>>),
    /// Values of one type by keys of another.
    Map(Box<Type<'a>>, Box<Type<'a>>),
    /// A value that may be missing.
    Optional(Box<Type<'a>>),
    /// An object with the fields of a schema.
    Schema(&'a Map, Place),
    /// An object with these fields and no others.
    Fields(Rc<[(&'a str, Type<'a>)]>),
}

/// Where an object of a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An object of the API, with apiVersion, kind and metadata.
    Root,
    /// Anywhere below.
    Below,
}

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Dyn | Type::Unset => "dyn",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Null => "null",
            Type::Duration => "duration",
            Type::Timestamp => "timestamp",
            Type::List(items) => return write!(f, "list({items})"),
            Type::Map(keys, values) => return write!(f, "map({keys}, {values})"),
            Type::Optional(value) => return write!(f, "optional_type({value})"),
            Type::Schema(..) | Type::Fields(_) => "object",
        })
    }
}

/// What is wrong with an expression: a sentence, and the word that it is about.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    what: String,
    word: String,
    /// It is shown behind the word, where the arguments of a function begin.
    is_behind: bool,
}

/// The type of an expression that can be parsed; the error says, with its place, why it can never be evaluated.
pub(crate) fn type_of<'a>(text: &str, variables: &[(&'a str, Type<'a>)]) -> Result<Type<'a>, String> {
    let parsed = guarded(|| Parser::default().enable_optional_syntax(true).parse(text).ok()).flatten();
    // What cannot be parsed is refused elsewhere.
    let Some(parsed) = parsed else { return Ok(Type::Dyn) };
    let mut checker =
        Checker { variables: variables.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect() };
    match checker.check(&parsed) {
        Ok(Type::Unset) => Ok(Type::Dyn),
        checked => checked.map_err(|fault| fault.shown(text)),
    }
}

impl Fault {
    fn new(what: impl Into<String>, word: &str) -> Fault {
        Fault { what: what.into(), word: word.to_owned(), is_behind: false }
    }

    /// As upstream's compiler shows it.
    fn shown(&self, text: &str) -> String {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let found = text.match_indices(self.word.as_str()).map(|(at, _)| at).find(|at| {
            let (before, after) = (&text[..*at], &text[at + self.word.len()..]);
            !self.word.starts_with(is_part) && !after.starts_with(is_part)
                || !before.ends_with(is_part) && !after.starts_with(is_part)
        });
        let at = found.map_or(0, |at| if self.is_behind { at + self.word.len() } else { at });
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[start..].lines().next().unwrap_or("");
        let (number, column) = (text[..at].matches('\n').count() + 1, text[start..at].chars().count());
        let dots = ".".repeat(column);
        format!("ERROR: <input>:{number}:{}: {}\n | {line}\n | {dots}^", column + 1, self.what)
    }
}

struct Checker<'a> {
    /// The newest of a name is last.
    variables: Vec<(String, Type<'a>)>,
}

impl<'a> Checker<'a> {
    fn find(&self, name: &str) -> Option<&Type<'a>> {
        self.variables.iter().rev().find(|(own, _)| own == name).map(|(_, of)| of)
    }

    fn check(&mut self, expression: &IdedExpr) -> Result<Type<'a>, Fault> {
        match &expression.expr {
            Expr::Unspecified => Ok(Type::Dyn),
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::String,
                LiteralValue::UInt(_) => Type::Uint,
            }),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(it) => self.comprehension(it),
            Expr::List(list) => {
                let mut items = Vec::new();
                for (at, item) in list.elements.iter().enumerate() {
                    items.push(match self.check(item)? {
                        Type::Optional(value) if list.optional_indices.contains(&at) => *value,
                        of => of,
                    });
                }
                let of = if items.is_empty() { Type::Unset } else { common(items) };
                Ok(Type::List(Box::new(of)))
            }
            Expr::Map(map) => {
                self.entries(&map.entries)?;
                Ok(Type::Map(Box::new(Type::Dyn), Box::new(Type::Dyn)))
            }
            Expr::Struct(object) => {
                self.entries(&object.entries)?;
                Ok(Type::Dyn)
            }
        }
    }

    fn entries(&mut self, entries: &[ast::IdedEntryExpr]) -> Result<(), Fault> {
        for entry in entries {
            match &entry.expr {
                ast::EntryExpr::StructField(field) => drop(self.check(&field.value)?),
                ast::EntryExpr::MapEntry(entry) => {
                    self.check(&entry.key)?;
                    self.check(&entry.value)?;
                }
            }
        }
        Ok(())
    }

    fn ident(&self, name: &str) -> Result<Type<'a>, Fault> {
        if let Some(of) = self.find(name) {
            return Ok(of.clone());
        }
        // Variables of expanded loops begin with what nobody can write.
        if functions::TYPES.contains(&name) || name.starts_with('@') {
            return Ok(Type::Dyn);
        }
        Err(undeclared(name))
    }

    fn select(&mut self, select: &ast::SelectExpr) -> Result<Type<'a>, Fault> {
        if self.is_qualified(&select.operand) {
            return Ok(Type::Dyn);
        }
        let operand = self.check(&select.operand)?;
        let field = field(&operand, &select.field)?;
        Ok(if select.test { Type::Bool } else { field })
    }

    /// Whether it is the beginning of a name like `google.protobuf.Timestamp`.
    fn is_qualified(&self, expression: &IdedExpr) -> bool {
        match &expression.expr {
            Expr::Ident(name) => {
                self.find(name).is_none()
                    && (functions::NAMESPACES.contains(&name.as_str())
                        || name == "Object"
                        || name == "JSONPatch")
            }
            Expr::Select(select) => self.is_qualified(&select.operand),
            _ => false,
        }
    }

    fn call(&mut self, call: &ast::CallExpr) -> Result<Type<'a>, Fault> {
        // A dot in front says that it is nobody's own.
        let name = call.func_name.strip_prefix('.').unwrap_or(&call.func_name);
        let bound = functions::binds(name, call.args.len());
        if let Some(target) = &call.target {
            // Also where a variable has the name.
            let is_function =
                matches!(&target.expr, Expr::Ident(name) if functions::NAMESPACES.contains(&name.as_str()));
            if is_function || self.is_qualified(target) {
                return self.bound(call, bound);
            }
            let target = self.check(target)?;
            let result = functions::result(name).ok_or_else(|| no_function(name))?;
            self.bound(call, bound)?;
            return Ok(method(name, target, result));
        }
        if name == op::OPT_SELECT
            && let [operand, ast::IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] =
                &call.args[..]
        {
            let operand = self.check(operand)?;
            return Ok(match field(&operand, key.inner())? {
                // A field of what may be missing may be missing already.
                of @ Type::Optional(_) => of,
                of => Type::Optional(Box::new(of)),
            });
        }
        let arguments = call.args.iter().map(|it| self.check(it)).collect::<Result<Vec<_>, _>>()?;
        // Operators of which nothing is known here begin with what nobody can write.
        let is_own = name.starts_with(['@', '_', '!', '-']);
        let of = operator(name, &arguments)?.or_else(|| functions::result(name));
        of.or(is_own.then_some(Type::Dyn)).ok_or_else(|| no_function(name))
    }

    /// Arguments, the first of which are names that stand for anything in the last ones.
    fn bound(&mut self, call: &ast::CallExpr, bound: usize) -> Result<Type<'a>, Fault> {
        let before = self.variables.len();
        let (names, rest) = call.args.split_at(bound);
        for name in names {
            let Expr::Ident(name) = &name.expr else { return Ok(Type::Dyn) };
            self.variables.push((name.clone(), Type::Dyn));
        }
        let outcome = rest.iter().try_for_each(|argument| self.check(argument).map(drop));
        self.variables.truncate(before);
        outcome.map(|()| Type::Dyn)
    }

    fn comprehension(&mut self, it: &ast::ComprehensionExpr) -> Result<Type<'a>, Fault> {
        let (first, second) = match self.check(&it.iter_range)? {
            Type::List(items) => (*items, Type::Dyn),
            Type::Map(keys, values) => (*keys, *values),
            _ => (Type::Dyn, Type::Dyn),
        };
        let start = self.check(&it.accu_init)?;
        let before = self.variables.len();
        self.variables.push((it.iter_var.clone(), first));
        if let Some(name) = &it.iter_var2 {
            self.variables.push((name.clone(), second));
        }
        self.variables.push((it.accu_var.clone(), start.clone()));
        self.check(&it.loop_cond)?;
        let step = self.check(&it.loop_step)?;
        self.variables.truncate(before);
        // What a loop collects is known once something was added.
        let collected = if matches!(start, Type::List(_) | Type::Map(..)) { step } else { start };
        self.variables.push((it.accu_var.clone(), collected));
        let result = self.check(&it.result);
        self.variables.truncate(before);
        result
    }
}

fn undeclared(name: &str) -> Fault {
    Fault::new(format!("undeclared reference to '{name}' (in container '')"), name)
}

fn no_function(name: &str) -> Fault {
    Fault { is_behind: true, ..undeclared(name) }
}

/// The type of a field.
fn field<'a>(of: &Type<'a>, name: &str) -> Result<Type<'a>, Fault> {
    let found = match of {
        Type::Schema(schema, place) => schema::field(schema, *place, name),
        Type::Fields(fields) => fields.iter().rev().find(|(own, _)| *own == name).map(|(_, of)| of.clone()),
        Type::Map(_, values) => Some((**values).clone()),
        Type::Optional(value) => return field(value, name).map(|of| Type::Optional(Box::new(of))),
        Type::Dyn | Type::Unset | Type::Null => Some(Type::Dyn),
        other => {
            let what = format!("type '{other}' does not support field selection");
            return Err(Fault::new(what, &format!(".{name}")));
        }
    };
    found.ok_or_else(|| Fault::new(format!("undefined field '{name}'"), &format!(".{name}")))
}

/// What a method gives of what it is called on.
fn method<'a>(name: &str, target: Type<'a>, result: Type<'a>) -> Type<'a> {
    match (name, target) {
        ("orValue" | "value", Type::Optional(value)) => *value,
        ("or", target @ Type::Optional(_)) => target,
        // Of lists, `contains` and others have other meanings; of what cannot be told, anything.
        ("min" | "max" | "first" | "last" | "reverse" | "slice" | "sort" | "distinct" | "flatten", _) => {
            Type::Dyn
        }
        ("add" | "sub" | "patch" | "namespace" | "name" | "path", _) => Type::Dyn,
        (_, _) => result,
    }
}

/// What an operator gives; nothing for what is none.
fn operator<'a>(name: &str, operands: &[Type<'a>]) -> Result<Option<Type<'a>>, Fault> {
    let word = if name == op::CONDITIONAL { "?" } else { name.trim_matches(['_', '@']) };
    let wrong = || {
        let shown: Vec<String> = operands.iter().map(ToString::to_string).collect();
        let what = format!("found no matching overload for '{name}' applied to '({})'", shown.join(", "));
        Fault::new(what, word)
    };
    let is_dyn =
        operands.iter().any(|of| matches!(of, Type::Dyn | Type::Unset | Type::Null | Type::Optional(_)));
    let known = match (name, operands) {
        (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT, _) => {
            let is_truth = |of: &&Type<'_>| matches!(of, Type::Bool | Type::Dyn | Type::Unset);
            return match operands.iter().find(|of| !is_truth(of)) {
                None => Ok(Some(Type::Bool)),
                Some(_) if name == op::LOGICAL_NOT => Err(wrong()),
                Some(of) => Err(Fault::new(format!("expected type 'bool' but found '{of}'"), word)),
            };
        }
        (op::EQUALS | op::NOT_EQUALS, [left, right]) => {
            return if agree(left, right) { Ok(Some(Type::Bool)) } else { Err(wrong()) };
        }
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [left, right]) => {
            let compares = is_dyn || left == right && is_scalar(left) || is_number(left) && is_number(right);
            return if compares { Ok(Some(Type::Bool)) } else { Err(wrong()) };
        }
        (op::CONDITIONAL, [condition, yes, no]) => {
            if !matches!(condition, Type::Bool | Type::Dyn | Type::Unset) || !agree(yes, no) {
                return Err(wrong());
            }
            return Ok(Some(joined(yes.clone(), no.clone())));
        }
        (op::IN, [item, Type::List(of)]) => {
            return if agree(item, of) { Ok(Some(Type::Bool)) } else { Err(wrong()) };
        }
        (op::IN, [_, of]) => {
            return if is_scalar(of) { Err(wrong()) } else { Ok(Some(Type::Bool)) };
        }
        (op::INDEX, [of, index]) => {
            return match of {
                Type::List(_) if is_scalar(index) && !is_number(index) => Err(wrong()),
                Type::List(items) => Ok(Some((**items).clone())),
                Type::Map(_, values) => Ok(Some((**values).clone())),
                Type::Schema(..) | Type::Fields(_) => Err(wrong()),
                _ => Ok(Some(Type::Dyn)),
            };
        }
        (op::OPT_INDEX, [Type::List(of) | Type::Map(_, of), _]) => {
            return Ok(Some(Type::Optional(of.clone())));
        }
        (op::NEGATE, [of]) => is_number(of).then(|| of.clone()),
        (op::ADD, [Type::List(left), Type::List(right)]) => {
            Some(Type::List(Box::new(common(vec![(**left).clone(), (**right).clone()]))))
        }
        (op::ADD, [Type::Timestamp, Type::Duration] | [Type::Duration, Type::Timestamp]) => {
            Some(Type::Timestamp)
        }
        (op::ADD | op::SUBSTRACT, [Type::Duration, Type::Duration]) => Some(Type::Duration),
        (op::SUBSTRACT, [Type::Timestamp, Type::Timestamp]) => Some(Type::Duration),
        (op::SUBSTRACT, [Type::Timestamp, Type::Duration]) => Some(Type::Timestamp),
        (op::ADD, [left @ (Type::String | Type::Bytes), right]) if left == right => Some(left.clone()),
        (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE, [left, right]) => {
            (left == right && is_number(left)).then(|| left.clone())
        }
        (op::MODULO, [left, right]) => {
            (left == right && matches!(left, Type::Int | Type::Uint)).then(|| left.clone())
        }
        _ => return Ok(None),
    };
    match known {
        Some(of) => Ok(Some(of)),
        None if is_dyn => Ok(Some(Type::Dyn)),
        None => Err(wrong()),
    }
}

fn is_number(of: &Type<'_>) -> bool {
    matches!(of, Type::Int | Type::Uint | Type::Double)
}

fn is_scalar(of: &Type<'_>) -> bool {
    is_number(of) || matches!(of, Type::Bool | Type::String | Type::Bytes | Type::Duration | Type::Timestamp)
}

/// Whether values of both types may stand in for one another.
fn agree(one: &Type<'_>, other: &Type<'_>) -> bool {
    match (one, other) {
        (Type::Dyn | Type::Unset, _) | (_, Type::Dyn | Type::Unset) => true,
        // As messages, these may be nothing.
        (Type::Null, Type::Timestamp | Type::Duration) | (Type::Timestamp | Type::Duration, Type::Null) => {
            true
        }
        (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
            agree(one, other)
        }
        // Objects may be nothing; whether two of them are alike, their schemas do not tell here.
        (one, other) if !is_scalar(one) && !is_scalar(other) => true,
        (one, other) => one == other,
    }
}

/// The type of all, if they have one.
fn common(types: Vec<Type<'_>>) -> Type<'_> {
    types.into_iter().reduce(joined).unwrap_or(Type::Unset)
}

fn joined<'a>(one: Type<'a>, other: Type<'a>) -> Type<'a> {
    match (one, other) {
        (Type::Unset, of) | (of, Type::Unset) => of,
        // Whoever asks for it sees to it that it is there.
        (Type::Null, of) | (of, Type::Null) => of,
        (Type::List(one), Type::List(other)) => Type::List(Box::new(joined(*one, *other))),
        (one, other) if one == other => one,
        _ => Type::Dyn,
    }
}

/// What is known of a value behind the name of a variable: objects and what may be missing are not told apart there.
pub(crate) fn named(of: Type<'_>) -> Type<'_> {
    match of {
        Type::List(items) => Type::List(Box::new(named(*items))),
        Type::Map(keys, values) => Type::Map(Box::new(named(*keys)), Box::new(named(*values))),
        Type::Schema(..) | Type::Fields(_) | Type::Optional(_) | Type::Unset => Type::Dyn,
        of => of,
    }
}

/// The type of what a schema describes.
pub(crate) fn of_schema(schema: &Map, place: Place) -> Type<'_> {
    schema::of(schema, place)
}

#[cfg(test)]
mod tests;
