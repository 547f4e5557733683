//! Warning headers: `299 - "text"`, one per warning.

use http::header::HeaderValue;

/// Above this many characters in all, each warning is cut.
const TOTAL_CHARACTERS_MAX: usize = 4096;
/// What a cut warning keeps.
const CUT_CHARACTERS: usize = 256;

/// The header values of warnings, each once, in order.
pub fn headers(warnings: &[String]) -> Vec<HeaderValue> {
    let mut distinct: Vec<&String> = Vec::new();
    for warning in warnings {
        if !warning.is_empty() && !distinct.contains(&warning) {
            distinct.push(warning);
        }
    }
    let total: usize = distinct.iter().map(|warning| warning.chars().count()).sum();
    let length_max = if total > TOTAL_CHARACTERS_MAX { CUT_CHARACTERS } else { usize::MAX };
    distinct.into_iter().filter_map(|warning| header(warning, length_max)).collect()
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
    use super::headers;

    #[test]
    fn warnings_are_escaped_once_each_and_cut_when_they_are_many() {
        let twice = vec![r#"unknown field "spec.foo""#.to_owned(); 2];
        assert_eq!(headers(&twice), vec![r#"299 - "unknown field \"spec.foo\"""#]);
        let many: Vec<String> = (0..10).map(|i| format!("{i}{}", "x".repeat(500))).collect();
        assert!(headers(&many).iter().all(|value| value.len() == 256 + 8));
    }
}
