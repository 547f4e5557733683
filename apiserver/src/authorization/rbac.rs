//! The four RBAC kinds as stored, and what of them authorization reads.

use std::sync::Arc;

use ecow::EcoString;

use super::rule::Rule;
use crate::registry::{Registry, Resource};
use crate::storage::View;
use crate::tree::Map;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// The resources of the four kinds.
pub struct Kinds {
    /// Role
    pub roles: Arc<Resource>,
    /// ClusterRole
    pub cluster_roles: Arc<Resource>,
    /// RoleBinding
    pub role_bindings: Arc<Resource>,
    /// ClusterRoleBinding
    pub cluster_role_bindings: Arc<Resource>,
}

/// The rules of a Role or ClusterRole.
pub type Rules = Arc<[Rule]>;

/// What a binding says.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its namespace; empty for a ClusterRoleBinding.
    pub namespace: EcoString,
    /// Its name.
    pub name: EcoString,
    /// The role is a ClusterRole.
    pub role_is_cluster: bool,
    /// The role's name.
    pub role: EcoString,
    /// Whom it is granted to.
    pub subjects: Vec<Subject>,
}

/// One subject of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(EcoString),
    /// A group.
    Group(EcoString),
    /// A service account of a namespace.
    ServiceAccount {
        /// Its namespace.
        namespace: EcoString,
        /// Its name.
        name: EcoString,
    },
}

impl Kinds {
    /// The built-in ones.
    pub fn builtin() -> Kinds {
        let find = |plural: &str| {
            Registry::builtin().storage_of(GROUP, plural).expect("the RBAC kinds are built in").clone()
        };
        Kinds {
            roles: find("roles"),
            cluster_roles: find("clusterroles"),
            role_bindings: find("rolebindings"),
            cluster_role_bindings: find("clusterrolebindings"),
        }
    }

    /// The revisions of the newest changes to each of them.
    pub(super) fn modified(&self, view: &View) -> [u64; 4] {
        [&self.roles, &self.cluster_roles, &self.role_bindings, &self.cluster_role_bindings]
            .map(|resource| view.modified(resource))
    }

    /// The rules that a role reference of a binding names, as stored; `None` when there is no such role.
    pub fn referenced_rules(&self, view: &View, binding: &Binding) -> Option<Vec<Rule>> {
        let role = if binding.role_is_cluster {
            view.object(&self.cluster_roles, "", &binding.role)
        } else {
            view.object(&self.roles, &binding.namespace, &binding.role)
        };
        role.map(|role| rules_of(&role))
    }
}

/// The rules of a stored role.
pub fn rules_of(role: &Map) -> Vec<Rule> {
    role.maps("rules").map(Rule::from_map).collect()
}

impl Binding {
    /// Reads a stored RoleBinding or ClusterRoleBinding.
    pub fn from_map(map: &Map) -> Binding {
        let namespace = map.namespace();
        let role = map.map("roleRef");
        let role_text = |key: &str| role.map_or("", |role| role.str(key));
        Binding {
            namespace: namespace.into(),
            name: map.name().into(),
            role_is_cluster: role_text("kind") == "ClusterRole",
            role: role_text("name").into(),
            subjects: map
                .maps("subjects")
                .filter_map(|subject| Subject::from_map(subject, namespace))
                .collect(),
        }
    }

    /// `ClusterRole "x"`
    pub fn role_text(&self) -> String {
        format!("{} {:?}", if self.role_is_cluster { "ClusterRole" } else { "Role" }, self.role.as_str())
    }

    /// What is said when the role does not exist.
    pub fn missing_role(&self) -> String {
        let kind = if self.role_is_cluster { "clusterrole" } else { "role" };
        format!("{kind}.{GROUP} {:?} not found", self.role.as_str())
    }
}

impl Subject {
    /// Reads one; a service account without a namespace is of the binding's.
    fn from_map(map: &Map, namespace: &str) -> Option<Subject> {
        let name = EcoString::from(map.str("name"));
        match map.str("kind") {
            "User" => Some(Subject::User(name)),
            "Group" => Some(Subject::Group(name)),
            "ServiceAccount" => {
                let own = map.str("namespace");
                let namespace = if own.is_empty() { namespace } else { own };
                (!namespace.is_empty()).then(|| Subject::ServiceAccount { namespace: namespace.into(), name })
            }
            _ => None,
        }
    }
}
