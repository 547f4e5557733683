//! What absent fields of a pod's spec mean: for pods and for the templates of workloads alike.
//!
//! Keeps: a second run changes nothing; what only pods get (requests from limits, host ports, service links) is
//! not here but with the Pod itself, because defaulting a stored template anew would roll out every workload.

use super::{containers, image};
use crate::quantity::Quantity;
use crate::tree::{Map, Node};

/// Fills in what absent fields of a PodSpec mean.
pub(in crate::kinds) fn set_spec_defaults(spec: &mut Map) {
    for volume in maps_mut(spec, "volumes") {
        set_volume_defaults(volume);
    }
    for list in containers::LISTS {
        for container in maps_mut(spec, list) {
            set_container_defaults(container);
        }
    }
    round_resources(spec.existing_map_mut("overhead"));
    round_requirements(spec);
    keep_service_accounts_equal(spec);
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "schedulerName", "default-scheduler");
    spec.set_default("securityContext", Map::new());
    spec.set_default("terminationGracePeriodSeconds", 30_i64);
}

/// `serviceAccount` is the old name of `serviceAccountName`: both are printed, the new one wins.
fn keep_service_accounts_equal(spec: &mut Map) {
    if spec.str("serviceAccountName").is_empty() {
        match spec.get("serviceAccount").cloned() {
            Some(Node::Str(name)) if !name.is_empty() => spec.set("serviceAccountName", name),
            _ => {}
        }
    } else if let Some(name) = spec.get("serviceAccountName").cloned() {
        spec.set("serviceAccount", name);
    }
}

fn set_container_defaults(container: &mut Map) {
    if container.str("imagePullPolicy").is_empty() {
        let latest = image::is_latest(container.str("image"));
        container.set("imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    }
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    for port in maps_mut(container, "ports") {
        default_text(port, "protocol", "TCP");
    }
    for variable in maps_mut(container, "env") {
        if let Some(source) = variable.existing_map_mut("valueFrom") {
            set_field_defaults(source);
            if let Some(file) = source.existing_map_mut("fileKeyRef") {
                file.set_default("optional", false);
            }
        }
    }
    round_requirements(container);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.existing_map_mut(probe) {
            set_probe_defaults(probe);
        }
    }
    if let Some(lifecycle) = container.existing_map_mut("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.existing_map_mut(hook) {
                set_http_defaults(hook);
            }
        }
    }
}

fn set_probe_defaults(probe: &mut Map) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe.int(field).unwrap_or(0) == 0 {
            probe.set(field, Node::Int(value));
        }
    }
    set_http_defaults(probe);
    if let Some(grpc) = probe.existing_map_mut("grpc") {
        grpc.set_default("service", "");
    }
}

fn set_http_defaults(handler: &mut Map) {
    if let Some(http) = handler.existing_map_mut("httpGet") {
        default_text(http, "path", "/");
        default_text(http, "scheme", "HTTP");
    }
}

/// A reference to a field of the pod is one of version v1.
fn set_field_defaults(source: &mut Map) {
    if let Some(field) = source.existing_map_mut("fieldRef") {
        default_text(field, "apiVersion", "v1");
    }
}

const FILE_MODE: i64 = 0o644;
const TOKEN_SECONDS: i64 = 3600;

fn set_volume_defaults(volume: &mut Map) {
    if volume.keys().all(|key| key.as_str() == "name") {
        volume.set("emptyDir", Map::new());
        return;
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.existing_map_mut(source) {
            source.set_default("defaultMode", FILE_MODE);
        }
    }
    if let Some(source) = volume.existing_map_mut("downwardAPI") {
        maps_mut(source, "items").for_each(set_field_defaults);
    }
    for source in volume.existing_map_mut("projected").into_iter().flat_map(|it| maps_mut(it, "sources")) {
        if let Some(source) = source.existing_map_mut("downwardAPI") {
            maps_mut(source, "items").for_each(set_field_defaults);
        }
        if let Some(token) = source.existing_map_mut("serviceAccountToken") {
            token.set_default("expirationSeconds", TOKEN_SECONDS);
        }
    }
    if let Some(image) = volume.existing_map_mut("image")
        && image.str("pullPolicy").is_empty()
    {
        let latest = image::is_latest(image.str("reference"));
        image.set("pullPolicy", if latest { "Always" } else { "IfNotPresent" });
    }
    if let Some(spec) = volume
        .existing_map_mut("ephemeral")
        .and_then(|it| it.existing_map_mut("volumeClaimTemplate"))
        .map(|template| template.map_mut("spec"))
    {
        set_claim_spec_defaults(spec);
    }
    set_block_defaults(volume);
}

/// Fills in what absent fields of a PersistentVolumeClaimSpec mean.
pub(in crate::kinds) fn set_claim_spec_defaults(spec: &mut Map) {
    spec.set_default("volumeMode", "Filesystem");
    round_requirements(spec);
}

/// Sources that pods and persistent volumes share.
pub(in crate::kinds::core) fn set_block_defaults(volume: &mut Map) {
    if let Some(path) = volume.existing_map_mut("hostPath") {
        path.set_default("type", "");
    }
    if let Some(iscsi) = volume.existing_map_mut("iscsi") {
        default_text(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = volume.existing_map_mut("rbd") {
        default_text(rbd, "pool", "rbd");
        default_text(rbd, "user", "admin");
        default_text(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = volume.existing_map_mut("azureDisk") {
        disk.set_default("cachingMode", "ReadWrite");
        disk.set_default("fsType", "ext4");
        disk.set_default("readOnly", false);
        disk.set_default("kind", "Shared");
    }
    if let Some(scale) = volume.existing_map_mut("scaleIO") {
        default_text(scale, "storageMode", "ThinProvisioned");
        default_text(scale, "fsType", "xfs");
    }
}

/// Rounds `resources.limits` and `resources.requests`.
pub(in crate::kinds) fn round_requirements(owner: &mut Map) {
    if let Some(resources) = owner.existing_map_mut("resources") {
        round_resources(resources.existing_map_mut("limits"));
        round_resources(resources.existing_map_mut("requests"));
    }
}

/// Rounds amounts below a thousandth up to it: finer ones are not kept in resource lists.
pub(in crate::kinds) fn round_resources(resources: Option<&mut Map>) {
    const MILLI: i32 = -3;
    let Some(resources) = resources else { return };
    let is_fine = |text: &str| text.ends_with(['n', 'u']) || text.contains("e-");
    if !resources.iter().any(|(_, amount)| amount.as_str().is_some_and(is_fine)) {
        return;
    }
    for (_, amount) in resources.iter_mut() {
        if let Some(Ok(mut quantity)) = amount.as_str().filter(|text| is_fine(text)).map(Quantity::parse) {
            quantity.round_up(MILLI);
            *amount = Node::Str(quantity.canonical());
        }
    }
}

/// Sets a text that is absent or empty.
pub(in crate::kinds) fn default_text(map: &mut Map, field: &'static str, value: &'static str) {
    if map.str(field).is_empty() {
        map.set(field, value);
    }
}

/// The maps in the list at `key`, writable.
pub(in crate::kinds) fn maps_mut<'a>(map: &'a mut Map, key: &str) -> impl Iterator<Item = &'a mut Map> {
    map.existing_list_mut(key).into_iter().flatten().filter_map(Node::as_map_mut)
}
