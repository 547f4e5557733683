//! Field names to places, for decoders.
//!
//! Keeps: a lookup costs one short hash and mostly one comparison; the table is at most half full, so a name that
//! is not there ends the search soon.

use super::FlatField;

/// An open-addressed table from JSON names to indexes into `flat`.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    slots: Box<[u16]>,
}

const EMPTY: u16 = u16::MAX;

impl NameTable {
    pub(super) fn new(flat: &[FlatField]) -> NameTable {
        let mut slots = vec![EMPTY; (flat.len() * 2).next_power_of_two().max(2)].into_boxed_slice();
        let mask = slots.len() - 1;
        for (at, flat) in flat.iter().enumerate() {
            let mut slot = hash(flat.field.name.as_bytes()) & mask;
            while slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = at as u16;
        }
        NameTable { slots }
    }

    /// The place of a field in `flat`, from which the table was made.
    #[inline]
    pub(super) fn find(&self, name: &str, flat: &[FlatField]) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(name.as_bytes()) & mask;
        loop {
            let at = *self.slots.get(slot)?;
            let flat = flat.get(usize::from(at))?;
            if flat.field.name.as_str() == name {
                return Some(usize::from(at));
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// A hash of the length and both ends of a name, which tell the names of a struct apart.
#[inline]
fn hash(name: &[u8]) -> usize {
    let (head, tail) = match name {
        [a, b, c, d, e, f, g, h, ..] => {
            let tail = name.last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
            (u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), tail)
        }
        [a, b, c, d, ..] => {
            let tail = name.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail));
            (u32::from_le_bytes([*a, *b, *c, *d]).into(), tail.into())
        }
        [a, .., b] => (u64::from(*a), u64::from(*b)),
        [a] => (u64::from(*a), 0),
        [] => (0, 0),
    };
    let mixed = (head ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ tail;
    (mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 40) as usize
}
