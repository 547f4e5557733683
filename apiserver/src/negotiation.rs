//! Content negotiation: which form a client wants to read, and which media type it writes.
//!
//! Keeps: a request's form is decided once, before anything is done for it.

use crate::status::Error;

/// The encoding of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// What is made of the objects before they are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// The objects as they are.
    None,
    /// `as=Table`
    Table,
    /// `as=PartialObjectMetadata` (or its List on collections).
    Metadata,
}

/// Which part of an object a table row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// PartialObjectMetadata.
    Metadata,
    /// All of it.
    Object,
}

/// A form: media type, transform and layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Encoding.
    pub media: Media,
    /// Transform.
    pub transform: Transform,
    /// Version of meta.k8s.io for tables and metadata: false is v1, true v1beta1.
    pub beta: bool,
    /// `?includeObject=`
    pub include: IncludeObject,
    /// Indented JSON.
    pub pretty: bool,
}

impl Form {
    /// Plain compact JSON.
    pub const JSON: Form = Form {
        media: Media::Json,
        transform: Transform::None,
        beta: false,
        include: IncludeObject::Metadata,
        pretty: false,
    };

    /// The Content-Type of a single document in this form.
    pub fn content_type(&self) -> &'static str {
        match self.media {
            Media::Json => "application/json",
            Media::Yaml => "application/yaml",
            Media::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The Content-Type of a watch.
    pub fn watch_content_type(&self) -> &'static str {
        match self.media {
            Media::Json | Media::Yaml => "application/json",
            Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// A small number of its own among all forms, for keys of caches.
    pub fn id(&self) -> u64 {
        self.media as u64
            | (self.transform as u64) << 2
            | u64::from(self.beta) << 4
            | (self.include as u64) << 5
            | u64::from(self.pretty) << 7
    }
}

/// What an endpoint can answer with.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Tables and metadata can be made of it.
    pub transforms: bool,
    /// It is a list or a watch (metadata is asked for as a List there).
    pub collection: bool,
    /// It is a watch: no YAML.
    pub watch: bool,
    /// It has a protobuf form; metadata has one in any case.
    pub messages: bool,
}

struct Clause<'a> {
    media: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

/// Picks the form for an Accept header.
pub fn accept(
    header: Option<&str>,
    offer: Offer,
    include: Option<&str>,
    pretty: bool,
) -> Result<Form, Error> {
    let include = match include {
        None | Some("" | "Metadata") => IncludeObject::Metadata,
        Some("None") => IncludeObject::None,
        Some("Object") => IncludeObject::Object,
        Some(other) => {
            return Err(Error::BadRequest(format!("unrecognized includeObject value: {other:?}")));
        }
    };
    let base = Form { include, pretty, ..Form::JSON };
    let header = header.map(str::trim).unwrap_or("");
    if header.is_empty() {
        return Ok(base);
    }
    let mut clauses: Vec<Clause<'_>> = header.split(',').map(parse_clause).collect();
    // A stable sort keeps the client's order among equal qualities.
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses.iter().find_map(|clause| clause_form(clause, offer, base)).ok_or_else(|| {
        let types = if offer.watch {
            "application/json, application/vnd.kubernetes.protobuf;stream=watch"
        } else {
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        };
        Error::NotAcceptable(types.to_owned())
    })
}

fn parse_clause(text: &str) -> Clause<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    let parameters: Vec<(&str, &str)> = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key, value.trim_matches('"')))
        .collect();
    let quality = parameters
        .iter()
        .find(|(key, _)| *key == "q")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(1.0);
    Clause { media, quality, parameters }
}

fn clause_form(clause: &Clause<'_>, offer: Offer, base: Form) -> Option<Form> {
    let parameter =
        |name: &str| clause.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let media = match clause.media {
        "application/json" | "*/*" | "application/*" => Media::Json,
        "application/yaml" if !offer.watch => Media::Yaml,
        "application/vnd.kubernetes.protobuf" => Media::Protobuf,
        _ => return None,
    };
    let pretty = base.pretty || parameter("pretty") == Some("1");
    let form = Form { media, pretty, ..base };
    let Some(wanted) = parameter("as") else {
        return (offer.messages || media != Media::Protobuf).then_some(form);
    };
    let beta = match (parameter("g"), parameter("v")) {
        (Some("meta.k8s.io"), Some("v1")) => false,
        (Some("meta.k8s.io"), Some("v1beta1")) => true,
        _ => return None,
    };
    let transform = match wanted {
        "Table" if media != Media::Protobuf => Transform::Table,
        "PartialObjectMetadata" if !offer.collection || offer.watch => Transform::Metadata,
        "PartialObjectMetadataList" if offer.collection && !offer.watch => Transform::Metadata,
        _ => return None,
    };
    offer.transforms.then_some(Form { transform, beta, ..form })
}

/// The media type of a body; absent means JSON.
pub fn content_type(header: Option<&str>) -> Result<Media, Error> {
    let media = header.unwrap_or("").split(';').next().unwrap_or("").trim();
    match media {
        "" | "application/json" | "*/*" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => {
            Err(unsupported(&["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]))
        }
    }
}

/// 415 naming what would be accepted.
pub fn unsupported(accepted: &[&str]) -> Error {
    Error::UnsupportedMediaType(format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Offer = Offer { transforms: true, collection: true, watch: false, messages: true };

    #[test]
    fn the_first_clause_that_fits_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        for (header, media, transform) in [
            ("", Media::Json, Transform::None),
            ("*/*", Media::Json, Transform::None),
            (table, Media::Json, Transform::Table),
            ("application/vnd.kubernetes.protobuf,application/json", Media::Protobuf, Transform::None),
            ("application/yaml", Media::Yaml, Transform::None),
            ("application/cbor, application/json", Media::Json, Transform::None),
            ("application/json;q=0.5,application/yaml", Media::Yaml, Transform::None),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Media::Protobuf,
                Transform::Metadata,
            ),
        ] {
            let form = accept(Some(header), LIST, None, false).unwrap();
            assert_eq!((form.media, form.transform), (media, transform), "{header}");
        }
        assert!(accept(Some("text/html"), LIST, None, false).is_err());
        assert!(accept(Some("application/yaml"), Offer { watch: true, ..LIST }, None, false).is_err());
        assert!(accept(None, LIST, Some("x"), false).is_err());
    }
}
