//! Replies on the wire: the last step, and the only one that knows of HTTP.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use crate::document::{Answer, Headers};
use crate::forms::{self, Stored};
use crate::negotiation::{Form, Media};
use crate::pipeline::Server;
use crate::reply::{Content, ListReply, Reply};
use crate::status::{Error, Status};
use crate::stream::{self, CHUNK_BYTES, ListWriter, Watching};

/// A body is compressed when its first piece is larger than this.
const GZIP_BYTES_MIN: usize = 128 << 10;

/// What encoding needs to know of the request.
pub struct Recipient {
    /// The form that was negotiated.
    pub form: Form,
    /// The client takes gzip.
    pub gzip: bool,
    /// Who answers: its time is for ages, and watches have it convert objects.
    pub server: Arc<Server>,
    /// Counts a watch while it lasts.
    pub watching: Option<Watching>,
    /// Becomes true when the server stops.
    pub closing: tokio::sync::watch::Receiver<bool>,
}

/// Encodes a reply.
pub fn reply(reply: Reply, mut recipient: Recipient) -> Response<Body> {
    let watching = recipient.watching.take();
    let to = &recipient;
    let now = to.server.clock.unix_seconds();
    let form = &to.form;
    match reply {
        Reply::Entry(object) => {
            let code = if object.created { StatusCode::CREATED } else { StatusCode::OK };
            let stored = Stored::from(&*object.entry);
            whole(code, form.content_type(), forms::alone(&object.resource, &stored, form, true, now), to)
        }
        Reply::Tree(tree) => {
            let code = if tree.created { StatusCode::CREATED } else { StatusCode::OK };
            let names = (tree.api_version.as_str(), tree.kind.as_str());
            let body =
                forms::tree_alone(tree.resource.as_deref(), &tree.object, tree.schema, names, form, now);
            whole(code, form.content_type(), body, to)
        }
        Reply::List(list) => self::list(list, to, now),
        Reply::Watch(watch) => {
            let content_type = watch.form.watch_content_type();
            let pieces = stream::watch(*watch, &to.server, to.closing.clone(), watching);
            with_type(StatusCode::OK, content_type, Body::from_stream(pieces))
        }
        Reply::Status(status) => self::status(&status, form),
        Reply::Document(answer) => document(answer, to),
        Reply::Text(well, body) => {
            let code = if well { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            let mut response = with_type(code, "text/plain; charset=utf-8", Body::from(body));
            response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
            response
        }
        Reply::Content(content_type, content) => {
            let body = match content {
                Content::Whole(bytes) => Body::from(bytes),
                Content::Pieces(pieces) => {
                    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(pieces))
                }
            };
            with_type(StatusCode::OK, content_type, body)
        }
        Reply::Relayed(relayed) => relayed.response,
    }
}

/// Encodes a refusal.
pub fn error(error: &Error, form: &Form) -> Response<Body> {
    if matches!(error, Error::NoPath) {
        let mut response =
            with_type(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", Body::from("404 page not found\n"));
        response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        return response;
    }
    status(&error.status(), form)
}

fn status(status: &Status, form: &Form) -> Response<Body> {
    let code = StatusCode::from_u16(status.http_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with_type(code, form.content_type(), Body::from(forms::status(status, form)));
    let retry = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if retry > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry));
    }
    response
}

fn with_type(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn whole(code: StatusCode, content_type: &'static str, body: Bytes, to: &Recipient) -> Response<Body> {
    if !to.gzip || body.len() <= GZIP_BYTES_MIN {
        return with_type(code, content_type, Body::from(body));
    }
    let mut encoder = Gzip::new();
    let mut out = encoder.piece(&body);
    out.extend_from_slice(&encoder.finish());
    compressed(with_type(code, content_type, Body::from(out)))
}

fn compressed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

fn list(list: ListReply, to: &Recipient, now: i64) -> Response<Body> {
    let form = to.form;
    let content_type = form.content_type();
    if form.media == Media::Protobuf {
        let pieces = stream::list_message(&list, &form);
        let length: usize = pieces.iter().map(Bytes::len).sum();
        return pieces_response(content_type, pieces.into_iter(), length, to);
    }
    let mut writer = ListWriter::new(list, form, now);
    if form.pretty || form.media == Media::Yaml {
        let whole_list = writer.next_piece(usize::MAX).unwrap_or_default();
        return whole(StatusCode::OK, content_type, forms::finish(whole_list, &form), to);
    }
    let Some(mut first) = writer.next_piece(CHUNK_BYTES) else {
        return with_type(StatusCode::OK, content_type, Body::empty());
    };
    if writer.is_done() {
        first.push(b'\n');
        return whole(StatusCode::OK, content_type, Bytes::from(first), to);
    }
    let length = first.len();
    let mut first = Some(Bytes::from(first));
    let pieces = std::iter::from_fn(move || {
        first.take().or_else(|| {
            let mut piece = writer.next_piece(CHUNK_BYTES)?;
            if writer.is_done() {
                piece.push(b'\n');
            }
            Some(Bytes::from(piece))
        })
    });
    pieces_response(content_type, pieces, length + GZIP_BYTES_MIN, to)
}

/// A body of pieces; `length` is what is known of its size.
fn pieces_response(
    content_type: &'static str,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    length: usize,
    to: &Recipient,
) -> Response<Body> {
    if !to.gzip || length <= GZIP_BYTES_MIN {
        return with_type(StatusCode::OK, content_type, made_ahead(pieces));
    }
    let mut pieces = pieces;
    let mut encoder = Some(Gzip::new());
    let compressed_pieces = std::iter::from_fn(move || {
        let gzip = encoder.as_mut()?;
        loop {
            match pieces.next() {
                Some(piece) => {
                    let out = gzip.piece(&piece);
                    if !out.is_empty() {
                        return Some(Bytes::from(out));
                    }
                }
                None => return encoder.take().map(|mut gzip| Bytes::from(gzip.finish())),
            }
        }
    });
    compressed(with_type(StatusCode::OK, content_type, made_ahead(compressed_pieces)))
}

/// A body whose pieces are made by a task of their own, one ahead: the connection's other streams do not wait for
/// them, and encryption and encoding run side by side.
fn made_ahead(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for piece in pieces {
            // A client that went away wants no more.
            if sender.send(Ok::<Bytes, Infallible>(piece)).await.is_err() {
                return;
            }
        }
    });
    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

/// A gzip stream at the fastest level: higher ones cost several times the time for little.
struct Gzip {
    encoder: GzEncoder<Vec<u8>>,
}

impl Gzip {
    fn new() -> Gzip {
        Gzip { encoder: GzEncoder::new(Vec::new(), Compression::new(1)) }
    }

    fn piece(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.encoder.write_all(bytes).expect("writing to memory cannot fail");
        std::mem::take(self.encoder.get_mut())
    }

    fn finish(&mut self) -> Vec<u8> {
        self.encoder.try_finish().expect("writing to memory cannot fail");
        std::mem::take(self.encoder.get_mut())
    }
}

fn document(answer: Answer, to: &Recipient) -> Response<Body> {
    match answer {
        Answer::Found(document) => {
            let mut response = if document.gzipped {
                let response = with_type(StatusCode::OK, document.content_type, Body::from(document.body));
                compressed(response)
            } else {
                whole(StatusCode::OK, document.content_type, document.body, to)
            };
            add_headers(response.headers_mut(), document.headers);
            response
        }
        Answer::NotModified(headers) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            add_headers(response.headers_mut(), headers);
            response
        }
        Answer::Moved(location) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
    }
}

fn add_headers(to: &mut HeaderMap, headers: Headers) {
    for (name, value) in headers {
        to.insert(name, value);
    }
}
