//! The entries of `metadata.managedFields`: who owns which fields through which endpoint since when.
//!
//! Keeps: one entry per identity (an applier's does not contain the version), none without fields, in upstream's
//! order; the fields of an entry stay text until something about them changes.

use ecow::EcoString;

use super::set::Set;
use super::text;
use crate::tree::{Key, List, Map, Node};

/// How the fields came to be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Every other write.
    Update,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Manager {
    /// The field manager's name.
    pub manager: EcoString,
    /// How.
    pub operation: Operation,
    /// The version in which the paths are written: `apps/v1`.
    pub api_version: EcoString,
    /// The last change, canonical; `None` when only ownership ever changed.
    pub time: Option<EcoString>,
    /// The endpoint (`status`, `scale`); empty for the object's own.
    pub subresource: EcoString,
    /// The fields.
    pub fields: Fields,
}

/// The fields of an entry.
#[derive(Clone, Debug)]
pub enum Fields {
    /// Canonical text, as stored.
    Text(EcoString),
    /// Decoded.
    Set(Set),
}

impl Operation {
    /// As it stands in an entry.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

impl Manager {
    /// Whether two entries are the same manager's.
    pub fn is_same(&self, other: &Manager) -> bool {
        self.operation == other.operation
            && self.manager == other.manager
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// The fields as a set. Text that cannot be read (it never gets stored) owns nothing.
    pub fn set(&self) -> Set {
        match &self.fields {
            Fields::Text(text) => text::read(text).unwrap_or_default(),
            Fields::Set(set) => set.clone(),
        }
    }

    /// How many of the paths of `wanted` it owns.
    pub fn count(&self, wanted: &Set) -> usize {
        match &self.fields {
            Fields::Text(text) => text::count(text, wanted),
            Fields::Set(set) => set.intersection(wanted).len(),
        }
    }

    /// Takes the paths in `remove` from it, and then gives it those in `add`.
    pub(super) fn edit(&mut self, add: &Set, remove: &Set) {
        match &self.fields {
            Fields::Text(text) => match text::edit(text, add, remove) {
                Ok(Some(text)) => self.fields = Fields::Text(text),
                Ok(None) => {}
                // Text that cannot be read (it never gets stored) owns nothing.
                Err(_) => self.fields = Fields::Set(add.clone()),
            },
            Fields::Set(set) => self.fields = Fields::Set(set.difference(remove).union(add)),
        }
    }

    /// Whether it owns nothing.
    pub fn is_empty(&self) -> bool {
        match &self.fields {
            Fields::Text(text) => text == "{}",
            Fields::Set(set) => set.is_empty(),
        }
    }

    /// Its identity as text, by which upstream sorts managers in conflicts.
    pub fn identity(&self) -> String {
        let mut map = Map::new();
        let version = if self.operation == Operation::Apply { "" } else { self.api_version.as_str() };
        for (name, value) in [
            ("manager", self.manager.as_str()),
            ("operation", self.operation.name()),
            ("apiVersion", version),
            ("subresource", self.subresource.as_str()),
        ] {
            if !value.is_empty() {
                map.set(name, value);
            }
        }
        map.to_string()
    }

    fn read(map: &Map) -> Result<Manager, String> {
        let operation = match map.str("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".into()),
        };
        if map.str("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".into());
        }
        match map.str("fieldsType") {
            "FieldsV1" => {}
            "" => return Err("missing fieldsType in managed fields entry".into()),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry")),
        }
        let string = |name| match map.get(name) {
            Some(Node::Str(text)) => text.clone(),
            _ => EcoString::new(),
        };
        let fields = match map.get("fieldsV1") {
            Some(Node::Raw(text)) => text.clone(),
            Some(Node::Map(_)) => map.get("fieldsV1").map(|node| node.to_string().into()).unwrap_or_default(),
            _ => "{}".into(),
        };
        Ok(Manager {
            manager: string("manager"),
            operation,
            api_version: string("apiVersion"),
            time: Some(string("time")).filter(|time| !time.is_empty()),
            subresource: string("subresource"),
            fields: Fields::Text(fields),
        })
    }

    fn write(&self) -> Node {
        let fields = match &self.fields {
            Fields::Text(text) => text.clone(),
            Fields::Set(set) => text::write(set),
        };
        let text = |text: &EcoString| Some(Node::Str(text.clone())).filter(|_| !text.is_empty());
        let entries = [
            ("manager", text(&self.manager)),
            ("operation", Some(Node::from(self.operation.name()))),
            ("apiVersion", text(&self.api_version)),
            ("time", self.time.clone().map(Node::Str)),
            ("fieldsType", Some(Node::from("FieldsV1"))),
            ("fieldsV1", Some(Node::Raw(fields))),
            ("subresource", text(&self.subresource)),
        ];
        let mut map = Map::with_capacity(entries.len());
        for (name, node) in entries {
            if let Some(node) = node {
                map.push_new(Key::Static(name), node);
            }
        }
        Node::Map(map)
    }
}

/// Reads the entries as the server stored them.
pub fn read_stored(list: &[Node]) -> Result<Vec<Manager>, String> {
    let mut managers: Vec<Manager> = Vec::with_capacity(list.len() + 1);
    for node in list {
        let manager = Manager::read(node.as_map().unwrap_or(&Map::new()))?;
        match managers.iter_mut().find(|other| other.is_same(&manager)) {
            Some(earlier) => *earlier = manager,
            None => managers.push(manager),
        }
    }
    Ok(managers)
}

/// Reads entries that a client sent: their fields are decoded, so that they are checked and written canonically.
pub fn read_sent(list: &[Node]) -> Result<Vec<Manager>, String> {
    let mut managers = read_stored(list)?;
    for manager in &mut managers {
        if let Fields::Text(text) = &manager.fields {
            manager.fields = Fields::Set(text::read(text)?);
        }
    }
    Ok(managers)
}

/// The entries in their order, as a list.
pub fn write(mut managers: Vec<Manager>) -> List {
    managers.sort_by(|a, b| {
        let key = |manager: &Manager| (manager.operation, manager.time.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.manager.cmp(&b.manager))
            .then_with(|| a.api_version.cmp(&b.api_version))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
    managers.iter().map(Manager::write).collect()
}

/// How many Update entries an object keeps; older ones become `ancient-changes`.
const UPDATE_ENTRIES_MAX: usize = 10;

/// Joins the oldest Update entries of a version until there are not too many.
pub fn cap(managers: &mut Vec<Manager>) {
    let mut updates: Vec<usize> =
        (0..managers.len()).filter(|at| managers[*at].operation == Operation::Update).collect();
    if updates.len() <= UPDATE_ENTRIES_MAX {
        return;
    }
    updates.sort_by(|a, b| {
        let (a, b) = (&managers[*a], &managers[*b]);
        a.time.cmp(&b.time).then_with(|| a.identity().cmp(&b.identity()))
    });
    let mut excess = updates.len() - UPDATE_ENTRIES_MAX;
    let mut firsts: Vec<usize> = Vec::new();
    let mut gone: Vec<usize> = Vec::new();
    for at in updates {
        if excess == 0 {
            break;
        }
        let version = managers[at].api_version.clone();
        let Some(first) = firsts.iter().copied().find(|first| managers[*first].api_version == version) else {
            firsts.push(at);
            continue;
        };
        let joined = managers[first].set().union(&managers[at].set());
        let time = managers[at].time.clone();
        let bucket = &mut managers[first];
        bucket.manager = "ancient-changes".into();
        bucket.subresource = EcoString::new();
        bucket.fields = Fields::Set(joined);
        bucket.time = time;
        gone.push(at);
        excess -= 1;
    }
    gone.sort_unstable();
    for at in gone.into_iter().rev() {
        managers.remove(at);
    }
    join_equals(managers);
}

/// An earlier `ancient-changes` and a new one are one entry.
fn join_equals(managers: &mut Vec<Manager>) {
    let mut joined: Vec<Manager> = Vec::with_capacity(managers.len());
    for manager in managers.drain(..) {
        match joined.iter_mut().find(|other| other.is_same(&manager)) {
            Some(other) => {
                other.fields = Fields::Set(other.set().union(&manager.set()));
                other.time = other.time.take().max(manager.time);
            }
            None => joined.push(manager),
        }
    }
    *managers = joined;
}
