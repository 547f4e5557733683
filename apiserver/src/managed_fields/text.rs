//! FieldsV1: the JSON text of a set of paths.
//!
//! Keeps: what is written is canonical (sorted, escaped as Go escapes); text is searched without being decoded,
//! and searching relies on that order, so text from clients is decoded and written again before it is stored.

use std::borrow::Cow;

use ecow::EcoString;

use super::element::Element;
use super::set::{Entry, Set};
use crate::codec::DEPTH_MAX;
use crate::codec::json::plain_end;
use crate::tree;

mod edit;

pub(super) use edit::edit;

/// The text of a set.
pub fn write(set: &Set) -> EcoString {
    let mut out = Vec::with_capacity(set.entries().len() * 64);
    let mut scratch = Vec::new();
    write_below(set, false, &mut out, &mut scratch);
    // Only text was written.
    tree::text(&String::from_utf8(out).unwrap_or_default())
}

fn write_below(set: &Set, member: bool, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    out.push(b'{');
    if member && !set.is_empty() {
        out.extend_from_slice(b"\".\":{}");
        out.push(b',');
    }
    for (at, Entry { element, member, children }) in set.entries().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        element.write(out, scratch);
        out.push(b':');
        write_below(children, *member, out, scratch);
    }
    out.push(b'}');
}

/// Reads a set from its text. Elements of unknown types are left out.
pub fn read(text: &str) -> Result<Set, String> {
    let mut reader = Reader { text, at: 0 };
    let (set, _) = reader.set(0)?;
    reader.blanks();
    if reader.at < text.len() { Err("unexpected trailing data after JSON object".into()) } else { Ok(set) }
}

/// How many of the paths of `wanted` are in the set with this canonical text.
pub(super) fn count(text: &str, wanted: &Set) -> usize {
    if wanted.is_empty() {
        return 0;
    }
    let mut finder = Finder { reader: Reader { text, at: 0 }, found: 0 };
    // Text that cannot be read holds no more paths than were found up to there.
    let _ = finder.below(wanted, true);
    finder.found
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(format!("expected {:?} at offset {}", char::from(byte), self.at));
        }
        self.at += 1;
        Ok(())
    }

    /// The name of the next entry of an object and its colon; `None` at the end of the object.
    fn name(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, String> {
        match self.next_entry(first)? {
            Some(_) => self.name_text().map(Some),
            None => Ok(None),
        }
    }

    /// Where the next entry of an object begins; `None` behind the end of the object.
    fn next_entry(&mut self, first: bool) -> Result<Option<usize>, String> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => self.at += 1,
            _ if first => {}
            _ => return Err(format!("expected ',' or '}}' at offset {}", self.at)),
        }
        self.blanks();
        Ok(Some(self.at))
    }

    /// The name at this place; goes behind its colon.
    fn name_text(&mut self) -> Result<Cow<'a, str>, String> {
        self.expect(b'"')?;
        let start = self.at;
        let escaped = self.string_end()?;
        let name = if escaped {
            let quoted = &self.text[start - 1..self.at];
            Cow::Owned(serde_json::from_str(quoted).map_err(|error| error.to_string())?)
        } else {
            Cow::Borrowed(&self.text[start..self.at - 1])
        };
        self.expect(b':')?;
        Ok(name)
    }

    /// Goes behind the mark of an object that is a member itself, if it is there, and its comma.
    fn self_mark(&mut self) -> bool {
        let marked = self.text[self.at..].starts_with("\".\":{}");
        if marked {
            self.at += "\".\":{}".len();
            self.at += usize::from(self.peek() == Some(b','));
        }
        marked
    }

    /// Goes behind the closing quote; answers whether there was an escape.
    fn string_end(&mut self) -> Result<bool, String> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            self.at = plain_end(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => return Err("unexpected end of a string".into()),
            }
        }
    }

    /// Goes behind the next value, which has to be an object.
    fn skip(&mut self) -> Result<(), String> {
        self.expect(b'{')?;
        self.skip_rest()
    }

    /// Goes behind the end of the object that was opened last.
    fn skip_rest(&mut self) -> Result<(), String> {
        let bytes = self.text.as_bytes();
        let mut depth = 1_usize;
        while depth > 0 {
            match bytes.get(self.at) {
                Some(b'{') => depth += 1,
                Some(b'}') => depth -= 1,
                Some(b'"') => {
                    self.at += 1;
                    self.string_end()?;
                    continue;
                }
                Some(_) => {}
                None => return Err("unexpected end of the text".into()),
            }
            self.at += 1;
        }
        Ok(())
    }

    /// The set in the next object, and whether the path to it is a member.
    fn set(&mut self, depth: usize) -> Result<(Set, bool), String> {
        if depth > DEPTH_MAX {
            return Err("exceeded max depth".into());
        }
        self.expect(b'{')?;
        let mut set = Set::new();
        let mut member = false;
        let mut first = true;
        while let Some(name) = self.name(first)? {
            first = false;
            if name == "." {
                member = true;
                self.skip()?;
                continue;
            }
            match Element::parse(&name)? {
                Some(element) => {
                    let (children, member) = self.set(depth + 1)?;
                    set.push(element, member, children);
                }
                None => self.skip()?,
            }
        }
        set.finish();
        member |= set.is_empty();
        Ok((set, member))
    }
}

struct Finder<'a> {
    reader: Reader<'a>,
    found: usize,
}

/// Whether the search goes on behind an object.
#[derive(PartialEq)]
enum Search {
    GoOn,
    Done,
}

impl Finder<'_> {
    /// Searches the next object. With `last`, nothing is wanted behind it.
    fn below(&mut self, wanted: &Set, last: bool) -> Result<Search, String> {
        self.reader.expect(b'{')?;
        let mut left = wanted.entries().len();
        let highest = wanted.entries().last().map(|entry| &entry.element);
        let mut first = true;
        while let Some(name) = self.reader.name(first)? {
            first = false;
            let entry = if left == 0 || name == "." { None } else { find(wanted, &name)? };
            let Some(entry) = entry else {
                if last && (left == 0 || is_behind(&name, highest)) {
                    return Ok(Search::Done);
                }
                self.reader.skip()?;
                continue;
            };
            left -= 1;
            if self.entry(entry, last && left == 0)? == Search::Done {
                return Ok(Search::Done);
            }
        }
        Ok(Search::GoOn)
    }

    /// Searches the object that belongs to `entry`.
    fn entry(&mut self, entry: &Entry, last: bool) -> Result<Search, String> {
        let start = self.reader.at;
        self.reader.expect(b'{')?;
        let leaf = self.reader.peek() == Some(b'}');
        let member = leaf || self.reader.text[self.reader.at..].starts_with("\".\"");
        self.found += usize::from(entry.member && member);
        if leaf {
            self.reader.at += 1;
        } else if entry.children.is_empty() {
            if last {
                return Ok(Search::Done);
            }
            self.reader.at = start;
            self.reader.skip()?;
        } else {
            self.reader.at = start;
            return self.below(&entry.children, last);
        }
        Ok(if last { Search::Done } else { Search::GoOn })
    }
}

/// The wanted step with this text.
fn find<'s>(wanted: &'s Set, name: &str) -> Result<Option<&'s Entry>, String> {
    if let Some(field) = name.strip_prefix("f:") {
        return Ok(wanted.field(field));
    }
    if wanted.entries().iter().all(|entry| matches!(entry.element, Element::Field(_))) {
        return Ok(None);
    }
    Ok(Element::parse(name)?.and_then(|element| wanted.get(&element)))
}

/// Whether a name stands behind every wanted step in canonical text.
fn is_behind(name: &str, highest: Option<&Element>) -> bool {
    match (name.strip_prefix("f:"), highest) {
        (Some(field), Some(Element::Field(highest))) => field > highest.as_str(),
        (None, Some(Element::Field(_))) => name != ".",
        _ => false,
    }
}
