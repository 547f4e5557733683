//! IP addresses and CIDR blocks as texts.
//!
//! Keeps: old fields accept what upstream's lenient parser accepts and then refuse leading zeros and IPv4-mapped
//! IPv6 addresses; new fields also demand the canonical form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Faults;

/// An IP address in a field that has always existed.
pub fn ip(text: &str) -> Faults {
    let Some(address) = parse_lenient(text) else {
        return vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()];
    };
    strict_faults(text, address)
}

/// An IP address in a newer field: also in canonical form.
pub fn canonical_ip(text: &str) -> Faults {
    let faults = ip(text);
    match parse_lenient(text) {
        Some(address) if faults.is_empty() && address.to_string() != text => {
            vec![format!("must be in canonical form (\"{address}\")")]
        }
        _ => faults,
    }
}

/// A CIDR block in a field that has always existed.
pub fn cidr(text: &str) -> Faults {
    let Some((address, bits)) = parse_cidr_lenient(text) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()];
    };
    let prefix = text.rsplit('/').next().unwrap_or_default();
    let written = &text[..text.len() - prefix.len() - 1];
    if written.parse::<IpAddr>().is_err() || (prefix.len() > 1 && prefix.starts_with('0')) {
        return vec!["must not have leading 0s in IP or prefix length".to_owned()];
    }
    if is_mapped(address) {
        return vec!["must not have an IPv4-mapped IPv6 address".to_owned()];
    }
    if network(address, bits) != address {
        return vec!["must not have bits set beyond the prefix length".to_owned()];
    }
    Vec::new()
}

/// A CIDR block in a newer field: also in canonical form.
pub fn canonical_cidr(text: &str) -> Faults {
    let faults = cidr(text);
    match parse_cidr_lenient(text) {
        Some((address, bits)) if faults.is_empty() && format!("{address}/{bits}") != text => {
            vec![format!("must be in canonical form (\"{address}/{bits}\")")]
        }
        _ => faults,
    }
}

/// Advice about an IP address that is accepted but not written as it should be; `path` names the field.
pub fn ip_warning(path: &dyn std::fmt::Display, text: &str) -> Option<String> {
    let address = parse_lenient(text)?;
    if text.parse::<IpAddr>().is_err() || is_mapped(address) {
        let address = address.to_canonical();
        return Some(format!("{path}: non-standard IP address {text:?} is invalid: use \"{address}\""));
    }
    (address.is_ipv6() && address.to_string() != text).then(|| {
        format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{address}\")")
    })
}

/// Advice about a CIDR block that is accepted but not written as it should be.
pub fn cidr_warning(path: &dyn std::fmt::Display, text: &str) -> Option<String> {
    let (address, bits) = parse_cidr_lenient(text)?;
    let canonical = format!("{}/{bits}", network(address, bits));
    if network(address, bits) != address {
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        return Some(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be \"{canonical}\" or \"{address}/{bits_max}\"?)"
        ));
    }
    (address.is_ipv6() && canonical != text).then(|| {
        format!("{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format (\"{canonical}\")")
    })
}

/// What makes an address unfit to be an endpoint.
pub fn endpoint(text: &str) -> Faults {
    let Some(address) = parse_lenient(text).map(|address| address.to_canonical()) else {
        return vec!["must be a valid IP address".to_owned()];
    };
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(address) => (address.is_unicast_link_local(), address.segments()[0] & 0xff0f == 0xff02),
    };
    let mut faults = Vec::new();
    if address.is_unspecified() {
        faults.push(format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        faults.push("may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned());
    }
    if link_local {
        faults.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned());
    }
    if link_local_multicast {
        faults.push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned());
    }
    faults
}

/// Whether the text is an IPv6 address.
pub fn is_ipv6(text: &str) -> bool {
    matches!(parse_lenient(text), Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none())
}

/// Whether the text is an IPv4 address.
pub fn is_ipv4(text: &str) -> bool {
    parse_lenient(text).is_some() && !is_ipv6(text)
}

/// An address as upstream has always read it: IPv4 numbers may have leading zeros and are decimal.
pub fn parse_lenient(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if text.contains(':') {
        // The last 32 bits of an IPv6 address may be written as IPv4 too.
        let (head, tail) = text.rsplit_once(':')?;
        let tail = parse_ipv4_lenient(tail)?;
        return format!("{head}:{tail}").parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    parse_ipv4_lenient(text).map(IpAddr::V4)
}

fn parse_ipv4_lenient(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// Address and prefix length of a CIDR block, read leniently.
pub fn parse_cidr_lenient(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address = parse_lenient(address)?;
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bits: u8 = bits.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    (bits <= bits_max).then_some((address, bits))
}

fn strict_faults(text: &str, address: IpAddr) -> Faults {
    if text.parse::<IpAddr>().is_err() {
        vec!["must not have leading 0s".to_owned()]
    } else if is_mapped(address) {
        vec!["must not be an IPv4-mapped IPv6 address".to_owned()]
    } else {
        Vec::new()
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// The address with the bits beyond the prefix cleared.
fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}
