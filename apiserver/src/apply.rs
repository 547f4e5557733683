//! Server-side apply: a manager states the fields it wants, and the server merges, tracks and protects them.
//!
//! Keeps: a manager owns exactly what its last request stated; what it no longer states and nobody else owns is
//! removed; another manager's value is taken over only by force; a request that changes nothing leaves object and
//! times as they are.

use crate::codec::json;
use crate::managed_fields::{
    self, Fields, Manager, Operation, Set, compare, managed_fields, read_stored, set_managed_fields,
};
use crate::schema::{self, Schema, StructId};
use crate::status::Error;
use crate::tree::{Map, Node};

mod body;
mod conflict;
mod last_applied;
mod merge;
mod prune;

use conflict::Conflict;

/// An apply request, beside its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who applies, through which endpoint, and when.
    pub context: managed_fields::Context<'a>,
    /// The kind of the object: `Deployment`.
    pub kind: &'a str,
    /// Take fields from other managers.
    pub force: bool,
    /// The struct of the built-in schema that objects are read by.
    pub object: StructId,
}

/// The manager that owns what an object had before it was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Applies a body, as it was written, to the live object (`None` creates it).
///
/// The body is an untyped tree, so that nulls, zeros and empty values count as stated; a typed tree is taken as
/// well. `apiVersion` and `kind` may be left out when the caller has checked them. The result is a typed tree with
/// its managed fields; defaults are not yet filled in.
pub fn apply(
    live: Option<&Map>,
    body: &Map,
    schema: &Schema,
    id: StructId,
    request: &Request<'_>,
) -> Result<Map, Error> {
    plan(live, body, schema, id, request, true)?.finish(live, schema, id, request)
}

/// What an apply makes of an object, before it is settled with the other managers.
#[derive(Debug)]
pub struct Planned {
    /// The object, without managed fields.
    pub object: Map,
    written: Map,
    managers: Vec<Manager>,
    mine: Manager,
    own: Set,
    last: Option<Manager>,
}

/// The first half of [`apply`]. It `prunes` what the manager no longer states, unless somebody turned out to own that in
/// another version.
pub fn plan(
    live: Option<&Map>,
    body: &Map,
    schema: &Schema,
    id: StructId,
    request: &Request<'_>,
    prunes: bool,
) -> Result<Planned, Error> {
    let written = checked(body, request)?;
    let name = || object_name(&written, request);
    let own = body::field_set(&written, schema, id).map_err(|error| {
        Error::Plain(format!("failed to create typed patch object ({}): {error}", name()))
    })?;
    let restored = json::restored(written.clone(), None, schema::builtin(), request.object, None);
    let typed = restored.map_err(|error| {
        let kind = type_text(request.context.api_version, request.kind);
        let cause = format!("unable to convert unstructured object to {kind}: {error}");
        Error::Plain(format!("failed to convert new object ({}) to proper version: {cause}", name()))
    })?;
    let mut own = own;
    for path in request.context.reset {
        own = own.recursive_difference(&path_set(path));
    }

    let mut managers = tracked(live, schema, id, request);
    let mine = request.context.entry(Operation::Apply, own.clone());
    let last = managers.iter().position(|manager| manager.is_same(&mine)).map(|at| managers.remove(at));

    let mut object = live.cloned().unwrap_or_default();
    set_managed_fields(&mut object, None);
    merge::merge(&mut object, &written, &typed, schema, id);
    if let Some(last) = last.as_ref().map(Manager::set)
        && prunes
        && !last.difference(&own).is_empty()
    {
        let owned = managers.iter().fold(own.clone(), |all, manager| all.union(&manager.set()));
        prune::prune(&mut object, &last, &owned, schema, id);
    }

    Ok(Planned { object, written, managers, mine, own, last })
}

impl Planned {
    /// Whether another manager owns in another version what is no longer there.
    pub fn removes_from_others(&self, elsewhere: &[(String, managed_fields::Changes)]) -> bool {
        self.managers.iter().any(|manager| {
            let mut same = elsewhere.iter().filter(|(version, _)| *version == manager.api_version);
            same.any(|(_, changes)| manager.count(&changes.removed) > 0)
        })
    }

    /// The second half of [`apply`], with the same arguments; what the apply changes in other versions may be known now.
    pub fn finish(
        self,
        live: Option<&Map>,
        schema: &Schema,
        id: StructId,
        request: &Request<'_>,
    ) -> Result<Map, Error> {
        let Planned { mut object, written, mut managers, mine, own, last } = self;
        settle(live, &object, &mut managers, schema, id, request)?;
        let unchanged = live.is_some_and(|live| is_same(live, &object));
        if !own.is_empty() {
            let time = if unchanged { last.and_then(|last| last.time) } else { mine.time.clone() };
            managers.push(Manager { time, ..mine });
        }
        if last_applied::concerns(request.context.manager) {
            last_applied::record(&mut object, &written, request);
        }
        let list = Some(managers).filter(|managers| !managers.is_empty());
        set_managed_fields(&mut object, list.map(|managers| Node::List(managed_fields::write(managers))));
        Ok(object)
    }
}

/// Merges an object as it was written into a typed tree, for nobody in particular: what it states is set, and nothing is
/// owned. The error says why it cannot be.
pub fn merged(
    live: &Map,
    written: &Map,
    schema: &Schema,
    id: StructId,
    object: StructId,
) -> Result<Map, String> {
    body::field_set(written, schema, id)
        .map_err(|error| format!("failed to convert patch object to typed object: {error}"))?;
    let atomics = merge::atomics(written, schema, id);
    if !atomics.is_empty() {
        let atomics = atomics.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {atomics}"
        ));
    }
    let typed = json::restored(written.clone(), None, schema::builtin(), object, None)
        .map_err(|error| format!("failed to convert typed object to object: {error}"))?;
    let mut merged = live.clone();
    merge::merge(&mut merged, written, &typed, schema, id);
    Ok(merged)
}

/// The body without `apiVersion` and `kind`, which have to be the endpoint's.
fn checked(body: &Map, request: &Request<'_>) -> Result<Map, Error> {
    let (api_version, kind) = (body.str("apiVersion"), body.str("kind"));
    let stated = body.contains("apiVersion") || body.contains("kind");
    if stated && (api_version != request.context.api_version || kind != request.kind) {
        return Err(Error::BadRequest(format!("invalid object type: {}", type_text(api_version, kind))));
    }
    if matches!(body.at(&["metadata", "managedFields"]), Some(Node::List(_))) {
        return Err(Error::BadRequest("metadata.managedFields must be nil".into()));
    }
    let mut written = body.clone();
    written.remove("apiVersion");
    written.remove("kind");
    Ok(written)
}

/// The managers of the live object. One that was not tracked so far is from now on.
fn tracked(live: Option<&Map>, schema: &Schema, id: StructId, request: &Request<'_>) -> Vec<Manager> {
    let Some(live) = live else { return Vec::new() };
    let managers = managed_fields(live).map(|list| read_stored(list).unwrap_or_default()).unwrap_or_default();
    if !managers.is_empty() {
        return managers;
    }
    let changes = compare(&Map::new(), live, schema, id, request.context.reset);
    let context = managed_fields::Context { manager: BEFORE_FIRST_APPLY, ..request.context };
    Some(changes.changed)
        .filter(|fields| !fields.is_empty())
        .map(|fields| context.entry(Operation::Update, fields))
        .into_iter()
        .collect()
}

/// Takes from the other managers what the apply changes or removes, or refuses.
fn settle(
    live: Option<&Map>,
    object: &Map,
    managers: &mut Vec<Manager>,
    schema: &Schema,
    id: StructId,
    request: &Request<'_>,
) -> Result<(), Error> {
    let changes = compare(live.unwrap_or(&Map::new()), object, schema, id, request.context.reset);
    let mut conflicts: Vec<Conflict> = managers
        .iter()
        .enumerate()
        .map(|(at, manager)| (at, manager, &request.context.changes_for(manager, &changes).changed))
        .filter(|(_, manager, changed)| manager.count(changed) > 0)
        .map(|(at, manager, changed)| Conflict { at, fields: manager.set().intersection(changed) })
        .collect();
    if !request.force && !conflicts.is_empty() {
        let allowed = live
            .filter(|_| last_applied::concerns(request.context.manager))
            .and_then(|live| last_applied::unchanged_fields(live, schema, id, request));
        if let Some(allowed) = &allowed
            && !conflict::fields(&conflicts).difference(allowed).is_empty()
        {
            for conflict in &mut conflicts {
                conflict.fields = conflict.fields.difference(allowed);
            }
            conflicts.retain(|conflict| !conflict.fields.is_empty());
            return Err(conflict::error(&conflicts, managers));
        }
        if allowed.is_none() {
            return Err(conflict::error(&conflicts, managers));
        }
    }
    for conflict in conflicts {
        let manager = &mut managers[conflict.at];
        manager.fields = Fields::Set(manager.set().difference(&conflict.fields));
    }
    for manager in managers.iter_mut() {
        let removed = &request.context.changes_for(manager, &changes).removed;
        if manager.count(removed) > 0 {
            manager.fields = Fields::Set(manager.set().difference(removed));
        }
    }
    managers.retain(|manager| !manager.is_empty());
    Ok(())
}

fn path_set(path: &[&str]) -> Set {
    let mut set = Set::new();
    let path: Vec<managed_fields::Element> = path
        .iter()
        .map(|name| managed_fields::Element::Field(crate::tree::Key::Owned((*name).into())))
        .collect();
    set.insert(&path);
    set
}

/// Whether two objects are equal but for their managed fields.
fn is_same(live: &Map, object: &Map) -> bool {
    if managed_fields(live).is_none() {
        return live == object;
    }
    let mut live = live.clone();
    set_managed_fields(&mut live, None);
    live == *object
}

fn object_name(body: &Map, request: &Request<'_>) -> String {
    let kind = type_text(request.context.api_version, request.kind);
    format!("{}/{}; {kind}", body.namespace(), body.name())
}

/// `apps/v1, Kind=Deployment`; `/v1, Kind=Pod` in the core group.
fn type_text(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

#[cfg(test)]
mod tests;
