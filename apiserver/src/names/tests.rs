use super::*;

/// The faults of a text, joined; empty when it is valid.
fn check(faults: Faults, expected: &str) {
    assert_eq!(faults.join("; "), expected);
}

#[test]
fn object_names_follow_their_rule() {
    let long = "a".repeat(254);
    check(object_name(NameRule::DnsSubdomain, "a.b-c", false), "");
    check(
        object_name(NameRule::DnsSubdomain, "A_b", false),
        r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
    check(object_name(NameRule::DnsSubdomain, &long, false), "must be no more than 253 characters");
    check(object_name(NameRule::DnsLabel, "a.b", false), "must not contain dots");
    check(
        object_name(NameRule::DnsLabel, "-a", false),
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    );
    check(object_name(NameRule::PathSegment, "system:node", false), "");
    check(object_name(NameRule::PathSegment, "a/b%", false), "may not contain '/'; may not contain '%'");
    check(object_name(NameRule::PathSegment, "..", false), "may not be '..'");
    check(object_name(NameRule::PathSegment, "..", true), "");
}

#[test]
fn a_prefix_may_end_in_a_dash() {
    check(object_name(NameRule::DnsLabel, "web-", true), "");
    assert_eq!(object_name(NameRule::DnsLabel, "web-", false).len(), 1);
    assert_eq!(object_name(NameRule::DnsLabel, "-", true).len(), 1);
    assert_eq!(object_name(NameRule::DnsLabel, "é-", true).len(), 1);
}

#[test]
fn declared_rules_count_bytes() {
    check(dns::long_name(&"a".repeat(254)), "must be no more than 253 bytes");
    check(dns::short_name(&"a".repeat(64)), "must be no more than 63 bytes");
    check(dns::long_name_caseless("A.b"), "");
    check(dns::long_name_caseless(&"A".repeat(254)), "must be no more than 253 bytes");
    assert!(dns::long_name_caseless("a_b")[0].starts_with("an RFC 1123 subdomain must consist of"));
}

#[test]
fn label_keys_and_values_are_told_apart() {
    check(label::key("app.kubernetes.io/name"), "");
    check(label::key("/x"), "prefix part must be non-empty");
    check(
        label::key("a/"),
        "name part must be non-empty; name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    );
    check(label::key(&"k".repeat(64)), "name part must be no more than 63 bytes");
    assert!(label::key("a/b/c")[0].starts_with("a valid label key must consist of"));
    check(label::value(""), "");
    check(label::value(&"v".repeat(64)), "must be no more than 63 bytes");
    assert!(label::value("a b")[0].starts_with("a valid label must be an empty string"));
}

#[test]
fn ports_percentages_and_keys_have_their_sentences() {
    check(text::port_name("http-2"), "");
    check(text::port_name("1-2"), "must contain at least one letter (a-z)");
    check(text::port_name("a--b"), "must not contain consecutive hyphens");
    check(port_number(0), "must be between 1 and 65535, inclusive");
    check(text::percent("25%"), "");
    assert_eq!(text::percent("25").len(), 1);
    check(text::config_key(".."), "must not be '..'");
    check(text::config_key("..a"), "must not start with '..'");
    check(text::variable_name("my var"), "");
    check(
        text::variable_name("A=B"),
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
    );
}

#[test]
fn addresses_are_read_leniently_and_judged_strictly() {
    check(address::ip("10.0.0.1"), "");
    check(address::ip("010.0.0.1"), "must not have leading 0s");
    check(address::ip("::ffff:1.2.3.4"), "must not be an IPv4-mapped IPv6 address");
    check(address::ip("10.0.0"), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    check(address::canonical_ip("2001:DB8::1"), "must be in canonical form (\"2001:db8::1\")");
    check(address::cidr("10.0.0.0/8"), "");
    check(address::cidr("10.1.0.0/8"), "must not have bits set beyond the prefix length");
    check(address::cidr("10.0.0.0/08"), "must not have leading 0s in IP or prefix length");
    check(address::cidr("10.0.0.0/33"), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    check(address::canonical_cidr("::/0"), "");
}
