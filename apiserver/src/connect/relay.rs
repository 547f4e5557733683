//! Sends a request on, and its answer back.

use std::fmt;

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request as HttpRequest, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use super::destination::Destination;
use super::dial::Failure;
use super::{Outbound, headers};
use crate::reply::{Relayed, Reply};
use crate::request::{Origin, Request};
use crate::status::Error;

/// Goes on in another protocol, which is what the client must want.
pub(super) async fn upgrade(
    outbound: &Outbound,
    to: &Destination,
    request: &Request,
) -> Result<Reply, Error> {
    if !headers::asks_for_upgrade(&request.headers) {
        return Err(Error::BadRequest("Upgrade request required".to_owned()));
    }
    let permit = outbound.permit()?;
    let failed = |why: &dyn fmt::Display| Error::Plain(format!("error dialing backend: {why}"));
    let answer =
        send(outbound, to, request.method.clone(), headers::of_request(request), body(request)).await;
    let mut answer = answer.map_err(|failure| failed(&failure))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(&mut answer).await.map_err(|error| failed(&error))?;
        let response = answer.map(|_| Body::empty());
        let relayed = Relayed { response, upgraded: Some(upgraded), permit: Some(permit) };
        return Ok(Reply::Relayed(Box::new(relayed)));
    }
    if !answer.status().is_client_error() && !answer.status().is_server_error() {
        let code = answer.status().as_u16();
        return Err(Error::Plain(format!("invalid upgrade response: status code {code}")));
    }
    Ok(as_it_is(answer.map(Body::new), Some(permit)))
}

/// An answer whose body is passed on as it comes.
pub(crate) fn as_it_is(mut response: Response<Body>, permit: Option<OwnedSemaphorePermit>) -> Reply {
    headers::remove_hop_by_hop(response.headers_mut());
    Reply::Relayed(Box::new(Relayed { response, upgraded: None, permit }))
}

/// What is left to be read of a request.
pub(crate) fn body(request: &Request) -> Body {
    request.origin.as_deref().map(Origin::take_body).unwrap_or_default()
}

/// Sends a request on.
pub(super) async fn send(
    outbound: &Outbound,
    to: &Destination,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Incoming>, Failure> {
    let mut request = HttpRequest::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = to.uri.clone();
    *request.headers_mut() = headers;
    // Of a body without a length only this tells that there is one.
    if !request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_LENGTH) {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    to.address.send(outbound, request).await
}
