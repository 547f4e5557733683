//! Advice for the writer of an object, and its headers: `299 - "text"`, one per warning.

use std::ops::Deref;

use http::header::HeaderValue;

/// Above this many characters in all, each warning is cut, and from this many on the others are dropped.
const TOTAL_CHARACTERS_MAX: usize = 4096;
/// What a cut warning keeps.
const CUT_CHARACTERS: usize = 256;

/// How many warnings are kept: clients refuse answers whose headers are too long.
const WARNINGS_MAX: usize = 1_000;
/// After how many bytes of text no more warnings are kept.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What to tell the writer of an object, in the order found, each once. Bounded: what comes after the first thousand
/// warnings, or megabyte, is dropped.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    texts: Vec<String>,
    text_bytes: usize,
}

impl Warnings {
    /// None yet.
    pub fn new() -> Warnings {
        Warnings::default()
    }

    /// Whether further warnings are dropped: then nobody needs to look for them.
    pub fn is_full(&self) -> bool {
        self.texts.len() >= WARNINGS_MAX || self.text_bytes >= TEXT_BYTES_MAX
    }

    /// Adds a warning.
    pub fn push(&mut self, text: String) {
        if !text.is_empty() && !self.is_full() && !self.texts.contains(&text) {
            self.text_bytes += text.len();
            self.texts.push(text);
        }
    }

    /// Takes back all but the first `count` warnings.
    pub fn truncate(&mut self, count: usize) {
        self.texts.truncate(count);
        self.text_bytes = self.texts.iter().map(String::len).sum();
    }
}

impl Extend<String> for Warnings {
    fn extend<T: IntoIterator<Item = String>>(&mut self, texts: T) {
        texts.into_iter().for_each(|text| self.push(text));
    }
}

impl Deref for Warnings {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.texts
    }
}

/// The header values of warnings, in order. When they do not fit, each is cut, and what comes too late is dropped.
pub fn headers(warnings: &Warnings) -> Vec<HeaderValue> {
    let sizes = || warnings.iter().map(|warning| warning.chars().count());
    let fitting = sizes()
        .scan(0, |total, size| {
            *total += size;
            Some(*total)
        })
        .take_while(|total| *total <= TOTAL_CHARACTERS_MAX)
        .count();
    if fitting == warnings.len() {
        return warnings.iter().filter_map(|warning| header(warning, usize::MAX)).collect();
    }
    // Upstream begins to cut at the first that does not fit, and writes that one in any case.
    let mut total = 0;
    let mut kept = 0;
    for size in sizes() {
        if kept > fitting && total >= TOTAL_CHARACTERS_MAX {
            break;
        }
        total += size.min(CUT_CHARACTERS);
        kept += 1;
    }
    warnings[..kept].iter().filter_map(|warning| header(warning, CUT_CHARACTERS)).collect()
}

fn header(warning: &str, length_max: usize) -> Option<HeaderValue> {
    let mut text = String::from("299 - \"");
    for character in warning.chars().take(length_max) {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            other if other.is_control() => text.push(' '),
            other => text.push(other),
        }
    }
    text.push('"');
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_escaped_once_each_and_cut_when_they_are_many() {
        let mut twice = Warnings::new();
        twice.extend(vec![r#"unknown field "spec.foo""#.to_owned(); 2]);
        assert_eq!(headers(&twice), vec![r#"299 - "unknown field \"spec.foo\"""#]);
        let mut many = Warnings::new();
        many.extend((0..10).map(|i| format!("{i}{}", "x".repeat(500))));
        assert!(headers(&many).iter().all(|value| value.len() == 256 + 8));
        assert_eq!(headers(&many).len(), 10);
        let mut short = Warnings::new();
        short.extend((0..100).map(|i| format!("{i:0100}")));
        assert_eq!(headers(&short).len(), 41);
        short.extend(["x".repeat(300)]);
        assert_eq!(headers(&short).len(), 41);
    }

    #[test]
    fn warnings_are_bounded_in_number_and_in_text() {
        let mut many = Warnings::new();
        many.extend((0..2 * WARNINGS_MAX).map(|i| i.to_string()));
        assert_eq!(many.len(), WARNINGS_MAX);
        let mut long = Warnings::new();
        long.extend((0..10).map(|i| format!("{i}{}", "x".repeat(TEXT_BYTES_MAX / 4))));
        assert_eq!(long.len(), 4);
        long.truncate(1);
        assert!(!long.is_full());
    }
}
