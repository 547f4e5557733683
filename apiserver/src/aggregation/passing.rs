//! Requests that another API server answers.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::Remote;
use crate::connect::{headers, relay};
use crate::pipeline::Server;
use crate::remote;
use crate::reply::{Relayed, Reply};
use crate::request::{Request, percent_decode};
use crate::status::Error;
use crate::storage::View;
use crate::user::User;
use crate::version;

const USER: HeaderName = HeaderName::from_static("x-remote-user");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const EXTRA_PREFIX: &str = "x-remote-extra-";

/// How much is read of what a server says of itself.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;
/// How long that may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take to begin that is no watch.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A document of another server.
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Server {
    /// Passes a request on; its user was found to be allowed to make it.
    pub(crate) async fn pass_to(
        &self,
        remote: &Remote,
        user: &User,
        request: &Request,
    ) -> Result<Reply, Error> {
        // Clients are not told to try again: every command of kubectl asks every group.
        let unavailable = || Error::Unreachable("service unavailable".to_owned());
        let (Some(origin), Some(outbound)) = (&request.origin, &self.outbound) else {
            return Err(unavailable());
        };
        if !remote.is_available {
            return Err(unavailable());
        }
        let way = self.way(&remote.place, &self.view()).map_err(|_| unavailable())?;
        // What was allowed is what the other server will read.
        if !is_plain(origin.uri.path()) {
            return Err(Error::NoPath);
        }
        let path = origin.uri.path_and_query().map_or("/", |it| it.as_str());
        let failed = |why: String| Error::Unreachable(format!("error trying to reach service: {why}"));
        let permit = outbound.permit()?;
        let mut passed = HttpRequest::new(relay::body(request));
        *passed.method_mut() = request.method.clone();
        *passed.uri_mut() = way.to(path).map_err(failed)?;
        *passed.headers_mut() = headers::of_request(request);
        if let Ok(host) = HeaderValue::try_from(remote.place.host.as_str()) {
            passed.headers_mut().insert(header::HOST, host);
        }
        identify(user, passed.headers_mut())?;
        let lasts = request.attributes.verb == "watch" || headers::asks_for_upgrade(&request.headers);
        let limit = match (lasts, request.attributes.is_resource) {
            (true, _) => None,
            (false, true) => Some(ANSWER_TIMEOUT),
            (false, false) => Some(DOCUMENT_TIMEOUT),
        };
        let answering = way.client.request(passed);
        let answer = match limit {
            Some(limit) => timeout(limit, answering).await.map_err(|_| Error::Timeout)?,
            None => answering.await,
        };
        let mut answer = answer.map_err(|error| failed(remote::words(&error, &way.authority)))?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(&mut answer).await;
            let upgraded = upgraded.map_err(|error| failed(error.to_string()))?;
            let response = answer.map(|_| Body::empty());
            let relayed = Relayed { response, upgraded: Some(upgraded), permit: Some(permit) };
            return Ok(Reply::Relayed(Box::new(relayed)));
        }
        Ok(relay::as_it_is(answer.map(Body::new), Some(permit)))
    }

    /// Gets a document from a server, as one who may everything.
    pub(super) async fn fetch(
        &self,
        remote: &Remote,
        view: &View,
        path: &str,
        accept: &str,
    ) -> Result<Fetched, String> {
        let url = |authority: &str| format!("https://{authority}{path}");
        let way = self.way(&remote.place, view)?;
        let failed = |why: String| {
            let url = url(&way.authority);
            format!("failing or missing response from {url}: Get {url:?}: {why}")
        };
        let aggregator = User {
            name: "system:kube-aggregator".to_owned(),
            groups: vec!["system:masters".to_owned()],
            ..User::default()
        };
        let mut request = HttpRequest::get(way.to(path)?)
            .header(header::HOST, &remote.place.host)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, version::USER_AGENT)
            .body(Body::empty())
            .map_err(|error| error.to_string())?;
        identify(&aggregator, request.headers_mut()).map_err(|error| error.to_string())?;
        let asking = async {
            let answer = way.client.request(request).await;
            let answer = answer.map_err(|error| failed(remote::words(&error, &way.authority)))?;
            let status = answer.status();
            let content_type = answer.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
            let content_type = content_type.unwrap_or("").to_owned();
            let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
            Ok(Fetched { status, content_type, body })
        };
        let deadline = |_| failed("context deadline exceeded".to_owned());
        timeout(DOCUMENT_TIMEOUT, asking).await.map_err(deadline)?
    }
}

/// Whether nobody can read other segments out of a path than were authorized here.
fn is_plain(path: &str) -> bool {
    let is_hidden = |segment: &str| {
        let segment = percent_decode(segment);
        segment.contains('/') || matches!(&*segment, "." | "..")
    };
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !inner.split('/').any(|segment| segment.is_empty() || is_hidden(segment))
}

/// Says who makes a request. Whoever gets it believes that because of the certificate.
fn identify(user: &User, headers: &mut HeaderMap) -> Result<(), Error> {
    let value = |text: &str| {
        HeaderValue::try_from(text)
            .map_err(|_| Error::BadRequest(format!("{text:?} cannot be passed on in a header")))
    };
    headers.insert(USER, value(&user.name)?);
    if !user.uid.is_empty() {
        headers.insert(UID, value(&user.uid)?);
    }
    for group in &user.groups {
        headers.append(GROUP, value(group)?);
    }
    for (key, values) in &user.extra {
        let name = HeaderName::try_from(format!("{EXTRA_PREFIX}{}", escaped(key)))
            .map_err(|_| Error::BadRequest(format!("{key:?} cannot be passed on in a header")))?;
        for text in values {
            headers.append(name.clone(), value(text)?);
        }
    }
    Ok(())
}

/// A key as the name of a header: what may not stand there is written as in a URL.
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'%' => out.push_str("%25"),
            byte if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => write!(out, "%{byte:02X}").expect("a string takes every write"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_be_read_otherwise_are_not_passed_on() {
        for (path, expected) in [
            ("/apis/g/v1/namespaces/a/pods/b", true),
            ("/apis/g/v1/", true),
            ("/apis/g/v1/things/a%20b", true),
            ("/apis%2Fg%2fv1%2Fpods", false),
            ("/apis/g/v1/things/a%2Fstatus", false),
            ("/apis/g/v1//pods", false),
            ("/apis/g/v1/../v2/pods", false),
            ("/apis/g/v1/%2e%2E/v2/pods", false),
        ] {
            assert_eq!(is_plain(path), expected, "{path}");
        }
    }

    #[test]
    fn who_asks_is_said_in_headers() {
        let user = User {
            name: "jane".to_owned(),
            uid: "7".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            extra: [("example.com/why so%".to_owned(), vec!["x".to_owned(), "y".to_owned()])].into(),
        };
        let mut headers = HeaderMap::new();
        identify(&user, &mut headers).unwrap();
        let seen: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let extra = "x-remote-extra-example.com%2fwhy%20so%25";
        let expected = [
            ("x-remote-user", "jane"),
            ("x-remote-uid", "7"),
            ("x-remote-group", "a"),
            ("x-remote-group", "b"),
            (extra, "x"),
            (extra, "y"),
        ];
        assert_eq!(seen, expected);
        assert!(identify(&User { name: "a\nb".to_owned(), ..User::default() }, &mut headers).is_err());
    }
}
