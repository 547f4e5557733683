//! The headers of a request that is passed on, and of its answer.
//!
//! Keeps: what the client proved itself with, or asked to act as, stays here; what concerns one connection alone is not
//! carried over to another.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::authentication::WEBSOCKET_TOKEN_PROTOCOL;
use crate::request::{Request, header_items, header_texts};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// What asks to act as somebody else, or says who somebody is.
const CREDENTIALS: [&str; 2] = ["impersonate-", "x-remote-"];
/// What concerns one connection alone.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether the client wants to go on in another protocol.
pub(crate) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    header_texts(headers, header::CONNECTION).any(|text| text.to_ascii_lowercase().contains("upgrade"))
}

/// What a request says to whom it is passed on.
pub(crate) fn of_request(request: &Request) -> HeaderMap {
    let mut headers = request.headers.clone();
    let protocol = headers.get(header::UPGRADE).cloned().filter(|_| asks_for_upgrade(&headers));
    remove_hop_by_hop(&mut headers);
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    headers.remove(header::AUTHORIZATION);
    remove_prefixed(&mut headers, &CREDENTIALS);
    hide_token(&mut headers);
    join_cookies(&mut headers);
    if let Some(origin) = &request.origin {
        // HTTP/2 says the host elsewhere.
        if let Some(authority) = origin.uri.authority()
            && let Ok(host) = HeaderValue::try_from(authority.as_str())
        {
            headers.entry(header::HOST).or_insert(host);
        }
        if let Some(client) = origin.client {
            let client = client.to_string();
            let all: Vec<&str> = header_texts(&headers, FORWARDED_FOR).chain([client.as_str()]).collect();
            if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
                headers.insert(FORWARDED_FOR, value);
            }
        }
    }
    headers
}

/// Removes what concerns the connection alone.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        header_items(headers, header::CONNECTION).filter_map(|name| name.parse().ok()).collect();
    for name in named.into_iter().chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Removes the headers whose names begin with one of `prefixes`.
pub(super) fn remove_prefixed(headers: &mut HeaderMap, prefixes: &[&str]) {
    let begins = |name: &&HeaderName| prefixes.iter().any(|prefix| name.as_str().starts_with(prefix));
    let named: Vec<HeaderName> = headers.keys().filter(begins).cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

/// Puts cookies into one header: HTTP/2 may send each by itself, HTTP/1.1 may not.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(all) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, all);
    }
}

/// Takes a bearer token out of the subprotocols of a WebSocket.
fn hide_token(headers: &mut HeaderMap) {
    let (tokens, kept): (Vec<&str>, Vec<&str>) = header_items(headers, header::SEC_WEBSOCKET_PROTOCOL)
        .partition(|protocol| protocol.starts_with(WEBSOCKET_TOKEN_PROTOCOL));
    if tokens.is_empty() {
        return;
    }
    let kept = if kept.is_empty() { None } else { HeaderValue::try_from(kept.join(", ")).ok() };
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::*;
    use crate::fixture;
    use crate::request::Origin;

    fn passed_on(headers: &[(&'static str, &'static str)], origin: Option<Origin>) -> Vec<(String, String)> {
        let mut request = fixture::request(http::Method::GET, "/api/v1/namespaces/a/pods/b/exec", "a/b", "");
        request.headers.clear();
        for (name, value) in headers {
            request.headers.append(*name, HeaderValue::from_static(value));
        }
        request.origin = origin.map(Arc::new);
        let passed = of_request(&request);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let mut seen: Vec<_> =
            passed.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        seen.sort();
        seen
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_a_client_proves_itself_with_stays_here() {
        let sent = [
            ("authorization", "Bearer secret"),
            ("impersonate-user", "jane"),
            ("impersonate-extra-a", "b"),
            ("x-remote-user", "jane"),
            ("sec-websocket-protocol", "v5.channel.k8s.io"),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io"),
            ("accept", "*/*"),
        ];
        let expected =
            [("accept", "*/*"), ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io")];
        assert_eq!(passed_on(&sent, None), pairs(&expected));
    }

    #[test]
    fn another_protocol_is_asked_for_and_nothing_else_of_the_connection_is_passed_on() {
        let sent = [
            ("connection", "keep-alive, Upgrade, x-own"),
            ("upgrade", "SPDY/3.1"),
            ("keep-alive", "5"),
            ("x-own", "1"),
            ("te", "trailers"),
        ];
        assert_eq!(passed_on(&sent, None), pairs(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")]));
        // An upgrade that the connection does not announce is none.
        assert_eq!(passed_on(&[("upgrade", "h2c")], None), pairs(&[]));
    }

    #[test]
    fn cookies_arrive_together() {
        let sent = [("cookie", "a=1"), ("cookie", "b=2; c=3")];
        assert_eq!(passed_on(&sent, None), pairs(&[("cookie", "a=1; b=2; c=3")]));
    }

    #[test]
    fn host_and_client_are_named() {
        let origin = Origin {
            uri: "https://api.example.org:6443/api/v1/nodes/n/proxy/".parse().unwrap(),
            client: Some(IpAddr::from([192, 0, 2, 7])),
            ..Origin::default()
        };
        let expected = [("host", "api.example.org:6443"), ("x-forwarded-for", "198.51.100.1, 192.0.2.7")];
        assert_eq!(passed_on(&[("x-forwarded-for", "198.51.100.1")], Some(origin)), pairs(&expected));
    }
}
