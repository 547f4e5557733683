//! ServiceAccount: every pod runs as a service account of its namespace and gets the account's credentials.
//!
//! Keeps: the account exists when the pod is stored; mirror pods, which their kubelet already runs, are not
//! changed and may not reach for accounts or secrets.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::{Attributes, Plugin, builtin, mentions};
use crate::clock;
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::{self, Entry};
use crate::tree::{List, Map, Node};

pub(super) struct ServiceAccount;

const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";
const AUTOMOUNT: &str = "automountServiceAccountToken";
const PULL_SECRETS: &str = "imagePullSecrets";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour and the seconds by which such projected tokens are recognized.
const TOKEN_SECONDS: i64 = 3_607;

static SERVICE_ACCOUNTS: LazyLock<&Resource> = LazyLock::new(|| builtin("", "serviceaccounts"));

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
        if !attributes.creates("pods") || pod.annotation(MIRROR).is_some() {
            return Ok(());
        }
        let account = {
            let spec = pod.map_mut("spec");
            if spec.str("serviceAccountName").is_empty() {
                spec.set("serviceAccountName", "default");
            }
            let name = spec.str("serviceAccountName").to_owned();
            spec.set("serviceAccount", name.as_str());
            find(attributes, &name)
        };
        let account = account.map_err(|cause| attributes.forbidden(Some(pod), cause))?;
        // Most accounts say nothing about their pods.
        let speaks = [AUTOMOUNT, PULL_SECRETS].iter().any(|field| mentions(account, field));
        let account = if speaks { storage::decode(&SERVICE_ACCOUNTS, account) } else { Map::new() };
        let spec = pod.map_mut("spec");
        let automount = spec.bool(AUTOMOUNT);
        if automount.or(account.bool(AUTOMOUNT)).unwrap_or(true) {
            let account = spec.str("serviceAccountName").to_owned();
            mount_token(spec, || volume_name(&account));
        }
        if spec.list(PULL_SECRETS).is_empty()
            && let Some(secrets) = account.get(PULL_SECRETS)
        {
            spec.set(PULL_SECRETS, secrets.clone());
        }
        Ok(())
    }

    fn validate(&self, attributes: &mut Attributes<'_>, pod: Option<&Map>) -> Result<(), Error> {
        let adds_containers = attributes.is_for("pods", "ephemeralcontainers");
        let Some(pod) = pod.filter(|_| adds_containers || attributes.creates("pods")) else { return Ok(()) };
        let Some(spec) = pod.map("spec") else { return Ok(()) };
        let checked = match (pod.annotation(MIRROR).is_some(), adds_containers) {
            (true, true) => Ok(()),
            (true, false) => check_mirror(spec),
            // The account of a running pod may be gone; then nothing is listed anywhere.
            (false, true) => find(attributes, spec.str("serviceAccountName"))
                .map_or(Ok(()), |account| check_secrets(account, spec)),
            (false, false) => find(attributes, spec.str("serviceAccountName"))
                .and_then(|account| check_secrets(account, spec)),
        };
        checked.map_err(|cause| attributes.forbidden(Some(pod), cause))
    }
}

fn find<'a>(attributes: &Attributes<'a>, name: &str) -> Result<&'a Entry, String> {
    let namespace = attributes.namespace;
    attributes.view.entry(&SERVICE_ACCOUNTS, namespace, name).map(|entry| &**entry).ok_or_else(|| {
        format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found")
    })
}

/// The name of the volume of an account's token. Upstream makes one up for each pod; one that follows from the account
/// is as good, since a volume's name belongs to its pod, and leaves pods of one template alike.
fn volume_name(account: &str) -> String {
    const LENGTH: usize = 5;
    let digest = Sha256::digest(account);
    format!("{VOLUME_PREFIX}{}", clock::letters(&digest[..LENGTH]))
}

/// Mounts the account's token, the cluster's CA and the namespace where no container has mounted them itself.
fn mount_token(spec: &mut Map, new_name: impl FnOnce() -> String) {
    let present =
        spec.maps("volumes").map(|volume| volume.str("name")).find(|name| name.starts_with(VOLUME_PREFIX));
    let is_present = present.is_some();
    let name = present.map_or_else(new_name, str::to_owned);
    let mut mounted = false;
    for containers in ["initContainers", "containers"] {
        for container in spec.existing_list_mut(containers).unwrap_or_default() {
            let Some(container) = container.as_map_mut() else { continue };
            if container.maps("volumeMounts").any(|mount| mount.str("mountPath") == MOUNT_PATH) {
                continue;
            }
            let mount = Map::from([
                ("name", Node::from(name.as_str())),
                ("readOnly", Node::Bool(true)),
                ("mountPath", Node::from(MOUNT_PATH)),
            ]);
            container.list_mut("volumeMounts").push(Node::Map(mount));
            mounted = true;
        }
    }
    if mounted && !is_present {
        spec.list_mut("volumes").push(Node::Map(token_volume(&name)));
    }
}

fn token_volume(name: &str) -> Map {
    let token = Map::from([("expirationSeconds", Node::Int(TOKEN_SECONDS)), ("path", Node::from("token"))]);
    let ca = Map::from([("key", "ca.crt"), ("path", "ca.crt")]);
    let root_ca = Map::from([("name", Node::from("kube-root-ca.crt")), ("items", items(ca))]);
    let field = Map::from([("apiVersion", "v1"), ("fieldPath", "metadata.namespace")]);
    let namespace = Map::from([("path", Node::from("namespace")), ("fieldRef", Node::Map(field))]);
    let sources: List = [
        ("serviceAccountToken", token),
        ("configMap", root_ca),
        ("downwardAPI", Map::from([("items", items(namespace))])),
    ]
    .into_iter()
    .map(|source| Node::Map(Map::from([source])))
    .collect();
    let projected = Map::from([("sources", Node::List(sources)), ("defaultMode", Node::Int(0o644))]);
    Map::from([("name", Node::from(name)), ("projected", Node::Map(projected))])
}

fn items(item: Map) -> Node {
    Node::List([Node::Map(item)].into_iter().collect())
}

/// What a mirror pod may not have: it was not admitted before its kubelet started it.
fn check_mirror(spec: &Map) -> Result<(), String> {
    if !spec.str("serviceAccountName").is_empty() {
        return Err("a mirror pod may not reference service accounts".to_owned());
    }
    if !secrets(spec).is_empty() || !spec.list(PULL_SECRETS).is_empty() || projects(spec, "secret") {
        return Err("a mirror pod may not reference secrets".to_owned());
    }
    if projects(spec, "serviceAccountToken") {
        return Err("a mirror pod may not use ServiceAccountToken volume projections".to_owned());
    }
    Ok(())
}

/// Whether a projected volume has a source of this sort.
fn projects(spec: &Map, source: &str) -> bool {
    spec.maps("volumes")
        .filter_map(|volume| volume.map("projected"))
        .flat_map(|projected| projected.maps("sources"))
        .any(|it| it.contains(source))
}

/// An account may ask that its pods only use the secrets that it lists.
fn check_secrets(account: &Entry, spec: &Map) -> Result<(), String> {
    if !mentions(account, ENFORCE_SECRETS) {
        return Ok(());
    }
    let account = storage::decode(&SERVICE_ACCOUNTS, account);
    if account.annotation(ENFORCE_SECRETS) != Some("true") {
        return Ok(());
    }
    let listed = |list: &str, name: &str| account.maps(list).any(|secret| secret.str("name") == name);
    let account = account.name();
    for (place, name) in secrets(spec) {
        if !listed("secrets", &name) {
            return Err(format!(
                "{place}secret.secretName={name:?} is not allowed because service account {account} does not reference \
                 that secret"
            ));
        }
    }
    for (at, secret) in spec.maps(PULL_SECRETS).enumerate() {
        let name = secret.str("name");
        if !listed(PULL_SECRETS, name) {
            return Err(format!(
                "imagePullSecrets[{at}].name={name:?} is not allowed because service account {account} does not \
                 reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

/// The secrets that a pod's volumes and containers name, each with the place where they do, in upstream's words.
/// Projected volumes do not count: upstream does not look into them.
fn secrets(spec: &Map) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |place: String, name: &str| {
        if !name.is_empty() {
            found.push((place, name.to_owned()));
        }
    };
    for volume in spec.maps("volumes") {
        add("volume with ".to_owned(), volume.str_at(&["secret", "secretName"]));
    }
    for (containers, title) in [
        ("initContainers", "init container"),
        ("containers", "container"),
        ("ephemeralContainers", "ephemeral container"),
    ] {
        for container in spec.maps(containers) {
            let own = container.str("name");
            for variable in container.maps("env") {
                let place = format!("{title} {own} with envVar {} referencing ", variable.str("name"));
                add(place, variable.str_at(&["valueFrom", "secretKeyRef", "name"]));
            }
            for source in container.maps("envFrom") {
                let place = format!("{title} {own} with envFrom referencing ");
                add(place, source.str_at(&["secretRef", "name"]));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(mounts: &[&'static str]) -> Node {
        let mounts: List = mounts.iter().map(|path| Node::Map(Map::from([("mountPath", *path)]))).collect();
        Node::Map(Map::from([("volumeMounts", mounts)]))
    }

    #[test]
    fn tokens_are_mounted_once_where_they_lack() {
        let containers: List = [container(&[]), container(&[MOUNT_PATH])].into_iter().collect();
        let mut spec = Map::from([("containers", containers)]);
        mount_token(&mut spec, || "kube-api-access-abcde".to_owned());
        let mounts: Vec<usize> = spec.maps("containers").map(|it| it.list("volumeMounts").len()).collect();
        assert_eq!(mounts, [1, 1]);
        assert_eq!(spec.list("volumes").len(), 1);
        let again = spec.clone();
        mount_token(&mut spec, || unreachable!("the volume is there"));
        assert_eq!(spec, again);
    }

    #[test]
    fn pods_whose_containers_mount_their_own_get_no_volume() {
        let containers: List = [container(&[MOUNT_PATH])].into_iter().collect();
        let mut spec = Map::from([("containers", containers)]);
        mount_token(&mut spec, || "kube-api-access-abcde".to_owned());
        assert!(spec.list("volumes").is_empty());
    }

    #[test]
    fn mirror_pods_may_not_reach_for_secrets() {
        for (spec, expected) in [
            (Map::new(), Ok(())),
            (
                Map::from([("serviceAccountName", "a")]),
                Err("a mirror pod may not reference service accounts".to_owned()),
            ),
        ] {
            assert_eq!(check_mirror(&spec), expected);
        }
        let volume = Map::from([("secret", Map::from([("secretName", "s")]))]);
        let spec = Map::from([("volumes", items(volume))]);
        assert_eq!(check_mirror(&spec), Err("a mirror pod may not reference secrets".to_owned()));
    }
}
