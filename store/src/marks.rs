//! Marks: at an index of the log that the leader chooses, every node notes the hash of its state; equal logs must have
//! made equal states. Keeps: a node whose hash differs from what more of the others have is not believed any more.

use std::collections::BTreeMap;

/// The hash of a node's state at an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) index: u64,
    pub(crate) hash: u128,
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// As far as nodes can be compared, they are equal.
    Equal,
    /// They are not; these nodes hold what fewest hold, none when no side has more nodes than the others.
    Differs { index: u64, outvoted: Vec<u64> },
}

/// Compares the marks of nodes at the newest index that more than one of them has reached.
pub(crate) fn compare(marks: &[(u64, Mark)]) -> Comparison {
    let mut by_index: BTreeMap<u64, BTreeMap<u128, Vec<u64>>> = BTreeMap::new();
    for (node, mark) in marks {
        by_index.entry(mark.index).or_default().entry(mark.hash).or_default().push(*node);
    }
    let comparable = by_index.into_iter().rfind(|(_, sides)| sides.values().map(Vec::len).sum::<usize>() > 1);
    let Some((index, sides)) = comparable.filter(|(_, sides)| sides.len() > 1) else {
        return Comparison::Equal;
    };
    let most = sides.values().map(Vec::len).max().unwrap_or(0);
    let is_decided = sides.values().filter(|nodes| nodes.len() == most).count() == 1;
    let outvoted = sides.into_values().filter(|nodes| is_decided && nodes.len() < most).flatten().collect();
    Comparison::Differs { index, outvoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(index: u64, hash: u128) -> Mark {
        Mark { index, hash }
    }

    #[test]
    fn nodes_at_different_indexes_are_not_compared() {
        assert_eq!(compare(&[]), Comparison::Equal);
        assert_eq!(compare(&[(1, mark(5, 1)), (2, mark(6, 2))]), Comparison::Equal);
        assert_eq!(compare(&[(1, mark(5, 1)), (2, mark(5, 1)), (3, mark(6, 7))]), Comparison::Equal);
    }

    #[test]
    fn the_minority_is_outvoted_and_a_tie_is_only_reported() {
        let three = [(1, mark(5, 1)), (2, mark(5, 2)), (3, mark(5, 1))];
        assert_eq!(compare(&three), Comparison::Differs { index: 5, outvoted: vec![2] });
        assert_eq!(compare(&three[..2]), Comparison::Differs { index: 5, outvoted: Vec::new() });
    }
}
