//! `/version`: which Kubernetes API this server speaks, and which build it is.
//!
//! Keeps: `gitVersion` is plain semver with build metadata, because a `-suffix` would be a pre-release to clients.

use crate::document::Document;
use crate::tree::{Map, Node};

/// Major version of the API.
pub const MAJOR: &str = "1";
/// Minor version of the API.
pub const MINOR: &str = "37";
/// `v1.37.0+pintle.0.1.0`
pub const GIT_VERSION: &str = concat!("v1.37.0+pintle.", env!("CARGO_PKG_VERSION"));

/// How this server names itself to others.
pub const USER_AGENT: &str = concat!("pintle/", env!("CARGO_PKG_VERSION"));

/// The answer to `/version`, keys as upstream's `version.Info`.
pub fn document() -> Document {
    let info = [
        ("major", MAJOR),
        ("minor", MINOR),
        ("emulationMajor", MAJOR),
        ("emulationMinor", MINOR),
        ("minCompatibilityMajor", MAJOR),
        ("minCompatibilityMinor", "36"),
        ("gitVersion", GIT_VERSION),
        ("gitCommit", ""),
        ("gitTreeState", ""),
        ("buildDate", ""),
        ("goVersion", ""),
        ("compiler", "rustc"),
        ("platform", platform()),
    ];
    let map: Map = info.into_iter().collect();
    Document::json(format!("{}\n", Node::Map(map)))
}

/// Operating system and architecture in Go's words.
const fn platform() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "linux/amd64"
    } else if cfg!(target_arch = "aarch64") {
        "linux/arm64"
    } else {
        "linux"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_no_prerelease_and_the_numbers_are_digits() {
        let body = String::from_utf8(document().body.to_vec()).expect("UTF-8");
        assert!(body.contains("\"gitVersion\":\"v1.37.0+pintle."), "{body}");
        assert!(!GIT_VERSION.contains('-'));
        assert!(body.contains("\"major\":\"1\",\"minor\":\"37\""));
        assert!(body.ends_with("}\n"));
    }
}
