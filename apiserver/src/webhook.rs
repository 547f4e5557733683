//! Questions to webhooks, for admission and for conversion: a review is posted, and the answer to it read.
//!
//! Keeps: what is read of an answer is bounded, and so is the time that it may take.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::pipeline::Server;
use crate::remote::{self, Place};
use crate::status::words_of_code;
use crate::storage::View;
use crate::version;

/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How much of a refusal is shown.
const REFUSAL_BYTES_MAX: usize = 2048;
/// Nobody is asked again sooner.
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered {
    /// A sentence, in Go's words where those are what people search for.
    pub(crate) why: String,
    /// The HTTP status code that metrics show.
    pub(crate) code: u16,
}

impl Unanswered {
    /// Nothing can be told of a code.
    pub(crate) fn new(why: impl Into<String>) -> Unanswered {
        Unanswered { why: why.into(), code: 503 }
    }
}

impl Server {
    /// Posts a review (JSON) and reads the answer to it.
    pub(crate) async fn ask(
        &self,
        place: &Place,
        view: &View,
        review: Bytes,
        allowed: Duration,
    ) -> Result<Bytes, Unanswered> {
        let query = format!("?timeout={}s", allowed.as_secs().max(1));
        let failed = |why: String| Unanswered::new(format!("Post \"{}{query}\": {why}", place.url));
        let way = self.way(place, view).map_err(&failed)?;
        let uri = way.to(&format!("{}{query}", place.path)).map_err(&failed)?;
        let request = || {
            Request::post(uri.clone())
                .header(header::HOST, &place.host)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::ACCEPT, "application/json, */*")
                .header(header::USER_AGENT, version::USER_AGENT)
                .body(Body::from(review.clone()))
                .map_err(|error| failed(error.to_string()))
        };
        let asking = async {
            let answer = loop {
                let answer = way.client.request(request()?).await;
                let answer = answer.map_err(|error| failed(remote::words(&error, &way.authority)))?;
                match retry_after(&answer) {
                    Some(interval) => tokio::time::sleep(interval).await,
                    None => break answer,
                }
            };
            let status = answer.status();
            let is_text = is_text(answer.headers());
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
            match (200..=206).contains(&status.as_u16()) {
                true => Ok(body),
                false => Err(refused(status, &body, is_text)),
            }
        };
        let deadline = |_| failed("context deadline exceeded".to_owned());
        timeout(allowed, asking).await.map_err(deadline)?
    }
}

/// When to ask again whoever has no time now.
fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let code = answer.status();
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    (code == StatusCode::TOO_MANY_REQUESTS || code.is_server_error())
        .then_some(Duration::from_secs(seconds).max(RETRY_INTERVAL_MIN))
}

/// What an answer means whose code says that there is none.
fn refused(status: StatusCode, body: &[u8], is_text: bool) -> Unanswered {
    let code = status.as_u16();
    let said: Option<Said> = serde_json::from_slice(body).ok();
    let why = match said {
        Some(Said { kind, message }) if kind == "Status" && !message.is_empty() => message,
        _ if is_text => {
            let shown = &body[..body.len().min(REFUSAL_BYTES_MAX)];
            words_of_code(code, String::from_utf8_lossy(shown).trim().to_owned()).1
        }
        _ => words_of_code(code, "unknown".to_owned()).1,
    };
    Unanswered { why, code }
}

/// Whether a body is for people.
fn is_text(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|media| media.to_str().is_ok_and(|media| media.trim_start().starts_with("text/")))
}

/// What of a Status is passed on.
#[derive(serde::Deserialize)]
struct Said {
    kind: String,
    #[serde(default)]
    message: String,
}
