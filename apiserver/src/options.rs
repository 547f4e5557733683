//! Options of a request, parsed and checked once.

use std::time::Duration;

use crate::field::{FieldErrors, Path};
use crate::request::Query;
use crate::status::Error;
use crate::tree::Node;

/// Options of a list or watch.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// `labelSelector`
    pub label_selector: String,
    /// `fieldSelector`
    pub field_selector: String,
    /// `resourceVersion`; `None` when unset.
    pub resource_version: Option<u64>,
    /// `resourceVersionMatch`
    pub version_match: Option<VersionMatch>,
    /// `limit`; 0 is none.
    pub limit: usize,
    /// `continue`
    pub continue_token: String,
    /// `allowWatchBookmarks`
    pub bookmarks: bool,
    /// `sendInitialEvents`
    pub initial_events: Option<bool>,
    /// `timeoutSeconds`
    pub timeout: Option<Duration>,
}

/// How a resource version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMatch {
    /// That one exactly.
    Exact,
    /// That one or a later one.
    NotOlderThan,
}

/// `fieldValidation`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Say nothing.
    Ignore,
    /// Say it in Warning headers.
    Warn,
    /// Refuse.
    Strict,
}

/// Options of a create, update or patch.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// `dryRun=All`
    pub dry_run: bool,
    /// `fieldValidation`
    pub field_validation: FieldValidation,
    /// `force`
    pub force: Option<bool>,
}

impl ListOptions {
    /// Parses and checks the query of a list or watch.
    pub fn parse(query: &Query, watch: bool) -> Result<ListOptions, Error> {
        let text = |key| query.get(key).unwrap_or("").to_owned();
        let number = |key| -> Result<u64, Error> {
            match query.non_empty(key) {
                None => Ok(0),
                Some(value) => value.parse::<i64>().map(|value| value.max(0) as u64).map_err(|_| {
                    Error::BadRequest(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"))
                }),
            }
        };
        let mut errors = FieldErrors::new();
        let version_match = match query.non_empty("resourceVersionMatch") {
            None => None,
            Some("Exact") if !watch => Some(VersionMatch::Exact),
            Some("NotOlderThan") => Some(VersionMatch::NotOlderThan),
            Some(other) => {
                let supported: &[&str] =
                    if watch { &["NotOlderThan"] } else { &["Exact", "NotOlderThan", ""] };
                errors.not_supported(&Path::new("resourceVersionMatch"), other, supported);
                None
            }
        };
        let version_text = query.non_empty("resourceVersion");
        let resource_version = match version_text.map(str::parse::<u64>) {
            None => None,
            Some(Ok(version)) => Some(version),
            Some(Err(_)) if watch => {
                errors.invalid(
                    &Path::new("resourceVersion"),
                    version_text.unwrap_or(""),
                    "strconv.ParseUint: parsing: invalid syntax",
                );
                None
            }
            Some(Err(_)) => {
                return Err(Error::BadRequest(format!(
                    "invalid resource version: resourceVersion: Invalid value: {0:?}: strconv.ParseUint: parsing {0:?}: invalid syntax",
                    version_text.unwrap_or("")
                )));
            }
        };
        let timeout = number("timeoutSeconds")?;
        let options = ListOptions {
            label_selector: text("labelSelector"),
            field_selector: text("fieldSelector"),
            resource_version,
            version_match,
            limit: number("limit")? as usize,
            continue_token: text("continue"),
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events: query.non_empty("sendInitialEvents").map(|_| query.flag("sendInitialEvents")),
            timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
        };
        options.check(watch, &mut errors);
        if errors.is_empty() { Ok(options) } else { Err(invalid("ListOptions", errors)) }
    }

    fn check(&self, watch: bool, errors: &mut FieldErrors) {
        let version_match = Path::new("resourceVersionMatch");
        if watch {
            if self.initial_events.is_some() && self.version_match.is_none() {
                errors.forbidden(
                    &version_match,
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            }
            if self.version_match.is_some() && self.initial_events.is_none() {
                errors.forbidden(
                    &version_match,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if self.version_match.is_some() && !self.continue_token.is_empty() {
                errors
                    .forbidden(&version_match, "resourceVersionMatch is forbidden when continue is provided");
            }
            return;
        }
        if self.initial_events.is_some() {
            errors.forbidden(&Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list");
        }
        if self.version_match.is_some() {
            if self.resource_version.is_none() {
                errors.forbidden(
                    &version_match,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if !self.continue_token.is_empty() {
                errors
                    .forbidden(&version_match, "resourceVersionMatch is forbidden when continue is provided");
            }
            if self.version_match == Some(VersionMatch::Exact) && self.resource_version == Some(0) {
                errors.forbidden(
                    &version_match,
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                );
            }
        }
    }
}

impl WriteOptions {
    /// Parses and checks the query of a write; `kind` names the options in errors (`CreateOptions`).
    pub fn parse(query: &Query, kind: &'static str) -> Result<WriteOptions, Error> {
        let mut errors = FieldErrors::new();
        let dry_run = parse_dry_run(query.all("dryRun"), &mut errors);
        let field_validation = match query.get("fieldValidation").unwrap_or("") {
            "Ignore" => FieldValidation::Ignore,
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            other => {
                errors.not_supported(&Path::new("fieldValidation"), other, &["", "Ignore", "Strict", "Warn"]);
                FieldValidation::Warn
            }
        };
        if let Some(manager) = query.non_empty("fieldManager") {
            let path = Path::new("fieldManager");
            if manager.len() > 128 {
                errors.too_long(&path, 128);
            }
            if manager.chars().any(char::is_control) {
                errors.invalid(&path, manager, "should only contain printable characters");
            }
        }
        let force = query.non_empty("force").map(|_| query.flag("force"));
        if errors.is_empty() {
            Ok(WriteOptions { dry_run, field_validation, force })
        } else {
            Err(invalid(kind, errors))
        }
    }
}

/// Whether `dryRun` asks for one; any value but `All` is an error.
pub fn parse_dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut FieldErrors) -> bool {
    let values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    for value in &values {
        if *value != "All" {
            let list: Node = values.iter().map(|value| Node::from(*value)).collect();
            errors.not_supported(&Path::new("dryRun"), list, &["All"]);
            return true;
        }
    }
    !values.is_empty()
}

/// 422 for the options of a request.
pub fn invalid(kind: &'static str, errors: FieldErrors) -> Error {
    Error::Invalid { group: "meta.k8s.io".to_owned(), kind: kind.to_owned(), name: String::new(), errors }
}
