//! A sketch of an object's labels: a few bits that tell most objects without a label from those that have it.
//!
//! Keeps: a label that is there is always found, one that is not may be. Sketches are stored, so another function needs
//! another version of the facts.

/// The bytes of a sketch: what a store's entry keeps of its facts, less what stands before the sketch.
pub(super) const BYTES: usize = 14;

const BITS: u64 = BYTES as u64 * 8;

/// The bits of one label, or those of all labels of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch(u128);

impl Sketch {
    /// The two bits of a label.
    pub(crate) fn of(key: &str, value: &str) -> Sketch {
        let hash = hash(hash(0, key.as_bytes()), value.as_bytes());
        let (low, high) = (hash & u64::from(u32::MAX), hash >> 32);
        Sketch(1 << (low % BITS) | 1 << (high % BITS))
    }

    /// The bits of both.
    pub(crate) fn with(self, other: Sketch) -> Sketch {
        Sketch(self.0 | other.0)
    }

    /// Whether the label of the other sketch may be among those of this one.
    pub(crate) fn may_hold(self, label: Sketch) -> bool {
        self.0 & label.0 == label.0
    }

    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&self.0.to_le_bytes()[..BYTES]);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; BYTES]) -> Sketch {
        let mut all = [0; 16];
        all[..BYTES].copy_from_slice(bytes);
        Sketch(u128::from_le_bytes(all))
    }
}

/// Mixes a text and its length into a hash.
fn hash(seed: u64, text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(FACTOR);
        mixed ^ mixed >> 29
    };
    let (words, rest) = text.as_chunks();
    let hash = words.iter().fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
    mix(mix(hash, last), text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_there_are_found_and_few_others_are() {
        let label = |n: u32| (format!("example.com/key-{}", n % 10), format!("value-{n}"));
        let sketch_of = |n: u32| {
            let (key, value) = label(n);
            Sketch::of(&key, &value)
        };
        let all = (0..10).fold(Sketch::default(), |all, n| all.with(sketch_of(n)));
        assert!((0..10).all(|n| all.may_hold(sketch_of(n))));
        let found = (10..1_010).filter(|n| all.may_hold(sketch_of(*n))).count();
        assert!(found < 100, "{found} of 1000");
        assert_eq!(Sketch::from_bytes(&all.to_bytes()), all);
    }

    #[test]
    fn sketches_that_are_stored_keep_their_meaning() {
        let sketch = Sketch::of("app.kubernetes.io/name", "checkout");
        assert_eq!(sketch.to_bytes(), [0, 0, 0, 0, 0, 64, 0, 0, 0, 2, 0, 0, 0, 0]);
    }
}
