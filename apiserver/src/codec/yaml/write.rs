//! Trees to YAML.
//!
//! Keeps: block style with sorted keys as Kubernetes' own converter prints it; a string that would read as
//! something else is quoted.

use std::cmp::Ordering;

use super::super::json;
use super::scalar::{Meaning, is_base_60, resolve};
use crate::tree::{Key, List, Map, Node};

/// Writes a tree as one document.
pub fn encode(node: &Node, out: &mut Vec<u8>) {
    Writer { out }.value(node, 0, Place::Top);
}

/// Where a value stands, which decides how it begins.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Top,
    AfterKey,
    AfterDash,
}

const STEP: usize = 2;

struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Writes a value and the line break behind it. `indent` is that of the collection around it.
    fn value(&mut self, node: &Node, indent: usize, place: Place) {
        match node {
            Node::Map(map) if !map.is_empty() => self.map(map, indent, place),
            Node::List(list) if !list.is_empty() => self.list(list, indent, place),
            Node::Raw(text) => match json::decode_untyped(text.as_bytes()) {
                Ok(node) => self.value(&node, indent, place),
                Err(_) => self.line(text, place),
            },
            Node::Str(text) => {
                if place == Place::AfterKey {
                    self.out.push(b' ');
                }
                let content = if place == Place::Top { 0 } else { indent };
                self.string(text, content + STEP, false);
                self.out.push(b'\n');
            }
            Node::Map(_) => self.line("{}", place),
            Node::List(_) => self.line("[]", place),
            Node::Null => self.line("null", place),
            Node::Bool(value) => self.line(if *value { "true" } else { "false" }, place),
            Node::Int(value) => self.line(itoa::Buffer::new().format(*value), place),
            Node::Float(value) => self.line(&float(*value), place),
        }
    }

    fn line(&mut self, text: &str, place: Place) {
        if place == Place::AfterKey {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    fn indent(&mut self, indent: usize) {
        self.out.resize(self.out.len() + indent, b' ');
    }

    fn map(&mut self, map: &Map, indent: usize, place: Place) {
        let indent = match place {
            Place::Top => 0,
            Place::AfterKey => {
                self.out.push(b'\n');
                indent + STEP
            }
            Place::AfterDash => indent + STEP,
        };
        let mut entries: Vec<&(Key, Node)> = map.entries().iter().collect();
        entries.sort_by(|a, b| natural(&a.0, &b.0));
        for (index, (key, node)) in entries.into_iter().enumerate() {
            // The first key stands behind the dash.
            if index > 0 || place != Place::AfterDash {
                self.indent(indent);
            }
            self.string(key, indent, true);
            self.out.push(b':');
            self.value(node, indent, Place::AfterKey);
        }
    }

    fn list(&mut self, list: &List, indent: usize, place: Place) {
        let indent = match place {
            Place::Top => 0,
            // A list below a key is not indented further.
            Place::AfterKey => {
                self.out.push(b'\n');
                indent
            }
            Place::AfterDash => indent + STEP,
        };
        for (index, item) in list.iter().enumerate() {
            if index > 0 || place != Place::AfterDash {
                self.indent(indent);
            }
            self.out.extend_from_slice(b"- ");
            self.value(item, indent, Place::AfterDash);
        }
    }

    fn string(&mut self, text: &str, indent: usize, is_key: bool) {
        let shape = Shape::of(text);
        if text.contains('\n') {
            return if shape.block && !is_key {
                self.literal(text, indent)
            } else {
                self.double_quoted(text)
            };
        }
        if resolve(text) != Meaning::Text || is_base_60(text) {
            return self.double_quoted(text);
        }
        match shape {
            Shape { plain: true, .. } => self.out.extend_from_slice(text.as_bytes()),
            Shape { single_quoted: true, .. } => {
                self.out.push(b'\'');
                self.out.extend_from_slice(text.replace('\'', "''").as_bytes());
                self.out.push(b'\'');
            }
            _ => self.double_quoted(text),
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push(b'|');
        if text.starts_with([' ', '\n']) {
            self.out.push(b'0' + STEP as u8);
        }
        match text.strip_suffix('\n') {
            None => self.out.push(b'-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.out.push(b'+'),
            Some(_) => {}
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.out.push(b'\n');
            if !line.is_empty() {
                self.indent(indent);
            }
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    fn double_quoted(&mut self, text: &str) {
        self.out.push(b'"');
        for character in text.chars() {
            let escape = match character {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\0' => "\\0",
                '\u{7}' => "\\a",
                '\u{8}' => "\\b",
                '\t' => "\\t",
                '\n' => "\\n",
                '\u{b}' => "\\v",
                '\u{c}' => "\\f",
                '\r' => "\\r",
                '\u{1b}' => "\\e",
                '\u{85}' => "\\N",
                '\u{a0}' => "\\_",
                '\u{2028}' => "\\L",
                '\u{2029}' => "\\P",
                character if is_printable(character) => {
                    self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                character => {
                    let code = u32::from(character);
                    let text = match code {
                        0..=0xff => format!("\\x{code:02X}"),
                        0x100..=0xffff => format!("\\u{code:04X}"),
                        _ => format!("\\U{code:08X}"),
                    };
                    self.out.extend_from_slice(text.as_bytes());
                    continue;
                }
            };
            self.out.extend_from_slice(escape.as_bytes());
        }
        self.out.push(b'"');
    }
}

fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The styles in which a text can be written.
struct Shape {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let mut shape = Shape { plain: true, single_quoted: true, block: true };
        if text.starts_with("---") || text.starts_with("...") {
            shape.plain = false;
        }
        let mut before = ' ';
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let is_first = at == 0;
            let after = characters.peek().map(|(_, after)| *after);
            let blank_after = after.is_none_or(is_blank);
            let indicator = match character {
                '#' if is_first || is_blank(before) => true,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    is_first
                }
                '?' | '-' => is_first && blank_after,
                ':' => blank_after,
                _ => false,
            };
            shape.plain &= !indicator;
            if !is_printable(character) || character == '\u{feff}' {
                shape = Shape { plain: false, single_quoted: false, block: false };
            }
            if character == ' ' && is_break(before) && !is_first {
                (shape.plain, shape.single_quoted) = (false, false);
            }
            if is_break(character) {
                shape.plain = false;
                if before == ' ' && !is_first {
                    (shape.single_quoted, shape.block) = (false, false);
                }
            }
            before = character;
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            shape.plain = false;
            shape.block &= !text.ends_with(' ');
        }
        shape
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t') || is_break(character)
}

/// The order of keys: numbers inside by value, other signs before letters.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let (one, other) = (a[at], b[at]);
    match (one.is_alphabetic(), other.is_alphabetic()) {
        (true, true) => return one.cmp(&other),
        (false, false) => {}
        (one_is_letter, _) => {
            // Behind a common digit the shorter number comes first.
            let in_number = at > 0 && a[at - 1].is_numeric();
            return if one_is_letter == in_number { Ordering::Less } else { Ordering::Greater };
        }
    }
    let significant = a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let lead = i128::from((one == '0' || other == '0') && significant);
    let number = |text: &[char]| {
        let digits = text.iter().take_while(|c| c.is_ascii_digit()).take(30);
        digits.fold((lead, 0), |(value, length), digit| {
            (value * 10 + i128::from(u32::from(*digit) - u32::from('0')), length + 1)
        })
    };
    number(&a[at..]).cmp(&number(&b[at..])).then(one.cmp(&other))
}

/// A float as Go prints it in its general form.
fn float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{value}")
}
