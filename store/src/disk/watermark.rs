//! The watermark: the last log position and vote that were synced, in a file of its own.
//!
//! RocksDB cannot tell a torn tail from corruption of synced data, so the log alone cannot say that something it
//! had acknowledged is gone. The watermark can: it is written after each sync (exact after a killed process) and
//! synced itself once a second (a lower bound after a power cut).

use std::io;

use crate::codec::Reader;
use crate::engine::BlockFile;

const MAGIC: &[u8; 8] = b"PNTLWM\x00\x01";
/// Two slots in different sectors are written in turn: a torn write leaves the other one.
const SLOT_DISTANCE: u64 = 4_096;
const SLOT_LENGTH: usize = 8 + 6 * 8 + 4;

/// What was last known to be synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// The last log entry, its term and chain value.
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) chain: u64,
    /// The hard state.
    pub(crate) current_term: u64,
    pub(crate) vote: u64,
}

/// The open watermark file.
#[derive(Debug)]
pub(crate) struct WatermarkFile {
    file: Box<dyn BlockFile>,
    written: u64,
}

impl WatermarkFile {
    /// Takes a file over with what it says.
    pub(crate) fn new(file: Box<dyn BlockFile>) -> (WatermarkFile, Option<Watermark>) {
        let newest =
            [0, 1].into_iter().filter_map(|slot| read_slot(&*file, slot)).max_by_key(|(written, _)| *written);
        let written = newest.map_or(0, |(written, _)| written);
        (WatermarkFile { file, written }, newest.map(|(_, watermark)| watermark))
    }

    /// Overwrites the older slot.
    pub(crate) fn write(&mut self, watermark: Watermark) -> io::Result<()> {
        self.written += 1;
        let mut slot = Vec::with_capacity(SLOT_LENGTH);
        slot.extend_from_slice(MAGIC);
        let Watermark { index, term, chain, current_term, vote } = watermark;
        for number in [self.written, index, term, chain, current_term, vote] {
            slot.extend_from_slice(&number.to_le_bytes());
        }
        slot.extend_from_slice(&crc32fast::hash(&slot).to_le_bytes());
        self.file.write_at(&slot, (self.written % 2) * SLOT_DISTANCE)
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

fn read_slot(file: &dyn BlockFile, slot: u64) -> Option<(u64, Watermark)> {
    let mut bytes = [0; SLOT_LENGTH];
    file.read_at(&mut bytes, slot * SLOT_DISTANCE).ok()?;
    let (body, sum) = bytes.split_at(SLOT_LENGTH - 4);
    if !body.starts_with(MAGIC) || crc32fast::hash(body).to_le_bytes() != sum {
        return None;
    }
    let mut reader = Reader::new(&body[MAGIC.len()..]);
    let mut next = || reader.u64().ok();
    let written = next()?;
    let watermark =
        Watermark { index: next()?, term: next()?, chain: next()?, current_term: next()?, vote: next()? };
    Some((written, watermark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, RocksEngine};

    fn watermark(index: u64) -> Watermark {
        Watermark { index, term: 2, chain: 3, current_term: 4, vote: 5 }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("watermark");
        let open = || WatermarkFile::new(RocksEngine::default().open_block(&path).expect("open"));
        let (mut file, found) = open();
        assert_eq!(found, None);
        for index in 1..=3 {
            file.write(watermark(index)).expect("write");
        }
        let (mut file, found) = open();
        assert_eq!(found, Some(watermark(3)));
        // Slot 1 holds the third write; tear it.
        file.file.write_at(b"x", SLOT_DISTANCE + 20).expect("tear");
        let (_, found) = open();
        assert_eq!(found, Some(watermark(2)));
    }
}
