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

/// Compresses a document as it is written.
pub struct Compressor {
    encoder: GzEncoder<Vec<u8>>,
    plain_bytes: usize,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor::new()
    }
}

impl Compressor {
    /// Nothing yet.
    pub fn new() -> Compressor {
        Compressor { encoder: GzEncoder::new(Vec::new(), Compression::new(6)), plain_bytes: 0 }
    }

    /// Takes the next bytes of the document.
    pub fn write(&mut self, plain: &[u8]) {
        self.encoder.write_all(plain).expect("writing to a vector does not fail");
        self.plain_bytes += plain.len();
    }

    /// The whole document.
    pub fn finish(self) -> Compressed {
        let mut gzip = self.encoder.finish().expect("writing to a vector does not fail");
        gzip.shrink_to_fit();
        Compressed { gzip: gzip.into(), plain_bytes: self.plain_bytes }
    }
}

impl Compressed {
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
        let mut compressor = Compressor::new();
        for piece in text.as_bytes().chunks(999) {
            compressor.write(piece);
        }
        let compressed = compressor.finish();
        assert_eq!(compressed.plain(), text.as_bytes());
        assert!(compressed.gzip().len() < text.len() / 50);
    }
}
