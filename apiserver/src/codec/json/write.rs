//! Strings and numbers as Go's encoder writes them.
//!
//! Keeps: `<`, `>`, `&`, U+2028 and U+2029 are escaped, so the bytes equal upstream's.

use ecow::EcoString;

use super::super::leaf;
use super::scan;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether a byte can not be copied into a string as it is. 0xE2 begins U+2028 and U+2029.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20
        || byte == b'"'
        || byte == b'\\'
        || byte == b'<'
        || byte == b'>'
        || byte == b'&'
        || byte == 0xE2
}

/// Writes a string in its quotes.
#[inline]
pub(in super::super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if scan::may_need_escape(text.as_bytes()) {
        escaped(text, out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

#[cold]
fn escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !is_special(byte) {
            continue;
        }
        let mut length = 1;
        let short;
        let escape: &[u8] = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            0x08 => br"\b",
            0x0c => br"\f",
            0xE2 => match line_separator(&bytes[at..]) {
                Some(escape) => {
                    length = 3;
                    escape
                }
                None => continue,
            },
            _ => {
                short = [b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                &short
            }
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(escape);
        done = at + length;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// The escape of U+2028 or U+2029 at the start of `bytes`.
fn line_separator(bytes: &[u8]) -> Option<&'static [u8]> {
    match bytes {
        [0xE2, 0x80, 0xA8, ..] => Some(br"\u2028"),
        [0xE2, 0x80, 0xA9, ..] => Some(br"\u2029"),
        _ => None,
    }
}

/// Well-formed JSON text without white space and with Go's escapes.
pub(super) fn compact(text: &str) -> EcoString {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => {
                // The escaped byte never ends the string.
                out.push(byte);
                out.extend(bytes.get(at));
                at += 1;
                continue;
            }
            b' ' | b'\n' | b'\t' | b'\r' if !in_string => continue,
            b'<' | b'>' | b'&' => {
                out.extend_from_slice(br"\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                continue;
            }
            0xE2 => {
                if let Some(escape) = line_separator(&bytes[at - 1..]) {
                    out.extend_from_slice(escape);
                    at += 2;
                    continue;
                }
            }
            _ => {}
        }
        out.push(byte);
    }
    leaf::text(&String::from_utf8(out).unwrap_or_default())
}

/// Writes an integer.
#[inline]
pub(in super::super) fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a float: the shortest text that reads back the same, with an exponent where Go uses one.
pub(in super::super) fn float(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        // JSON has no such number and no decoder makes one.
        out.extend_from_slice(b"null");
        return;
    }
    let magnitude = value.abs();
    let text = if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else {
        format!("{value}")
    };
    out.extend_from_slice(text.as_bytes());
}
