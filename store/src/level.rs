//! The cluster level: which commands and formats every member understands.
//!
//! Keeps: what a level brings is written only once that level is in the replicated state, so the release before it can
//! start again until then. The leader raises the level when every member has said that it knows the next one; a node
//! that does not know the level of its state stops instead of guessing. A new cluster of one node begins at the newest
//! level, one that several nodes found together at the first.

/// The newest level that this release knows.
pub(crate) const LEVEL_SUPPORTED: u64 = 1;

/// From this level on, the ids of removed members are kept, and their sessions are not.
pub(crate) const KEEPS_REMOVED: u64 = 1;

/// The level to raise a cluster to, given what its members know; a member that has not said counts as knowing nothing.
pub(crate) fn next_level(current: u64, known: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    let least = known.into_iter().map(|known| known.unwrap_or(0)).min()?;
    (least > current).then_some(least)
}

/// The level at which a new cluster begins.
pub(crate) fn first_level(voters: &[u64], allowed: u64) -> u64 {
    match voters {
        [_] => LEVEL_SUPPORTED.min(allowed),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_raised_when_every_member_knows_it() {
        assert_eq!(next_level(0, [Some(1), Some(2), Some(1)]), Some(1));
        assert_eq!(next_level(1, [Some(1), Some(2)]), None);
        assert_eq!(next_level(0, [Some(1), None]), None);
        assert_eq!(next_level(0, []), None);
    }
}
