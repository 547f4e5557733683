//! Bodies: documents that clients send, decoded into typed trees of the endpoint's version.
//!
//! Keeps: apiVersion and kind may be absent (the endpoint says them) but never contradict it; every refusal
//! names what was expected in upstream's words.

use crate::codec::proto::Envelope;
use crate::codec::{self, Findings, Memory};
use crate::custom::Custom;
use crate::field::{FieldErrors, Path};
use crate::forms::{self, Place};
use crate::negotiation::{self, Media};
use crate::options::FieldValidation;
use crate::request::Request;
use crate::schema::{self, StructId};
use crate::status::Error;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// What an endpoint expects to read.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// `apps/v1`
    pub api_version: &'a str,
    /// `Deployment`
    pub kind: &'a str,
    /// Its struct.
    pub schema: StructId,
    /// The custom resource that it is.
    pub custom: Option<&'a Custom>,
}

/// Decodes the body of a create, update or subresource write.
pub fn decode(
    request: &Request,
    expected: Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Warnings,
) -> Result<Map, Error> {
    let media = negotiation::content_type(request.header(http::header::CONTENT_TYPE))?;
    let (object, _) = decode_with(&request.body, media, expected, validation, warnings, None)?;
    Ok(object)
}

/// As [`decode`], of bytes of a media type, with somebody who may know the object's spec; answers also what was found.
pub fn decode_with(
    bytes: &[u8],
    media: Media,
    expected: Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Warnings,
    memory: Option<&mut dyn Memory>,
) -> Result<(Map, Findings), Error> {
    let mut findings = Findings::default();
    let wanted = (validation != FieldValidation::Ignore).then_some(&mut findings);
    let object = decode_as(bytes, media, expected, wanted, memory)?;
    report(&findings, expected, validation, warnings)?;
    Ok((object, findings))
}

/// Decodes bytes of a media type and checks that they are of the expected kind; the result has no apiVersion or kind.
/// `memory` may know the object's spec.
pub fn decode_as(
    bytes: &[u8],
    media: Media,
    expected: Expected<'_>,
    mut findings: Option<&mut Findings>,
    memory: Option<&mut dyn Memory>,
) -> Result<Map, Error> {
    let schema = schema::builtin();
    let cannot = |cause: &dyn std::fmt::Display| {
        let version = expected.api_version.rsplit('/').next().unwrap_or("");
        Error::BadRequest(format!(
            "{} in version \"{version}\" cannot be handled as a {}: {cause}",
            expected.kind, expected.kind
        ))
    };
    let mut object = match media {
        Media::Protobuf => {
            let envelope = Envelope::decode(bytes).map_err(|error| cannot(&error))?;
            check_kind(expected, &envelope.api_version, &envelope.kind)?;
            return codec::proto::decode_with(envelope.raw, schema, expected.schema, memory)
                .map_err(|error| cannot(&error));
        }
        Media::Yaml => {
            let json = codec::yaml::to_json(bytes, findings.as_deref_mut())
                .map_err(|error| unreadable(expected, &error, bytes))?;
            codec::json::decode_with(&json, schema, expected.schema, findings.as_deref_mut(), memory)
                .map_err(|error| cannot(&error))?
        }
        Media::Json => {
            codec::json::decode_with(bytes, schema, expected.schema, findings.as_deref_mut(), memory)
                .map_err(|error| match expected.custom {
                    Some(_) if error.is_of_document() => no_kind(expected, &error.to_string(), bytes),
                    _ => cannot(&error),
                })?
        }
    };
    if expected.custom.is_some() {
        check_custom_kind(expected, &object, bytes)?;
    }
    check_kind(expected, object.str("apiVersion"), object.str("kind"))?;
    object.remove("apiVersion");
    object.remove("kind");
    if let Some(custom) = expected.custom {
        custom.prune(&mut object, findings);
    }
    Ok(object)
}

/// Versions of bodies that are taken although their group no longer serves them: old clients drain nodes through it.
const TAKEN: [(&str, &str); 1] = [("policy/v1beta1", "Eviction")];

fn check_kind(expected: Expected<'_>, api_version: &str, kind: &str) -> Result<(), Error> {
    let is_taken = TAKEN.contains(&(api_version, expected.kind));
    if !api_version.is_empty() && api_version != expected.api_version && !is_taken {
        return Err(Error::BadRequest(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.api_version
        )));
    }
    if !kind.is_empty() && kind != expected.kind {
        let version = expected.api_version.rsplit('/').next().unwrap_or("");
        return Err(Error::BadRequest(format!(
            "{kind} in version \"{version}\" cannot be handled as a {}: converting ({kind}) to ({}): unknown conversion",
            expected.kind, expected.kind
        )));
    }
    Ok(())
}

/// A custom resource says what it is: no type says it for it.
fn check_custom_kind(expected: Expected<'_>, object: &Map, bytes: &[u8]) -> Result<(), Error> {
    let (api_version, kind) = (object.str("apiVersion"), object.str("kind"));
    if kind.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        return Err(unrecognized(expected, &format!("Object 'Kind' is missing in '{text}'"), bytes));
    }
    if api_version.is_empty() {
        return Err(Error::BadRequest(format!(
            "the API version in the data () does not match the expected API version ({})",
            expected.api_version
        )));
    }
    if kind != expected.kind && api_version == expected.api_version {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("kind"), kind, format!("must be {}", expected.kind));
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        return Err(Error::Invalid {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: object.name().to_owned(),
            errors,
        });
    }
    Ok(())
}

/// A document that does not say what it is.
fn no_kind(expected: Expected<'_>, cause: &str, bytes: &[u8]) -> Error {
    const READ: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let cause = cause.replace("unstructured.Unstructured", READ);
    unrecognized(expected, &format!("couldn't get version/kind; json parse error: {cause}"), bytes)
}

fn unrecognized(expected: Expected<'_>, cause: &str, bytes: &[u8]) -> Error {
    const SHOWN_BYTES_MAX: usize = 30;
    let start = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let more = if bytes.len() > SHOWN_BYTES_MAX { " ..." } else { "" };
    let start = match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => start.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let kind = expected.kind;
    Error::BadRequest(format!(
        "the object provided is unrecognized (must be of type {kind}): {cause} ({start}{more})"
    ))
}

/// What a request sends, with apiVersion and kind as they were sent, read as the codecs of this server read it; what cannot be read
/// is a text.
pub(crate) fn as_sent(request: &Request) -> Node {
    let header = request.header(http::header::CONTENT_TYPE).unwrap_or("");
    let media = header.split(';').next().unwrap_or("").trim();
    let body = &request.body;
    let read = if media.ends_with("yaml") {
        codec::yaml::to_json(body, None).ok().and_then(|json| codec::json::decode_untyped(&json).ok())
    } else if body.starts_with(&codec::proto::MAGIC) {
        message_as_json(body).and_then(|json| codec::json::decode_untyped(&json).ok())
    } else {
        codec::json::decode_untyped(body).ok()
    };
    read.unwrap_or_else(|| Node::from(&*String::from_utf8_lossy(body)))
}

fn message_as_json(body: &[u8]) -> Option<Vec<u8>> {
    let envelope = Envelope::decode(body).ok()?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let id = schema::kind(group, version, &envelope.kind)?;
    let object = codec::proto::decode(envelope.raw, schema::builtin(), id).ok()?;
    let mut json = Vec::new();
    forms::append_tree_json(&object, id, Place::Alone, &envelope.api_version, &envelope.kind, &mut json);
    Some(json)
}

fn unreadable(expected: Expected<'_>, cause: &dyn std::fmt::Display, bytes: &[u8]) -> Error {
    let start = &bytes[..bytes.len().min(30)];
    let start = if bytes.first() == Some(&b'{') {
        format!("{:?}", String::from_utf8_lossy(start))
    } else {
        start.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Error::BadRequest(format!(
        "the object provided is unrecognized (must be of type {}): {cause} ({start})",
        expected.kind
    ))
}

/// Unknown and duplicate fields: warnings, or a refusal in strict mode.
fn report(
    findings: &Findings,
    expected: Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Warnings,
) -> Result<(), Error> {
    let all = findings.sentences();
    match validation {
        FieldValidation::Strict if !all.is_empty() => {
            let version = expected.api_version.rsplit('/').next().unwrap_or("");
            Err(Error::BadRequest(format!(
                "{} in version \"{version}\" cannot be handled as a {}: strict decoding error: {}",
                expected.kind,
                expected.kind,
                all.join(", ")
            )))
        }
        FieldValidation::Warn => {
            warnings.extend(all);
            Ok(())
        }
        _ => Ok(()),
    }
}
