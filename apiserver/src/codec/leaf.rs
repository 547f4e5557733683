//! Leaves with an encoding of their own, made canonical.
//!
//! Keeps: what a leaf becomes does not depend on the encoding it came in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ecow::{EcoString, EcoVec};

use super::context::{Context, Found};
use crate::schema::Type;
use crate::tree::Node;
pub(super) use crate::tree::text;
use crate::{quantity, time};

/// The tail of a scratch vector as a shared one.
#[inline]
pub(super) fn take<T: Clone>(scratch: &mut Vec<T>, start: usize) -> EcoVec<T> {
    let mut taken = EcoVec::with_capacity(scratch.len() - start);
    taken.extend(scratch.drain(start..));
    taken
}

/// A JSON value that is no object or array.
pub(super) enum Scalar<'a> {
    Bool(bool),
    /// The text of a number.
    Number(&'a str),
    String(&'a str),
}

impl Scalar<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Scalar::Bool(_) => "bool",
            Scalar::Number(_) => "number",
            Scalar::String(_) => "string",
        }
    }

    fn found(&self) -> Found<'static> {
        let go = match self {
            Scalar::Number(text) => number_type(text),
            _ => self.kind(),
        };
        Found { json: self.kind(), go }
    }
}

fn number_type(text: &str) -> &'static str {
    if parse_int(text).is_some() { "int64" } else { "float64" }
}

/// The canonical node of a scalar; `None` when it is absent (a zero time) or of the wrong type, which is noted.
#[inline]
pub(super) fn scalar(context: &mut Context<'_>, ty: &Type, levels: usize, value: Scalar<'_>) -> Option<Node> {
    match (ty, &value) {
        (Type::String, Scalar::String(text)) => Some(Node::Str(self::text(text))),
        (Type::Bool, Scalar::Bool(value)) => Some(Node::Bool(*value)),
        (Type::Int32, Scalar::Number(text)) => match parse_int(text) {
            Some(value) if i32::try_from(value).is_ok() => Some(Node::Int(value)),
            _ => wrong_number(context, ty, levels, text),
        },
        (Type::Int64, Scalar::Number(text)) => match parse_int(text) {
            Some(value) => Some(Node::Int(value)),
            None => wrong_number(context, ty, levels, text),
        },
        _ => uncommon_scalar(context, ty, levels, value),
    }
}

fn uncommon_scalar(context: &mut Context<'_>, ty: &Type, levels: usize, value: Scalar<'_>) -> Option<Node> {
    match (ty, &value) {
        (Type::Float64, Scalar::Number(text)) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(Node::Float(value)),
            _ => wrong_number(context, ty, levels, text),
        },
        (Type::Bytes, Scalar::String(text)) => bytes(context, text),
        (Type::Time, Scalar::String(text)) => accept(context, time::canonical(text))?.map(Node::Str),
        (Type::MicroTime, Scalar::String(text)) => {
            accept(context, time::canonical_micros(text))?.map(Node::Str)
        }
        (Type::Duration, Scalar::String(text)) => {
            accept(context, time::parse_duration(text)).map(|nanos| Node::Str(time::format_duration(nanos)))
        }
        (Type::Time | Type::MicroTime | Type::Duration, _) => {
            context.refuse_type(value.kind(), "string");
            None
        }
        (Type::Quantity, Scalar::String(text)) => {
            accept(context, quantity::canonical(text.trim())).map(Node::Str)
        }
        (Type::Quantity, Scalar::Number(text)) => accept(context, quantity::canonical(text)).map(Node::Str),
        (Type::Quantity, Scalar::Bool(_)) => {
            context.refuse(quantity::QuantityError::Format.to_string());
            None
        }
        (Type::IntOrString, Scalar::String(text)) => Some(Node::Str(self::text(text))),
        (Type::IntOrString, Scalar::Number(text)) => match parse_int(text) {
            Some(value) if i32::try_from(value).is_ok() => Some(Node::Int(value)),
            _ => {
                context.refuse_type(&format!("number {text}"), "int32");
                None
            }
        },
        (Type::IntOrString, Scalar::Bool(_)) => {
            context.refuse_type("bool", "int32");
            None
        }
        _ => {
            context.mismatch(&value.found(), ty, levels);
            None
        }
    }
}

fn wrong_number(context: &mut Context<'_>, ty: &Type, levels: usize, text: &str) -> Option<Node> {
    context.mismatch(&Found { json: &format!("number {text}"), go: number_type(text) }, ty, levels);
    None
}

fn accept<T, E: std::fmt::Display>(context: &mut Context<'_>, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| context.refuse(error.to_string())).ok()
}

/// Notes that an object or array stands where a leaf should.
pub(super) fn composite(context: &mut Context<'_>, ty: &Type, levels: usize, what: &str) {
    match ty {
        Type::Time | Type::MicroTime | Type::Duration => context.refuse_type(what, "string"),
        Type::IntOrString => context.refuse_type(what, "int32"),
        Type::Quantity => context.refuse(quantity::QuantityError::Format.to_string()),
        _ => {
            let go = if what == "object" { "map" } else { "slice" };
            context.mismatch(&Found { json: what, go }, ty, levels);
        }
    }
}

/// An integer as JSON writes it: no fraction, no exponent.
#[inline]
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() <= 9 && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')));
    }
    text.parse().ok()
}

fn bytes(context: &mut Context<'_>, text: &str) -> Option<Node> {
    let cleaned;
    let text = if text.bytes().any(|byte| byte == b'\r' || byte == b'\n') {
        cleaned = text.replace(['\r', '\n'], "");
        cleaned.as_str()
    } else {
        text
    };
    if is_canonical_base64(text.as_bytes()) {
        return Some(Node::Str(self::text(text)));
    }
    match lax_base64(text) {
        Ok(canonical) => Some(Node::Str(canonical)),
        Err(error) => {
            context.note_base64(first_wrong_byte(text, &error));
            None
        }
    }
}

/// Whether a text is padded base64 with zeros in the bits that no byte needs.
fn is_canonical_base64(text: &[u8]) -> bool {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let (body, last) = match text {
        [] => return true,
        [body @ .., b'=', b'='] => (body, Some(b"AQgw".as_slice())),
        [body @ .., b'='] => (body, Some(b"AEIMQUYcgkosw048".as_slice())),
        body => (body, None),
    };
    let last_fits = last.is_none_or(|allowed| body.last().is_some_and(|byte| allowed.contains(byte)));
    text.len().is_multiple_of(4) && last_fits && body.iter().all(|byte| alphabet(*byte))
}

/// Go takes padded base64 whose last bits are not zero and prints it with zeros.
fn lax_base64(text: &str) -> Result<EcoString, base64::DecodeError> {
    use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let lax = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    lax.decode(text).map(|bytes| encode_base64(&bytes))
}

/// Standard padded base64.
pub(super) fn encode_base64(bytes: &[u8]) -> EcoString {
    text(&STANDARD.encode(bytes))
}

/// The bytes of canonical base64.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Where Go finds a fault: at a byte that is none of base64, else where the last, incomplete group of four begins.
fn first_wrong_byte(text: &str, error: &base64::DecodeError) -> usize {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        base64::DecodeError::InvalidLength(_) => {
            text.bytes().position(|byte| !is_known(byte)).unwrap_or(text.len() / 4 * 4)
        }
        base64::DecodeError::InvalidPadding => text.len() / 4 * 4,
    }
}
