//! Whether an object surely breaks no declared rule: nearly every object does not, and finding that out is cheaper than
//! looking for what to report.
//!
//! Keeps: an object is sound exactly when the walk that reports would report nothing.

use super::{OBJECT_META, Walk, is_empty, is_required};
use crate::field::{FieldErrors, Path};
use crate::schema::{Field, Schema, Struct, Type};
use crate::tree::{Map, Node};

/// A walk over what is there.
pub(super) struct Sound<'a>(pub(super) &'a Schema);

/// Where a struct stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// It is the object.
    Object,
    /// It is inside.
    Inside,
}

impl Sound<'_> {
    /// Judges a struct; parts shared with the stored one are sound.
    pub(super) fn structure(&self, map: &Map, stored: Option<&Map>, this: &Struct, place: Place) -> bool {
        if this.checked.is_empty() || this.name.as_str() == OBJECT_META {
            return true;
        }
        let mut seen = 0_u128;
        let mut next = 0;
        for (name, node) in map.entries() {
            let Some(at) = this.find_from(name, &mut next) else { continue };
            let flat = &this.flat[at];
            let is_status = place == Place::Object && name.as_str() == "status";
            if !flat.checked || is_status || is_empty(node) {
                continue;
            }
            seen |= bit(at);
            let stored = stored.and_then(|stored| stored.get(name));
            let is_stored = matches!(node, Node::Map(_) | Node::List(_))
                && stored.is_some_and(|stored| node.is_shared_with(stored));
            if !is_stored && !self.field(&flat.field, node, stored) {
                return false;
            }
        }
        this.needed.iter().all(|at| {
            let at = usize::from(*at);
            let field = &*this.flat[at].field;
            let is_status = place == Place::Object && field.name.as_str() == "status";
            seen & bit(at) != 0 || is_status || self.may_be_absent(this, field)
        })
    }

    fn may_be_absent(&self, owner: &Struct, field: &Field) -> bool {
        if is_required(owner, field, true) {
            return false;
        }
        match (&field.ty, field.pointer) {
            (Type::Struct(id), false) => self.structure(&Map::new(), None, self.0.get(*id), Place::Inside),
            _ => true,
        }
    }

    fn field(&self, field: &Field, node: &Node, stored: Option<&Node>) -> bool {
        let declared = |node: &Node| {
            let text = node.as_str().unwrap_or_default();
            field.enumeration.iter().any(|value| value.as_str() == text)
        };
        let has_declared_value = field.enumeration.is_empty()
            || match node {
                Node::Str(_) => declared(node),
                Node::List(list) => list.iter().all(declared),
                _ => true,
            };
        has_declared_value && self.markers(field, node) && self.below(&field.ty, node, stored)
    }

    /// Markers are few: the walk's own code judges them.
    fn markers(&self, field: &Field, node: &Node) -> bool {
        if field.markers.is_empty() {
            return true;
        }
        let mut errors = FieldErrors::new();
        let mut walk = Walk::new(self.0, &mut errors);
        walk.markers(field, node, &Path::new(&field.name)) && errors.is_empty()
    }

    fn below(&self, ty: &Type, node: &Node, stored: Option<&Node>) -> bool {
        if ty.struct_id().is_none_or(|id| self.0.get(id).checked.is_empty()) {
            return true;
        }
        match (ty, node) {
            (Type::Struct(id), Node::Map(map)) => {
                self.structure(map, stored.and_then(Node::as_map), self.0.get(*id), Place::Inside)
            }
            (Type::List { item, .. }, Node::List(list)) => {
                list.iter().all(|node| self.below(item, node, None))
            }
            (Type::Map(value), Node::Map(map)) => map.iter().all(|(_, node)| self.below(value, node, None)),
            _ => true,
        }
    }
}

/// The mark of the field at a place; none for places beyond what a mark can name.
fn bit(at: usize) -> u128 {
    1_u128.checked_shl(at as u32).unwrap_or(0)
}
