//! A large document kept compressed, because it is asked for seldom and almost always with gzip.
//!
//! Keeps: what `plain` answers is what was compressed.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A document compressed with gzip.
#[derive(Clone, Debug)]
pub struct Compressed {
    gzip: Bytes,
    plain_bytes: usize,
}

impl Compressed {
    /// Compresses a document.
    pub fn new(plain: &[u8]) -> Compressed {
        let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::new(6));
        let gzip = encoder
            .write_all(plain)
            .and_then(|()| encoder.finish())
            .expect("writing to a vector does not fail")
            .into();
        Compressed { gzip, plain_bytes: plain.len() }
    }

    /// The compressed form.
    pub fn gzip(&self) -> Bytes {
        self.gzip.clone()
    }

    /// The document itself.
    pub fn plain(&self) -> Bytes {
        let mut plain = Vec::with_capacity(self.plain_bytes);
        GzDecoder::new(&self.gzip[..]).read_to_end(&mut plain).expect("it was compressed here");
        plain.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was() {
        let text = "{\"a\":1}".repeat(10_000);
        let compressed = Compressed::new(text.as_bytes());
        assert_eq!(compressed.plain(), text.as_bytes());
        assert!(compressed.gzip().len() < text.len() / 50);
    }
}
