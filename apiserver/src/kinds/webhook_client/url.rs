//! URLs, taken apart as Go does it. Keeps: parts are as written; only the scheme is made lower case.

/// The parts of a URL that somebody asks about.
pub(super) struct Url<'a> {
    pub(super) scheme: String,
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) query: &'a str,
    pub(super) fragment: &'a str,
}

/// Takes a URL apart; answers why it is none.
pub(super) fn parse(text: &str) -> Result<Url<'_>, String> {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    if rest.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(rest)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let has_scheme = !scheme.is_empty();
    let mut url = Url { scheme, user: None, host: "", query, fragment };
    if !rest.starts_with('/') {
        if !has_scheme && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return Ok(url);
    }
    check_escapes(rest)?;
    let Some(rest) = rest.strip_prefix("//") else { return Ok(url) };
    let authority = rest.split('/').next().unwrap_or_default();
    (url.user, url.host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    check_host(url.host)?;
    Ok(url)
}

/// What stands before the first colon, if that can be a scheme.
fn split_scheme(text: &str) -> Result<(String, &str), String> {
    let end =
        text.bytes().position(|byte| !matches!(byte, b'+' | b'-' | b'.') && !byte.is_ascii_alphanumeric());
    match end.filter(|end| text.as_bytes()[*end] == b':') {
        Some(0) => Err("missing protocol scheme".to_owned()),
        Some(end) if text.as_bytes()[0].is_ascii_alphabetic() => {
            Ok((text[..end].to_ascii_lowercase(), &text[end + 1..]))
        }
        _ => Ok((String::new(), text)),
    }
}

fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let escape: String = text[at..].chars().take(3).collect();
        if escape.len() < 3 || !escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), String> {
    let is_allowed = |char: char| !matches!(char, ' ' | '\\' | '^' | '`' | '{' | '|' | '}');
    if let Some(char) = host.chars().find(|char| !is_allowed(*char)) {
        return Err(format!("invalid character {:?} in host name", char.to_string()));
    }
    let after_address = host.rsplit(']').next().unwrap_or_default();
    match after_address.rfind(':').map(|colon| &after_address[colon..]) {
        Some(port) if !port[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("invalid port {port:?} after host"))
        }
        _ => Ok(()),
    }
}
