//! ResourceQuota: what a namespace uses stays within what it may use.
//!
//! Keeps: `status.used` of each quota is changed in the transaction of the write that changes the usage, so it
//! is exact and concurrent writes cannot pass the limit together. A quota whose status does not cover its
//! spec (it is new, or its spec changed) is counted anew by the first write that concerns it, or by its controller.

use std::sync::{Arc, LazyLock};

use super::pod_usage::{combine, quantity};
use super::{Attributes, Operation, Plugin, builtin};
use crate::quantity::Quantity;
use crate::registry::{self, Registry, Resource};
use crate::status::Error;
use crate::storage::{self, Entry, View};
use crate::tree::{Key, Map, Node};

mod scope;
mod usage;

pub(super) struct ResourceQuota;

static QUOTAS: LazyLock<&Resource> = LazyLock::new(|| builtin("", "resourcequotas"));

impl Plugin for ResourceQuota {
    fn name(&self) -> &'static str {
        "ResourceQuota"
    }

    /// Whoever writes a quota's status, what it says of usage is the server's: it counts. The limits in it are the
    /// writer's; where they are not the spec's, the quota is not counted and its controller comes.
    fn admit(&self, attributes: &mut Attributes<'_>, quota: &mut Map) -> Result<(), Error> {
        if attributes.operation == Operation::Update && attributes.is_for("resourcequotas", "status") {
            let hard = quota.map_at(&["spec", "hard"]).cloned().unwrap_or_default();
            let used = count(attributes.view, quota, &hard, attributes.namespace);
            quota.map_mut("status").set("used", used);
        }
        Ok(())
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let namespace = attributes.namespace;
        let none = || attributes.view.state().count(&QUOTAS.prefix(namespace)) == 0;
        if namespace.is_empty() || !attributes.resource.namespaced() || none() {
            return Ok(());
        }
        let new = object.filter(|_| !attributes.removes);
        let old = attributes.old.filter(|_| attributes.operation != Operation::Create);
        let changes = match attributes.operation {
            Operation::Create => attributes.subresource.is_empty(),
            Operation::Update => true,
            Operation::Delete => attributes.removes,
            Operation::Connect => false,
        };
        if !changes {
            return Ok(());
        }
        let view = attributes.view;
        for entry in view.entries(&QUOTAS, namespace) {
            let quota = storage::decode(&QUOTAS, entry);
            let is_itself = std::ptr::eq(*QUOTAS, attributes.resource) && quota.name() == attributes.name;
            if !is_itself {
                charge(attributes, entry, quota, old, new)?;
            }
        }
        Ok(())
    }
}

fn charge(
    attributes: &mut Attributes<'_>,
    entry: &Arc<Entry>,
    mut quota: Map,
    old: Option<&Map>,
    new: Option<&Map>,
) -> Result<(), Error> {
    let Some(hard) = quota.map_at(&["spec", "hard"]).cloned() else { return Ok(()) };
    let resource = attributes.resource;
    let counted = |object: Option<&Map>| {
        let object = object.filter(|object| scope::matches(&quota, resource, object));
        let mut usage = object.map(|object| usage::of(resource, object)).unwrap_or_default();
        usage.retain(|key, _| hard.contains(key));
        usage
    };
    let (before, after) = (counted(old), counted(new));
    if before == after {
        return Ok(());
    }
    let refused = |cause: String| attributes.forbidden(new.or(old), cause);
    if let Some(new) = new.filter(|_| before.is_empty()) {
        let missing = usage::unspecified(resource, new, &hard);
        if !missing.is_empty() {
            return Err(refused(format!("failed quota: {}: must specify {missing}", quota.name())));
        }
    }
    let used = used(attributes.view, &quota, &hard, attributes.namespace);
    let mut total = used.clone();
    combine(&mut total, &after, |a, b| a.checked_add(&b));
    // What is counted less than it is must not become a debt that lets others pass.
    combine(&mut total, &before, |a, b| {
        a.checked_sub(&b).map(|rest| if rest < Quantity::ZERO { Quantity::ZERO } else { rest })
    });
    let grows = |key: &str| {
        let amount = |map: &Map| quantity(map, key).unwrap_or(Quantity::ZERO);
        amount(&after) > amount(&before) && amount(&total) > amount(&hard)
    };
    let exceeded: Vec<&Key> = after.keys().filter(|key| grows(key)).collect();
    if !exceeded.is_empty() {
        let mut requested = after.clone();
        combine(&mut requested, &before, |a, b| a.checked_sub(&b));
        return Err(refused(format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            quota.name(),
            amounts(&exceeded, &requested),
            amounts(&exceeded, &used),
            amounts(&exceeded, &hard)
        )));
    }
    let status = quota.map_mut("status");
    status.set("hard", hard);
    status.set("used", total);
    attributes.companions.update(&QUOTAS, entry, &quota);
    Ok(())
}

/// `pods=1,requests.cpu=2`
fn amounts(keys: &[&Key], amounts: &Map) -> String {
    let mut parts: Vec<String> = keys.iter().map(|key| format!("{key}={}", amounts.str(key))).collect();
    parts.sort_unstable();
    parts.join(",")
}

/// What is used of each limited resource now.
fn used(view: &View, quota: &Map, hard: &Map, namespace: &str) -> Map {
    let recorded = quota.map_at(&["status", "used"]);
    let covers = recorded.is_some_and(|used| hard.keys().all(|key| used.contains(key)));
    if let Some(used) = recorded.filter(|_| covers && quota.map_at(&["status", "hard"]) == Some(hard)) {
        return used.clone();
    }
    count(view, quota, hard, namespace)
}

/// What all objects of the namespace use of each limited resource.
fn count(view: &View, quota: &Map, hard: &Map, namespace: &str) -> Map {
    let mut total: Map = hard.keys().map(|key| (key.clone(), Node::from("0"))).collect();
    let own_bucket = |resource: &&Arc<Resource>| resource.namespaced() && resource.version.storage;
    for resource in Registry::builtin().iter().filter(own_bucket) {
        if !usage::concerns(resource, hard) {
            continue;
        }
        for entry in view.entries(resource, namespace) {
            let object = storage::decode(resource, entry);
            if scope::matches(quota, resource, &object) {
                let mut usage = usage::of(resource, &object);
                usage.retain(|key, _| hard.contains(key));
                combine(&mut total, &usage, |a, b| a.checked_add(&b));
            }
        }
    }
    count_custom(view, hard, namespace, &mut total);
    total
}

/// Counts the objects of kinds that users define: each is one, whatever is in it.
fn count_custom(view: &View, hard: &Map, namespace: &str, total: &mut Map) {
    for key in hard.keys() {
        let Some((plural, group)) = key.strip_prefix("count/").and_then(|name| name.split_once('.')) else {
            continue;
        };
        if Registry::builtin().storage_of(group, plural).is_none() {
            let prefix = format!("{}{namespace}/", registry::bucket(group, plural));
            total.set(key.clone(), view.state().range(&prefix, None).count().to_string());
        }
    }
}
