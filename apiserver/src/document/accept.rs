//! The clauses of an `Accept` header in order of preference.
//!
//! Keeps: a stable order, so that of equally good clauses the client's first one wins.

use smallvec::SmallVec;

/// One clause: `application/json;g=apidiscovery.k8s.io;v=v2;q=0.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause<'a> {
    /// `application`, or `*`.
    pub kind: &'a str,
    /// `json`, or `*`.
    pub subtype: &'a str,
    /// Everything after the first semicolon.
    parameters: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Clause<'a>> {
        let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subtype) = match media.trim() {
            "*" => ("*", "*"),
            media => media.split_once('/')?,
        };
        let mut clause = Clause { kind, subtype, parameters, quality: 1000 };
        if let Some(quality) = clause.parameter("q").and_then(|text| text.parse::<f32>().ok()) {
            clause.quality = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
        }
        Some(clause)
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (candidate, value) = parameter.split_once('=')?;
            (candidate.trim() == name).then(|| value.trim().trim_matches('"'))
        })
    }

    /// Whether the media type is one that this clause takes.
    pub fn takes(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind == kind) && (self.subtype == "*" || self.subtype == subtype)
    }

    fn wildcards(&self) -> u8 {
        u8::from(self.kind == "*") + u8::from(self.subtype == "*")
    }
}

/// The clauses of a header, best first; an empty header takes anything.
pub fn clauses(header: &str) -> SmallVec<[Clause<'_>; 4]> {
    let header = if header.trim().is_empty() { "*/*" } else { header };
    let mut clauses: SmallVec<[Clause<'_>; 4]> =
        header.split(',').filter_map(Clause::parse).filter(|clause| clause.quality > 0).collect();
    clauses.sort_by_key(|clause| (std::cmp::Reverse(clause.quality), clause.wildcards()));
    clauses
}

/// Whether an `Accept-Encoding` header lists gzip.
pub fn takes_gzip(header: &str) -> bool {
    header.split(',').any(|clause| {
        let (coding, quality) = clause.split_once(';').unwrap_or((clause, ""));
        coding.trim().eq_ignore_ascii_case("gzip")
            && quality.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(header: &str) -> Vec<String> {
        clauses(header).iter().map(|clause| format!("{}/{}", clause.kind, clause.subtype)).collect()
    }

    #[test]
    fn clauses_are_ordered_by_quality_then_by_precision() {
        assert_eq!(order("a/b;q=0.5, */*, c/d"), ["c/d", "*/*", "a/b"]);
        assert_eq!(order("a/b, c/d"), ["a/b", "c/d"]);
        assert_eq!(order("a/b;q=0, c/d"), ["c/d"]);
        assert_eq!(order(""), ["*/*"]);
    }

    #[test]
    fn parameters_are_found_in_any_order_and_spacing() {
        let clauses = clauses("application/json; v=v2 ;g=apidiscovery.k8s.io;q=0.9");
        assert_eq!(clauses[0].parameter("v"), Some("v2"));
        assert_eq!(clauses[0].parameter("g"), Some("apidiscovery.k8s.io"));
        assert_eq!(clauses[0].parameter("as"), None);
    }

    #[test]
    fn gzip_is_taken_unless_refused() {
        assert!(takes_gzip("gzip"));
        assert!(takes_gzip("deflate, gzip;q=0.8"));
        assert!(!takes_gzip("gzip;q=0"));
        assert!(!takes_gzip("identity"));
    }
}
