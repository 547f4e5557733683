//! The certificate authorities, leaves, service-account keys and kubeconfigs of a cluster.
