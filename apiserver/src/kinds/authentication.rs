//! The authentication.k8s.io group. Questions about users; nothing of it is stored.

pub(super) mod self_subject_review;
pub(super) mod token_review;
