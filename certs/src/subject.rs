//! The subject of a client certificate: one user and any number of groups, as Kubernetes reads them (CN and O).
//!
//! rcgen keeps one value per attribute type, so a subject with several organizations is written here and put into
//! the certificate that rcgen made, which is then signed again. Keeps: every other byte stays as rcgen wrote it.

use rcgen::{KeyPair, SigningKey};

use crate::{Error, Result};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const BIT_STRING: u8 = 0x03;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// In a v3 certificate the subject follows version, serial number, algorithm, issuer and validity.
const SUBJECT_POSITION: usize = 5;

/// The certificate with its subject replaced by `organizations` and `common_name`, signed by `key`, which must be
/// the key that had signed it before.
pub(crate) fn replace(
    certificate: &[u8],
    common_name: &str,
    organizations: &[String],
    key: &KeyPair,
) -> Result<Vec<u8>> {
    let parts = elements(content(certificate).ok_or_else(unreadable)?).ok_or_else(unreadable)?;
    let [to_be_signed, algorithm, _signature] = parts[..] else { return Err(unreadable()) };
    let fields = elements(content(to_be_signed).ok_or_else(unreadable)?).ok_or_else(unreadable)?;
    if fields.len() <= SUBJECT_POSITION {
        return Err(unreadable());
    }
    let subject = subject(common_name, organizations);
    let mut signed = Vec::with_capacity(to_be_signed.len() + subject.len());
    for (position, field) in fields.iter().enumerate() {
        signed.extend_from_slice(if position == SUBJECT_POSITION { &subject } else { field });
    }
    let signed = element(SEQUENCE, &signed);
    // A bit string begins with the number of unused bits in its last byte.
    let mut signature = vec![0];
    signature.extend_from_slice(&key.sign(&signed)?);
    Ok(element(SEQUENCE, &[&signed, algorithm, &element(BIT_STRING, &signature)].concat()))
}

fn subject(common_name: &str, organizations: &[String]) -> Vec<u8> {
    let mut names = Vec::new();
    for organization in organizations {
        names.extend(attribute(ORGANIZATION, organization));
    }
    names.extend(attribute(COMMON_NAME, common_name));
    element(SEQUENCE, &names)
}

fn attribute(kind: &[u8], value: &str) -> Vec<u8> {
    let pair = [element(OBJECT_IDENTIFIER, kind), element(UTF8_STRING, value.as_bytes())].concat();
    element(SET, &element(SEQUENCE, &pair))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// The elements of a sequence's content, headers included.
fn elements(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (header, length) = header(rest)?;
        let (first, tail) = rest.split_at_checked(header.checked_add(length)?)?;
        found.push(first);
        rest = tail;
    }
    Some(found)
}

fn content(element: &[u8]) -> Option<&[u8]> {
    let (header, length) = header(element)?;
    element.get(header..header.checked_add(length)?)
}

/// The lengths of an element's header and content.
fn header(element: &[u8]) -> Option<(usize, usize)> {
    let first = *element.get(1)?;
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > size_of::<u32>() {
        return None;
    }
    let bytes = element.get(2..2 + count)?;
    Some((2 + count, bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))))
}

fn unreadable() -> Error {
    Error::Crypto("a certificate made a moment ago cannot be read back".to_owned())
}
