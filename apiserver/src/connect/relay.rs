//! Sends a request on, and its answer back.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request as HttpRequest, Response, Uri};
use http_body::Body as _;
use tokio::sync::OwnedSemaphorePermit;

use super::destination::Destination;
use super::{Outbound, headers};
use crate::reply::{Relayed, Reply};
use crate::request::{Origin, Request};
use crate::status::Error;

/// Goes on in another protocol, which is what the client must want.
pub(super) async fn upgrade(
    outbound: &Outbound,
    to: Destination,
    request: &Request,
    origin: Option<&Origin>,
) -> Result<Reply, Error> {
    if !headers::asks_for_upgrade(&request.headers) {
        return Err(Error::BadRequest("Upgrade request required".to_owned()));
    }
    let permit = outbound.permit()?;
    let body = origin.and_then(Origin::take_body).unwrap_or_else(Body::empty);
    let asked = http_request(&to.path, request.method.clone(), headers::of_request(request, origin), body)?;
    let answer = to.address.send(outbound, asked).await;
    let mut answer = answer.map_err(|failure| Error::Plain(format!("error dialing backend: {failure}")))?;
    if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(&mut answer)
            .await
            .map_err(|error| Error::Plain(format!("error dialing backend: {error}")))?;
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
pub(super) fn as_it_is(mut response: Response<Body>, permit: Option<OwnedSemaphorePermit>) -> Reply {
    headers::remove_hop_by_hop(response.headers_mut());
    Reply::Relayed(Box::new(Relayed { response, upgraded: None, permit }))
}

/// A request for a path.
pub(super) fn http_request(
    path: &str,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<HttpRequest<Body>, Error> {
    let uri: Uri =
        path.parse().map_err(|error| Error::BadRequest(format!("{path:?} cannot be passed on: {error}")))?;
    let mut request = HttpRequest::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    // Of a body without a length only this tells that there is one.
    if !request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_LENGTH) {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(request)
}
