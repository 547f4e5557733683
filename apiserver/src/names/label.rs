//! Label keys (qualified names) and label values.

use super::{Faults, dns, pattern, too_many_bytes};

const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const KEY_SENTENCE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const KEY_EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];
const PART_MAX: usize = 63;

/// A qualified name: `name` or `prefix/name`, the prefix a DNS subdomain.
pub fn key(key: &str) -> Faults {
    let mut faults = Vec::new();
    let mut parts = key.split('/');
    let first = parts.next().unwrap_or_default();
    let name = match (parts.next(), parts.next()) {
        (None, _) => first,
        (Some(name), None) => {
            if first.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults.extend(dns::long_name(first).into_iter().map(|fault| format!("prefix part {fault}")));
            }
            name
        }
        (Some(_), Some(_)) => {
            let sentence = pattern(KEY_SENTENCE, KEY, KEY_EXAMPLES);
            return vec![format!(
                "a valid label key {sentence} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > PART_MAX {
        faults.push(format!("name part {}", too_many_bytes(PART_MAX)));
    }
    if !is_part(name) {
        faults.push(format!("name part {}", pattern(KEY_SENTENCE, KEY, KEY_EXAMPLES)));
    }
    faults
}

/// A label's value: empty, or up to 63 characters as the name of a key.
pub fn value(value: &str) -> Faults {
    let mut faults = Vec::new();
    if value.len() > PART_MAX {
        faults.push(too_many_bytes(PART_MAX));
    }
    if !value.is_empty() && !is_part(value) {
        faults.push(pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            VALUE,
            &["MyValue", "my_value", "12345"],
        ));
    }
    faults
}

/// The bytes of a name or a value.
const IN_PART: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'_' | b'.');
        byte += 1;
    }
    table
};

fn is_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| IN_PART[usize::from(*byte)])
}
