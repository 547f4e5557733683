//! Formats of texts. Keeps: a format that is not listed here fits everything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether a text is of a format.
pub(crate) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok() && text.contains(['T', 't']),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = match address.parse() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            is_digits(bits) && bits.parse().is_ok_and(|bits: u8| bits <= most)
        }),
        "mac" => is_mac(text),
        "uuid" => uuid_version(text).is_some(),
        "uuid3" => uuid_version(text) == Some('3'),
        "uuid4" => uuid_version(text) == Some('4') && has_variant(text),
        "uuid5" => uuid_version(text) == Some('5') && has_variant(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "hostname" => is_hostname(text),
        "email" => text.rsplit_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
        }),
        "uri" => {
            text.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some() || text.starts_with('/'))
                || has_scheme(text)
        }
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "duration" => crate::time::parse_duration(text).is_ok(),
        _ => true,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Something in front of a colon that may be a scheme, and no space behind it.
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && !rest.contains(char::is_whitespace)
    })
}

fn is_mac(text: &str) -> bool {
    ([':', '-'].iter()).any(|separator| {
        let parts: Vec<&str> = text.split(*separator).collect();
        matches!(parts.len(), 6 | 8 | 20)
            && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

/// The digit that says which version; dashes may be left out.
fn uuid_version(text: &str) -> Option<char> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_uuid { digits.chars().nth(12) } else { None }
}

fn has_variant(text: &str) -> bool {
    let digit = text.chars().filter(|letter| *letter != '-').nth(16);
    digit.is_some_and(|digit| "89abAB".contains(digit))
}

fn is_hostname(text: &str) -> bool {
    const BYTES_MAX: usize = 255;
    const LABEL_BYTES_MAX: usize = 63;
    text.len() <= BYTES_MAX
        && text.strip_suffix('.').unwrap_or(text).split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_BYTES_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn texts_fit_their_formats() {
        for (format, good, bad) in [
            ("date-time", "2026-01-02T03:04:05Z", "2026-01-02"),
            ("date", "2026-01-02", "2026-1-2"),
            ("ipv4", "10.0.0.1", "::1"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "01:02:03:04:05:0a", "01:02:03"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
            ("byte", "aGVsbG8=", "%"),
            ("hostname", "a-1.example.com", "-a"),
            ("email", "a@example.com", "example.com"),
            ("uri", "https://example.com/a", "a b"),
            ("hexcolor", "#aabbcc", "#aabb"),
            ("duration", "1h30m", "soon"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
        assert!(fits("anything", "at all"));
    }
}
