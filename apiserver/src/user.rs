//! Who makes a request: the user that authentication found, as authorization, admission and audit see it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// An authenticated (or anonymous) user.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct User {
    /// `metadata`-free name: `kubernetes-admin`, `system:serviceaccount:ns:name`.
    pub name: String,
    /// Unique id; empty when the authenticator knows none.
    pub uid: String,
    /// Groups, `system:authenticated` or `system:unauthenticated` included.
    pub groups: Vec<String>,
    /// Further facts by lower-case key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The group that authorization always passes.
pub const SYSTEM_MASTERS: &str = "system:masters";
/// The group of everybody who authenticated.
pub const SYSTEM_AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody who did not.
pub const SYSTEM_UNAUTHENTICATED: &str = "system:unauthenticated";

impl User {
    /// `system:anonymous`, who presented nothing.
    pub fn anonymous() -> Arc<User> {
        Arc::new(User {
            name: "system:anonymous".to_owned(),
            groups: vec![SYSTEM_UNAUTHENTICATED.to_owned()],
            ..User::default()
        })
    }

    /// The server itself: bootstrap and in-process loops that are not yet service accounts.
    pub fn apiserver() -> Arc<User> {
        Arc::new(User {
            name: "system:apiserver".to_owned(),
            groups: vec![SYSTEM_MASTERS.to_owned(), SYSTEM_AUTHENTICATED.to_owned()],
            ..User::default()
        })
    }

    /// Whether the user is in `group`.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|candidate| candidate == group)
    }
}
