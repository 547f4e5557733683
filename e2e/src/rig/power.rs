//! A disk with a cache that a power cut empties: an image behind nbdkit, whose cache holds what was not flushed; nbdfuse
//! makes a file of it, a loop device a disk of that file, ext4 a file system of that disk. To cut the power is to kill
//! nbdkit. Keeps: what was flushed is in the image, and nothing else is.

use std::process::Command;

use super::host::Host;

/// Where the server's data is.
const MOUNTED: &str = "/var/lib/pintle";
/// A file that is overwritten and not synced: if that is seen again, the disk forgets nothing and proves nothing. (A new file
/// would reach the disk with the next journal that the server's syncs write; overwritten data does not.) It lies where the
/// server does not mind it.
const UNSYNCED: &str = "/var/lib/pintle/lost+found/unsynced";
/// Programs that are needed, each with its Debian package.
const TOOLS: [(&str, &str); 4] =
    [("nbdkit", "nbdkit"), ("nbdfuse", "libnbd-bin"), ("fusermount3", "fuse3"), ("mkfs.ext4", "e2fsprogs")];

/// The packages that lack for disks that lose power.
pub fn missing_packages() -> Vec<&'static str> {
    let is_missing = |tool: &str| {
        let found = Command::new("bash").args(["-c", &format!("command -v {tool}")]).output();
        !found.is_ok_and(|output| output.status.success())
    };
    TOOLS.into_iter().filter(|(tool, _)| is_missing(tool)).map(|(_, package)| package).collect()
}

/// Makes an empty disk.
pub(super) fn make(host: &Host, mebibytes: u32) {
    host.ok(&format!(
        "mkdir -p disk && touch disk/file && truncate --size {mebibytes}M disk/image && mkfs.ext4 -q disk/image"
    ));
}

/// Switches a disk on and mounts it.
pub(super) fn switch_on(host: &Host) {
    host.ok(&format!(
        "cd disk
        setsid nbdfuse file [ nbdkit --exit-with-parent --foreground --filter=cache file image cache=writeback ] \
            </dev/null >log 2>&1 &
        echo $! >/run/rig/disk.pid
        for try in $(seq 500); do
            if [ $(stat --format %s file) = $(stat --format %s image) ]; then break; fi
            sleep 0.02
        done
        mount -o loop file {MOUNTED} || {{ cat log >&2; exit 1; }}
        if [ \"$(cat {UNSYNCED} 2>/dev/null)\" = new ]; then echo 'the power cut lost nothing' >&2; exit 1; fi"
    ));
}

/// From here on nothing reaches the image.
pub(super) fn cut(host: &Host) {
    // A new disk has no such file yet.
    host.ok(&format!(
        "if [ ! -e {UNSYNCED} ]; then mkdir -p $(dirname {UNSYNCED}) && echo old >{UNSYNCED} && sync {UNSYNCED}; fi
        echo new 1<>{UNSYNCED} && pid=$(cat /run/rig/disk.pid) && kill -KILL $(cat /proc/$pid/task/$pid/children)"
    ));
}

/// Takes away what is left of a disk whose power was cut, once nothing runs on it.
pub(super) fn clear(host: &Host) {
    host.ok(&format!(
        "umount --lazy {MOUNTED} && umount --lazy disk/file
        pid=$(cat /run/rig/disk.pid) && kill -KILL $pid || true"
    ));
}
