//! The keys of service-account tokens: `sa.key` signs, and every key of `sa.pub` is believed, so that an operator can
//! replace the key without making running pods strangers. Keeps: what is signed with is among what is believed.

use std::path::Path;

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

use crate::{
    Error, Result,
    files::{self, Batch},
};

const SIGNING: &str = "sa.key";
const BELIEVED: &str = "sa.pub";
/// Bytes of one of the two numbers that are a P-256 signature.
const NUMBER_BYTES: usize = 32;

/// The keys of a cluster's service-account tokens.
pub struct ServiceAccountKeys {
    key: KeyPair,
    /// In DER form; the one that belongs to `key` comes first.
    believed: Vec<Vec<u8>>,
}

impl ServiceAccountKeys {
    /// Opens the keys of a `pki` directory.
    pub(crate) fn open(directory: &Path) -> Result<ServiceAccountKeys> {
        let path = directory.join(SIGNING);
        let text = files::read(&path)?.ok_or_else(|| Error::AuthorityMissing { path: path.clone() })?;
        let malformed = |path, expected| Error::Malformed { path, expected };
        let expected = "an ECDSA P-256 or RSA private key in PKCS #8 PEM form";
        let key = KeyPair::from_pem(&text).map_err(|_| malformed(path.clone(), expected))?;
        if key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 && key.algorithm() != &rcgen::PKCS_RSA_SHA256 {
            return Err(malformed(path, expected));
        }
        let own = key.subject_public_key_info();
        let mut believed = vec![own];
        let path = directory.join(BELIEVED);
        for read in
            SubjectPublicKeyInfoDer::pem_slice_iter(files::read(&path)?.unwrap_or_default().as_bytes())
        {
            let other = read.map_err(|_| malformed(path.clone(), "public keys in PEM form"))?;
            if !believed.iter().any(|known| known == other.as_ref()) {
                believed.push(other.to_vec());
            }
        }
        Ok(ServiceAccountKeys { key, believed })
    }

    /// The public keys whose signatures are believed, as DER of a SubjectPublicKeyInfo; tokens are signed with the first.
    pub fn believed(&self) -> &[Vec<u8>] {
        &self.believed
    }

    /// The signature of a message as JSON Web Signatures carry it: ES256 (the two numbers one after the other) or RS256.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.key.sign(message)?;
        if self.key.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            return Ok(signature);
        }
        fixed(&signature).ok_or_else(|| Error::Crypto("a signature has an unknown form".to_owned()))
    }
}

/// Makes the keys that are missing. Tokens outlive restarts, so an existing key is never touched.
pub(crate) fn create_missing(directory: &Path, batch: &mut Batch) -> Result<()> {
    let key = directory.join(SIGNING);
    let public = directory.join(BELIEVED);
    let pair = match files::read(&key)? {
        Some(text) => KeyPair::from_pem(&text)
            .map_err(|_| Error::Malformed { path: key, expected: "a private key in PKCS #8 PEM form" })?,
        None => {
            let pair = KeyPair::generate()?;
            batch.add(key, pair.serialize_pem());
            batch.add(public.clone(), pair.public_key_pem());
            return Ok(());
        }
    };
    if files::read(&public)?.is_none() {
        batch.add(public, pair.public_key_pem());
    }
    Ok(())
}

/// The numbers of an ASN.1 signature (a sequence of two integers), each at its full length.
fn fixed(signature: &[u8]) -> Option<Vec<u8>> {
    let (body, rest) = element(signature, 0x30)?;
    let (r, body) = element(body, 0x02)?;
    let (s, end) = element(body, 0x02)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(2 * NUMBER_BYTES);
    for number in [r, s] {
        // A number whose first bit is set has a zero in front, or it would be negative.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.resize(out.len() + NUMBER_BYTES.checked_sub(number.len())?, 0);
        out.extend_from_slice(number);
    }
    Some(out)
}

/// The content of a short DER element and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk()?;
    (found == tag && length < 0x80).then(|| rest.split_at_checked(usize::from(length)))?
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    fn made() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let mut batch = Batch::default();
        create_missing(directory.path(), &mut batch).unwrap();
        batch.commit().unwrap();
        directory
    }

    #[test]
    fn a_made_key_is_believed_and_signs_with_two_whole_numbers() {
        let directory = made();
        let keys = ServiceAccountKeys::open(directory.path()).unwrap();
        let file = std::fs::read(directory.path().join(BELIEVED)).unwrap();
        let written = SubjectPublicKeyInfoDer::from_pem_slice(&file).unwrap();
        assert_eq!(keys.believed(), [written.to_vec()]);
        for message in 0..64_u8 {
            assert_eq!(keys.sign(&[message]).unwrap().len(), 2 * NUMBER_BYTES);
        }
    }

    #[test]
    fn a_replaced_key_is_believed_as_long_as_it_stands_in_the_file() {
        let directory = made();
        let old = ServiceAccountKeys::open(directory.path()).unwrap();
        std::fs::remove_file(directory.path().join(SIGNING)).unwrap();
        let pair = KeyPair::generate().unwrap();
        std::fs::write(directory.path().join(SIGNING), pair.serialize_pem()).unwrap();
        let new = ServiceAccountKeys::open(directory.path()).unwrap();
        assert_eq!(new.believed()[1..], *old.believed());
        assert_eq!(new.believed()[0], pair.subject_public_key_info());
    }

    #[test]
    fn short_numbers_are_filled_up() {
        let signature = [0x30, 0x08, 0x02, 0x02, 0x00, 0x81, 0x02, 0x02, 0x01, 0x02];
        let out = fixed(&signature).unwrap();
        assert_eq!((out[30..32].to_vec(), out[62..].to_vec()), (vec![0, 0x81], vec![1, 2]));
        for broken in [&signature[..9], &[0x30, 0x00], &[], &[0x30, 0x84, 1, 1, 1, 1]] {
            assert_eq!(fixed(broken), None);
        }
    }
}
