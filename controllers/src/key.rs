//! Keys: what a controller is asked to look at.

use std::fmt;

use ecow::EcoString;

use crate::api::Meta;

/// A namespace (empty at cluster scope) and a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Empty at cluster scope.
    pub namespace: EcoString,
    /// The name.
    pub name: EcoString,
}

impl Key {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<EcoString>, name: impl Into<EcoString>) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }
}

impl From<&Meta> for Key {
    fn from(meta: &Meta) -> Key {
        Key { namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl fmt::Display for Key {
    /// `namespace/name`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}
