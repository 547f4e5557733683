//! Templates: specs that many objects are created with, as the replicas of a set are. What the first of them cost
//! (decoding, defaults, ownership, rules, encoding) the others do without.
//!
//! Keeps: what is remembered follows from the bytes of the spec alone and is used for the same bytes alone. What
//! admission makes of it is compared with what was judged before, so that no rule is skipped for something new.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ecow::EcoString;
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::codec::{self, Memory, REMEMBERED as FIELD};
use crate::managed_fields::{self, Known, Reset};
use crate::negotiation::Media;
use crate::registry::Resource;
use crate::schema::{self, StructId, Type};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// Decoding a shorter text costs less than looking for it.
const TEXT_BYTES_MIN: usize = 512;
/// Longer texts are not remembered.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of all texts together; what is made of them takes about ten times as much memory.
const TEXTS_BYTES_MAX: usize = 1 << 20;
/// Of how many texts it is known that they were seen once.
const SIGHTS: usize = 512;

/// The templates of a server.
#[derive(Debug)]
pub struct Templates {
    known: Mutex<Remembered>,
    /// Hashes of texts that were seen once: only what comes again is remembered.
    seen: Box<[AtomicU64]>,
}

#[derive(Debug, Default)]
struct Remembered {
    by_hash: FxHashMap<u64, Arc<Template>>,
    text_bytes: usize,
    /// Counts uses, to find out what was not used for the longest time.
    uses: u64,
}

/// A spec, and what every object that is created with it has in common.
#[derive(Debug)]
pub struct Template {
    source: Source,
    text: Bytes,
    /// As the decoder left it.
    decoded: Node,
    /// With defaults: all of the object but its metadata.
    defaulted: Map,
    /// The part of the managed fields that tells of it.
    owned: EcoString,
    admitted: Mutex<Admitted>,
    used: AtomicU64,
}

/// In what form the text is, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    is_protobuf: bool,
    object: StructId,
}

/// What admission made of a template, all but the metadata, where it was sound.
#[derive(Debug, Default)]
struct Admitted {
    /// What came last and is not known; it may be the only one of its sort.
    last: Option<Map>,
    known: Option<Recognized>,
}

/// What came twice in a row.
#[derive(Clone, Debug)]
struct Recognized {
    plain: Map,
    judged: Judged,
}

/// What is known of an object that was found sound.
#[derive(Clone, Debug)]
pub struct Judged {
    /// All but its metadata, with the text that the spec is stored as.
    pub rest: Map,
    /// What its writer was told of that.
    pub advice: Warnings,
}

/// Looks for the spec of one body.
pub struct Asking<'a> {
    templates: &'a Templates,
    source: Source,
    found: Option<Arc<Template>>,
    /// A text that came again and is not known.
    wanted: Option<(u64, Bytes)>,
}

impl Default for Templates {
    fn default() -> Templates {
        Templates { known: Mutex::default(), seen: (0..SIGHTS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Templates {
    /// Begins with a body; `None` for resources whose objects do not repeat.
    pub fn ask(&self, resource: &Resource, media: Media) -> Option<Asking<'_>> {
        let repeats = resource.kind.repeats.is_some() && resource.version.conversion.is_none();
        let source = Source { is_protobuf: media == Media::Protobuf, object: resource.schema };
        repeats.then(|| Asking { templates: self, source, found: None, wanted: None })
    }

    fn find(&self, hash: u64, source: Source, text: &[u8]) -> Option<Arc<Template>> {
        let mut known = self.known.lock();
        known.uses += 1;
        let template = known.by_hash.get(&hash)?.clone();
        template.used.store(known.uses, Ordering::Relaxed);
        drop(known);
        (template.source == source && template.text == text).then_some(template)
    }

    /// Whether a text was seen before.
    fn sight(&self, hash: u64) -> bool {
        let place = &self.seen[hash as usize % SIGHTS];
        place.swap(hash, Ordering::Relaxed) == hash
    }

    fn remember(&self, hash: u64, template: &Arc<Template>) {
        let mut known = self.known.lock();
        known.text_bytes += template.text.len();
        if let Some(before) = known.by_hash.insert(hash, template.clone()) {
            known.text_bytes -= before.text.len();
        }
        template.used.store(known.uses, Ordering::Relaxed);
        while known.text_bytes > TEXTS_BYTES_MAX {
            let used = |template: &Arc<Template>| template.used.load(Ordering::Relaxed);
            let oldest = known.by_hash.iter().min_by_key(|(_, template)| used(template));
            let Some(oldest) = oldest.map(|(hash, _)| *hash) else { return };
            if let Some(gone) = known.by_hash.remove(&oldest) {
                known.text_bytes -= gone.text.len();
            }
        }
    }
}

impl Memory for Asking<'_> {
    fn recall(&mut self, text: &[u8]) -> Option<Node> {
        (self.found, self.wanted) = (None, None);
        if !(TEXT_BYTES_MIN..=TEXT_BYTES_MAX).contains(&text.len()) {
            return None;
        }
        let hash = FxBuildHasher.hash_one((self.source, text));
        self.found = self.templates.find(hash, self.source, text);
        if self.found.is_none() && self.templates.sight(hash) {
            self.wanted = Some((hash, Bytes::copy_from_slice(text)));
        }
        self.found.as_ref().map(|template| template.decoded.clone())
    }
}

impl Asking<'_> {
    /// The template of a body that was decoded, a tree of the storage version in which nothing unknown was found.
    /// `reset` says what a create does not own.
    pub fn end(self, resource: &Resource, body: &Map, reset: Reset<'_>) -> Option<Arc<Template>> {
        let Some((hash, text)) = self.wanted else { return self.found };
        let decoded = body.get(FIELD)?;
        let is_alone = body.keys().all(|key| key.as_str() == "metadata" || key.as_str() == FIELD);
        let mut defaulted = Map::from([(FIELD, decoded.clone())]);
        if !is_alone || !resource.kind.repeats.is_some_and(|repeats| repeats(&defaulted)) {
            return None;
        }
        resource.set_defaults(&mut defaulted);
        defaulted.remove("metadata");
        let template = Arc::new(Template {
            source: self.source,
            text,
            decoded: decoded.clone(),
            owned: managed_fields::of_field(&defaulted, FIELD, schema::builtin(), resource.schema, reset),
            defaulted,
            admitted: Mutex::default(),
            used: AtomicU64::new(0),
        });
        self.templates.remember(hash, &template);
        Some(template)
    }
}

impl Template {
    /// Puts in defaults, if this is the template of an object that was decoded just now.
    pub fn set_defaults(&self, object: &mut Map) -> bool {
        let is_own = object.contains(FIELD)
            && object.iter().all(|(key, node)| match key.as_str() {
                "metadata" => true,
                FIELD => node.is_shared_with(&self.decoded),
                _ => false,
            });
        if is_own {
            take_over(object, &self.defaulted);
        }
        is_own
    }

    /// What is known of the managed fields.
    pub fn owned(&self) -> Option<Known<'_>> {
        let node = self.defaulted.get(FIELD)?;
        Some(Known { node, text: &self.owned })
    }

    /// What is known of an earlier object, if this one, after admission, has the same in all but its metadata.
    pub fn recognize(&self, object: &mut Map) -> Option<Judged> {
        let Recognized { plain, judged } = self.admitted.lock().known.clone()?;
        let is_same = plain.len() + usize::from(object.contains("metadata")) == object.len()
            && plain.iter().all(|(key, node)| object.get(key) == Some(node));
        is_same.then(|| {
            take_over(object, &judged.rest);
            judged
        })
    }

    /// Remembers what admission made of it, once it was found sound and came twice in a row, and the `advice` for that.
    pub fn learn(&self, resource: &Resource, object: &Map, advice: &Warnings) {
        let rest: Map = object
            .iter()
            .filter(|(key, _)| key.as_str() != "metadata")
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect();
        let mut admitted = self.admitted.lock();
        if admitted.last.as_ref() != Some(&rest) {
            admitted.last = Some(rest);
            return;
        }
        let mut stored = rest.clone();
        let field = schema::builtin().get(resource.storage_schema).field(FIELD);
        if let (Some(Type::Struct(id)), Some(Node::Map(spec))) =
            (field.map(|field| &field.ty), rest.get(FIELD))
        {
            stored.set(FIELD, codec::json::with_text(spec, *id));
        }
        let judged = Judged { rest: stored, advice: advice.clone() };
        admitted.known = Some(Recognized { plain: rest, judged });
    }
}

fn take_over(object: &mut Map, fields: &Map) {
    for (key, node) in fields.iter() {
        object.set(key.clone(), node.clone());
    }
}

#[cfg(test)]
mod tests;
