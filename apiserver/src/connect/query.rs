//! Queries that are made for kubelets, and the numbers of those that are read.

use std::fmt::Write as _;
use std::num::IntErrorKind;

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

/// The ports of a query, in one parameter or several, as a kubelet reads them.
pub(super) fn port_list(query: &Query) -> Result<String, Error> {
    let ports = query.all("ports").flat_map(|ports| ports.split(','));
    let ports: Result<Vec<String>, Error> = ports
        .map(|text| {
            let port = text.parse::<u16>();
            port.map(|port| port.to_string()).map_err(|error| {
                let why = why(text, error.kind(), "ParseUint");
                Error::BadRequest(format!("cannot convert to []int32: {why}"))
            })
        })
        .collect();
    Ok(ports?.join(","))
}

fn parse(text: &str) -> Result<i64, Error> {
    text.parse::<i64>().map_err(|error| Error::BadRequest(why(text, error.kind(), "ParseInt")))
}

/// Why a text is no number, as Go says it.
fn why(text: &str, kind: &IntErrorKind, function: &str) -> String {
    let why = match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_as_go_writes_them() {
        let mut parameters = Parameters::default();
        assert_eq!(parameters.after("/path"), "/path");
        parameters.add("command", "sh -c");
        parameters.add("command", "a=ä&b~_.-/");
        assert_eq!(parameters.after("/path"), "/path?command=sh+-c&command=a%3D%C3%A4%26b~_.-%2F");
    }

    #[test]
    fn ports_come_in_one_parameter_or_several() {
        let list = |query| port_list(&Query::parse(query)).map_err(|error| error.to_string());
        assert_eq!(list(""), Ok(String::new()));
        assert_eq!(list("ports=80&ports=81,082"), Ok("80,81,82".to_owned()));
        for (query, expected) in [
            ("ports=", r#"cannot convert to []int32: strconv.ParseUint: parsing "": invalid syntax"#),
            (
                "ports=65536",
                r#"cannot convert to []int32: strconv.ParseUint: parsing "65536": value out of range"#,
            ),
        ] {
            assert_eq!(list(query), Err(expected.to_owned()));
        }
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let read = |query| number(&Query::parse(query), "n").map_err(|error| error.to_string());
        assert_eq!(read("m=1"), Ok(None));
        assert_eq!(read("n=-7&n=8"), Ok(Some(-7)));
        let refused = |text: &str, why: &str| Err(format!("strconv.ParseInt: parsing {text:?}: {why}"));
        assert_eq!(read("n=7x"), refused("7x", "invalid syntax"));
        assert_eq!(read("n=9223372036854775808"), refused("9223372036854775808", "value out of range"));
    }
}
