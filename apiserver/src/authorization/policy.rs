//! The compiled policy: bindings by user and by group, each with the rules of its role.
//!
//! Keeps: immutable once compiled; compiling again reads only the objects that changed since.

use std::fmt;
use std::sync::Arc;

use ecow::EcoString;
use rustc_hash::FxHashMap;

use super::rbac::{Binding, Kinds, Rules, Subject, rules_of};
use super::rule::Rule;
use crate::authentication::impersonation::service_account;
use crate::registry::Resource;
use crate::storage::{self, Key, View};
use crate::tree::Map;
use crate::user::User;

/// Roles and bindings of one revision.
#[derive(Default)]
pub(super) struct Policy {
    compiled_at: u64,
    modified: [u64; 4],
    roles: Pieces<Rules>,
    cluster_roles: Pieces<Rules>,
    role_bindings: Pieces<Arc<Binding>>,
    cluster_role_bindings: Pieces<Arc<Binding>>,
    cluster: Subjects,
    namespaces: FxHashMap<EcoString, Subjects>,
}

/// What was read of stored objects, with the revision it was read at.
type Pieces<T> = FxHashMap<Key, (u64, T)>;

/// Who is bound, at one scope.
#[derive(Default)]
struct Subjects {
    users: FxHashMap<EcoString, Vec<Bound>>,
    groups: FxHashMap<EcoString, Vec<Bound>>,
    service_accounts: FxHashMap<(EcoString, EcoString), Vec<Bound>>,
}

struct Bound {
    grant: Grant,
    /// `None` when the role does not exist.
    rules: Option<Rules>,
}

/// A binding and the subject of it that concerns a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    binding: Arc<Binding>,
    subject: usize,
}

impl Policy {
    pub(super) fn compiled_at(&self) -> u64 {
        self.compiled_at
    }

    pub(super) fn is_current(&self, kinds: &Kinds, view: &View) -> bool {
        self.compiled_at > 0 && self.modified == kinds.modified(view)
    }

    /// The policy of a view; what did not change since `before` is taken from it.
    pub(super) fn compile(kinds: &Kinds, view: &View, before: &Policy) -> Policy {
        let rules = |role: &Map| -> Rules { rules_of(role).into() };
        let binding = |binding: &Map| Arc::new(Binding::from_map(binding));
        let mut policy = Policy {
            compiled_at: view.revision(),
            modified: kinds.modified(view),
            roles: read(&kinds.roles, view, &before.roles, rules),
            cluster_roles: read(&kinds.cluster_roles, view, &before.cluster_roles, rules),
            role_bindings: read(&kinds.role_bindings, view, &before.role_bindings, binding),
            cluster_role_bindings: read(
                &kinds.cluster_role_bindings,
                view,
                &before.cluster_role_bindings,
                binding,
            ),
            ..Policy::default()
        };
        policy.index(kinds);
        policy
    }

    fn index(&mut self, kinds: &Kinds) {
        let mut cluster = Subjects::default();
        let mut namespaces: FxHashMap<EcoString, Subjects> = FxHashMap::default();
        for binding in sorted(&self.cluster_role_bindings) {
            cluster.add(&binding, self.rules_of(kinds, &binding));
        }
        for binding in sorted(&self.role_bindings) {
            let rules = self.rules_of(kinds, &binding);
            namespaces.entry(binding.namespace.clone()).or_default().add(&binding, rules);
        }
        self.cluster = cluster;
        self.namespaces = namespaces;
    }

    fn rules_of(&self, kinds: &Kinds, binding: &Binding) -> Option<Rules> {
        let (pieces, key) = if binding.role_is_cluster {
            (&self.cluster_roles, kinds.cluster_roles.key("", &binding.role))
        } else {
            (&self.roles, kinds.roles.key(&binding.namespace, &binding.role))
        };
        pieces.get(key.as_str()).map(|(_, rules)| rules.clone())
    }

    fn bound<'a>(&'a self, user: &'a User, namespace: &str) -> impl Iterator<Item = &'a Bound> {
        let local = if namespace.is_empty() { None } else { self.namespaces.get(namespace) };
        [Some(&self.cluster), local].into_iter().flatten().flat_map(move |subjects| subjects.bound(user))
    }

    /// The first grant to `user` of which a rule is accepted by `accept`.
    pub(super) fn find(
        &self,
        user: &User,
        namespace: &str,
        mut accept: impl FnMut(&Rule) -> bool,
    ) -> Option<&Grant> {
        // The grant outlives the user's borrow, so it is looked up by the loop and not by the iterator's item.
        let local = if namespace.is_empty() { None } else { self.namespaces.get(namespace) };
        for subjects in [Some(&self.cluster), local].into_iter().flatten() {
            for list in subjects.lists(user) {
                for bound in list {
                    if bound.rules.iter().flat_map(|rules| rules.iter()).any(&mut accept) {
                        return Some(&bound.grant);
                    }
                }
            }
        }
        None
    }

    /// What of the user's bindings could not be resolved.
    pub(super) fn unresolved(&self, user: &User, namespace: &str) -> Vec<String> {
        self.bound(user, namespace)
            .filter(|bound| bound.rules.is_none())
            .map(|bound| bound.grant.binding.missing_role())
            .collect()
    }

    /// The reason that a refusal carries; empty when every role was there.
    pub(super) fn why_not(&self, user: &User, namespace: &str) -> String {
        match self.unresolved(user, namespace).as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            several => format!("RBAC: [{}]", several.join(", ")),
        }
    }
}

fn sorted(pieces: &Pieces<Arc<Binding>>) -> Vec<Arc<Binding>> {
    let mut bindings: Vec<Arc<Binding>> = pieces.values().map(|(_, binding)| binding.clone()).collect();
    bindings.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    bindings
}

fn read<T: Clone>(
    resource: &Resource,
    view: &View,
    before: &Pieces<T>,
    make: impl Fn(&Map) -> T,
) -> Pieces<T> {
    view.entries(resource, "")
        .map(|entry| {
            let piece = match before.get(&entry.key) {
                Some((revision, piece)) if *revision == entry.modified => piece.clone(),
                _ => make(&storage::decode(resource, entry)),
            };
            (entry.key.clone(), (entry.modified, piece))
        })
        .collect()
}

impl Subjects {
    fn add(&mut self, binding: &Arc<Binding>, rules: Option<Rules>) {
        for (at, subject) in binding.subjects.iter().enumerate() {
            let bound =
                Bound { grant: Grant { binding: binding.clone(), subject: at }, rules: rules.clone() };
            let list = match subject {
                Subject::User(name) => self.users.entry(name.clone()).or_default(),
                Subject::Group(name) => self.groups.entry(name.clone()).or_default(),
                Subject::ServiceAccount { namespace, name } => {
                    self.service_accounts.entry((namespace.clone(), name.clone())).or_default()
                }
            };
            list.push(bound);
        }
    }

    fn lists<'a>(&'a self, user: &User) -> impl Iterator<Item = &'a [Bound]> {
        let own = self.users.get(user.name.as_str());
        let account = match service_account(&user.name) {
            Some((namespace, name)) if !self.service_accounts.is_empty() => {
                self.service_accounts.get(&(EcoString::from(namespace), EcoString::from(name)))
            }
            _ => None,
        };
        let groups: smallvec::SmallVec<[&'a [Bound]; 8]> = user
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group.as_str()))
            .map(Vec::as_slice)
            .collect();
        own.into_iter().chain(account).map(Vec::as_slice).chain(groups)
    }

    fn bound<'a>(&'a self, user: &User) -> impl Iterator<Item = &'a Bound> + use<'a> {
        let lists: smallvec::SmallVec<[&'a [Bound]; 8]> = self.lists(user).collect();
        lists.into_iter().flatten()
    }
}

impl fmt::Display for Grant {
    /// `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binding = &*self.binding;
        let role = binding.role_text();
        if binding.namespace.is_empty() {
            write!(f, "ClusterRoleBinding {:?} of {role} to ", binding.name.as_str())?;
        } else {
            write!(f, "RoleBinding {:?} of {role} to ", format!("{}/{}", binding.name, binding.namespace))?;
        }
        match binding.subjects.get(self.subject) {
            Some(Subject::User(name)) => write!(f, "User {:?}", name.as_str()),
            Some(Subject::Group(name)) => write!(f, "Group {:?}", name.as_str()),
            Some(Subject::ServiceAccount { namespace, name }) => {
                write!(f, "ServiceAccount {:?}", format!("{name}/{namespace}"))
            }
            None => Ok(()),
        }
    }
}
