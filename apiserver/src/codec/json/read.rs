//! The tokens of a JSON text.
//!
//! Keeps: whatever is skipped or read is checked, with the error Go's scanner reports at the same byte. The
//! position only moves forward and never leaves the text.

use std::borrow::Cow;

use super::super::{DEPTH_MAX, DecodeError, leaf};
use super::{scan, write};
use crate::tree::Node;

pub(in super::super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// White space was skipped since this was last cleared.
    saw_space: bool,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(in super::super) fn new(text: &'a str) -> Reader<'a> {
        Reader { text, bytes: text.as_bytes(), at: 0, depth: 0, saw_space: false }
    }

    /// The first byte of the next token, which is not taken.
    #[inline]
    pub(in super::super) fn peek(&mut self) -> Result<u8> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte > b' ' => Ok(byte),
            _ => self.peek_after_space(),
        }
    }

    fn peek_after_space(&mut self) -> Result<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Ok(byte);
            }
            self.saw_space = true;
            self.at += 1;
        }
        Err(DecodeError::new("unexpected end of JSON input"))
    }

    /// The error of the byte at the current position.
    fn invalid(&self, place: &str) -> DecodeError {
        match self.bytes.get(self.at) {
            Some(&byte) => DecodeError::new(format!("invalid character {} {place}", quote(byte))),
            None => DecodeError::new("unexpected end of JSON input"),
        }
    }

    pub(in super::super) fn invalid_value(&self) -> DecodeError {
        self.invalid("looking for beginning of value")
    }

    /// Fails unless only white space is left.
    pub(in super::super) fn end(&mut self) -> Result<()> {
        match self.peek_after_space() {
            Ok(_) => Err(self.invalid("after top-level value")),
            Err(_) => Ok(()),
        }
    }

    /// Takes the bracket that `peek` has seen.
    #[inline]
    pub(in super::super) fn open(&mut self) -> Result<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(DecodeError::new("exceeded max depth")) } else { Ok(()) }
    }

    /// Where the next token begins or white space before it.
    pub(in super::super) fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place; brackets that were opened since have been closed.
    pub(in super::super) fn go_back(&mut self, place: usize) {
        self.at = place;
    }

    /// Begins inside an object whose bracket is not in the text.
    pub(in super::super) fn opened(&mut self) {
        self.depth += 1;
    }

    #[inline]
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// The next key of the open object, its colon taken; `None` closes the object.
    #[inline]
    pub(in super::super) fn key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>> {
        let mut byte = self.peek()?;
        if byte == b'}' {
            self.close();
            return Ok(None);
        }
        if !first {
            if byte != b',' {
                return Err(self.invalid("after object key:value pair"));
            }
            self.at += 1;
            byte = self.peek()?;
        }
        if byte != b'"' {
            return Err(self.invalid("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return Err(self.invalid("after object key"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Takes the next key and its colon when they are written exactly as `head`: `"name":`.
    #[inline]
    pub(in super::super) fn take_key(&mut self, first: bool, head: &[u8]) -> bool {
        let Some(mut text) = self.bytes.get(self.at..) else { return false };
        if !first {
            let Some(behind) = text.strip_prefix(b",") else { return false };
            text = behind;
        }
        // Most names differ in their first letter.
        let taken = text.get(1) == head.get(1) && text.starts_with(head);
        if taken {
            self.at += head.len() + usize::from(!first);
        }
        taken
    }

    /// Whether the open array has another item; closes it when not.
    #[inline]
    pub(in super::super) fn item(&mut self, first: bool) -> Result<bool> {
        match self.peek()? {
            b']' if first => {
                self.close();
                Ok(false)
            }
            _ if first => Ok(true),
            b']' => {
                self.close();
                Ok(false)
            }
            b',' => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.invalid("after array element")),
        }
    }

    /// The string that begins here.
    #[inline]
    pub(in super::super) fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let end = self.plain_end(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.escaped_string(start, end).map(Cow::Owned)
    }

    /// Where the run of bytes ends that a string shows as they are.
    #[inline]
    fn plain_end(&self, at: usize) -> usize {
        scan::plain_end(self.bytes, at)
    }

    #[cold]
    fn escaped_string(&mut self, start: usize, mut end: usize) -> Result<String> {
        let mut text = String::with_capacity((end - start) * 2);
        let mut start = start;
        loop {
            text.push_str(&self.text[start..end]);
            self.at = end;
            match self.bytes.get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.invalid("in string literal")),
                None => return Err(self.invalid("")),
            }
            start = self.at;
            end = self.plain_end(start);
        }
    }

    /// The character of the escape whose backslash was taken.
    fn escape(&mut self) -> Result<char> {
        let character = match self.bytes.get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.invalid("in string escape code")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let unit = self.hex_unit()?;
        if (0xD800..0xDC00).contains(&unit) && self.bytes.get(self.at..self.at + 2) == Some(br"\u") {
            let back = self.at;
            self.at += 1;
            let low = self.hex_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        // Half of a pair alone becomes U+FFFD, as in Go.
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex_unit(&mut self) -> Result<u32> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.invalid(r"in \u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The number that begins here.
    #[inline]
    pub(in super::super) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.invalid("in numeric literal")),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(&self.text[start..self.at])
    }

    #[inline]
    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: &str) -> Result<()> {
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.invalid(place));
        }
        self.digits();
        Ok(())
    }

    /// Takes `true`, `false` or `null`, whose first letter `peek` has seen.
    #[inline]
    pub(in super::super) fn literal(&mut self, word: &'static str) -> Result<()> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        for expected in word.chars() {
            if self.bytes.get(self.at) != Some(&(expected as u8)) {
                return Err(self.invalid(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Skips a value of any shape.
    pub(in super::super) fn skip(&mut self) -> Result<()> {
        // Which brackets are open below the one where skipping began; a bit is set for an object.
        let mut open: smallvec::SmallVec<[bool; 64]> = smallvec::SmallVec::new();
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' => {
                    self.open()?;
                    if self.skip_key(true)? {
                        open.push(true);
                        continue;
                    }
                }
                b'[' => {
                    self.open()?;
                    if self.item(true)? {
                        open.push(false);
                        continue;
                    }
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                _ => return Err(self.invalid_value()),
            }
            loop {
                let more = match open.last() {
                    None => return Ok(()),
                    Some(true) => self.skip_key(false)?,
                    Some(false) => self.item(false)?,
                };
                if more {
                    break;
                }
                open.pop();
            }
        }
    }

    fn skip_key(&mut self, first: bool) -> Result<bool> {
        let mut byte = self.peek()?;
        if byte == b'}' {
            self.close();
            return Ok(false);
        }
        if !first {
            if byte != b',' {
                return Err(self.invalid("after object key:value pair"));
            }
            self.at += 1;
            byte = self.peek()?;
        }
        if byte != b'"' {
            return Err(self.invalid("looking for beginning of object key string"));
        }
        self.skip_string()?;
        if self.peek()? != b':' {
            return Err(self.invalid("after object key"));
        }
        self.at += 1;
        Ok(true)
    }

    #[inline]
    fn skip_string(&mut self) -> Result<()> {
        self.at = self.plain_end(self.at + 1);
        while self.bytes.get(self.at) == Some(&b'\\') {
            self.at += 1;
            self.escape()?;
            self.at = self.plain_end(self.at);
        }
        match self.bytes.get(self.at) {
            Some(b'"') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.invalid("in string literal")),
            None => Err(self.invalid("")),
        }
    }

    /// Takes a value as it is written.
    pub(in super::super) fn raw_text(&mut self) -> Result<&'a str> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Takes a value of a text that our own encoder wrote, looking for nothing but its end.
    pub(in super::super) fn stored_text(&mut self) -> Result<&'a str> {
        if !matches!(self.peek()?, b'{' | b'[') {
            return self.raw_text();
        }
        let end = scan::structure_end(self.bytes, self.at).ok_or_else(|| self.invalid(""))?;
        let text = &self.text[self.at..end];
        self.at = end;
        Ok(text)
    }

    /// Takes a value as canonical text: compact and escaped as Go escapes; `None` for `null`.
    pub(in super::super) fn raw(&mut self) -> Result<Option<Node>> {
        self.peek()?;
        let start = self.at;
        self.saw_space = false;
        self.skip()?;
        let text = &self.text[start..self.at];
        if text == "null" {
            return Ok(None);
        }
        if self.saw_space || scan::may_need_html_escape(text.as_bytes()) {
            return Ok(Some(Node::Raw(write::compact(text))));
        }
        Ok(Some(Node::Raw(leaf::text(text))))
    }

    /// As [`Reader::raw`], of a text that our own encoder wrote.
    pub(in super::super) fn stored_raw(&mut self) -> Result<Option<Node>> {
        match self.peek()? {
            b'{' | b'[' => Ok(Some(Node::Raw(leaf::text(self.stored_text()?)))),
            _ => self.raw(),
        }
    }
}

/// A byte in Go's quotes.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        b'\\' => r"'\\'".into(),
        b'\n' => r"'\n'".into(),
        b'\r' => r"'\r'".into(),
        b'\t' => r"'\t'".into(),
        0x07 => r"'\a'".into(),
        0x08 => r"'\b'".into(),
        0x0b => r"'\v'".into(),
        0x0c => r"'\f'".into(),
        0x00..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 | 0xad => format!("'\\u{:04x}'", byte),
        _ => format!("'{}'", char::from(byte)),
    }
}
