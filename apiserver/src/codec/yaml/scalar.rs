//! What a plain scalar means.
//!
//! Keeps: reading and quoting use the same rules, so a string that would read as something else is quoted.

use crate::time;

/// What a plain scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`.
    Unsigned(u64),
    Float(f64),
    /// `<<`
    Merge,
    /// Reads as a string, but other readers take it for a time.
    Timestamp,
    Text,
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Meaning {
    let Some(&first) = text.as_bytes().first() else { return Meaning::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        b'<' if text == "<<" => Meaning::Merge,
        b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(text),
        _ => Meaning::Text,
    }
}

fn word(text: &str) -> Meaning {
    match text {
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Meaning::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Meaning::Bool(false)
        }
        _ => Meaning::Text,
    }
}

fn number(text: &str) -> Meaning {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if is_timestamp(text) {
        return Meaning::Timestamp;
    }
    let plain =
        if text.contains('_') && !text.starts_with('.') { text.replace('_', "") } else { text.to_owned() };
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain.as_str()),
    };
    if let Some(magnitude) = integer(digits) {
        return match (negative, i64::try_from(magnitude)) {
            (false, Ok(value)) => Meaning::Int(value),
            (false, Err(_)) => Meaning::Unsigned(magnitude),
            (true, _) if magnitude <= 1 << 63 => Meaning::Int((magnitude as i64).wrapping_neg()),
            (true, _) => Meaning::Float(-(magnitude as f64)),
        };
    }
    match plain.parse::<f64>() {
        Ok(value) if is_float(digits) && value.is_finite() => Meaning::Float(value),
        _ => Meaning::Text,
    }
}

/// An unsigned integer in any of Go's bases; a leading zero means octal.
fn integer(digits: &str) -> Option<u64> {
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // The standard parser takes a sign of its own.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// Digits with at most one point and an exponent.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction) && exponent_fits
}

/// Whether a text begins with a year and is one of the forms of a YAML timestamp.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    // Months, days, hours and so on may have one digit.
    let mut padded = String::with_capacity(text.len() + 5);
    padded.push_str(&text[..5]);
    let mut rest = &text[5..];
    for (place, end) in [("month", '-'), ("day", 'T'), ("hour", ':'), ("minute", ':'), ("second", '\0')] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=2).contains(&digits) {
            return false;
        }
        if digits == 1 {
            padded.push('0');
        }
        padded.push_str(&rest[..digits]);
        rest = &rest[digits..];
        match (place, rest.as_bytes().first()) {
            ("day", None) => {
                padded.push_str("T00:00:00Z");
                return time::parse(&padded).is_ok();
            }
            ("day", Some(b'T' | b't')) => padded.push('T'),
            ("day", Some(b' ')) => {
                padded.push('T');
                // No zone may follow in this form.
                return is_timestamp_without_zone(padded, &rest[1..]);
            }
            ("second", _) => break,
            (_, Some(byte)) if char::from(*byte) == end => padded.push(end),
            _ => return false,
        }
        rest = &rest[1..];
    }
    padded.push_str(rest);
    time::parse(&padded).is_ok()
}

fn is_timestamp_without_zone(mut padded: String, clock: &str) -> bool {
    let mut parts = clock.split(':');
    for at in 0..3 {
        let Some(part) = parts.next() else { return false };
        if at > 0 {
            padded.push(':');
        }
        if part.bytes().take_while(u8::is_ascii_digit).count() == 1 {
            padded.push('0');
        }
        padded.push_str(part);
    }
    padded.push('Z');
    parts.next().is_none() && time::parse(&padded).is_ok()
}

/// Whether YAML 1.1 readers take a text for a number in base 60: `1:30`.
pub(super) fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let mut more = 0;
    let mut last_fits = true;
    for part in parts {
        if !last_fits {
            return false;
        }
        more += 1;
        let (whole, fraction) =
            part.split_once('.').map_or((part, None), |(whole, rest)| (whole, Some(rest)));
        // Only the last part may have a fraction.
        last_fits = fraction.is_none();
        let fits = match whole.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [b'0'..=b'5', digit] => digit.is_ascii_digit(),
            _ => false,
        };
        let fraction_fits = fraction
            .is_none_or(|fraction| fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'));
        if !fits || !fraction_fits {
            return false;
        }
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    more > 0 && first.starts_with(|c: char| c.is_ascii_digit()) && digits(first)
}
