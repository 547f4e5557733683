//! Keys, prefixes and buckets.
//!
//! A key is `/registry/<storage resource>[.<group>]/<namespace>/<name>`. Its *bucket* is everything up to
//! and including the third slash: the unit of views, rings and watches. Keeps: a key and its bucket are
//! plain text comparisons, so key order inside a bucket is byte order.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// An immutable key, cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The start of a key: a whole bucket, a namespace in it (`/registry/pods/default/`), or any longer start.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

/// The bucket of a key or prefix: its first two segments with the slash that ends them, or all of it when
/// it is shorter than that.
pub fn bucket_of(text: &str) -> &str {
    let mut slashes = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'/' {
            slashes += 1;
            if slashes == 3 {
                return &text[..=at];
            }
        }
    }
    text
}

/// The namespace prefix of a key (`/registry/pods/default/`), when the key has a segment after its bucket
/// that is followed by another one.
pub(crate) fn namespace_prefix(key: &str) -> Option<&str> {
    let bucket = bucket_of(key).len();
    let slash = key[bucket..].find('/')?;
    Some(&key[..=bucket + slash])
}

impl Key {
    /// Makes a key of a complete path.
    pub fn new(text: impl Into<Arc<str>>) -> Key {
        Key(text.into())
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bucket that holds this key.
    pub fn bucket(&self) -> &str {
        bucket_of(&self.0)
    }
}

impl Prefix {
    /// Makes a prefix; it selects the keys that start with exactly this text.
    pub fn new(text: impl Into<Arc<str>>) -> Prefix {
        Prefix(text.into())
    }

    /// The whole prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bucket that holds every key of this prefix.
    pub fn bucket(&self) -> &str {
        bucket_of(&self.0)
    }

    /// Whether a key lies under this prefix.
    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Prefix {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Prefix {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key(text.into())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key(text.into())
    }
}

impl From<&str> for Prefix {
    fn from(text: &str) -> Prefix {
        Prefix(text.into())
    }
}

impl From<String> for Prefix {
    fn from(text: String) -> Prefix {
        Prefix(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_ends_at_the_third_slash() {
        assert_eq!(bucket_of("/registry/pods/default/a"), "/registry/pods/");
        assert_eq!(bucket_of("/registry/nodes/n1"), "/registry/nodes/");
        assert_eq!(bucket_of("/registry/pods/"), "/registry/pods/");
        assert_eq!(bucket_of("/registry"), "/registry");
    }

    #[test]
    fn namespace_prefix_needs_a_name_after_it() {
        assert_eq!(namespace_prefix("/registry/pods/default/a"), Some("/registry/pods/default/"));
        assert_eq!(namespace_prefix("/registry/nodes/n1"), None);
    }
}
