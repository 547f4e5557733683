//! The served groups and versions in order, with the kinds of each.
//!
//! Keeps: groups by priority, then by name; versions by priority, then GA before beta before alpha, then the
//! higher number; resources by name. The priorities are those of upstream's APIService objects.

use std::cmp::Reverse;

use crate::kind::{Kind, Version};
use crate::registry::Registry;

/// Every served group, in order.
#[derive(Debug, Default)]
pub struct Catalog {
    groups: Vec<Group>,
}

/// A group with its versions, the preferred one first.
#[derive(Debug)]
pub struct Group {
    /// Its name; empty for core.
    pub name: &'static str,
    /// Its served versions in order of preference; never empty.
    pub versions: Vec<GroupVersion>,
}

/// A version of a group with its kinds by plural name.
#[derive(Debug)]
pub struct GroupVersion {
    /// The group's name; empty for core.
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// What is served.
    pub kinds: Vec<Served>,
}

/// A kind in a served version.
#[derive(Clone, Copy)]
pub struct Served {
    /// The kind.
    pub kind: &'static Kind,
    /// The version.
    pub version: &'static Version,
    /// A user has defined it.
    pub is_custom: bool,
}

/// An APIService of a built-in group version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiService {
    /// `v1.apps`; `v1.` for core.
    pub name: String,
    /// Group; empty for core.
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// `spec.groupPriorityMinimum`
    pub group_priority_minimum: i64,
    /// `spec.versionPriority`
    pub version_priority: i64,
}

/// Priority of a group and of its versions that are not at [`VERSION_PRIORITY`].
pub(super) struct Priority {
    group: &'static str,
    pub(super) minimum: i64,
    versions: &'static [(&'static str, i64)],
}

const fn priority(group: &'static str, minimum: i64) -> Priority {
    Priority { group, minimum, versions: &[] }
}

/// The aggregator's own group: first of all, and without an APIService of its own.
const AGGREGATOR: &str = "apiregistration.k8s.io";

/// `spec.versionPriority` of a GA version.
const VERSION_PRIORITY: i64 = 15;

/// Priority of a group that is not listed: that of a custom resource's.
const OTHER: Priority = priority("", 1000);

const PRIORITIES: &[Priority] = &[
    priority(AGGREGATOR, 20_000),
    Priority { group: "", minimum: 18_000, versions: &[("v1", 1)] },
    priority("apps", 17_800),
    priority("events.k8s.io", 17_750),
    priority("authentication.k8s.io", 17_700),
    priority("authorization.k8s.io", 17_600),
    Priority { group: "autoscaling", minimum: 17_500, versions: &[("v2", 30)] },
    priority("batch", 17_400),
    priority("certificates.k8s.io", 17_300),
    priority("networking.k8s.io", 17_200),
    priority("policy", 17_100),
    priority("rbac.authorization.k8s.io", 17_000),
    priority("storage.k8s.io", 16_800),
    priority("admissionregistration.k8s.io", 16_700),
    priority("apiextensions.k8s.io", 16_700),
    priority("scheduling.k8s.io", 16_600),
    priority("coordination.k8s.io", 16_500),
    priority("node.k8s.io", 16_300),
    priority("discovery.k8s.io", 16_200),
    Priority { group: "resource.k8s.io", minimum: 16_200, versions: &[("v1", 21)] },
    Priority { group: "flowcontrol.apiserver.k8s.io", minimum: 16_100, versions: &[("v1", 21)] },
    priority("internal.apiserver.k8s.io", 16_000),
    priority("storagemigration.k8s.io", 15_800),
];

impl Priority {
    pub(super) fn of(group: &str) -> &'static Priority {
        PRIORITIES.iter().find(|priority| priority.group == group).unwrap_or(&OTHER)
    }

    pub(super) fn version(&self, version: &str) -> i64 {
        let listed = self.versions.iter().find(|(listed, _)| *listed == version);
        listed.map_or(VERSION_PRIORITY, |(_, priority)| *priority)
    }
}

/// The rank of a version among others: `v2` > `v1` > `v1beta2` > `v1alpha1` > anything else.
pub(crate) fn stability(version: &str) -> (u8, u32, u32) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        let (level, minor) = match &rest[digits..] {
            "" => (3, "0"),
            rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
                (Some(minor), _) => (2, minor),
                (_, Some(minor)) => (1, minor),
                _ => return None,
            },
        };
        Some((level, major, minor.parse().ok()?))
    };
    parse().unwrap_or((0, 0, 0))
}

impl Catalog {
    /// Sorts kinds in their versions into groups and versions.
    pub fn new(all: impl Iterator<Item = Served>) -> Catalog {
        let mut catalog = Catalog::default();
        for served in all {
            catalog.version_mut(served.version).kinds.push(served);
        }
        catalog.groups.sort_by_key(|group| (Reverse(Priority::of(group.name).minimum), group.name));
        for group in &mut catalog.groups {
            let priority = Priority::of(group.name);
            group.versions.sort_by_key(|at| Reverse((priority.version(at.version), stability(at.version))));
            for version in &mut group.versions {
                version.kinds.sort_by_key(|served| served.kind.names.plural);
            }
        }
        catalog
    }

    fn version_mut(&mut self, version: &'static Version) -> &mut GroupVersion {
        let groups = &mut self.groups;
        let at = groups.iter().position(|group| group.name == version.group).unwrap_or_else(|| {
            groups.push(Group { name: version.group, versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        let at = versions.iter().position(|candidate| candidate.version == version.version);
        let at = at.unwrap_or_else(|| {
            let kinds = Vec::new();
            versions.push(GroupVersion { group: version.group, version: version.version, kinds });
            versions.len() - 1
        });
        &mut versions[at]
    }

    /// The groups in order, core among them.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The groups below `/apis` in order.
    pub fn named_groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| !group.name.is_empty())
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// A served group and version.
    pub fn find(&self, group: &str, version: &str) -> Option<&GroupVersion> {
        self.group(group)?.versions.iter().find(|candidate| candidate.version == version)
    }

    /// Every served group and version in order.
    pub fn versions(&self) -> impl Iterator<Item = &GroupVersion> {
        self.groups.iter().flat_map(|group| &group.versions)
    }
}

impl GroupVersion {
    /// `/api/v1` or `/apis/apps/v1`.
    pub fn path(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.names.kind)
    }
}

/// The built-in groups.
pub fn catalog() -> &'static Catalog {
    Registry::builtin().catalog()
}

/// The APIService objects that a fresh server must hold, in the order of the groups.
pub fn api_services() -> Vec<ApiService> {
    catalog()
        .versions()
        .filter(|served| served.group != AGGREGATOR)
        .map(|served| {
            let priority = Priority::of(served.group);
            ApiService {
                name: format!("{}.{}", served.version, served.group),
                group: served.group,
                version: served.version,
                group_priority_minimum: priority.minimum,
                version_priority: priority.version(served.version),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rank_by_stability_then_by_number() {
        let mut versions = ["v1alpha1", "v10", "v1beta2", "foo", "v2", "v1beta10", "v1"];
        versions.sort_by_key(|version| Reverse(stability(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo"]);
    }

    #[test]
    fn every_served_group_has_a_priority_of_its_own() {
        for group in catalog().groups() {
            assert!(PRIORITIES.iter().any(|priority| priority.group == group.name), "{}", group.name);
        }
    }

    #[test]
    fn api_services_follow_the_order_of_groups() {
        let services = api_services();
        assert_eq!(services[0].name, "v1.");
        assert_eq!((services[0].group_priority_minimum, services[0].version_priority), (18_000, 1));
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let at = |name| names.iter().position(|candidate| *candidate == name).expect(name);
        assert!(at("v1.apps") < at("v2.autoscaling"));
        assert!(at("v2.autoscaling") < at("v1.batch"));
        assert!(!names.contains(&"v1.apiregistration.k8s.io"));
    }
}
