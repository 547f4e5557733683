//! Field errors: what is wrong with an object, field by field, in Kubernetes' words.
//!
//! Keeps: text and causes follow upstream's `field.Error` (prefix per cause type, quoted strings, compact JSON
//! for other values), because clients and test suites compare them.

use std::fmt::{self, Write as _};

use crate::tree::Node;

/// A path to a field, built on the stack: `Path::new("spec").child("containers").index(0)`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A path of one field name.
    pub const fn new(name: &'a str) -> Path<'a> {
        Path { parent: None, segment: Segment::Name(name) }
    }

    /// The field `name` below this one.
    pub const fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Name(name) }
    }

    /// The list item at `index`.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Index(index) }
    }

    /// The map entry at `key`.
    pub const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            // The object as a whole, as upstream prints a path without a name.
            Segment::Name("") => f.write_str("[]"),
            Segment::Name(name) if self.parent.is_some() => write!(f, ".{name}"),
            Segment::Name(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// One thing that is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// The type of the cause.
    pub cause: Cause,
    /// `spec.containers[0].image`
    pub field: String,
    /// The rest of the sentence after the path: `Invalid value: "x": must be …`.
    pub message: String,
}

/// The type of a field error; printed as the cause's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `FieldValueNotFound`
    NotFound,
    /// `FieldValueRequired`
    Required,
    /// `FieldValueDuplicate`
    Duplicate,
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueForbidden`
    Forbidden,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooShort`
    TooShort,
    /// `FieldValueTooMany`
    TooMany,
    /// `FieldValueTooFew`
    TooFew,
    /// `InternalError`
    Internal,
}

impl Cause {
    /// The cause's `reason` in a Status.
    pub fn reason(self) -> &'static str {
        match self {
            Cause::NotFound => "FieldValueNotFound",
            Cause::Required => "FieldValueRequired",
            Cause::Duplicate => "FieldValueDuplicate",
            Cause::Invalid => "FieldValueInvalid",
            Cause::TypeInvalid => "FieldValueTypeInvalid",
            Cause::NotSupported => "FieldValueNotSupported",
            Cause::Forbidden => "FieldValueForbidden",
            Cause::TooLong => "FieldValueTooLong",
            Cause::TooShort => "FieldValueTooShort",
            Cause::TooMany => "FieldValueTooMany",
            Cause::TooFew => "FieldValueTooFew",
            Cause::Internal => "InternalError",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Cause::NotFound => "Not found",
            Cause::Required => "Required value",
            Cause::Duplicate => "Duplicate value",
            Cause::Invalid | Cause::TypeInvalid => "Invalid value",
            Cause::NotSupported => "Unsupported value",
            Cause::Forbidden => "Forbidden",
            Cause::TooLong => "Too long",
            Cause::TooShort => "Too short",
            Cause::TooMany => "Too many",
            Cause::TooFew => "Too few",
            Cause::Internal => "Internal error",
        }
    }

    fn prints_value(self) -> bool {
        !matches!(
            self,
            Cause::Required
                | Cause::Forbidden
                | Cause::TooLong
                | Cause::TooShort
                | Cause::TooMany
                | Cause::TooFew
                | Cause::Internal
        )
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// How many errors are kept: who has so many reads the first ones.
const ERRORS_MAX: usize = 1_000;
/// After how many bytes of text no more errors are kept.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The errors found in one object, in the order found; equal ones once. Bounded, since what is refused can be
/// wrong in every one of its bytes: what comes after the first thousand errors, or megabyte, is dropped.
#[derive(Clone, Debug, Default)]
pub struct FieldErrors {
    errors: Vec<FieldError>,
    text_bytes: usize,
}

impl FieldErrors {
    /// None yet.
    pub fn new() -> FieldErrors {
        FieldErrors::default()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.errors.iter()
    }

    /// Sorts the errors by their text, where upstream does.
    pub fn sort(&mut self) {
        self.errors.sort_by_cached_key(ToString::to_string);
    }

    /// Adds the errors found elsewhere.
    pub fn append(&mut self, found: FieldErrors) {
        for error in found.errors {
            self.push(error);
        }
    }

    fn push(&mut self, error: FieldError) {
        if !self.is_full() && !self.errors.contains(&error) {
            self.text_bytes += error.field.len() + error.message.len();
            self.errors.push(error);
        }
    }

    /// Whether further errors are dropped: then nobody needs to print them.
    fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX || self.text_bytes >= TEXT_BYTES_MAX
    }

    /// Adds an error with every part given.
    pub fn add(&mut self, cause: Cause, path: &Path<'_>, value: &Node, detail: &str) {
        if self.is_full() {
            return;
        }
        let mut message = String::from(cause.prefix());
        if cause.prints_value() {
            message.push_str(": ");
            print_value(value, &mut message);
        }
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        self.push(FieldError { cause, field: path.to_string(), message });
    }

    /// Adds an error whose value is not printed.
    pub fn add_without_value(&mut self, cause: Cause, path: &Path<'_>, detail: &str) {
        if self.is_full() {
            return;
        }
        let message = format!("{}: {detail}", cause.prefix());
        self.push(FieldError { cause, field: path.to_string(), message });
    }

    /// The value breaks a rule.
    pub fn invalid(&mut self, path: &Path<'_>, value: impl Into<Node>, detail: impl AsRef<str>) {
        self.add(Cause::Invalid, path, &value.into(), detail.as_ref());
    }

    /// A value is missing.
    pub fn required(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.add(Cause::Required, path, &Node::Null, detail.as_ref());
    }

    /// The value may not be set here.
    pub fn forbidden(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.add(Cause::Forbidden, path, &Node::Null, detail.as_ref());
    }

    /// The value stands twice in what must be unique.
    pub fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Node>) {
        self.add(Cause::Duplicate, path, &value.into(), "");
    }

    /// The value is not one of `supported`, which are listed sorted.
    pub fn not_supported(&mut self, path: &Path<'_>, value: impl Into<Node>, supported: &[&str]) {
        let mut sorted: Vec<&str> = supported.to_vec();
        sorted.sort_unstable();
        self.not_supported_in_order(path, value, &sorted);
    }

    /// The value is not one of `supported`, which are listed as given: where upstream does not sort them.
    pub fn not_supported_in_order(&mut self, path: &Path<'_>, value: impl Into<Node>, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        self.add(Cause::NotSupported, path, &value.into(), &detail);
    }

    /// What the value refers to does not exist.
    pub fn not_found(&mut self, path: &Path<'_>, value: impl Into<Node>) {
        self.add(Cause::NotFound, path, &value.into(), "");
    }

    /// The text is longer than `bytes_max`.
    pub fn too_long(&mut self, path: &Path<'_>, bytes_max: usize) {
        self.add(Cause::TooLong, path, &Node::Null, &format!("may not be more than {bytes_max} bytes"));
    }

    /// The list is longer than `items_max`.
    pub fn too_many(&mut self, path: &Path<'_>, count: usize, items_max: usize) {
        let error =
            format!("{count}: must have at most {items_max} item{}", if items_max == 1 { "" } else { "s" });
        self.add(Cause::TooMany, path, &Node::Null, &error);
    }

    /// The value has the wrong type.
    pub fn type_invalid(&mut self, path: &Path<'_>, value: impl Into<Node>, detail: impl AsRef<str>) {
        self.add(Cause::TypeInvalid, path, &value.into(), detail.as_ref());
    }

    /// As [`immutable`](Self::immutable), where upstream declares the rule: it does not print the value.
    pub fn fixed(&mut self, path: &Path<'_>, new: Option<&Node>, old: Option<&Node>) {
        if new != old {
            self.invalid(path, Node::Null, "field is immutable");
        }
    }

    /// A value that may not change has changed.
    pub fn immutable(&mut self, path: &Path<'_>, new: Option<&Node>, old: Option<&Node>) {
        if new != old {
            self.add(Cause::Invalid, path, new.unwrap_or(&Node::Null), "field is immutable");
        }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [one] => one.fmt(f),
            several => {
                f.write_char('[')?;
                for (i, error) in several.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    error.fmt(f)?;
                }
                f.write_char(']')
            }
        }
    }
}

fn print_value(value: &Node, out: &mut String) {
    let _ = match value {
        Node::Str(text) => write!(out, "{:?}", text.as_str()),
        other => write!(out, "{other}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_bounded_in_number_and_in_text() {
        let mut many = FieldErrors::new();
        (0..2 * ERRORS_MAX).for_each(|i| many.required(&Path::new("spec").index(i), ""));
        assert_eq!(many.iter().count(), ERRORS_MAX);
        let mut long = FieldErrors::new();
        let value = Node::from("x".repeat(TEXT_BYTES_MAX / 4));
        (0..10).for_each(|i| long.add(Cause::Invalid, &Path::new("spec").index(i), &value, "too wide"));
        assert_eq!(long.iter().count(), 4);
    }
}
