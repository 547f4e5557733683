//! A set of paths to fields, as a trie.
//!
//! Keeps: entries are sorted and unique at every level, and every entry is a member or has one below it, so two
//! equal sets have the same shape and print the same text.

use std::cmp::Ordering;

use super::element::Element;

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    entries: Vec<Entry>,
}

/// A step of the paths in a [`Set`], and what lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The step.
    pub element: Element,
    /// The path that ends here is in the set.
    pub member: bool,
    /// The paths that go on from here.
    pub children: Set,
}

impl Set {
    /// The empty set.
    pub const fn new() -> Set {
        Set { entries: Vec::new() }
    }

    /// The set of one path of field names.
    pub fn of_fields(path: &[&'static str]) -> Set {
        let mut set = Set::new();
        for (at, name) in path.iter().enumerate().rev() {
            let entry = Entry { element: Element::field(*name), member: at + 1 == path.len(), children: set };
            set = Set { entries: vec![entry] };
        }
        set
    }

    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many paths are in it.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| usize::from(entry.member) + entry.children.len()).sum()
    }

    /// The first steps, sorted.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Room for `entries` first steps.
    pub(super) fn reserve(&mut self, entries: usize) {
        self.entries.reserve_exact(entries);
    }

    /// Adds a step without looking for its place; [`Set::finish`] puts it there.
    #[inline]
    pub(crate) fn push(&mut self, element: Element, member: bool, children: Set) {
        if member || !children.is_empty() {
            self.entries.push(Entry { element, member, children });
        }
    }

    /// Brings steps that were pushed into their order; equal ones become one.
    pub(crate) fn finish(&mut self) {
        if self.entries.is_sorted_by(|a, b| a.element < b.element) {
            return;
        }
        self.entries.sort_by(|a, b| a.element.cmp(&b.element));
        self.entries.dedup_by(|later, first| {
            let same = later.element == first.element;
            if same {
                first.member |= later.member;
                first.children = first.children.union(&later.children);
            }
            same
        });
    }

    /// The step `element`.
    pub fn get(&self, element: &Element) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.element.cmp(element)).ok()?;
        self.entries.get(at)
    }

    /// The step to the field `name`.
    pub fn field(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| match &entry.element {
            Element::Field(field) => field.as_str().cmp(name),
            _ => Ordering::Greater,
        });
        self.entries.get(at.ok()?)
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let at = match self.entries.binary_search_by(|entry| entry.element.cmp(first)) {
            Ok(at) => at,
            Err(at) => {
                self.entries
                    .insert(at, Entry { element: first.clone(), member: false, children: Set::new() });
                at
            }
        };
        if rest.is_empty() {
            self.entries[at].member = true;
        } else {
            self.entries[at].children.insert(rest);
        }
    }

    /// Whether the path is in it.
    pub fn contains(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.get(last).is_some_and(|entry| entry.member),
            [first, rest @ ..] => self.get(first).is_some_and(|entry| entry.children.contains(rest)),
        }
    }

    /// The paths of both.
    pub fn union(&self, other: &Set) -> Set {
        let mut entries = Vec::with_capacity(self.entries.len().max(other.entries.len()));
        zip(self, other, |a, b| {
            entries.push(match (a, b) {
                (Some(a), Some(b)) => Entry {
                    element: a.element.clone(),
                    member: a.member || b.member,
                    children: a.children.union(&b.children),
                },
                (Some(one), None) | (None, Some(one)) => one.clone(),
                (None, None) => return,
            });
        });
        Set { entries }
    }

    /// The paths that are in both.
    pub fn intersection(&self, other: &Set) -> Set {
        let mut set = Set::new();
        zip(self, other, |a, b| {
            if let (Some(a), Some(b)) = (a, b) {
                set.push(a.element.clone(), a.member && b.member, a.children.intersection(&b.children));
            }
        });
        set
    }

    /// The paths that are not in `other`.
    pub fn difference(&self, other: &Set) -> Set {
        let mut set = Set::new();
        zip(self, other, |a, b| match (a, b) {
            (Some(a), Some(b)) => {
                set.push(a.element.clone(), a.member && !b.member, a.children.difference(&b.children));
            }
            (Some(a), None) => set.entries.push(a.clone()),
            _ => {}
        });
        set
    }

    /// The paths that are not in `other` and do not go on from one that is.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        let mut set = Set::new();
        zip(self, other, |a, b| match (a, b) {
            (Some(a), Some(b)) if !b.member => {
                set.push(a.element.clone(), a.member, a.children.recursive_difference(&b.children));
            }
            (Some(a), None) => set.entries.push(a.clone()),
            _ => {}
        });
        set
    }

    /// The paths that no other path of the set goes on from.
    pub fn leaves(&self) -> Set {
        let entries = self.entries.iter().map(|entry| Entry {
            element: entry.element.clone(),
            member: entry.member && entry.children.is_empty(),
            children: entry.children.leaves(),
        });
        Set { entries: entries.collect() }
    }

    /// Calls `visit` with every path, in upstream's order: at each level first the members, then what is below.
    pub fn each(&self, visit: &mut impl FnMut(&[Element])) {
        self.each_below(&mut Vec::new(), visit);
    }

    fn each_below(&self, path: &mut Vec<Element>, visit: &mut impl FnMut(&[Element])) {
        for entry in self.entries.iter().filter(|entry| entry.member) {
            path.push(entry.element.clone());
            visit(path);
            path.pop();
        }
        for entry in self.entries.iter().filter(|entry| !entry.children.is_empty()) {
            path.push(entry.element.clone());
            entry.children.each_below(path, visit);
            path.pop();
        }
    }
}

/// Walks the steps of two sets together, in order.
fn zip<'a>(a: &'a Set, b: &'a Set, mut visit: impl FnMut(Option<&'a Entry>, Option<&'a Entry>)) {
    let (mut left, mut right) = (a.entries.iter().peekable(), b.entries.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.element.cmp(&b.element),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        visit(from_left, from_right);
    }
}
