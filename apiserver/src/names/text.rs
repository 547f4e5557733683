//! Other texts with a rule: identifiers, variable names, keys, header names, percentages, port names.

use super::{Faults, pattern, too_many_characters};

/// Words of CEL that name nothing.
pub const CEL_RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// An identifier of C.
pub fn c_identifier(name: &str) -> Faults {
    let valid = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    fault_unless(valid, || {
        pattern(
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
            "[A-Za-z_][A-Za-z0-9_]*",
            &["my_name", "MY_NAME", "MyName"],
        )
    })
}

/// The name of an environment variable: any printable ASCII but `=`.
pub fn variable_name(name: &str) -> Faults {
    if name.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    fault_unless(name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'='), || {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .to_owned()
    })
}

/// A key of a ConfigMap or Secret.
pub fn config_key(key: &str) -> Faults {
    const KEY_MAX: usize = 253;
    let mut faults = Vec::new();
    if key.len() > KEY_MAX {
        faults.push(too_many_characters(KEY_MAX));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.is_empty() || !key.bytes().all(is_allowed) {
        faults.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match key {
        "." | ".." => faults.push(format!("must not be '{key}'")),
        _ if key.starts_with("..") => faults.push("must not start with '..'".to_owned()),
        _ => {}
    }
    faults
}

/// The name of an HTTP header.
pub fn header_name(name: &str) -> Faults {
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fault_unless(valid, || {
        pattern(
            "a valid HTTP header must consist of alphanumeric characters or '-'",
            "[-A-Za-z0-9]+",
            &["X-Header-Name"],
        )
    })
}

/// A percentage: `25%`.
pub fn percent(text: &str) -> Faults {
    let digits = text.strip_suffix('%').unwrap_or_default();
    fault_unless(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()), || {
        pattern(
            "a valid percent string must be a numeric string followed by an ending '%'",
            "[0-9]+%",
            &["1%", "93%"],
        )
    })
}

/// The name of a port (RFC 6335): up to 15 of `a-z`, `0-9`, `-`, one of them a letter.
pub fn port_name(name: &str) -> Faults {
    const PORT_NAME_MAX: usize = 15;
    let mut faults = Vec::new();
    if name.len() > PORT_NAME_MAX {
        faults.push(too_many_characters(PORT_NAME_MAX));
    }
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_allowed) {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        faults.push("must not contain consecutive hyphens".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        faults.push("must not begin or end with a hyphen".to_owned());
    }
    faults
}

fn fault_unless(valid: bool, sentence: impl FnOnce() -> String) -> Faults {
    if valid { Vec::new() } else { vec![sentence()] }
}
