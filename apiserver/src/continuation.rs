//! Continue tokens: where a paged list goes on.
//!
//! Keeps: opaque to clients, equal on every node: unpadded base64url of
//! `{"v":"meta.k8s.io/v1","rv":N,"start":"<key after the resource's prefix>\0"}`; rv −1 means "the latest".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec;
use crate::status::Error;
use crate::storage::Revision;
use crate::tree::{Map, Node};

/// A decoded token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The revision of the list; `None` for the latest.
    pub revision: Option<Revision>,
    /// The last key of the page before, without the resource's prefix.
    pub after: String,
}

impl Token {
    /// The text that clients send back.
    pub fn encode(&self) -> String {
        let revision = self.revision.map_or(-1, |revision| revision as i64);
        let document = Map::from([
            ("v", Node::from("meta.k8s.io/v1")),
            ("rv", Node::from(revision)),
            ("start", Node::from(format!("{}\0", self.after))),
        ]);
        let mut bytes = Vec::new();
        codec::json::encode_untyped(&Node::Map(document), &mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token.
    pub fn decode(text: &str) -> Result<Token, Error> {
        let broken = |cause: &str| {
            Error::BadRequest(format!("invalid continue token: continue key is not valid: {cause}"))
        };
        let bytes =
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|error| broken(&error.to_string()))?;
        let node = codec::json::decode_untyped(&bytes).map_err(|error| broken(&error.to_string()))?;
        let map = node.as_map().ok_or_else(|| broken("not an object"))?;
        if map.str("v") != "meta.k8s.io/v1" {
            return Err(broken("server does not recognize this encoded version"));
        }
        let revision = match map.int("rv") {
            Some(-1) => None,
            Some(revision) if revision > 0 => Some(revision as Revision),
            _ => return Err(broken("incorrect encoded start resourceVersion")),
        };
        let start = map.str("start");
        let after = start.strip_suffix('\0').unwrap_or(start);
        let tricky = start.is_empty()
            || start.starts_with('/')
            || after.split('/').any(|segment| matches!(segment, "" | "." | ".."));
        if tricky {
            return Err(broken("invalid start key"));
        }
        Ok(Token { revision, after: after.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_round_trip_and_refuse_path_tricks() {
        for token in [
            Token { revision: Some(12), after: "default/a".to_owned() },
            Token { revision: None, after: "node-1".to_owned() },
        ] {
            assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        }
        for after in ["../secrets/a", "", "a/../b", "/a"] {
            assert!(
                Token::decode(&Token { revision: Some(1), after: after.to_owned() }.encode()).is_err(),
                "{after}"
            );
        }
        assert!(Token::decode("%%%").is_err());
    }
}
