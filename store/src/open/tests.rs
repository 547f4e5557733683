//! Starts on what a disk holds.

use std::path::Path;

use super::*;
use crate::engine::StateWrite;
use crate::level::LEVEL_SUPPORTED;
use crate::sim::disk::SimDisk;

const IDENTITY: Identity = Identity { cluster: 1, node: 2 };

fn options() -> Options {
    Options::new(Path::new("/simulated"))
}

/// A store of this node, whose state then says something else.
fn disk_with(voters: &[u64], change: impl FnOnce(&mut Meta) -> Vec<u8>) -> SimDisk {
    let disk = SimDisk::new();
    create_simulated(&options(), &disk, IDENTITY, voters.to_vec()).expect("created");
    let records = disk.open_state(Path::new("/simulated/state/1")).expect("a state");
    let stored = records.meta().expect("readable").expect("a meta");
    let meta = change(&mut Meta::decode(&stored).expect("decodes"));
    records.write(&StateWrite { meta, ..StateWrite::default() }).expect("written");
    disk
}

#[test]
fn a_state_of_a_newer_release_is_refused_and_not_taken_for_damage() {
    let newer_level = disk_with(&[2], |meta| {
        meta.cluster_level = LEVEL_SUPPORTED + 1;
        meta.encode()
    });
    let newer_format = disk_with(&[2], |meta| {
        let mut bytes = meta.encode();
        bytes[0] += 1;
        bytes
    });
    for disk in [newer_level, newer_format] {
        let opened = recover_simulated(&options(), &disk, IDENTITY);
        assert!(matches!(opened, Err(OpenError::TooNew { .. })), "{:?}", opened.err());
    }
}

#[test]
fn a_lone_node_begins_at_the_newest_level_that_it_may_use() {
    let level = |voters: &[u64], allowed| {
        let options = Options { cluster_level_max: allowed, ..options() };
        let disk = SimDisk::new();
        create_simulated(&options, &disk, IDENTITY, voters.to_vec()).expect("created");
        recover_simulated(&options, &disk, IDENTITY).expect("opens").machine.meta.cluster_level
    };
    assert_eq!((level(&[2], u64::MAX), level(&[2], 0)), (LEVEL_SUPPORTED, 0));
    assert_eq!(level(&[2, 3, 4], u64::MAX), 0, "whoever founds with others does not know what they know");
}

#[test]
fn an_outvoted_state_is_not_served_by_a_later_start() {
    let disk = disk_with(&[2, 3, 4], |meta| {
        meta.addresses.insert(3, "c:1".to_owned());
        meta.encode()
    });
    let mut log = disk.open_log(Path::new("/simulated/log")).expect("a log");
    let first = recover_simulated(&options(), &disk, IDENTITY).expect("opens");
    assert!(!first.awaits_state);
    let named = vec![(DISTRUSTED, FIRST_STATE_DIRECTORY.as_bytes().to_vec())];
    log.write(&LogWrite { named, ..LogWrite::default() }, true).expect("written");
    let second = recover_simulated(&options(), &disk, IDENTITY).expect("opens");
    assert!(second.awaits_state && second.distrusted);
    assert!(second.machine.meta.conf.voters.is_empty(), "it shows nothing of what it had");
}
