use super::*;
use crate::codec::json;
use crate::schema;

fn pod() -> StructId {
    schema::kind("", "v1", "Pod").unwrap()
}

#[test]
fn an_envelope_survives_the_trip() {
    let envelope = Envelope { api_version: "apps/v1".into(), kind: "Deployment".into(), raw: b"abc" };
    let mut out = Vec::new();
    document(&envelope.api_version, &envelope.kind, envelope.raw, &mut out);
    assert_eq!(Envelope::decode(&out).unwrap(), envelope);
    assert!(Envelope::decode(b"{}").is_err());
}

#[test]
fn a_message_gives_the_tree_of_its_json() {
    let text = br#"{"metadata":{"name":"a","labels":{"x":"y"}},"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}],"readinessProbe":{"httpGet":{"port":"http"}},"resources":{"limits":{"cpu":"500m"}}}],"terminationGracePeriodSeconds":0}}"#;
    let map = json::decode(text, schema::builtin(), pod(), None).unwrap();
    let mut message = Vec::new();
    encode(&map, schema::builtin(), pod(), &mut message);
    assert_eq!(decode(&message, schema::builtin(), pod()).unwrap(), map);
}

#[test]
fn fields_out_of_order_twice_and_unknown_are_taken_as_go_takes_them() {
    // metadata {name: "a"}, an unknown field 99, metadata {name: "b"}, labels before the name.
    let message = b"\x0a\x03\x0a\x01a\x9a\x06\x01x\x0a\x0b\x5a\x06\x0a\x01k\x12\x01v\x0a\x01b";
    let map = decode(message, schema::builtin(), pod()).unwrap();
    assert_eq!(map.name(), "b");
    assert_eq!(map.label("k"), Some("v"));
}

#[test]
fn hostile_messages_are_refused() {
    let cases: [(&[u8], &str); 6] = [
        (b"\x0a\xff\xff\xff\xff\x0f", "unexpected EOF"),
        (b"\x0a\x05\x0a", "unexpected EOF"),
        (b"\x08\x01", "proto: wrong wireType = 0 for field metadata"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "proto: integer overflow"),
        (b"\x00\x01", "proto: illegal tag 0 (wire type 0)"),
        (b"\x7f", "proto: illegal wireType 7"),
    ];
    for (message, expected) in cases {
        assert_eq!(decode(message, schema::builtin(), pod()).unwrap_err().message, expected);
    }
    let groups = [b"\x9b\x06".as_slice(); 10_000].concat();
    assert_eq!(decode(&groups, schema::builtin(), pod()).unwrap_err().message, "exceeded max depth");
}
