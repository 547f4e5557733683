//! OpenAPI v3 and v2: what kubectl validates against, merges by and explains.
//!
//! Keeps: nothing is built before it is asked for; what was built is kept compressed. Tags follow from what the
//! documents are made from, so the index costs no document.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use http::header::{CACHE_CONTROL, EXPIRES, HeaderValue, VARY};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha512};

use crate::document::{self, Answer, Ask, Compressed, Document, accept};
use crate::registry::{Registry, Resource};
use crate::status::Error;
use crate::tree::{Map, Node};

mod custom;
mod definitions;
mod descriptions;
mod operations;
mod parameters;
mod protobuf;
mod v2;
mod v3;
mod writer;

const V3: &str = "/openapi/v3";
const SECONDS_PER_YEAR: i64 = 365 * 24 * 60 * 60;

/// The encoding of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Json,
    Protobuf,
}

/// A version of OpenAPI: how its documents are named on the wire.
struct Dialect {
    /// Subtypes that ask for protobuf; the first is the one that answers carry.
    protobuf: [&'static str; 2],
    /// Content-Type of the protobuf form.
    content_type: &'static str,
}

static DIALECT_3: Dialect = Dialect {
    protobuf: [
        "com.github.proto-openapi.spec.v3.v1.0+protobuf",
        "com.github.proto-openapi.spec.v3@v1.0+protobuf",
    ],
    content_type: "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
};

static DIALECT_2: Dialect = Dialect {
    protobuf: [
        "com.github.proto-openapi.spec.v2.v1.0+protobuf",
        "com.github.proto-openapi.spec.v2@v1.0+protobuf",
    ],
    content_type: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
};

impl Dialect {
    /// The form of the best clause that can be met.
    fn form(&self, accept: &str) -> Result<Form, Error> {
        let form = accept::clauses(accept).iter().find_map(|clause| {
            if clause.takes("application", "json") {
                return Some(Form::Json);
            }
            self.protobuf.iter().any(|subtype| clause.takes("application", subtype)).then_some(Form::Protobuf)
        });
        form.ok_or_else(|| Error::NotAcceptable(format!("application/json, {}", self.content_type)))
    }

    fn content_type(&self, form: Form) -> &'static str {
        match form {
            Form::Json => "application/json",
            Form::Protobuf => self.content_type,
        }
    }
}

/// What was made of the documents about everything that is served.
#[derive(Default)]
pub struct Documents {
    tags: OnceLock<Vec<(String, String)>>,
    built: Mutex<FxHashMap<(String, Form), Cell>>,
}

/// A document, made by the first who asks.
type Cell = Arc<OnceLock<Compressed>>;

/// Finds the OpenAPI document at a path without its trailing slash.
pub fn find(ask: &Ask<'_>, registry: &Registry) -> Option<Result<Answer, Error>> {
    let path = ask.path.trim_end_matches('/');
    match path {
        V3 => Some(Ok(index(ask, registry))),
        "/openapi/v2" => Some(whole(ask, registry)),
        _ => {
            let key = path.strip_prefix(V3)?.strip_prefix('/')?;
            let (key, tag) =
                registry.documents().openapi.tags(registry).iter().find(|(candidate, _)| candidate == key)?;
            Some(part(ask, key, tag, registry))
        }
    }
}

impl Documents {
    /// Every document of v3 with its tag, in order of keys.
    fn tags(&self, registry: &Registry) -> &[(String, String)] {
        self.tags.get_or_init(|| {
            let catalog = registry.catalog();
            let mut keys: Vec<String> = ["api", "apis", "version"].map(str::to_owned).into();
            keys.extend(catalog.named_groups().map(|group| format!("apis/{}", group.name)));
            keys.extend(catalog.versions().map(|served| served.path()[1..].to_owned()));
            keys.sort();
            keys.into_iter()
                .map(|key| {
                    let tag = tag(&key, registry.custom_in(&key));
                    (key, tag)
                })
                .collect()
        })
    }

    /// The document of a key in a form, built by the first who asks; others wait for it.
    fn cached(&self, key: &str, form: Form, build: impl FnOnce() -> Compressed) -> Compressed {
        let cell = self.built.lock().entry((key.to_owned(), form)).or_default().clone();
        cell.get_or_init(build).clone()
    }
}

/// Whose documents say what is asked for: what is built in alone is kept for good.
fn keeper<'a>(key: &str, registry: &'a Registry) -> &'a Registry {
    match registry.custom_in(key).next() {
        Some(_) => registry,
        None => Registry::builtin(),
    }
}

/// The tag of a document: upper-case hexadecimal, as long as upstream's. Of custom resources it follows from their
/// schemas.
fn tag<'a>(key: &str, custom: impl Iterator<Item = &'a Arc<Resource>>) -> String {
    let mut digest = Sha512::new();
    digest.update(env!("OPENAPI_FINGERPRINT"));
    digest.update(env!("CARGO_PKG_VERSION"));
    digest.update(key);
    for resource in custom {
        digest.update(custom::fingerprint(resource));
    }
    let mut tag = String::with_capacity(128);
    for byte in digest.finalize() {
        write!(tag, "{byte:02X}").expect("a string takes every write");
    }
    tag
}

fn url(key: &str, tag: &str) -> String {
    format!("{V3}/{key}?hash={tag}")
}

/// `/openapi/v3`: where each document is.
fn index(ask: &Ask<'_>, registry: &Registry) -> Answer {
    let others: Vec<String> = ask.site.others.iter().flat_map(|others| others.openapi_keys()).collect();
    let tag = tag(&format!("/{}", others.join(" ")), registry.custom());
    let headers = vec![document::etag(&tag)];
    if ask.has(&tag) {
        return Answer::NotModified(headers);
    }
    let tags = registry.documents().openapi.tags(registry).iter();
    let own = tags.map(|(key, tag)| (key.clone(), url(key, tag)));
    // Others say themselves how old theirs are.
    let others = others.into_iter().map(|key| (key.clone(), format!("{V3}/{key}")));
    let paths: Map = own
        .chain(others)
        .map(|(key, url)| (ecow::EcoString::from(key), Map::from([("serverRelativeURL", Node::from(url))])))
        .collect();
    let text = Node::from(Map::from([("paths", paths)])).to_string();
    Answer::Found(Document { headers, ..Document::json(text) })
}

/// `/openapi/v3/<key>`: one group version, or one of the other paths.
fn part(ask: &Ask<'_>, key: &str, tag: &str, registry: &Registry) -> Result<Answer, Error> {
    let form = DIALECT_3.form(ask.accept)?;
    let mut headers = vec![document::etag(tag), (VARY, HeaderValue::from_static("Accept"))];
    match ask.hash {
        Some(hash) if hash != tag => return Ok(Answer::Moved(url(key, tag))),
        Some(_) => {
            // kubectl keeps the document for as long as these two say, and asks for it by its hash.
            headers.push((CACHE_CONTROL, HeaderValue::from_static("public, immutable")));
            headers.extend(http_date(ask.now + SECONDS_PER_YEAR).map(|date| (EXPIRES, date)));
        }
        None => {}
    }
    if ask.has(tag) {
        return Ok(Answer::NotModified(headers));
    }
    let registry = keeper(key, registry);
    let documents = &registry.documents().openapi;
    let compressed = documents.cached(key, form, || v3::document(key, form, registry));
    Ok(Answer::Found(send(ask, &compressed, DIALECT_3.content_type(form), headers)))
}

/// `/openapi/v2`: everything in one document.
fn whole(ask: &Ask<'_>, registry: &Registry) -> Result<Answer, Error> {
    let tag = tag("v2", registry.custom());
    let form = DIALECT_2.form(ask.accept)?;
    let headers = vec![document::etag(&tag), (VARY, HeaderValue::from_static("Accept"))];
    if ask.has(&tag) {
        return Ok(Answer::NotModified(headers));
    }
    let compressed = registry.documents().openapi.cached("v2", form, || v2::document(form, registry));
    Ok(Answer::Found(send(ask, &compressed, DIALECT_2.content_type(form), headers)))
}

fn send(
    ask: &Ask<'_>,
    compressed: &Compressed,
    content_type: &'static str,
    headers: document::Headers,
) -> Document {
    let body = if ask.gzip { compressed.gzip() } else { compressed.plain() };
    Document { content_type, body, gzipped: ask.gzip, headers }
}

/// A time as HTTP prints it; `None` beyond what a calendar holds.
fn http_date(seconds: i64) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_second(seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    HeaderValue::try_from(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

#[cfg(test)]
mod tests;
