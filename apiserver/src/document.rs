//! Documents that the server makes of itself: discovery, OpenAPI, `/version`, `/`.
//!
//! Keeps: an answer is a pure function of the [`Ask`] and of what is compiled in; the HTTP adapter only turns it
//! into status, headers and body.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};

use crate::aggregation::Others;
use crate::registry::Registry;
use crate::request::Request;
use crate::status::Error;
use crate::{discovery, openapi, version};

pub mod accept;
mod compressed;

pub use compressed::{Compressed, Compressor};

/// What a request for a document says.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The decoded path.
    pub path: &'a str,
    /// `Accept`; empty when absent.
    pub accept: &'a str,
    /// `Accept-Encoding` lists gzip.
    pub gzip: bool,
    /// `If-None-Match`; empty when absent.
    pub if_none_match: &'a str,
    /// The `hash` of the query.
    pub hash: Option<&'a str>,
    /// Now, in Unix seconds.
    pub now: i64,
    /// What is particular to this server.
    pub site: Site<'a>,
}

/// What documents say about the running server.
#[derive(Clone, Copy, Default)]
pub struct Site<'a> {
    /// `192.0.2.1:6443`, where clients reach it.
    pub address: &'a str,
    /// Names of the health checks, for the list of paths.
    pub checks: &'a [&'a str],
    /// What others serve.
    pub others: Option<&'a Others>,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 with a body.
    Found(Document),
    /// 304: the client has it. Headers of the document without its body.
    NotModified(Headers),
    /// 301: the document is at this path and query now.
    Moved(String),
}

/// Headers beyond Content-Type, Content-Encoding and Content-Length.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// A document to send.
#[derive(Clone, Debug)]
pub struct Document {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body, gzip-compressed when `gzipped`.
    pub body: Bytes,
    /// The body goes out with `Content-Encoding: gzip`, as it is.
    pub gzipped: bool,
    /// ETag, Vary, Cache-Control, Expires.
    pub headers: Headers,
}

impl<'a> Ask<'a> {
    /// What `request` asks for.
    pub fn of(request: &'a Request, now: i64, site: Site<'a>) -> Ask<'a> {
        let header = |name| request.header(name).unwrap_or("");
        Ask {
            path: &request.attributes.path,
            accept: header(header::ACCEPT),
            gzip: accept::takes_gzip(header(header::ACCEPT_ENCODING)),
            if_none_match: header(header::IF_NONE_MATCH),
            hash: request.query.non_empty("hash"),
            now,
            site,
        }
    }

    /// Whether the client has the document with this tag (quotes not included).
    pub fn has(&self, tag: &str) -> bool {
        self.if_none_match.split(',').any(|candidate| {
            let candidate = candidate.trim();
            let candidate = candidate.strip_prefix("W/").unwrap_or(candidate);
            candidate == "*"
                || candidate.strip_prefix('"').and_then(|text| text.strip_suffix('"')) == Some(tag)
        })
    }
}

impl Document {
    /// A JSON document without further headers.
    pub fn json(body: impl Into<Bytes>) -> Document {
        Document { content_type: "application/json", body: body.into(), gzipped: false, headers: Vec::new() }
    }
}

/// The `ETag` header of a tag.
pub fn etag(tag: &str) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(format!("\"{tag}\"")).expect("a tag is hexadecimal");
    (header::ETAG, value)
}

/// Finds the document at the path asked for; `None` when no document is there.
///
/// The caller has checked that the method is GET or HEAD and that the user may read the path.
pub fn find(ask: &Ask<'_>, registry: &Registry) -> Option<Result<Answer, Error>> {
    let path = ask.path.trim_end_matches('/');
    match path {
        "/version" => Some(Ok(Answer::Found(version::document()))),
        _ if path.starts_with("/openapi/") => openapi::find(ask, registry),
        _ => discovery::find(ask, registry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_recognised_in_every_form_of_if_none_match() {
        let has = |if_none_match| Ask { if_none_match, ..Ask::default() }.has("AB");
        assert!(has("\"AB\""));
        assert!(has("W/\"AB\""));
        assert!(has("\"X\", \"AB\""));
        assert!(has("*"));
        assert!(!has("AB"));
        assert!(!has("\"ABC\""));
        assert!(!has(""));
    }
}
