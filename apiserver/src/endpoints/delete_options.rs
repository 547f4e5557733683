//! DeleteOptions, from a body or the query; a body wins.

use crate::body::{self, Expected};
use crate::field::{FieldErrors, Path};
use crate::negotiation::{self, Media};
use crate::options::{invalid, parse_dry_run};
use crate::request::Request;
use crate::schema;
use crate::status::Error;
use crate::tree::{Map, Node};

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are left, without the owner.
    Orphan,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
}

/// Options of a delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`
    pub grace_period: Option<i64>,
    /// `propagationPolicy`, also from the older `orphanDependents`.
    pub propagation: Option<Propagation>,
    /// `preconditions.uid`
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`
    pub resource_version: Option<String>,
    /// `dryRun`
    pub dry_run: bool,
    /// All of them as they were sent.
    pub sent: Map,
}

const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

impl DeleteOptions {
    /// Reads the options of a request.
    pub fn read(request: &Request) -> Result<DeleteOptions, Error> {
        let tree = if request.body.is_empty() { from_query(request)? } else { from_body(request)? };
        DeleteOptions::of(&tree)
    }

    /// Checks options given as a tree.
    pub fn of(tree: &Map) -> Result<DeleteOptions, Error> {
        let mut errors = FieldErrors::new();
        let policy = Path::new("propagationPolicy");
        let mut propagation = match tree.str("propagationPolicy") {
            "" => None,
            "Orphan" => Some(Propagation::Orphan),
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            other => {
                errors.not_supported(&policy, other, &["Background", "Foreground", "Orphan", "nil"]);
                None
            }
        };
        let orphan = tree.bool("orphanDependents");
        if orphan.is_some() && !tree.str("propagationPolicy").is_empty() {
            errors.invalid(
                &policy,
                tree.str("propagationPolicy"),
                "orphanDependents and deletionPropagation cannot be both set",
            );
        }
        match orphan {
            Some(true) => propagation = Some(Propagation::Orphan),
            Some(false) if propagation.is_none() => propagation = Some(Propagation::Background),
            _ => {}
        }
        let dry_run = parse_dry_run(tree.list("dryRun").iter().filter_map(Node::as_str), &mut errors);
        let preconditions = tree.map("preconditions");
        let precondition =
            |key: &str| preconditions.and_then(|map| map.get(key)).and_then(Node::as_str).map(str::to_owned);
        if !errors.is_empty() {
            return Err(invalid("DeleteOptions", errors));
        }
        Ok(DeleteOptions {
            grace_period: tree.int("gracePeriodSeconds"),
            propagation,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            dry_run,
            sent: tree.clone(),
        })
    }
}

fn from_query(request: &Request) -> Result<Map, Error> {
    let query = &request.query;
    let mut tree = Map::new();
    if let Some(seconds) = query.non_empty("gracePeriodSeconds") {
        let seconds: i64 = seconds.parse().map_err(|_| {
            Error::BadRequest(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax"))
        })?;
        tree.set("gracePeriodSeconds", seconds);
    }
    if let Some(policy) = query.non_empty("propagationPolicy") {
        tree.set("propagationPolicy", policy);
    }
    if query.non_empty("orphanDependents").is_some() {
        tree.set("orphanDependents", query.flag("orphanDependents"));
    }
    let dry_run: Node = query.all("dryRun").map(Node::from).collect();
    tree.set("dryRun", dry_run);
    Ok(tree)
}

/// The body is a DeleteOptions of any group version, or one that does not say what it is.
fn from_body(request: &Request) -> Result<Map, Error> {
    let schema = schema::builtin();
    let id = schema.find(DELETE_OPTIONS).expect("the table has the meta types");
    let media = negotiation::content_type(request.header(http::header::CONTENT_TYPE))?;
    let stated;
    let api_version = match media {
        Media::Protobuf => {
            let envelope = crate::codec::proto::Envelope::decode(&request.body)
                .map_err(|error| Error::BadRequest(error.to_string()))?;
            stated = envelope.api_version.to_string();
            stated.as_str()
        }
        Media::Json | Media::Yaml => {
            let json = match media {
                Media::Yaml => crate::codec::yaml::to_json(&request.body, None)
                    .map_err(|error| Error::BadRequest(error.to_string()))?,
                _ => request.body.to_vec(),
            };
            let mut tree = crate::codec::json::decode(&json, schema, id, None)
                .map_err(|error| Error::BadRequest(error.to_string()))?;
            let kind = tree.str("kind");
            if !kind.is_empty() && kind != "DeleteOptions" {
                return Err(Error::BadRequest(format!(
                    "decoded object cannot be converted to DeleteOptions: {kind}"
                )));
            }
            tree.remove("apiVersion");
            tree.remove("kind");
            return Ok(tree);
        }
    };
    body::decode_as(
        &request.body,
        media,
        Expected { api_version, kind: "DeleteOptions", schema: id, custom: None },
        None,
        None,
    )
}
