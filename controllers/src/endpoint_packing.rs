//! How endpoints are laid out in slices with as few writes as possible.
//!
//! Keeps: an endpoint stays in the slice that it is in; what is new goes into slices that are written anyway, then into
//! the one that it fills best, and only then into new ones. Slices of an earlier owner of the same name are removed.

use std::collections::{BTreeMap, BTreeSet};

use ecow::EcoString;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use crate::api::{DeleteOptions, Meta, Resource, Version};
use crate::digest::{Change, Digest, Held};
use crate::digests::EndpointSlice;
use crate::digests::endpoint_slice::{Endpoint, MANAGED_BY, Port, SERVICE_NAME};
use crate::endpoint_pods::{self as pods, LOOK_AGAIN, TRIGGER_TIME};
use crate::event::{Event, Regarding};
use crate::key::Key;
use crate::plan::{Action, Plan};
use crate::view::View;

type Slice = Held<EndpointSlice>;

/// What slices are made from, and how they look.
pub(crate) struct Origin<'a> {
    /// The service that they belong to.
    pub(crate) service: &'a Key,
    /// How slices name their controller.
    pub(crate) manager: &'static str,
    /// Kind of the object that owns them.
    pub(crate) resource: &'static Resource,
    /// The object that owns them.
    pub(crate) meta: &'a Meta,
    /// Their labels, besides those that name service and controller.
    pub(crate) labels: BTreeMap<EcoString, EcoString>,
    /// All their annotations but the trigger time; those that they have without.
    pub(crate) annotations: Option<BTreeMap<EcoString, EcoString>>,
    /// When the owner was created: the trigger time of its first slices.
    pub(crate) created: Option<EcoString>,
    /// Endpoints of a slice at most.
    pub(crate) endpoints_max: usize,
    /// Whether the owner is on its way out: it gets no new slices, because whoever waits for the old ones to be gone
    /// would wait for these as well.
    pub(crate) is_leaving: bool,
    /// Families that have a slice even without endpoints.
    pub(crate) always: Vec<EcoString>,
}

/// An endpoint that is wanted, and when it became what it is.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) endpoint: Endpoint,
    pub(crate) trigger: Option<EcoString>,
}

/// Endpoints that may share slices.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// `IPv4` or `IPv6`.
    pub(crate) address_type: EcoString,
    ports: Vec<Port>,
    candidates: Vec<Candidate>,
}

/// A slice as it is to be.
struct Draft<'a> {
    stored: Option<&'a Slice>,
    address_type: EcoString,
    ports: Vec<Port>,
    endpoints: Vec<Endpoint>,
    changed: bool,
}

/// What tells one endpoint from another, whatever it can do.
type Identity = (Vec<EcoString>, Option<EcoString>, EcoString);

fn identity(endpoint: &Endpoint) -> Identity {
    let uid = endpoint.target_ref.as_ref().map(|target| target.uid.clone()).unwrap_or_default();
    (endpoint.addresses.clone(), endpoint.hostname.clone(), uid)
}

/// Whether it is readiness that has changed, which is what trigger times are about.
fn differ(new: &Endpoint, old: &Endpoint) -> bool {
    let readiness = |endpoint: &Endpoint| endpoint.conditions.serving.or(endpoint.conditions.ready);
    readiness(new) != readiness(old)
}

fn sorted(ports: &[Port]) -> Vec<Port> {
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports
}

impl Group {
    /// Its endpoints.
    pub(crate) fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        self.candidates.iter_mut().map(|candidate| &mut candidate.endpoint)
    }

    /// Adds an endpoint to the group of its family and ports.
    pub(crate) fn add(
        groups: &mut Vec<Group>,
        address_type: &EcoString,
        ports: &[Port],
        candidate: Candidate,
    ) {
        let fits = |group: &&mut Group| group.address_type == *address_type && group.ports == ports;
        match groups.iter_mut().find(fits) {
            Some(group) => group.candidates.push(candidate),
            None => groups.push(Group {
                address_type: address_type.clone(),
                ports: ports.to_vec(),
                candidates: vec![candidate],
            }),
        }
    }
}

/// The services of a controller's slices that changed.
pub(crate) fn services_of(change: &Change<'_, EndpointSlice>, manager: &str, put: &mut dyn FnMut(Key)) {
    for slice in change.versions().filter(|slice| slice.is_managed_by(manager)) {
        if let Some(service) = slice.service() {
            put(Key::new(slice.meta.namespace.clone(), service.clone()));
        }
    }
}

/// The slices that a controller keeps for a service, by name.
pub(crate) fn kept<'a>(view: &'a View, service: &Key, manager: &str) -> Vec<&'a Slice> {
    let term = EndpointSlice::service_term(&service.namespace, &service.name);
    let slices = view.of::<EndpointSlice>().indexed(term);
    let mut kept: Vec<&Slice> = slices
        .filter(|slice| slice.is_managed_by(manager) && slice.metadata.deletion_timestamp.is_none())
        .map(|slice| &**slice)
        .collect();
    kept.sort_unstable_by(|a, b| a.meta.name.cmp(&b.meta.name));
    kept
}

/// Slices go with what they were made from. A view that is older than they are says nothing about it.
pub(crate) fn remove_all(existing: &[&Slice], seen: Version) -> Plan {
    if existing.iter().any(|slice| seen < slice.meta.version) {
        return Plan::after(LOOK_AGAIN);
    }
    Plan::from(existing.iter().map(|slice| delete(slice)).collect::<Vec<_>>())
}

fn delete(slice: &Slice) -> Action {
    Action::Delete {
        resource: EndpointSlice::RESOURCE,
        namespace: slice.meta.namespace.clone(),
        name: slice.meta.name.clone(),
        options: DeleteOptions::of_uid(slice.meta.uid.as_str()),
    }
}

impl Origin<'_> {
    /// What is written so that the slices hold these groups.
    pub(crate) fn plan(&self, existing: &[&Slice], groups: Vec<Group>, view: &View) -> Plan {
        let (own, foreign): (Vec<&Slice>, Vec<&Slice>) =
            existing.iter().copied().partition(|slice| self.owns(slice));
        let mut triggers = BTreeSet::new();
        if own.is_empty() {
            triggers.extend(self.created.clone().filter(|time| !time.is_empty()));
        }
        let mut by_ports: BTreeMap<(EcoString, Vec<Port>), Vec<&Slice>> = BTreeMap::new();
        for slice in own {
            by_ports.entry((slice.address_type.clone(), sorted(&slice.ports))).or_default().push(slice);
        }
        let mut drafts = Vec::new();
        let mut unneeded = Vec::new();
        for group in groups {
            let slices = by_ports.remove(&(group.address_type.clone(), sorted(&group.ports)));
            self.pack(slices.unwrap_or_default(), group, &mut drafts, &mut unneeded, &mut triggers);
        }
        unneeded.extend(by_ports.into_values().flatten());
        for family in &self.always {
            if !drafts.iter().any(|draft| draft.address_type == *family) {
                drafts.push(placeholder(family, &mut unneeded));
            }
        }
        reuse(&mut drafts, &mut unneeded);
        drafts.retain(|draft| draft.stored.is_some() || !self.is_leaving);
        let mut actions: Vec<Action> =
            drafts.iter().filter_map(|draft| self.write(draft, &triggers)).collect();
        actions.extend(unneeded.into_iter().chain(foreign).map(delete));
        if !actions.is_empty() {
            let complaint = self.complaint(view);
            actions.splice(0..0, complaint);
        }
        Plan::from(actions)
    }

    /// Whether a slice was made from this very object, not an earlier one of its name.
    fn owns(&self, slice: &Slice) -> bool {
        slice.metadata.owner_references.iter().any(|owner| owner["uid"] == self.meta.uid.as_str())
    }

    /// Lays out a group in the slices that it has, and in new ones.
    fn pack<'a>(
        &self,
        slices: Vec<&'a Slice>,
        group: Group,
        drafts: &mut Vec<Draft<'a>>,
        unneeded: &mut Vec<&'a Slice>,
        triggers: &mut BTreeSet<EcoString>,
    ) {
        let is_new = slices.is_empty();
        let mut wanted: FxHashMap<Identity, usize> = FxHashMap::default();
        for (at, candidate) in group.candidates.iter().enumerate() {
            wanted.entry(identity(&candidate.endpoint)).or_insert(at);
        }
        let mut own: Vec<Draft<'a>> = Vec::new();
        for slice in slices {
            let mut changed = false;
            let mut endpoints = Vec::with_capacity(slice.endpoints.len());
            for endpoint in &slice.endpoints {
                let Some(at) = wanted.remove(&identity(endpoint)) else {
                    changed = true;
                    continue;
                };
                let candidate = &group.candidates[at];
                if candidate.endpoint != *endpoint {
                    changed = true;
                    triggers
                        .extend(candidate.trigger.clone().filter(|_| differ(&candidate.endpoint, endpoint)));
                }
                endpoints.push(candidate.endpoint.clone());
            }
            if endpoints.is_empty() {
                unneeded.push(slice);
                continue;
            }
            let (address_type, ports) = (group.address_type.clone(), slice.ports.clone());
            own.push(Draft { stored: Some(slice), address_type, ports, endpoints, changed });
        }
        let mut left: Vec<usize> = wanted.into_values().collect();
        left.sort_unstable();
        if !is_new {
            triggers.extend(left.iter().filter_map(|at| group.candidates[*at].trigger.clone()));
        }
        let mut left = left.into_iter().map(|at| group.candidates[at].endpoint.clone());
        self.fill_changed(&mut own, &mut left);
        while left.len() > 0 {
            let unchanged =
                if left.len() < self.endpoints_max { self.best_fit(&mut own, left.len()) } else { None };
            match unchanged {
                Some(draft) => {
                    draft.endpoints.extend(left.by_ref());
                    draft.changed = true;
                }
                None => own.push(Draft {
                    stored: None,
                    address_type: group.address_type.clone(),
                    ports: group.ports.clone(),
                    endpoints: left.by_ref().take(self.endpoints_max).collect(),
                    changed: true,
                }),
            }
        }
        drafts.append(&mut own);
    }

    /// Fills slices that are written anyway, the fullest first.
    fn fill_changed(&self, own: &mut [Draft<'_>], left: &mut impl Iterator<Item = Endpoint>) {
        let mut changed: Vec<&mut Draft<'_>> = own.iter_mut().filter(|draft| draft.changed).collect();
        changed.sort_by_key(|draft| std::cmp::Reverse(draft.endpoints.len()));
        for draft in changed {
            let room = self.endpoints_max.saturating_sub(draft.endpoints.len());
            draft.endpoints.extend(left.take(room));
        }
    }

    /// The unchanged slice that so many endpoints would fill best.
    fn best_fit<'d, 'a>(&self, own: &'d mut [Draft<'a>], count: usize) -> Option<&'d mut Draft<'a>> {
        let fitting =
            |draft: &&mut Draft<'a>| !draft.changed && draft.endpoints.len() + count <= self.endpoints_max;
        own.iter_mut().filter(fitting).max_by_key(|draft| draft.endpoints.len())
    }

    /// The write that makes a slice what it is to be.
    fn write(&self, draft: &Draft<'_>, triggers: &BTreeSet<EcoString>) -> Option<Action> {
        let labels = self.all_labels();
        let stored = draft.stored;
        let mut metadata = stored.map(|slice| slice.metadata.clone()).unwrap_or_default();
        if let Some(wanted) = &self.annotations {
            let time = metadata.annotations.remove(TRIGGER_TIME);
            let same = metadata.annotations == *wanted;
            metadata.annotations = wanted.clone();
            pods::stamp(&mut metadata.annotations, time);
            if stored.is_some() && same && !draft.changed && metadata.labels == labels {
                return None;
            }
        } else if stored.is_some() && !draft.changed && metadata.labels == labels {
            return None;
        }
        pods::stamp(&mut metadata.annotations, triggers.first().cloned());
        metadata.labels = labels;
        if stored.is_none() {
            metadata.generate_name = prefix(&self.service.name);
            metadata.owner_references = vec![self.reference()];
        }
        let mut object = json!({
            "metadata": metadata,
            "addressType": draft.address_type,
            "endpoints": draft.endpoints,
            "ports": draft.ports,
        });
        object["metadata"]["namespace"] = json!(self.service.namespace);
        Some(match stored {
            None => Action::Create { resource: EndpointSlice::RESOURCE, object },
            Some(slice) => {
                object["metadata"]["name"] = json!(slice.meta.name);
                object["metadata"]["uid"] = json!(slice.meta.uid);
                object["metadata"]["resourceVersion"] = json!(slice.meta.version.to_string());
                Action::Update { resource: EndpointSlice::RESOURCE, subresource: "", object }
            }
        })
    }

    fn all_labels(&self) -> BTreeMap<EcoString, EcoString> {
        let mut labels = self.labels.clone();
        labels.insert(SERVICE_NAME.into(), self.service.name.clone());
        labels.insert(MANAGED_BY.into(), self.manager.into());
        labels
    }

    fn reference(&self) -> Value {
        json!({
            "apiVersion": self.resource.api_version(),
            "kind": self.resource.kind,
            "name": self.meta.name,
            "uid": self.meta.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    /// Tells people that the last write was refused.
    fn complaint(&self, view: &View) -> Option<Action> {
        let failure = view.failure().filter(|it| !it.is_conflict() && !it.already_exists())?;
        let message = format!("Error updating Endpoint Slices for Service {}: {failure}", self.service);
        let regarding = Regarding::object(self.resource, self.meta);
        Some(Action::Record(Event::warning(regarding, "FailedToUpdateEndpointSlices", message)))
    }
}

/// The slice of a family without endpoints; one that is there already stays as it is.
fn placeholder<'a>(family: &EcoString, unneeded: &mut Vec<&'a Slice>) -> Draft<'a> {
    let empty = |slice: &&Slice| {
        slice.address_type == *family && slice.endpoints.is_empty() && slice.ports.is_empty()
    };
    let stored = unneeded.iter().position(empty).map(|at| unneeded.remove(at));
    Draft {
        stored,
        address_type: family.clone(),
        ports: Vec::new(),
        endpoints: Vec::new(),
        changed: stored.is_none(),
    }
}

/// Instead of removing a slice and creating another one, the former becomes the latter.
fn reuse<'a>(drafts: &mut [Draft<'a>], unneeded: &mut Vec<&'a Slice>) {
    for draft in drafts.iter_mut().filter(|draft| draft.stored.is_none()) {
        let fits = |slice: &&Slice| slice.address_type == draft.address_type;
        if let Some(at) = unneeded.iter().position(fits) {
            draft.stored = Some(unneeded.remove(at));
        }
    }
}

/// The prefix of a slice's name.
fn prefix(service: &str) -> EcoString {
    /// Of a name, without the random letters.
    const PREFIX_BYTES_MAX: usize = 58;
    let with_dash = format!("{service}-");
    if with_dash.len() <= PREFIX_BYTES_MAX { with_dash.into() } else { service.into() }
}

#[cfg(test)]
mod tests;
