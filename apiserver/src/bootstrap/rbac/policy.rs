//! The default roles and bindings, one line per rule.
//!
//! A rule is its verbs, a space and what they apply to: `group|group:resource,resource[name,name]` with `core` for
//! the core group, or paths. Verbs are a list or one of the words of [`super::rules::verbs`]; `EV` is a whole rule.
//! Keeps: data only; what it says is upstream's policy of the version that is served, and three roles for nodes that join.

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

/// ClusterRoles.
pub(super) static CLUSTER_ROLES: &[Role] = &[
    Role { part_of: "", aggregates: "admin", ..cluster_role("admin", &[]) },
    cluster_role("cluster-admin", &["* *:*", "* *"]),
    Role { part_of: "admin", aggregates: "edit", ..cluster_role("edit", &[]) },
    Role {
        part_of: "admin",
        aggregates: "",
        ..cluster_role(
            "system:aggregate-to-admin",
            &[
                "create authorization.k8s.io:localsubjectaccessreviews",
                "ALL rbac.authorization.k8s.io:rolebindings,roles",
            ],
        )
    },
    Role {
        part_of: "edit",
        aggregates: "",
        ..cluster_role(
            "system:aggregate-to-edit",
            &[
                "R core:pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy",
                "impersonate core:serviceaccounts",
                "W core:pods,pods/attach,pods/exec,pods/portforward,pods/proxy",
                "create core:pods/eviction",
                "W core:configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy",
                "create core:serviceaccounts/token",
                "W core|events.k8s.io:events",
                "W apps:daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale",
                "W autoscaling:horizontalpodautoscalers",
                "W batch:cronjobs,jobs",
                "W extensions:daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale",
                "W policy:poddisruptionbudgets",
                "W networking.k8s.io:ingresses,networkpolicies",
                "ALL coordination.k8s.io:leases",
                "W resource.k8s.io:resourceclaims,resourceclaimtemplates",
            ],
        )
    },
    Role {
        part_of: "view",
        aggregates: "",
        ..cluster_role(
            "system:aggregate-to-view",
            &[
                "R core:configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status",
                "R core:bindings,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status",
                "R core:namespaces",
                "R core|events.k8s.io:events",
                "R discovery.k8s.io:endpointslices",
                "R apps:controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status",
                "R autoscaling:horizontalpodautoscalers,horizontalpodautoscalers/status",
                "R batch:cronjobs,cronjobs/status,jobs,jobs/status",
                "R extensions:daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale",
                "R policy:poddisruptionbudgets,poddisruptionbudgets/status",
                "R networking.k8s.io:ingresses,ingresses/status,networkpolicies",
                "R resource.k8s.io:resourceclaims,resourceclaims/status,resourceclaimtemplates",
            ],
        )
    },
    cluster_role(
        "system:auth-delegator",
        &["create authentication.k8s.io:tokenreviews", "create authorization.k8s.io:subjectaccessreviews"],
    ),
    cluster_role(
        "system:basic-user",
        &[
            "create authorization.k8s.io:selfsubjectaccessreviews,selfsubjectrulesreviews",
            "create authentication.k8s.io:selfsubjectreviews",
        ],
    ),
    cluster_role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &["create certificates.k8s.io:certificatesigningrequests/nodeclient"],
    ),
    cluster_role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &["create certificates.k8s.io:certificatesigningrequests/selfnodeclient"],
    ),
    cluster_role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        &["approve certificates.k8s.io:signers[kubernetes.io/kube-apiserver-client]"],
    ),
    cluster_role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        &["approve certificates.k8s.io:signers[kubernetes.io/kube-apiserver-client-kubelet]"],
    ),
    cluster_role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        &["approve certificates.k8s.io:signers[kubernetes.io/kubelet-serving]"],
    ),
    cluster_role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        &["approve certificates.k8s.io:signers[kubernetes.io/legacy-unknown]"],
    ),
    cluster_role(
        "system:discovery",
        &["get /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"],
    ),
    cluster_role("system:heapster", &["R core:events,namespaces,nodes,pods", "R extensions:deployments"]),
    cluster_role("system:kube-aggregator", &["R core:endpoints,services"]),
    cluster_role(
        "system:kube-controller-manager",
        &[
            "EV",
            "create coordination.k8s.io:leases",
            "get,update coordination.k8s.io:leases[kube-controller-manager]",
            "create core:secrets,serviceaccounts",
            "delete core:secrets",
            "get core:configmaps,namespaces,secrets,serviceaccounts",
            "update core:secrets,serviceaccounts",
            "create authentication.k8s.io:tokenreviews",
            "create authorization.k8s.io:subjectaccessreviews",
            "list,watch *:*",
            "create core:serviceaccounts/token",
        ],
    ),
    cluster_role("system:kube-dns", &["list,watch core:endpoints,services"]),
    cluster_role(
        "system:kube-scheduler",
        &[
            "EV",
            "create coordination.k8s.io:leases",
            "get,list,update,watch coordination.k8s.io:leases[kube-scheduler]",
            "ALL coordination.k8s.io:leasecandidates",
            "R core:nodes",
            "delete,get,list,watch core:pods",
            "create core:bindings,pods/binding",
            "patch,update core:pods/status",
            "R core:replicationcontrollers,services",
            "R apps|extensions:replicasets",
            "R apps:statefulsets",
            "R policy:poddisruptionbudgets",
            "R core:persistentvolumeclaims,persistentvolumes",
            "create authentication.k8s.io:tokenreviews",
            "create authorization.k8s.io:subjectaccessreviews",
            "R storage.k8s.io:csinodes",
            "R storage.k8s.io:volumeattachments",
            "R core:namespaces",
            "R storage.k8s.io:csidrivers",
            "R storage.k8s.io:csistoragecapacities",
            "R resource.k8s.io:deviceclasses",
            "get,list,patch,update,watch resource.k8s.io:resourceclaims",
            "get,list,patch,update,watch resource.k8s.io:resourceclaims/status",
            "update core:pods/finalizers",
            "R resource.k8s.io:resourceslices",
            "create,delete resource.k8s.io:resourceclaims",
            "patch,update resource.k8s.io:resourceclaims/binding",
            "R resource.k8s.io:devicetaintrules",
        ],
    ),
    cluster_role(
        "system:kubelet-api-admin",
        &[
            "R core:nodes",
            "proxy core:nodes",
            "* core:nodes/log,nodes/metrics,nodes/proxy,nodes/stats",
            "* core:nodes/configz,nodes/healthz,nodes/pods",
        ],
    ),
    cluster_role(
        "system:monitoring",
        &[
            "get /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz",
            "get core:nodes/metrics",
        ],
    ),
    cluster_role(
        "system:node",
        &[
            "create authentication.k8s.io:tokenreviews",
            "create authorization.k8s.io:localsubjectaccessreviews,subjectaccessreviews",
            "R core:services",
            "create,get,list,watch core:nodes",
            "patch,update core:nodes/status",
            "patch,update core:nodes",
            "EV",
            "R core:pods",
            "create,delete core:pods",
            "patch,update core:pods/status",
            "create core:pods/eviction",
            "R core:configmaps,secrets",
            "get core:persistentvolumeclaims,persistentvolumes",
            "get core:endpoints",
            "create,get,list,watch certificates.k8s.io:certificatesigningrequests",
            "create,delete,get,patch,update coordination.k8s.io:leases",
            "get storage.k8s.io:volumeattachments",
            "create core:serviceaccounts/token",
            "get,patch,update core:persistentvolumeclaims/status",
            "R storage.k8s.io:csidrivers",
            "create,delete,get,patch,update storage.k8s.io:csinodes",
            "R node.k8s.io:runtimeclasses",
            "get resource.k8s.io:resourceclaims",
            "deletecollection resource.k8s.io:resourceslices",
            "get core:serviceaccounts",
            "create,get,list,watch certificates.k8s.io:podcertificaterequests",
            "R certificates.k8s.io:clustertrustbundles",
        ],
    ),
    cluster_role(
        "system:node-bootstrapper",
        &["create,get,list,watch certificates.k8s.io:certificatesigningrequests"],
    ),
    cluster_role("system:node-problem-detector", &["get core:nodes", "patch core:nodes/status", "EV"]),
    cluster_role(
        "system:node-proxier",
        &[
            "list,watch core:endpoints,services",
            "R core:nodes",
            "EV",
            "list,watch networking.k8s.io:servicecidrs",
            "list,watch discovery.k8s.io:endpointslices",
        ],
    ),
    cluster_role(
        "system:persistent-volume-provisioner",
        &[
            "create,delete,get,list,watch core:persistentvolumes",
            "get,list,update,watch core:persistentvolumeclaims",
            "R storage.k8s.io:storageclasses",
            "watch core:events",
            "EV",
        ],
    ),
    cluster_role(
        "system:pintle:control-plane-bootstrapper",
        &["post /pintle/v1/join /pintle/v1/join/member"],
    ),
    cluster_role("system:pintle:join-info-viewer", &["get /pintle/v1/authority /pintle/v1/join/token"]),
    cluster_role("system:public-info-viewer", &["get /healthz /livez /readyz /version /version/"]),
    cluster_role(
        "system:service-account-issuer-discovery",
        &[
            "get /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
        ],
    ),
    cluster_role(
        "system:volume-scheduler",
        &[
            "get,list,patch,update,watch core:persistentvolumes",
            "R storage.k8s.io:storageclasses",
            "get,list,patch,update,watch core:persistentvolumeclaims",
        ],
    ),
    Role { part_of: "edit", aggregates: "view", ..cluster_role("view", &[]) },
    cluster_role("system:cluster-trust-bundle-discovery", &["R certificates.k8s.io:clustertrustbundles"]),
];

/// ClusterRoles of the controllers: `system:controller:NAME`, each bound to the service account of that name in
/// `kube-system`.
pub(super) static CONTROLLERS: &[Role] = &[
    cluster_role(
        "attachdetach-controller",
        &[
            "list,watch core:persistentvolumeclaims,persistentvolumes",
            "R core:nodes",
            "patch,update core:nodes/status",
            "list,watch core:pods",
            "EV",
            "create,delete,get,list,watch storage.k8s.io:volumeattachments",
            "R storage.k8s.io:csidrivers",
            "R storage.k8s.io:csinodes",
        ],
    ),
    cluster_role(
        "certificate-controller",
        &[
            "delete,get,list,watch certificates.k8s.io:certificatesigningrequests",
            "update certificates.k8s.io:certificatesigningrequests/approval,certificatesigningrequests/status",
            "approve certificates.k8s.io:signers[kubernetes.io/kube-apiserver-client-kubelet]",
            "sign certificates.k8s.io:signers[kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown]",
            "create authorization.k8s.io:subjectaccessreviews",
            "EV",
        ],
    ),
    cluster_role(
        "clusterrole-aggregation-controller",
        &["escalate,get,list,patch,update,watch rbac.authorization.k8s.io:clusterroles"],
    ),
    cluster_role(
        "cronjob-controller",
        &[
            "get,list,update,watch batch:cronjobs",
            "create,delete,get,list,patch,update,watch batch:jobs",
            "update batch:cronjobs/status",
            "update batch:cronjobs/finalizers",
            "delete,list,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "daemon-set-controller",
        &[
            "R apps|extensions:daemonsets",
            "update apps|extensions:daemonsets/status",
            "update apps|extensions:daemonsets/finalizers",
            "list,watch core:nodes",
            "create,delete,list,patch,watch core:pods",
            "create core:pods/binding",
            "create,delete,get,list,patch,update,watch apps:controllerrevisions",
            "EV",
        ],
    ),
    cluster_role(
        "deployment-controller",
        &[
            "get,list,update,watch apps|extensions:deployments",
            "update apps|extensions:deployments/status",
            "update apps|extensions:deployments/finalizers",
            "create,delete,get,list,patch,update,watch apps|extensions:replicasets",
            "get,list,update,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "device-taint-eviction-controller",
        &[
            "delete,get,list,watch core:pods",
            "patch,update core:pods/status",
            "R resource.k8s.io:resourceclaims",
            "R resource.k8s.io:resourceslices",
            "R resource.k8s.io:deviceclasses",
            "EV",
        ],
    ),
    cluster_role(
        "disruption-controller",
        &[
            "R apps|extensions:deployments",
            "R apps|extensions:replicasets",
            "R core:replicationcontrollers",
            "R policy:poddisruptionbudgets",
            "R apps:statefulsets",
            "update policy:poddisruptionbudgets/status",
            "patch,update core:pods/status",
            "get *:*/scale",
            "EV",
        ],
    ),
    cluster_role(
        "endpoint-controller",
        &[
            "R core:pods,services",
            "create,delete,get,list,update,watch core:endpoints",
            "create core:endpoints/restricted",
            "EV",
        ],
    ),
    cluster_role(
        "endpointslice-controller",
        &[
            "R core:nodes,pods,services",
            "update core:services/finalizers",
            "create,delete,get,list,update,watch discovery.k8s.io:endpointslices",
            "create discovery.k8s.io:endpointslices/restricted",
            "EV",
        ],
    ),
    cluster_role(
        "endpointslicemirroring-controller",
        &[
            "R core:endpoints,services",
            "update core:services/finalizers",
            "update core:endpoints/finalizers",
            "create,delete,get,list,update,watch discovery.k8s.io:endpointslices",
            "create discovery.k8s.io:endpointslices/restricted",
            "EV",
        ],
    ),
    cluster_role(
        "ephemeral-volume-controller",
        &[
            "R core:pods",
            "update core:pods/finalizers",
            "create,get,list,watch core:persistentvolumeclaims",
            "EV",
        ],
    ),
    cluster_role(
        "expand-controller",
        &[
            "get,list,patch,update,watch core:persistentvolumes",
            "patch,update core:persistentvolumeclaims/status",
            "R core:persistentvolumeclaims",
            "EV",
        ],
    ),
    cluster_role("generic-garbage-collector", &["delete,get,list,patch,update,watch *:*", "EV"]),
    cluster_role(
        "horizontal-pod-autoscaler",
        &[
            "R autoscaling:horizontalpodautoscalers",
            "update autoscaling:horizontalpodautoscalers/status",
            "get,update *:*/scale",
            "list,watch core:pods",
            "list,watch metrics.k8s.io:pods",
            "R custom.metrics.k8s.io:*",
            "R external.metrics.k8s.io:*",
            "EV",
        ],
    ),
    cluster_role(
        "job-controller",
        &[
            "get,list,patch,update,watch batch:jobs",
            "update batch:jobs/status",
            "update batch:jobs/finalizers",
            "create,delete,list,patch,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "legacy-service-account-token-cleaner",
        &[
            "get core:configmaps[kube-apiserver-legacy-service-account-token-tracking]",
            "delete,patch core:secrets",
        ],
    ),
    cluster_role(
        "namespace-controller",
        &[
            "delete,get,list,watch core:namespaces",
            "update core:namespaces/finalize,namespaces/status",
            "delete,deletecollection,get,list,watch *:*",
        ],
    ),
    cluster_role(
        "node-controller",
        &[
            "delete,get,list,patch,update,watch core:nodes",
            "patch,update core:nodes/status",
            "patch,update core:pods/status",
            "delete,get,list,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "persistent-volume-binder",
        &[
            "create,delete,get,list,update,watch core:persistentvolumes",
            "update core:persistentvolumes/status",
            "get,list,update,watch core:persistentvolumeclaims",
            "update core:persistentvolumeclaims/status",
            "create,delete,get,list,watch core:pods",
            "R storage.k8s.io:storageclasses",
            "list,watch core:nodes",
            "EV",
            "watch core:events",
        ],
    ),
    cluster_role(
        "pod-garbage-collector",
        &["delete,list,watch core:pods", "R core:nodes", "patch core:pods/status"],
    ),
    cluster_role("pv-protection-controller", &["get,list,update,watch core:persistentvolumes", "EV"]),
    cluster_role(
        "pvc-protection-controller",
        &[
            "get,list,update,watch core:persistentvolumeclaims",
            "update core:persistentvolumeclaims/status",
            "R core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "replicaset-controller",
        &[
            "get,list,update,watch apps|extensions:replicasets",
            "update apps|extensions:replicasets/status",
            "update apps|extensions:replicasets/finalizers",
            "create,delete,list,patch,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "replication-controller",
        &[
            "get,list,update,watch core:replicationcontrollers",
            "update core:replicationcontrollers/status",
            "update core:replicationcontrollers/finalizers",
            "create,delete,list,patch,watch core:pods",
            "EV",
        ],
    ),
    cluster_role(
        "resource-claim-controller",
        &[
            "R core:pods",
            "update core:pods/finalizers",
            "create,delete,get,list,watch resource.k8s.io:resourceclaims",
            "patch,update resource.k8s.io:resourceclaims,resourceclaims/status",
            "patch,update core:pods/status",
            "EV",
            "patch,update resource.k8s.io:resourceclaims/binding",
        ],
    ),
    cluster_role("resourcequota-controller", &["list,watch *:*", "update core:resourcequotas/status", "EV"]),
    cluster_role("root-ca-cert-publisher", &["create,update core:configmaps", "EV"]),
    cluster_role("route-controller", &["list,watch core:nodes", "patch core:nodes/status", "EV"]),
    cluster_role(
        "selinux-warning-controller",
        &[
            "EV",
            "R core:persistentvolumes",
            "R core:persistentvolumeclaims",
            "R core:pods",
            "R storage.k8s.io:csidrivers",
        ],
    ),
    cluster_role("service-account-controller", &["create core:serviceaccounts", "EV"]),
    cluster_role(
        "service-cidrs-controller",
        &[
            "get,list,patch,update,watch networking.k8s.io:servicecidrs",
            "patch,update networking.k8s.io:servicecidrs/finalizers",
            "patch,update networking.k8s.io:servicecidrs/status",
            "R networking.k8s.io:ipaddresses",
            "EV",
        ],
    ),
    cluster_role(
        "service-controller",
        &["R core:services", "patch,update core:services/status", "list,watch core:nodes", "EV"],
    ),
    cluster_role(
        "statefulset-controller",
        &[
            "list,watch core:pods",
            "R apps:statefulsets",
            "update apps:statefulsets/status",
            "update apps:statefulsets/finalizers",
            "create,delete,get,patch,update core:pods",
            "create,delete,get,list,patch,update,watch apps:controllerrevisions",
            "create,get,list,watch core:persistentvolumeclaims",
            "delete,update core:persistentvolumeclaims",
            "update core:pods/finalizers",
            "EV",
        ],
    ),
    cluster_role("ttl-after-finished-controller", &["delete,get,list,watch batch:jobs", "EV"]),
    cluster_role("ttl-controller", &["list,patch,update,watch core:nodes", "EV"]),
    cluster_role(
        "validatingadmissionpolicy-status-controller",
        &[
            "R admissionregistration.k8s.io:validatingadmissionpolicies",
            "get,patch,update admissionregistration.k8s.io:validatingadmissionpolicies/status",
            "EV",
        ],
    ),
    cluster_role(
        "volumeattributesclass-protection-controller",
        &[
            "R core:persistentvolumeclaims",
            "R core:persistentvolumes",
            "get,list,update,watch storage.k8s.io:volumeattributesclasses",
            "EV",
        ],
    ),
];

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
