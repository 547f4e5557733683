//! The default roles and bindings, one line per rule.
//!
//! A rule is its verbs, a space and what they apply to: `group|group:resource,resource[name,name]` with `core` for
//! the core group, or paths. Verbs are a list or one of the words of [`super::rules::verbs`]; `EV` is a whole rule.
//! Keeps: data only; what it says is upstream's policy of the version that is served, and three roles for nodes that join.

mod cluster_roles;
mod controllers;

pub(super) use cluster_roles::CLUSTER_ROLES;
pub(super) use controllers::CONTROLLERS;

/// A default role.
#[derive(Clone, Copy)]
pub(super) struct Role {
    /// Its namespace; empty for a ClusterRole.
    pub(super) namespace: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// The aggregated role that it becomes part of: `view` for the label `aggregate-to-view`.
    pub(super) part_of: &'static str,
    /// The aggregated role that it is.
    pub(super) aggregates: &'static str,
    /// Its rules.
    pub(super) rules: &'static [&'static str],
}

/// A default binding of a role of the same scope.
pub(super) struct Binding {
    /// Its namespace; empty for a ClusterRoleBinding.
    pub(super) namespace: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// The role's name.
    pub(super) role: &'static str,
    /// `User name`, `Group name` or `ServiceAccount namespace/name`.
    pub(super) subjects: &'static [&'static str],
}

/// A ClusterRole that is no part of another.
pub(super) const fn cluster_role(name: &'static str, rules: &'static [&'static str]) -> Role {
    Role { namespace: "", name, part_of: "", aggregates: "", rules }
}

const fn role(namespace: &'static str, name: &'static str, rules: &'static [&'static str]) -> Role {
    Role { namespace, name, part_of: "", aggregates: "", rules }
}

const fn binding(
    namespace: &'static str,
    name: &'static str,
    role: &'static str,
    subjects: &'static [&'static str],
) -> Binding {
    Binding { namespace, name, role, subjects }
}

/// Roles.
pub(super) static ROLES: &[Role] = &[
    role("kube-public", "kubeadm:bootstrap-signer-clusterinfo", &["get core:configmaps[cluster-info]"]),
    role(
        "kube-public",
        "system:controller:bootstrap-signer",
        &["R core:configmaps", "update core:configmaps[cluster-info]", "EV"],
    ),
    role(
        "kube-system",
        "extension-apiserver-authentication-reader",
        &["R core:configmaps[extension-apiserver-authentication]"],
    ),
    role(
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        &[
            "create,get,list,update,watch coordination.k8s.io:leases",
            "create,get,list,update,watch coordination.k8s.io:leasecandidates",
        ],
    ),
    role(
        "kube-system",
        "system::leader-locking-kube-scheduler",
        &[
            "create,get,list,update,watch coordination.k8s.io:leases",
            "create,get,list,update,watch coordination.k8s.io:leasecandidates",
        ],
    ),
    role("kube-system", "system:controller:bootstrap-signer", &["R core:secrets"]),
    role("kube-system", "system:controller:cloud-provider", &["create,get,list,watch core:configmaps"]),
    role("kube-system", "system:controller:token-cleaner", &["delete,get,list,watch core:secrets", "EV"]),
];

/// Bindings.
pub(super) static BINDINGS: &[Binding] = &[
    binding("", "cluster-admin", "cluster-admin", &["Group system:masters"]),
    binding("", "system:basic-user", "system:basic-user", &["Group system:authenticated"]),
    binding(
        "",
        "system:cluster-trust-bundle-discovery",
        "system:cluster-trust-bundle-discovery",
        &["Group system:serviceaccounts"],
    ),
    binding("", "system:discovery", "system:discovery", &["Group system:authenticated"]),
    binding(
        "",
        "system:kube-controller-manager",
        "system:kube-controller-manager",
        &["User system:kube-controller-manager"],
    ),
    binding("", "system:kube-dns", "system:kube-dns", &["ServiceAccount kube-system/kube-dns"]),
    binding("", "system:kube-scheduler", "system:kube-scheduler", &["User system:kube-scheduler"]),
    binding("", "system:monitoring", "system:monitoring", &["Group system:monitoring"]),
    binding("", "system:node", "system:node", &[]),
    binding("", "system:node-proxier", "system:node-proxier", &["User system:kube-proxy"]),
    binding(
        "",
        "system:pintle:control-plane-bootstrapper",
        "system:pintle:control-plane-bootstrapper",
        &["Group system:bootstrappers:pintle:control-plane"],
    ),
    binding(
        "",
        "system:pintle:join-info-viewer",
        "system:pintle:join-info-viewer",
        &["Group system:authenticated", "Group system:unauthenticated"],
    ),
    binding(
        "",
        "system:public-info-viewer",
        "system:public-info-viewer",
        &["Group system:authenticated", "Group system:unauthenticated"],
    ),
    binding(
        "",
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        &["Group system:serviceaccounts"],
    ),
    binding("", "system:volume-scheduler", "system:volume-scheduler", &["User system:kube-scheduler"]),
    binding(
        "kube-public",
        "kubeadm:bootstrap-signer-clusterinfo",
        "kubeadm:bootstrap-signer-clusterinfo",
        &["User system:anonymous"],
    ),
    binding(
        "kube-public",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &["ServiceAccount kube-system/bootstrap-signer"],
    ),
    binding(
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        &["User system:kube-controller-manager", "User system:kube-scheduler"],
    ),
    binding(
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        &[
            "User system:kube-controller-manager",
            "ServiceAccount kube-system/kube-controller-manager",
            "ServiceAccount kube-system/leader-election-controller",
        ],
    ),
    binding(
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        &["User system:kube-scheduler", "ServiceAccount kube-system/kube-scheduler"],
    ),
    binding(
        "kube-system",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &["ServiceAccount kube-system/bootstrap-signer"],
    ),
    binding(
        "kube-system",
        "system:controller:cloud-provider",
        "system:controller:cloud-provider",
        &["ServiceAccount kube-system/cloud-provider"],
    ),
    binding(
        "kube-system",
        "system:controller:token-cleaner",
        "system:controller:token-cleaner",
        &["ServiceAccount kube-system/token-cleaner"],
    ),
];
