//! Any request, to a node, a pod or a service.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use super::{Outbound, headers, relay};
use crate::document;
use crate::reply::Reply;
use crate::request::Attributes;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::View;

const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// Who may read an answer from another page is said by this server alone.
const CROSS_ORIGIN: &str = "access-control-allow-";

impl Scope<'_> {
    pub(super) async fn proxy(&self, outbound: &Outbound) -> Result<Reply, Error> {
        let view = View::new(self.server.reader().latest().await?);
        let address = match self.attributes().resource.as_str() {
            "nodes" => self.node_at(&view).await?,
            "pods" => self.pod_at(&view)?,
            _ => self.service_at(&view)?,
        };
        let request = self.request;
        let uri = request.origin.as_ref().map(|origin| origin.uri.clone()).unwrap_or_default();
        let (prefix, tail) = split(uri.path(), self.attributes());
        let path = if tail.is_empty() { "/" } else { tail };
        let question = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let to = address.at(&format!("{path}{question}"))?;
        if headers::asks_for_upgrade(&request.headers) {
            return relay::upgrade(outbound, &to, request).await;
        }
        let method = &request.method;
        if tail.is_empty() && (method == Method::GET || method == Method::HEAD) {
            // Relative links of the page lead back here only then.
            return Ok(Reply::Document(document::Answer::Moved(format!("{}/{question}", uri.path()))));
        }
        let mut passed = headers::of_request(request);
        if let Ok(own) = HeaderValue::try_from(format!("{prefix}{path}")) {
            passed.insert(FORWARDED_URI, own);
        }
        let host = passed.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned();
        let permit = outbound.permit()?;
        let unreachable = |failure| Error::Unreachable(format!("error trying to reach service: {failure}"));
        let answer = relay::send(outbound, &to, method.clone(), passed, relay::body(request)).await;
        let mut answer = answer.map_err(unreachable)?.map(Body::new);
        adapt(answer.headers_mut(), prefix, &to.address.to_string(), &host);
        Ok(relay::as_it_is(answer, Some(permit)))
    }
}

/// The path up to the subresource, and what follows it, both as they were sent.
fn split<'a>(path: &'a str, attributes: &Attributes) -> (&'a str, &'a str) {
    // /api/v1/nodes/NAME/proxy, /api/v1/namespaces/NAMESPACE/pods/NAME/proxy
    let parts = if attributes.namespace.is_empty() { 5 } else { 7 };
    let mut seen = 0;
    let mut at = 0;
    for part in path.split_inclusive('/') {
        if seen == parts {
            break;
        }
        at += part.len();
        seen += usize::from(part != "/");
    }
    let end = if path[..at].ends_with('/') { at - 1 } else { at };
    path.split_at(end)
}

/// Makes an answer fit this place: redirects to its own server lead through this one.
fn adapt(answer: &mut HeaderMap, prefix: &str, server: &str, host: &str) {
    headers::remove_prefixed(answer, &[CROSS_ORIGIN]);
    let Some(location) = answer.get(header::LOCATION).and_then(|location| location.to_str().ok()) else {
        return;
    };
    if let Some(led) = through(location, prefix, server, host)
        && let Ok(led) = HeaderValue::try_from(led)
    {
        answer.insert(header::LOCATION, led);
    }
}

/// A redirect through this server, unless it leads elsewhere or is relative.
fn through(location: &str, prefix: &str, server: &str, host: &str) -> Option<String> {
    let target: Uri = location.parse().ok()?;
    let is_elsewhere = target.authority().is_some_and(|to| to.as_str() != server && to.as_str() != host);
    let path = target.path_and_query().map_or("", |path| path.as_str());
    if is_elsewhere || !path.starts_with('/') {
        return None;
    }
    let fragment = location.split_once('#').map(|(_, fragment)| format!("#{fragment}")).unwrap_or_default();
    // What leads to where the client asked goes on to lead there.
    let is_here = target.authority().is_some_and(|to| to.as_str() == host);
    let origin = if is_here { location.split_once(host).map_or("", |(scheme, _)| scheme) } else { "" };
    let host = if is_here { host } else { "" };
    let start = if path.starts_with(prefix) { "" } else { prefix };
    Some(format!("{origin}{host}{start}{path}{fragment}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;

    #[test]
    fn what_follows_the_subresource_is_passed_on_as_it_was_sent() {
        for (path, expected) in [
            ("/api/v1/nodes/n/proxy", ""),
            ("/api/v1/nodes/n/proxy/", "/"),
            ("/api/v1/nodes/n/proxy/metrics/cadvisor", "/metrics/cadvisor"),
            ("/api/v1/namespaces/a/pods/http:b:80/proxy/x%2Fy//z/", "/x%2Fy//z/"),
            ("//api/v1/namespaces/a/services/b/proxy/c", "/c"),
        ] {
            let attributes = Attributes::parse(&Method::GET, path, &Query::default());
            let (prefix, tail) = split(path, &attributes);
            assert_eq!((tail, format!("{prefix}{tail}")), (expected, path.to_owned()));
        }
    }

    #[test]
    fn redirects_to_the_same_server_lead_through_this_one() {
        let prefix = "/api/v1/nodes/n/proxy";
        for (location, expected) in [
            ("/login?next=a#top", Some("/api/v1/nodes/n/proxy/login?next=a#top")),
            ("http://10.0.0.1:80/login", Some("/api/v1/nodes/n/proxy/login")),
            ("https://api:6443/login", Some("https://api:6443/api/v1/nodes/n/proxy/login")),
            ("/api/v1/nodes/n/proxy/login", Some("/api/v1/nodes/n/proxy/login")),
            ("https://example.org/login", None),
            ("login", None),
        ] {
            let led = through(location, prefix, "10.0.0.1:80", "api:6443");
            assert_eq!(led.as_deref(), expected, "{location}");
        }
    }
}
