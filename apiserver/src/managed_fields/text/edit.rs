//! Changes to a set in its text.
//!
//! Keeps: only the spans that a change names are written again, everything else is copied as it stands; the result
//! is canonical when the text was.

use std::cmp::Ordering;

use ecow::EcoString;

use super::{Reader, write_below};
use crate::managed_fields::element::Element;
use crate::managed_fields::set::{Entry, Set};
use crate::tree;

/// The text without the paths in `remove` and then with those in `add`; `None` when that is the same text.
pub(in crate::managed_fields) fn edit(
    text: &str,
    add: &Set,
    remove: &Set,
) -> Result<Option<EcoString>, String> {
    let mut editor = Editor {
        reader: Reader { text, at: 0 },
        out: Vec::with_capacity(text.len() + 64),
        scratch: Vec::new(),
        changed: false,
    };
    editor.reader.expect(b'{')?;
    editor.out.push(b'{');
    editor.entries(add.entries(), remove, true)?;
    editor.close();
    // Pieces of text and of elements were put together.
    let out = std::str::from_utf8(&editor.out).map_err(|error| error.to_string())?;
    Ok(editor.changed.then(|| tree::text(out)))
}

struct Editor<'t> {
    reader: Reader<'t>,
    out: Vec<u8>,
    scratch: Vec<u8>,
    changed: bool,
}

impl Editor<'_> {
    /// Ends an object whose entries have left a comma behind them.
    fn close(&mut self) {
        if self.out.last() == Some(&b',') {
            self.out.pop();
        }
        self.out.push(b'}');
    }

    /// Copies the entries of the object that was just opened, with the changes; goes behind its end. The `outermost`
    /// object ends where the text does.
    fn entries(&mut self, add: &[Entry], remove: &Set, outermost: bool) -> Result<(), String> {
        let mut add = add.iter().peekable();
        let mut left = remove.entries().len();
        let mut first = true;
        loop {
            if add.peek().is_none() && left == 0 {
                return self.rest(first, outermost);
            }
            let Some(start) = self.reader.next_entry(first)? else { break };
            first = false;
            let name = self.reader.name_text()?;
            let element = Element::parse(&name)?;
            while let Some(entry) = add.next_if(|entry| precedes(entry, element.as_ref())) {
                self.insert(entry);
            }
            let added = add.next_if(|entry| Some(&entry.element) == element.as_ref());
            let removed = element.as_ref().and_then(|element| remove.get(element));
            left -= usize::from(removed.is_some());
            if added.is_none() && removed.is_none() {
                self.reader.skip()?;
                self.copy(start, self.reader.at);
                self.out.push(b',');
            } else {
                let mark = self.out.len();
                self.copy(start, self.reader.at);
                if self.value(added, removed)? {
                    self.out.push(b',');
                } else {
                    self.out.truncate(mark);
                }
            }
        }
        for entry in add {
            self.insert(entry);
        }
        Ok(())
    }

    /// Copies what is left of the object, and goes behind its end.
    fn rest(&mut self, first: bool, outermost: bool) -> Result<(), String> {
        if !first && self.reader.peek() == Some(b',') {
            self.reader.at += 1;
        }
        let start = self.reader.at;
        if outermost && self.reader.text.ends_with('}') {
            self.reader.at = self.reader.text.len();
        } else {
            self.reader.skip_rest()?;
        }
        self.copy(start, self.reader.at - 1);
        Ok(())
    }

    fn copy(&mut self, start: usize, end: usize) {
        self.out.extend_from_slice(&self.reader.text.as_bytes()[start..end]);
    }

    fn insert(&mut self, entry: &Entry) {
        self.changed = true;
        entry.element.write(&mut self.out, &mut self.scratch);
        self.out.push(b':');
        write_below(&entry.children, entry.member, &mut self.out, &mut self.scratch);
        self.out.push(b',');
    }

    /// Copies the object behind a name, with the changes; answers whether anything is left of it.
    fn value(&mut self, added: Option<&Entry>, removed: Option<&Entry>) -> Result<bool, String> {
        let nothing = Set::new();
        let add = added.map_or(&nothing, |entry| &entry.children);
        let remove = removed.map_or(&nothing, |entry| &entry.children);
        self.reader.expect(b'{')?;
        let was_leaf = self.reader.peek() == Some(b'}');
        let was_member = was_leaf || self.reader.self_mark();
        let is_member = was_member && !removed.is_some_and(|entry| entry.member)
            || added.is_some_and(|entry| entry.member);
        self.changed |= was_member != is_member;
        let mark = self.out.len();
        self.out.push(b'{');
        if is_member {
            self.out.extend_from_slice(b"\".\":{},");
        }
        let inside = self.out.len();
        self.entries(add.entries(), remove, false)?;
        if self.out.len() == inside {
            self.changed |= !was_leaf;
            self.out.truncate(mark);
            if is_member {
                self.out.extend_from_slice(b"{}");
            }
            return Ok(is_member);
        }
        self.close();
        Ok(true)
    }
}

/// Whether an added entry stands before an element of the text.
fn precedes(entry: &Entry, element: Option<&Element>) -> bool {
    element.is_some_and(|element| entry.element.cmp(element) == Ordering::Less)
}
