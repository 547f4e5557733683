//! Values: numbered values in one buffer, which is used again for the next batch.
//!
//! A buffer per value would be allocated by one thread and freed by another; the allocator then touches fresh
//! memory for each, which costs more than the value itself.

/// Above this a buffer is not kept for the next batch.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Values with their numbers, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Values {
    bytes: Vec<u8>,
    /// Each value's number and where it ends.
    ends: Vec<(u64, usize)>,
}

impl Values {
    /// Adds the value that `encode` appends to the buffer.
    pub fn push_with(&mut self, number: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.ends.push((number, self.bytes.len()));
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((number, end), start)| (*number, &self.bytes[start..*end]))
    }

    /// The number of the first value.
    pub fn first(&self) -> Option<u64> {
        self.ends.first().map(|(number, _)| *number)
    }

    /// The bytes of all values.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.ends.len() * 32
    }

    /// Forgets the values and keeps the buffer, unless it is large.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order_also_after_clearing() {
        let mut values = Values::default();
        for round in 0..2u64 {
            values.clear();
            for number in [4, 5, 9] {
                values.push_with(number + round, |buffer| {
                    buffer.extend_from_slice(&[b'x'; 9][..number as usize])
                });
            }
            let lengths: Vec<_> =
                values.iter().map(|(number, value)| (number - round, value.len())).collect();
            assert_eq!(lengths, [(4, 4), (5, 5), (9, 9)]);
            assert_eq!(values.first(), Some(4 + round));
        }
    }
}
