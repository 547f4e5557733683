//! Ids of nodes and clusters as people and programs see them: sixteen hexadecimal digits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for NodeId {
    type Err = String;

    fn from_str(text: &str) -> Result<NodeId, String> {
        let digits = !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_hexdigit());
        let id = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten().filter(|id| *id != 0);
        id.map(NodeId)
            .ok_or_else(|| "an id has 16 hexadecimal digits: copy it from `pintle members`".to_owned())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeId;

    #[test]
    fn ids_read_back_as_they_are_shown() {
        for id in [1, 0xfeed, u64::MAX] {
            assert_eq!(NodeId(id).to_string().parse(), Ok(NodeId(id)));
        }
        for text in ["", "0", "+1", "x", "00000000000000001"] {
            assert!(text.parse::<NodeId>().is_err(), "{text:?}");
        }
    }
}
