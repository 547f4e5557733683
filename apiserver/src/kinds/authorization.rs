//! The authorization.k8s.io group. Questions about rights; nothing of it is stored.

pub(super) mod local_subject_access_review;
pub(super) mod self_subject_access_review;
pub(super) mod self_subject_rules_review;
pub(super) mod subject_access_review;
