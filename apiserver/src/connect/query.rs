//! Queries that are made for kubelets, and the numbers of those that are read.

use std::fmt::Write as _;

use crate::request::Query;
use crate::status::Error;

/// A query in the making; whoever adds keeps the order of the keys.
#[derive(Default)]
pub(super) struct Parameters {
    text: String,
}

impl Parameters {
    /// Adds a parameter.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(key);
        self.text.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    self.text.push(char::from(byte));
                }
                b' ' => self.text.push('+'),
                _ => {
                    let _ = write!(self.text, "%{byte:02X}");
                }
            }
        }
    }

    /// A path with them behind it.
    pub(super) fn after(&self, path: &str) -> String {
        if self.text.is_empty() { path.to_owned() } else { format!("{path}?{}", self.text) }
    }
}

/// A number of a query, if it is there.
pub(super) fn number(query: &Query, key: &str) -> Result<Option<i64>, Error> {
    query.get(key).map(parse).transpose()
}

/// The ports of a query, as a kubelet reads them.
pub(super) fn port_list(query: &Query) -> Result<String, Error> {
    let ports: Vec<String> = query
        .all("ports")
        .map(|text| text.parse::<i32>().map(|port| port.to_string()).map_err(|_| text))
        .collect::<Result<_, _>>()
        .map_err(|text| {
            Error::BadRequest(format!(
                "cannot convert to []int32: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })?;
    Ok(ports.join(","))
}

fn parse(text: &str) -> Result<i64, Error> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse::<i64>().map_err(|error| match error.kind() {
        PosOverflow | NegOverflow => {
            Error::BadRequest(format!("strconv.ParseInt: parsing {text:?}: value out of range"))
        }
        _ => Error::BadRequest(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
    })
}
