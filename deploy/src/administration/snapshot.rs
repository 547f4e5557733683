//! A backup of everything, streamed while writes go on. Keeps: what is made waits for whoever reads it, so a slow
//! reader costs a few buffers and not memory.

use std::io::{self, Write};

use bytes::Bytes;
use pintle_apiserver::{
    Server,
    reply::{Content, Reply},
};
use tokio::sync::mpsc;

use super::Administration;

/// Bytes of a piece.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 4;

impl Administration {
    pub(super) fn snapshot(&self, server: &Server) -> Reply {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let store = self.store.clone();
        let now = u64::try_from(server.clock.unix_seconds()).unwrap_or(0);
        tokio::task::spawn_blocking(move || {
            let mut out = Pieces { sender: &sender, piece: Vec::with_capacity(PIECE_BYTES) };
            match store.save_backup(now, &mut out, &mut |_, _| {}) {
                Ok(info) => {
                    tracing::info!(revision = info.revision, records = info.records, "saved a snapshot")
                }
                Err(error) => {
                    tracing::warn!(%error, "a snapshot was not saved");
                    // A reader that went away needs no error.
                    let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
                }
            }
        });
        Reply::Content("application/octet-stream", Content::Pieces(receiver))
    }
}

/// Makes pieces of what is written.
struct Pieces<'a> {
    sender: &'a mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader went away");
        self.sender.blocking_send(Ok(Bytes::from(piece))).map_err(gone)
    }
}
