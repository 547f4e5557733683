//! Lengths of messages that are written before their length is known.
//!
//! Keeps: a length is always written in its shortest form. How much room is left for it is a guess from the last
//! message of the same shape, which costs or saves moving the message but never changes it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::schema::StructId;

/// The shape of messages that are nearly always shorter than 128 bytes.
pub(super) const SMALL: usize = 0;
/// The shape of an item of a list.
pub(super) const ITEM: usize = 1;

/// The shape of the messages of a struct.
#[inline]
pub(super) fn shape(id: StructId) -> usize {
    id.0 as usize + 2
}

/// Bytes that the length of the last message of each shape took. Shapes may share a place, and threads do.
static TAKEN: [AtomicU8; 2_048] = [const { AtomicU8::new(1) }; 2_048];

/// A message whose length is not known yet.
pub(super) struct Opened {
    shape: usize,
    /// Where the message begins.
    start: usize,
    /// Bytes left in front of it.
    room: usize,
}

impl Opened {
    /// Leaves room for the length of a message that is written next.
    #[inline]
    pub(super) fn new(shape: usize, out: &mut Vec<u8>) -> Opened {
        let room = usize::from(TAKEN[shape % TAKEN.len()].load(Ordering::Relaxed));
        match room {
            1 => out.push(0),
            _ => out.resize(out.len() + room, 0),
        }
        Opened { shape, start: out.len(), room }
    }

    /// Writes the length of the message, which ends here.
    #[inline]
    pub(super) fn close(self, out: &mut Vec<u8>) {
        let length = out.len() - self.start;
        let size = size(length);
        let start = if size == self.room { self.start } else { self.moved(size, out) };
        let mut rest = length;
        for byte in &mut out[start - size..start - 1] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        out[start - 1] = rest as u8;
    }

    /// Moves the message so that there are `size` bytes in front of it.
    #[cold]
    fn moved(&self, size: usize, out: &mut Vec<u8>) -> usize {
        TAKEN[self.shape % TAKEN.len()].store(size as u8, Ordering::Relaxed);
        let end = out.len();
        let start = self.start - self.room + size;
        if size > self.room {
            out.resize(end + size - self.room, 0);
        }
        out.copy_within(self.start..end, start);
        out.truncate(start + end - self.start);
        start
    }
}

/// How many bytes a length takes.
#[inline]
pub(super) fn size(length: usize) -> usize {
    let bits = usize::BITS - (length | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_the_same_whatever_the_last_one_was() {
        let shape = 255;
        for length in [0, 1, 127, 128, 16_383, 16_384, 300, 5, 3_000_000, 2, 200] {
            let mut out = vec![9, 9];
            let opened = Opened::new(shape, &mut out);
            out.extend((0..length).map(|at| at as u8));
            opened.close(&mut out);
            let mut expected = vec![9];
            super::super::put_message(1, &(0..length).map(|at| at as u8).collect::<Vec<_>>(), &mut expected);
            // `put_message` writes a tag, too.
            assert_eq!(out[2..], expected[2..], "{length}");
        }
    }
}
