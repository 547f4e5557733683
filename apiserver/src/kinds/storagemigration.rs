//! The storagemigration.k8s.io group. Rewriting stored objects.

pub(super) mod storage_version_migration;
