//! A length of time, as people write it on a command line: `250ms`, `5s`, `1h30m`.

use std::{fmt, str::FromStr, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) Duration);

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Length, String> {
        if text == "0" {
            return Ok(Length(Duration::ZERO));
        }
        let wrong = || "write it as a number and a unit, like 250ms, 5s or 1h30m".to_owned();
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (number, tail) = split(rest, |c| c.is_ascii_digit());
            let (unit, tail) = split(tail, |c| c.is_ascii_alphabetic());
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(wrong()),
            };
            let millis = number.checked_mul(millis).ok_or_else(wrong)?;
            total = total.checked_add(Duration::from_millis(millis)).ok_or_else(wrong)?;
            rest = tail;
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Length(total)) }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1_000) { write!(f, "{}s", millis / 1_000) } else { write!(f, "{millis}ms") }
    }
}

/// The longest beginning of which every character is `wanted`, and the rest.
fn split(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let millis = text.parse::<Length>().ok().map(|length| length.0.as_millis() as u64);
        assert_eq!(millis, expected, "{text:?}");
    }

    #[test]
    fn lengths_have_units() {
        check("0", Some(0));
        check("250ms", Some(250));
        check("5s", Some(5_000));
        check("1h30m", Some(5_400_000));
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in ["", "5", "s", "-1s", "5 s", "5d", "1.5s", "99999999999999999999h", "9999999999999999h"] {
            check(text, None);
        }
    }
}
