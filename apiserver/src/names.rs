//! Name rules: what the texts in an object must look like, in upstream's words.
//!
//! Keeps: every rule answers what is wrong as sentences, none when nothing is; a valid text costs no
//! allocation; the sentences are upstream's to the letter, because clients and test suites compare them.

pub mod address;
pub mod dns;
pub mod label;
pub mod signer;
pub mod text;

use std::borrow::Cow;

use crate::field::{FieldErrors, Path};
use crate::kind::NameRule;

/// What is wrong with a text: sentences that follow `Invalid value: "x": `.
pub type Faults = Vec<String>;

/// What is wrong with an object's name (or with its prefix, `generateName`) under a kind's rule.
pub fn object_name(rule: NameRule, name: &str, is_prefix: bool) -> Faults {
    match rule {
        NameRule::DnsSubdomain => dns::subdomain(&masked(name, is_prefix)),
        NameRule::DnsLabel => dns::label(&masked(name, is_prefix)),
        NameRule::PathSegment => path_segment(name, is_prefix),
        NameRule::Custom(rule) => rule(name, is_prefix),
    }
}

/// A prefix as the name it will become: a dash at its end is followed by more. (As upstream, the character before
/// the dash is not judged.)
pub fn masked(name: &str, is_prefix: bool) -> Cow<'_, str> {
    match name.strip_suffix('-') {
        Some(rest) if is_prefix && rest.ends_with(|last: char| last.is_ascii()) => {
            format!("{}a", &rest[..rest.len() - 1]).into()
        }
        _ => name.into(),
    }
}

/// A text that can stand in a URL path.
pub fn path_segment(name: &str, is_prefix: bool) -> Faults {
    if !is_prefix && matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|illegal| name.contains(illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

/// Reports each fault of `value` at `path`.
pub fn report(errors: &mut FieldErrors, path: &Path<'_>, value: &str, faults: Faults) {
    for fault in faults {
        errors.invalid(path, value, fault);
    }
}

/// A sentence with the regular expression behind a rule, and examples.
fn pattern(sentence: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{sentence} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{sentence} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

/// Too many characters, as rules of names say it.
fn too_many_characters(characters_max: usize) -> String {
    format!("must be no more than {characters_max} characters")
}

/// Too many bytes, as rules of label keys and values say it.
fn too_many_bytes(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} bytes")
}

/// The sentence for a number outside `min..=max`.
pub fn outside(min: i64, max: i64) -> String {
    format!("must be between {min} and {max}, inclusive")
}

/// What is wrong with a port number.
pub fn port_number(port: i64) -> Faults {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![outside(1, 65535)] }
}

#[cfg(test)]
mod tests;
