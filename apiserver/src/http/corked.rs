//! A socket whose writes are gathered and sent at the end of a turn of the connection's task.
//!
//! HTTP/2 hands every larger frame to TLS by itself, and TLS every record to the socket: a system call for each of
//! the small answers that leave together. Here they leave as one.
//!
//! Keeps: what is gathered is bounded; whoever corks a socket calls [`Cork::poll_send`] whenever the task goes to sleep.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes gathered before they are sent in the middle of a turn.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// A socket that gathers writes once it is corked.
pub(super) struct Corked {
    reader: OwnedReadHalf,
    writer: Cork,
}

/// The writing side, shared with whoever ends the turns.
#[derive(Clone)]
pub(super) struct Cork {
    writer: Arc<Mutex<Writer>>,
}

struct Writer {
    socket: OwnedWriteHalf,
    gathered: Vec<u8>,
    /// How much of `gathered` is sent.
    sent: usize,
    corked: bool,
}

impl Corked {
    /// A socket that writes through until it is corked.
    pub(super) fn new(stream: TcpStream) -> Corked {
        let (reader, socket) = stream.into_split();
        let writer = Writer { socket, gathered: Vec::new(), sent: 0, corked: false };
        Corked { reader, writer: Cork { writer: Arc::new(Mutex::new(writer)) } }
    }

    /// Gathers writes from now on.
    pub(super) fn cork(&self) -> Cork {
        self.writer.writer.lock().corked = true;
        self.writer.clone()
    }
}

impl Cork {
    /// Sends what is gathered.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.lock().poll_send(context)
    }

    /// Bytes that wait to be sent.
    pub(super) fn gathered(&self) -> usize {
        let writer = self.writer.lock();
        writer.gathered.len() - writer.sent
    }

    /// Lets writes through again.
    pub(super) fn uncork(&self) {
        self.writer.lock().corked = false;
    }
}

impl Writer {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(context, &self.gathered[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        // Thousands of idle connections hold no buffer.
        self.gathered = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let gathers = self.corked && self.gathered.len() < GATHERED_BYTES_MAX;
        if !gathers {
            ready!(self.poll_send(context))?;
        }
        if !self.corked {
            return Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        }
        let before = self.gathered.len();
        let more: usize = pieces.iter().map(|piece| piece.len()).sum();
        if before == 0 {
            // A long answer comes in pieces of 16 KiB, and most end a little behind one.
            self.gathered.reserve(more + more / 4);
        }
        pieces.iter().for_each(|piece| self.gathered.extend_from_slice(piece));
        Poll::Ready(Ok(self.gathered.len() - before))
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(context, buffer)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.writer.lock().poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer.writer.lock().poll_write(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A corked socket sends at the end of the turn, whatever is asked before.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.writer.writer.lock();
        if writer.corked { Poll::Ready(Ok(())) } else { writer.poll_send(context) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.writer.writer.lock();
        ready!(writer.poll_send(context))?;
        Pin::new(&mut writer.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The two ends of a connection.
    pub(in super::super) async fn pair() -> (Corked, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Corked::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn a_corked_socket_sends_only_when_told_to() {
        let (mut socket, mut client) = pair().await;
        let cork = socket.cork();
        socket.write_all(b"a").await.unwrap();
        socket.write_all(b"b").await.unwrap();
        socket.flush().await.unwrap();
        let mut bytes = [0; 2];
        assert!(client.try_read(&mut bytes).is_err());
        poll_fn(|context| cork.poll_send(context)).await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ab");
    }

    #[tokio::test]
    async fn much_is_sent_in_the_middle_of_a_turn_and_the_rest_at_the_end() {
        let (mut socket, mut client) = pair().await;
        socket.cork();
        let bytes = vec![7; 5 * GATHERED_BYTES_MAX + 1];
        let expected = bytes.len();
        let writing = tokio::spawn(async move {
            for piece in bytes.chunks(10_000) {
                socket.write_all(piece).await.unwrap();
            }
            socket.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        writing.await.unwrap();
        assert_eq!(received.len(), expected);
    }

    #[tokio::test]
    async fn an_uncorked_socket_writes_through() {
        let (mut socket, mut client) = pair().await;
        let cork = socket.cork();
        socket.write_all(b"a").await.unwrap();
        cork.uncork();
        socket.write_all(b"b").await.unwrap();
        let mut bytes = [0; 2];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ab");
    }
}
