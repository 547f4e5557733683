//! Discovery documents, read as controllers need them: every resource in its preferred version.

use pintle_controllers::api::{ApiError, Discovery, Resource, ServedResource};
use serde::Deserialize;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
    #[serde(default)]
    resources: Vec<Served>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    resource: String,
    #[serde(default)]
    response_kind: Kind,
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind {
    kind: String,
}

/// Adds an aggregated document. Groups come with their preferred version first.
pub(super) fn read(document: &[u8], discovery: &mut Discovery) -> Result<(), ApiError> {
    let list: List = serde_json::from_slice(document)
        .map_err(|error| ApiError::malformed(format!("discovery could not be read: {error}")))?;
    for group in list.items {
        let mut seen = Vec::new();
        for version in group.versions {
            let slash = if group.metadata.name.is_empty() { "" } else { "/" };
            let group_version = format!("{}{slash}{}", group.metadata.name, version.version);
            if version.freshness == "Stale" {
                discovery.failed.push(group_version.clone());
            }
            discovery.group_versions.push(group_version);
            for served in version.resources {
                if seen.contains(&served.resource) {
                    continue;
                }
                seen.push(served.resource.clone());
                discovery.resources.push(ServedResource {
                    resource: Resource {
                        group: group.metadata.name.clone().into(),
                        version: version.version.clone().into(),
                        plural: served.resource.into(),
                        kind: served.response_kind.kind.into(),
                        namespaced: served.scope == "Namespaced",
                    },
                    verbs: served.verbs,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_comes_once_in_its_preferred_version() {
        let mut discovery = Discovery::default();
        let document = br#"{"items":[{"metadata":{"name":"apps"},"versions":[
            {"version":"v1","freshness":"Current","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","verbs":["list"]}]},
            {"version":"v1beta1","freshness":"Stale","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced"},
             {"resource":"old","responseKind":{"kind":"Old"},"scope":"Cluster"}]}]}]}"#;
        read(document, &mut discovery).unwrap();
        let found: Vec<String> = discovery
            .resources
            .iter()
            .map(|it| format!("{} {} {}", it.resource, it.resource.version, it.resource.namespaced))
            .collect();
        assert_eq!(found, ["deployments.apps v1 true", "old.apps v1beta1 false"]);
        assert_eq!(discovery.failed, ["apps/v1beta1"]);
        assert_eq!(discovery.group_versions, ["apps/v1", "apps/v1beta1"]);
    }
}
