//! The objects of the scenarios: a ConfigMap of 1 KB, a Pod of 9 KB as a service mesh and a Helm chart make them, a
//! Lease, an Event. Bodies are put together from pieces, so that making one costs the client next to nothing.

use bytes::Bytes;

const POD: &str = include_str!("objects/pod.json");

/// Characters of the ConfigMap's text, so that the whole object is 1 KB.
const CONFIG_MAP_TEXT: usize = 900;

/// A body with places to fill in.
#[derive(Clone)]
pub struct Template {
    pieces: Vec<&'static str>,
}

impl Template {
    /// The exemplar Pod; fill in name, group (a label), release (a variable in its spec) and node.
    pub fn pod() -> Template {
        Template::new(POD.trim_end(), &["@NAME@", "@GROUP@", "@RELEASE@", "@NODE@"])
    }

    fn new(text: &'static str, places: &[&str]) -> Template {
        let mut pieces = Vec::new();
        let mut rest = text;
        for place in places {
            let (piece, tail) = rest.split_once(place).expect("the template has its places in order");
            pieces.push(piece);
            rest = tail;
        }
        pieces.push(rest);
        Template { pieces }
    }

    /// The body with every place filled in.
    pub fn fill(&self, values: [&str; 4]) -> Bytes {
        let mut body = String::with_capacity(POD.len() + 64);
        for (piece, value) in self.pieces.iter().zip(values.iter().chain([&""])) {
            body.push_str(piece);
            body.push_str(value);
        }
        Bytes::from(body)
    }
}

/// A ConfigMap of 1 KB; `stamp` is a short text that changes from write to write.
pub fn config_map(name: &str, stamp: &str) -> String {
    let text: String = (0..CONFIG_MAP_TEXT).map(|at| char::from(b'a' + (at * 7 % 26) as u8)).collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"settings":"{text}","stamp":"{stamp}"}}}}"#
    )
}

/// A Lease as a kubelet renews it. Without a version it can only be created.
pub fn lease(name: &str, resource_version: &str, second: usize) -> String {
    let (minutes, seconds) = (second / 60 % 60, second % 60);
    let version = match resource_version {
        "" => String::new(),
        version => format!(r#","resourceVersion":"{version}""#),
    };
    format!(
        r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"{name}"{version}}},"spec":{{"holderIdentity":"{name}","leaseDurationSeconds":40,"renewTime":"2026-11-21T10:{minutes:02}:{seconds:02}.{second:06}Z"}}}}"#
    )
}

/// An Event of the core group about one of the scenario's pods.
pub fn event(namespace: &str, name: &str, pod: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Event","metadata":{{"name":"{name}","namespace":"{namespace}"}},"involvedObject":{{"apiVersion":"v1","kind":"Pod","namespace":"{namespace}","name":"{pod}"}},"reason":"Pulled","message":"Container image \"registry.shop.example/payments/checkout:2026.11.3\" already present on machine","source":{{"component":"kubelet","host":"node-7"}},"firstTimestamp":"2026-11-21T10:00:00Z","lastTimestamp":"2026-11-21T10:00:00Z","count":1,"type":"Normal"}}"#
    )
}

/// A Namespace.
pub fn namespace(name: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#)
}

/// The ServiceAccount that pods of a namespace run as; elsewhere a controller makes it.
pub fn service_account() -> String {
    r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}"#.to_owned()
}

/// The first `metadata.resourceVersion` in a JSON document, compact or indented.
pub fn resource_version(body: &[u8]) -> Option<&str> {
    quoted_after(body, br#""resourceVersion":"#)
}

/// The text value that follows `key` (with its colon).
pub fn quoted_after<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let at = body.windows(key.len()).position(|window| window == key)? + key.len();
    let rest = body.get(at..)?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_json_of_their_size() {
        let pod = Template::pod().fill(["pod-1", "17", "stable", "node-3"]);
        let parsed: serde_json::Value = serde_json::from_slice(&pod).unwrap();
        assert_eq!(parsed["metadata"]["name"], "pod-1");
        assert_eq!(parsed["metadata"]["labels"]["group"], "17");
        assert_eq!(parsed["spec"]["nodeName"], "node-3");
        assert!((8_500..9_500).contains(&pod.len()), "{}", pod.len());

        let map = config_map("map-1", "0");
        serde_json::from_str::<serde_json::Value>(&map).unwrap();
        assert!((990..1040).contains(&map.len()), "{}", map.len());
        for text in
            [lease("node-1", "", 0), lease("node-1", "12", 3601), event("a", "b", "c"), namespace("n")]
        {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }

    #[test]
    fn a_version_is_found_in_compact_and_indented_json() {
        assert_eq!(resource_version(br#"{"metadata":{"resourceVersion":"17"}}"#), Some("17"));
        assert_eq!(resource_version(b"{\n  \"resourceVersion\": \"18\"\n}"), Some("18"));
        assert_eq!(resource_version(b"{}"), None);
    }
}
