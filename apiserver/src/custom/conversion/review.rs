//! ConversionReview: the question that a webhook gets, and what its answer makes of objects.

use bytes::Bytes;

use crate::codec;
use crate::field::{FieldErrors, Path};
use crate::metadata;
use crate::tree::{Map, Node};

/// What is asked.
pub(super) struct Review<'a> {
    pub(super) uid: &'a str,
    /// `v1` or `v1beta1`.
    pub(super) version: &'static str,
    /// `example.com/v2`
    pub(super) desired: &'a str,
}

/// Why nothing was converted; upstream's metrics tell these apart.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no answer.
    Call(String),
    /// The answer is none, or says no.
    Malformed(String),
    /// It has too few objects, or too many.
    Partial { returned: usize, expected: usize },
    /// It has an object that is none, or another one.
    Invalid(String),
}

impl Failure {
    pub(super) fn call(why: impl ToString) -> Failure {
        Failure::Call(why.to_string())
    }

    /// As metrics name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Failure::Call(_) => "conversion_webhook_call_failure",
            Failure::Malformed(_) => "conversion_webhook_malformed_response_failure",
            Failure::Partial { .. } => "conversion_webhook_partial_response_failure",
            Failure::Invalid(_) => "conversion_webhook_invalid_converted_object_failure",
        }
    }

    /// What clients are told; `converted` is group, version and kind of the objects.
    pub(super) fn sentence(&self, converted: &str) -> String {
        let webhook = format!("conversion webhook for {converted}");
        match self {
            Failure::Call(why) | Failure::Malformed(why) => format!("{webhook} failed: {why}"),
            Failure::Partial { returned, expected } => {
                format!("{webhook} returned {returned} objects, expected {expected}")
            }
            Failure::Invalid(why) => format!("{webhook} returned {why}"),
        }
    }
}

impl Review<'_> {
    fn api_version(&self) -> String {
        format!("apiextensions.k8s.io/{}", self.version)
    }

    /// The JSON of the review. Some webhooks fill in the empty response that upstream sends along.
    pub(super) fn question<'a>(&self, objects: impl Iterator<Item = &'a Bytes>) -> Vec<u8> {
        let Review { uid, desired, .. } = self;
        let api_version = self.api_version();
        let mut out = format!(
            "{{\"kind\":\"ConversionReview\",\"apiVersion\":\"{api_version}\",\"request\":{{\"uid\":\"{uid}\",\"desiredAPIVersion\":\"{desired}\",\"objects\":["
        )
        .into_bytes();
        for (at, object) in objects.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(object);
        }
        out.extend_from_slice(
            b"]},\"response\":{\"uid\":\"\",\"convertedObjects\":null,\"result\":{\"metadata\":{}}}}\n",
        );
        out
    }

    /// The objects of the answer, as many as there were.
    pub(super) fn answered(&self, body: &[u8], expected: usize) -> Result<Vec<Node>, Failure> {
        let read = codec::json::decode_untyped(body);
        let read = read.map_err(|error| {
            Failure::Call(format!("couldn't get version/kind; json parse error: {error}"))
        })?;
        let Node::Map(review) = read else {
            return Err(Failure::call("couldn't get version/kind; json parse error: it is no object"));
        };
        let malformed = |why: String| Err(Failure::Malformed(why));
        let is_strict = self.version == "v1";
        let (api_version, kind) = (review.str("apiVersion"), review.str("kind"));
        if is_strict && (api_version != self.api_version() || kind != "ConversionReview") {
            let wanted = self.api_version();
            let slash = if api_version.contains('/') { "" } else { "/" };
            return malformed(format!(
                "expected webhook response of {wanted}, Kind=ConversionReview, got {slash}{api_version}, Kind={kind}"
            ));
        }
        let Some(response) = review.map("response") else {
            return malformed("no response provided".to_owned());
        };
        let (uid, sent) = (self.uid, response.str("uid"));
        if is_strict && sent != uid {
            return malformed(format!("expected response.uid={uid:?}, got {sent:?}"));
        }
        let status = response.str_at(&["result", "status"]);
        if status != "Success" {
            return malformed(match response.str_at(&["result", "message"]) {
                "" => format!("response.result.status was '{status}', not 'Success'"),
                message => message.to_owned(),
            });
        }
        let objects = response.list("convertedObjects");
        match objects.len() == expected {
            true => Ok(objects.to_vec()),
            false => Err(Failure::Partial { returned: objects.len(), expected }),
        }
    }

    /// A converted object with the metadata of the one that it was made of.
    pub(super) fn checked(&self, made: Node, kind: &str, original: &[u8]) -> Result<Map, Failure> {
        let wrong = |what: &str, why: String| Failure::Invalid(format!("invalid {what}: {why}"));
        let Node::Map(mut made) = made else {
            return Err(wrong("object at index 0", "it is no object".to_owned()));
        };
        let (expected, received) = (self.desired, made.str("apiVersion"));
        if expected != received {
            let why = format!("invalid groupVersion (expected {expected}, received {received})");
            return Err(wrong("object at index 0", why));
        }
        let received = made.str("kind");
        if kind != received {
            let why = format!("invalid kind (expected {kind}, received {received})");
            return Err(wrong("object at index 0", why));
        }
        let original = codec::json::decode_untyped(original)
            .map_err(|error| Failure::Invalid(format!("an object that cannot be read: {error}")))?;
        let original = original.as_map().and_then(Map::metadata).cloned().unwrap_or_default();
        for (field, title) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
            let (before, after) = (original.str(field), made.str_at(&["metadata", field]));
            if before != after {
                return Err(wrong("object", format!("must have the same {title}: {before} != {after}")));
            }
        }
        let metadata = restored(original, made.get("metadata")).map_err(|why| wrong("metadata", why))?;
        made.set("metadata", metadata);
        Ok(made)
    }
}

/// The metadata of the original with labels and annotations of what was made of it.
fn restored(mut original: Map, made: Option<&Node>) -> Result<Map, String> {
    let made = match made {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Node::Map(made)) => made,
        Some(_) => return Err("invalid metadata in converted object, which is no object".to_owned()),
    };
    for field in ["labels", "annotations"] {
        let texts = match made.get(field) {
            None | Some(Node::Null) => {
                original.remove(field);
                continue;
            }
            Some(Node::Map(texts)) => texts,
            Some(_) => {
                return Err(format!("invalid metadata.{field} in converted object, which is no object"));
            }
        };
        if let Some((key, _)) = texts.iter().find(|(_, text)| !matches!(text, Node::Str(_))) {
            return Err(format!("metadata.{field}[{key}] must be a string in converted object"));
        }
        if original.map(field) != Some(texts) {
            let mut errors = FieldErrors::new();
            let path = Path::new("metadata");
            match field {
                "labels" => metadata::validate_labels(Some(texts), &path.child(field), &mut errors),
                _ => metadata::validate_annotations(Some(texts), &path.child("annotation"), &mut errors),
            }
            if !errors.is_empty() {
                return Err(errors.to_string());
            }
        }
        original.set(field, texts.clone());
    }
    Ok(original)
}
