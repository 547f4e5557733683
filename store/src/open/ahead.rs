//! Reads records ahead of whoever takes them in. Keeps: they come in order, a bounded number of bytes ahead, and an error
//! of either side ends both.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use crate::engine::StateStore;
use crate::error::DiskError;
use crate::record::Record;

/// Bytes of records that are handed over at once.
const PORTION_BYTES: usize = 1 << 20;
/// Portions that wait.
const PORTIONS_MAX: usize = 4;

/// Visits all records in order; they are read and decoded on another thread meanwhile.
pub(super) fn visit_ahead(
    records: &dyn StateStore,
    mut visitor: impl FnMut(Record) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let (sender, receiver) = sync_channel::<Vec<Record>>(PORTIONS_MAX);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("store-read".to_owned());
        let reader = reader.spawn_scoped(scope, move || {
            let (mut portion, mut bytes) = (Vec::new(), 0);
            records.visit(0, u64::MAX - 1, &mut |revision, value| {
                portion.push(Record::decode(revision, value)?);
                bytes += value.len();
                if bytes < PORTION_BYTES {
                    return Ok(ControlFlow::Continue(()));
                }
                bytes = 0;
                Ok(match sender.send(std::mem::take(&mut portion)) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The visitor has failed, which is reported there.
                    Err(_) => ControlFlow::Break(()),
                })
            })?;
            let _ = sender.send(portion);
            Ok(())
        });
        let reader = reader.map_err(DiskError::io("start a thread"))?;
        let visited = receiver.into_iter().flatten().try_for_each(&mut visitor);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        visited.and(read)
    })
}
