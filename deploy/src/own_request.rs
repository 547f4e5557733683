//! A request that this process makes of its own API server. Keeps: it is what the same request over HTTPS would be, so
//! it passes the same pipeline and is judged in the same way.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use pintle_apiserver::{
    Server,
    audit::{Arrival, Recording},
    negotiation::Form,
    pipeline::Answer,
    reply::Reply,
    request::{Attributes, Query, Request},
    user::User,
};

/// What differs between such requests.
pub(crate) struct OwnRequest<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) agent: HeaderValue,
    pub(crate) body: Bytes,
    /// The term of leadership in which a write counts.
    pub(crate) fence: Option<u64>,
}

pub(crate) const JSON: &str = "application/json";

impl OwnRequest<'_> {
    /// A request of the server for itself.
    pub(crate) fn new(method: Method, path: &str) -> OwnRequest<'_> {
        OwnRequest {
            method,
            path,
            query: "",
            content_type: JSON,
            accept: JSON,
            agent: HeaderValue::from_static("pintle"),
            body: Bytes::new(),
            fence: None,
        }
    }

    /// As the pipeline takes it.
    pub(crate) fn into_request(self) -> Request {
        let query = Query::parse(self.query);
        Request {
            attributes: Attributes::parse(&self.method, self.path, &query),
            method: self.method,
            query,
            headers: HeaderMap::from_iter([
                (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
                (header::ACCEPT, HeaderValue::from_static(self.accept)),
                (header::USER_AGENT, self.agent),
            ]),
            body: self.body,
            fence: self.fence,
            origin: None,
            recording: None,
        }
    }
}

/// Asks as a user and records it, as of any client.
pub(crate) async fn ask(
    server: &Server,
    user: &User,
    request: OwnRequest<'_>,
    form: Result<Form, pintle_apiserver::status::Error>,
) -> (Answer, Option<Arc<Recording>>) {
    let uri = match request.query {
        "" => request.path.to_owned(),
        query => format!("{}?{query}", request.path),
    };
    let mut request = request.into_request();
    if let Some(audit) = &server.audit {
        let Request { attributes, headers, .. } = &mut request;
        let recording = audit.receive(Arrival { attributes, headers, uri, client: None });
        request.recording = recording.identified(attributes, user).then_some(recording);
    }
    let answered_as = form.as_ref().map_or(Form::JSON, |form| *form);
    let answer = server.call(user, &request, form).await;
    if let Some(recording) = &request.recording {
        recording.answered(&answer.reply, &answered_as, request.attributes.verb == "watch");
    }
    (answer, request.recording)
}

/// Whether a client that asked for `/readyz` with this query would be told that the server is ready.
pub(crate) async fn is_ready(server: &Server, query: &str) -> bool {
    let request = OwnRequest { query, ..OwnRequest::new(Method::GET, "/readyz") }.into_request();
    let reply = server.call(&User::apiserver(), &request, Ok(Form::JSON)).await.reply;
    matches!(reply, Ok(Reply::Text(true, _)))
}
