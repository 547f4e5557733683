//! The log of a container, from its kubelet.

use std::time::Duration;

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::dial::Tls;
use super::query::{self, Parameters};
use super::{Outbound, container, relay};
use crate::field::{FieldErrors, Path};
use crate::reply::Reply;
use crate::request::Query;
use crate::scope::Scope;
use crate::status::Error;
use crate::time;

/// How much of a refusal is read.
const REFUSAL_BYTES_MAX: usize = 50_000;
/// How long that may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What of a log is asked for.
struct Options {
    since_seconds: Option<i64>,
    since_time: Option<String>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    /// One of the container's two streams, which no kubelet tells apart by default.
    names_stream: bool,
}

impl Scope<'_> {
    /// Logs of a pod without a node are empty; those of others lie on its kubelet.
    pub(super) async fn log(&self, outbound: &Outbound) -> Result<Reply, Error> {
        if self.request.method != Method::GET {
            return Err(Error::MethodNotAllowed);
        }
        let (view, pod) = self.pod().await?;
        let query = &self.request.query;
        let options = Options::parse(query)?;
        let errors = options.validate();
        if !errors.is_empty() {
            let (group, kind) = (String::new(), "PodLogOptions".to_owned());
            return Err(Error::Invalid { group, kind, name: self.name().to_owned(), errors });
        }
        let container = container::named(query, &pod)?;
        let Some(mut kubelet) = self.kubelet_of(&view, &pod)? else {
            return Ok(relay::as_it_is(text(StatusCode::NO_CONTENT, Body::empty()), None));
        };
        if query.flag("insecureSkipTLSVerifyBackend") {
            kubelet.tls = Tls::UncheckedKubelets;
        }
        let permit = outbound.permit()?;
        let path = format!("/containerLogs/{}/{}/{container}", pod.namespace(), pod.name());
        let to = kubelet.at(&options.parameters(query).after(&path))?;
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::try_from(to.address.to_string()) {
            headers.insert(header::HOST, host);
        }
        let failed = |failure| Error::Plain(format!("Get {:?}: {failure}", to.url()));
        let answer = relay::send(outbound, &to, Method::GET, headers, Body::empty()).await.map_err(failed)?;
        let code = answer.status();
        if code.is_redirection() && answer.headers().contains_key(header::LOCATION) {
            return Err(Error::Plain(format!("Get {:?}: redirects forbidden", to.url())));
        }
        if code < StatusCode::OK || code > StatusCode::PARTIAL_CONTENT {
            let mut said = Vec::new();
            // What has come by then must do.
            let _ = timeout(REFUSAL_TIMEOUT, read(answer.into_body(), &mut said)).await;
            let said = String::from_utf8_lossy(&said).into_owned();
            return Err(Error::of_kubelet(code.as_u16(), self.name(), said));
        }
        Ok(relay::as_it_is(text(StatusCode::OK, Body::new(answer.into_body())), Some(permit)))
    }
}

/// Reads the beginning of a refusal.
async fn read(mut body: Incoming, said: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.data_ref().map_or(&[][..], |data| data);
        said.extend_from_slice(&data[..data.len().min(REFUSAL_BYTES_MAX - said.len())]);
        if said.len() == REFUSAL_BYTES_MAX {
            return;
        }
    }
}

fn text(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    if code == StatusCode::OK {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}

impl Options {
    fn parse(query: &Query) -> Result<Options, Error> {
        let since_time = match query.get("sinceTime") {
            None => None,
            // As Go's zero time.
            Some("" | "null") => Some("0001-01-01T00:00:00Z".to_owned()),
            Some(text) => {
                let moment = time::parse(text).map_err(|error| Error::BadRequest(error.to_string()))?;
                Some(time::format_seconds(moment.seconds).to_string())
            }
        };
        Ok(Options {
            limit_bytes: query::number(query, "limitBytes")?,
            since_seconds: query::number(query, "sinceSeconds")?,
            since_time,
            tail_lines: query::number(query, "tailLines")?,
            names_stream: query.get("stream").is_some(),
        })
    }

    fn validate(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if let Some(lines) = self.tail_lines.filter(|lines| *lines < 0) {
            errors.invalid(&Path::new("tailLines"), lines, "must be greater than or equal to 0");
        }
        if let Some(bytes) = self.limit_bytes.filter(|bytes| *bytes < 1) {
            errors.invalid(&Path::new("limitBytes"), bytes, "must be greater than 0");
        }
        match (self.since_seconds, &self.since_time) {
            (Some(_), Some(_)) => errors
                .forbidden(&Path::new(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"),
            (Some(seconds), None) if seconds < 1 => {
                errors.invalid(&Path::new("sinceSeconds"), seconds, "must be greater than 0");
            }
            _ => {}
        }
        if self.names_stream {
            errors.forbidden(&Path::new("stream"), "may not be specified");
        }
        errors
    }

    /// As a kubelet reads them, in the order of their names.
    fn parameters(&self, query: &Query) -> Parameters {
        let mut parameters = Parameters::default();
        let flag = |parameters: &mut Parameters, name| {
            if query.flag(name) {
                parameters.add(name, "true");
            }
        };
        let number = |parameters: &mut Parameters, name, value: Option<i64>| {
            if let Some(value) = value {
                parameters.add(name, &value.to_string());
            }
        };
        flag(&mut parameters, "follow");
        number(&mut parameters, "limitBytes", self.limit_bytes);
        flag(&mut parameters, "previous");
        number(&mut parameters, "sinceSeconds", self.since_seconds);
        if let Some(time) = &self.since_time {
            parameters.add("sinceTime", time);
        }
        number(&mut parameters, "tailLines", self.tail_lines);
        flag(&mut parameters, "timestamps");
        parameters
    }
}
