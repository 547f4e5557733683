//! Reading frames from a connection. Keeps: a header is checked before a byte of its body is read, and memory grows
//! with what arrives, not with what is announced.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, BufReader};

use crate::peers::{FRAME_HEADER_LENGTH, FrameHeader, PeerFrame};
use crate::transport::ConnectionError;

const BUFFER_BYTES: usize = 32 << 10;
/// A larger buffer is given back after its frame.
const BODY_BYTES_KEPT: usize = 1 << 20;

pub(super) struct FrameReader<'a, R> {
    stream: BufReader<R>,
    /// How many bytes have arrived.
    arrived: &'a AtomicU64,
    body: Vec<u8>,
}

impl<'a, R: AsyncRead + Unpin> FrameReader<'a, R> {
    pub(super) fn new(stream: R, arrived: &'a AtomicU64) -> FrameReader<'a, R> {
        FrameReader { stream: BufReader::with_capacity(BUFFER_BYTES, stream), arrived, body: Vec::new() }
    }

    /// The next header.
    pub(super) async fn header(&mut self) -> Result<FrameHeader, ConnectionError> {
        let mut bytes = [0; FRAME_HEADER_LENGTH];
        self.stream.read_exact(&mut bytes).await.map_err(closed)?;
        self.arrived.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(FrameHeader::decode(&bytes)?)
    }

    /// The frame whose header was read just before.
    pub(super) async fn frame(&mut self, header: FrameHeader) -> Result<PeerFrame, ConnectionError> {
        self.body.clear();
        let mut rest = (&mut self.stream).take(header.length as u64);
        while self.body.len() < header.length {
            let read = rest.read_buf(&mut self.body).await.map_err(closed)?;
            if read == 0 {
                return Err(ConnectionError::Closed);
            }
            self.arrived.fetch_add(read as u64, Ordering::Relaxed);
        }
        let frame = PeerFrame::decode(header, &self.body)?;
        if self.body.capacity() > BODY_BYTES_KEPT {
            self.body = Vec::new();
        }
        Ok(frame)
    }
}

/// A stream that ends in the middle of something was closed; peers that die do not say goodbye.
pub(super) fn closed(error: io::Error) -> ConnectionError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ConnectionError::Closed
        }
        _ => ConnectionError::Io(error),
    }
}
