//! The simulated network: each direction between two nodes may lose, delay, repeat, reorder or drop everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::random::Random;

/// How frames travel now.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Directions in which nothing arrives: from, to.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// What every frame from and to a host takes in addition, in microseconds.
    pub(crate) far: BTreeMap<usize, u64>,
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    /// The longest ordinary delay, in microseconds.
    pub(crate) delay: u64,
    /// How many frames take far longer, which reorders them.
    pub(crate) late_percent: u64,
    pub(crate) late: u64,
}

impl Network {
    pub(crate) fn healthy() -> Network {
        Network {
            cut: BTreeSet::new(),
            far: BTreeMap::new(),
            loss_percent: 0,
            repeat_percent: 0,
            delay: 400,
            late_percent: 0,
            late: 1,
        }
    }

    /// Whether nothing passes between two hosts in one direction or both.
    pub(crate) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cut.contains(&(one, other)) || self.cut.contains(&(other, one))
    }

    /// After how many microseconds the copies of a frame arrive.
    pub(crate) fn deliveries(&self, from: usize, to: usize, random: &mut Random) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || random.chance(self.loss_percent) {
            return Vec::new();
        }
        let copies = if random.chance(self.repeat_percent) { 2 } else { 1 };
        let far: u64 = [from, to].iter().filter_map(|host| self.far.get(host)).sum();
        (0..copies).map(|_| far + self.delay(random)).collect()
    }

    fn delay(&self, random: &mut Random) -> u64 {
        let ordinary = random.within(20..self.delay.max(21));
        if random.chance(self.late_percent) {
            ordinary + random.within(1..self.late.max(2))
        } else {
            ordinary
        }
    }
}
