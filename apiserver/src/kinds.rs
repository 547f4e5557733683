//! The list of kinds. A kind is one file; adding one adds its module and its entry in [`ALL`].

use crate::kind::Kind;

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
mod authentication;
mod authorization;
mod autoscaling;
mod batch;
mod certificates;
mod coordination;
mod core;
mod discovery;
mod flowcontrol;
mod networking;
mod node;
mod policy;
mod rbac;
mod resource;
mod scheduling;
mod storage;
mod storagemigration;

mod count;
mod listing;
pub(crate) mod selector;
mod webhook_client;
mod workload;

pub(crate) use core::pod::all_containers;
pub(crate) use core::service::validate_cluster_ips;

/// Every built-in kind, in no particular order; discovery sorts by group.
pub static ALL: &[&Kind] = &[
    &core::namespace::KIND,
    &core::node::KIND,
    &core::pod::KIND,
    &core::config_map::KIND,
    &core::secret::KIND,
    &core::service_account::KIND,
    &core::service::KIND,
    &core::endpoints::KIND,
    &core::event::KIND,
    &core::persistent_volume::KIND,
    &core::persistent_volume_claim::KIND,
    &core::replication_controller::KIND,
    &core::pod_template::KIND,
    &core::limit_range::KIND,
    &core::resource_quota::KIND,
    &core::component_status::KIND,
    &core::binding::KIND,
    &apps::controller_revision::KIND,
    &apps::daemon_set::KIND,
    &apps::deployment::KIND,
    &apps::replica_set::KIND,
    &apps::stateful_set::KIND,
    &batch::cron_job::KIND,
    &batch::job::KIND,
    &autoscaling::horizontal_pod_autoscaler::KIND,
    &policy::pod_disruption_budget::KIND,
    &rbac::role::KIND,
    &rbac::cluster_role::KIND,
    &rbac::role_binding::KIND,
    &rbac::cluster_role_binding::KIND,
    &networking::ingress::KIND,
    &networking::ingress_class::KIND,
    &networking::ip_address::KIND,
    &networking::network_policy::KIND,
    &networking::service_cidr::KIND,
    &storage::csi_driver::KIND,
    &storage::csi_node::KIND,
    &storage::csi_storage_capacity::KIND,
    &storage::storage_class::KIND,
    &storage::volume_attachment::KIND,
    &storage::volume_attributes_class::KIND,
    &discovery::endpoint_slice::KIND,
    &coordination::lease::KIND,
    &scheduling::priority_class::KIND,
    &node::runtime_class::KIND,
    &certificates::certificate_signing_request::KIND,
    &certificates::cluster_trust_bundle::KIND,
    &certificates::pod_certificate_request::KIND,
    &admissionregistration::mutating_admission_policy::KIND,
    &admissionregistration::mutating_admission_policy_binding::KIND,
    &admissionregistration::mutating_webhook_configuration::KIND,
    &admissionregistration::validating_admission_policy::KIND,
    &admissionregistration::validating_admission_policy_binding::KIND,
    &admissionregistration::validating_webhook_configuration::KIND,
    &apiextensions::custom_resource_definition::KIND,
    &apiregistration::api_service::KIND,
    &flowcontrol::flow_schema::KIND,
    &flowcontrol::priority_level_configuration::KIND,
    &resource::device_class::KIND,
    &resource::device_taint_rule::KIND,
    &resource::resource_claim::KIND,
    &resource::resource_claim_template::KIND,
    &resource::resource_slice::KIND,
    &storagemigration::storage_version_migration::KIND,
    &authentication::self_subject_review::KIND,
    &authentication::token_review::KIND,
    &authorization::local_subject_access_review::KIND,
    &authorization::self_subject_access_review::KIND,
    &authorization::self_subject_rules_review::KIND,
    &authorization::subject_access_review::KIND,
];

#[cfg(test)]
mod verdicts;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::ALL;
    use crate::field::FieldErrors;
    use crate::kind::Kind;
    use crate::schema;
    use crate::tree::Map;

    /// `group/Kind` of every file below `src/kinds` that defines a kind.
    fn kinds_on_disk() -> BTreeSet<String> {
        let quoted = |text: &str, field: &str| {
            let line =
                text.lines().map(str::trim).find(|line| line.starts_with(field)).expect("a named field");
            line.split('"').nth(1).expect("a quoted value").to_owned()
        };
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
        let mut kinds = BTreeSet::new();
        for group in std::fs::read_dir(directory).expect("the kinds directory") {
            let group = group.expect("an entry").path();
            if !group.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(group).expect("a group's directory") {
                let file = file.expect("an entry").path();
                let text =
                    if file.is_file() { std::fs::read_to_string(&file).expect("UTF-8") } else { continue };
                if text.contains("static KIND: Kind") {
                    kinds.insert(format!("{}/{}", quoted(&text, "group:"), quoted(&text, "kind:")));
                }
            }
        }
        kinds
    }

    #[test]
    fn the_list_names_every_kind_file() {
        let listed: BTreeSet<String> =
            ALL.iter().map(|kind| format!("{}/{}", kind.names.group, kind.names.kind)).collect();
        assert_eq!(listed, kinds_on_disk());
        assert_eq!(listed.len(), ALL.len(), "a kind is listed twice");
    }

    /// An object of a kind that says nothing, with what that means.
    fn defaulted(kind: &Kind) -> Map {
        let mut object = Map::new();
        let schema = schema::builtin();
        let id = schema.find(kind.storage_version().schema).expect("every kind's schema is in the table");
        schema::apply_defaults(&mut object, schema, id);
        (kind.set_defaults)(&mut object);
        object
    }

    #[test]
    fn defaults_applied_again_change_nothing() {
        for kind in ALL {
            let once = defaulted(kind);
            let mut twice = once.clone();
            (kind.set_defaults)(&mut twice);
            assert_eq!(once, twice, "{}", kind.names.kind);
        }
    }

    #[test]
    fn kinds_that_ignore_metadata_do() {
        for kind in ALL.iter().filter(|kind| kind.ignores_metadata) {
            let faults = |object: &Map| {
                let mut errors = FieldErrors::new();
                (kind.validate)(object, &mut errors);
                errors.to_string()
            };
            let object = defaulted(kind);
            let mut other = object.clone();
            let texts = Map::from([("example.com/key", "value")]);
            for field in ["labels", "annotations"] {
                other.metadata_mut().set(field, texts.clone());
            }
            let mut again = other.clone();
            (kind.set_defaults)(&mut again);
            assert_eq!(again, other, "{}", kind.names.kind);
            assert_eq!(faults(&object), faults(&other), "{}", kind.names.kind);
        }
    }

    #[test]
    fn an_object_that_does_not_change_breaks_no_rule_of_updates() {
        for kind in ALL {
            let object = defaulted(kind);
            let mut errors = FieldErrors::new();
            (kind.validate_update)(&object, &object, &mut errors);
            assert!(errors.is_empty(), "{}: {errors}", kind.names.kind);
        }
    }

    #[test]
    fn rows_of_objects_that_say_nothing_can_be_printed() {
        for kind in ALL {
            let object = defaulted(kind);
            for column in kind.columns {
                column.cell(&object, 0);
            }
            for version in kind.versions {
                let mut seen = object.clone();
                let Some(conversion) = version.conversion else { continue };
                (conversion.from_storage)(&mut seen);
                (conversion.to_storage)(&mut seen);
                assert_eq!(seen, object, "{}", kind.names.kind);
            }
        }
    }

    #[test]
    fn singular_names_and_schemas_follow_the_kind() {
        for kind in ALL {
            assert_eq!(kind.names.singular, kind.names.kind.to_lowercase());
            assert_eq!(
                kind.versions.iter().filter(|version| version.storage).count(),
                1,
                "{}",
                kind.names.kind
            );
            for version in kind.versions {
                assert!(version.schema.ends_with(&format!(".{}.{}", version.version, kind.names.kind)));
            }
        }
    }
}
