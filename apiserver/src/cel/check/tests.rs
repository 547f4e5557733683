use serde_json::json;

use super::*;
use crate::fixture::untyped;

fn schema() -> Map {
    untyped(&json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "n": { "type": "integer" },
        "share": { "type": "number" },
        "name": { "type": "string" },
        "on": { "type": "boolean" },
        "at": { "type": "string", "format": "date-time" },
        "wait": { "type": "string", "format": "duration" },
        "either": { "x-kubernetes-int-or-string": true },
        "tags": { "type": "array", "items": { "type": "string" } },
        "ports": { "type": "array", "items": { "type": "object", "properties": { "port": { "type": "integer" } } } },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
        "open": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": { "known": { "type": "integer" } },
        },
        "a-b": { "type": "string" },
        "namespace": { "type": "string" },
    } } } }))
}

fn checked(text: &str) -> Result<String, String> {
    let schema = schema();
    let own = of_schema(&schema, Place::Root);
    let old = Type::Optional(Box::new(own.clone()));
    type_of(text, &[("self", own), ("oldSelf", old), ("params", Type::Dyn)]).map(|of| of.to_string())
}

#[test]
fn what_can_be_evaluated_has_a_type_or_any() {
    for (text, expected) in [
        ("self.spec.n > 1 && self.spec.name != 'x'", "bool"),
        ("self.spec.n < 1.5 || self.spec.share >= 2", "bool"),
        ("self.spec.n + 1", "int"),
        ("self.spec.name + 'x'", "string"),
        ("self.metadata.name.startsWith(self.kind)", "bool"),
        ("self.spec.at + self.spec.wait", "timestamp"),
        ("self.spec.at - self.spec.at > duration('1h')", "bool"),
        ("self.spec.tags", "list(string)"),
        ("self.spec.tags[0] == 'x'", "bool"),
        ("self.spec.tags.map(t, t + 'x')", "list(string)"),
        ("self.spec.ports.map(p, p.port)", "list(int)"),
        ("self.spec.ports.filter(p, p.port > 1)", "list(object)"),
        ("self.spec.ports.all(p, p.port > 1)", "bool"),
        ("self.spec.ports.exists_one(p, p.port == 1)", "bool"),
        ("self.spec.ports.all(i, p, i > 0 || p.port > 1)", "bool"),
        ("self.spec.ports.sortBy(p, p.port)[0].port == 1", "bool"),
        ("self.spec.labels.all(k, k != 'x')", "bool"),
        ("self.spec.labels['x'].size() < 3", "bool"),
        ("has(self.spec.labels.x) ? self.spec.labels.x : 'y'", "string"),
        ("self.spec.?name.orValue('x')", "string"),
        ("oldSelf.?spec.?n.orValue(1) == 1 || oldSelf.value().spec.n == 2", "bool"),
        ("oldSelf.hasValue() && optional.of(1).hasValue()", "bool"),
        ("optional.none().orValue(self.spec.n) == 1", "bool"),
        ("self.spec.either == 1 || self.spec.either == '1'", "bool"),
        ("self.spec.open.known == 1 && self.spec.open.other == 'x'", "bool"),
        ("self.spec.a__dash__b + self.spec.__namespace__", "string"),
        ("params.anything.at.all > 3", "bool"),
        ("self.spec.ports == null || type(self.spec.n) == int", "bool"),
        ("sets.contains(self.spec.tags, ['a']) && ip.isCanonical('127.0.0.1')", "bool"),
        ("quantity('1').add(quantity('2')).isGreaterThan(quantity('1'))", "bool"),
        ("self.spec.tags + [] + ['a']", "list(string)"),
        ("[].size() + {'a': 1}.size()", "int"),
        ("self.spec.namespace + self.spec.labels['a']", "string"),
        ("!self.spec.on", "bool"),
        ("-self.spec.n", "int"),
        ("self.spec.at == null || (has(self.spec.at) ? self.spec.at : null) == null", "bool"),
        ("[?self.spec.?name] == ['x'] && 'x' in [?self.spec.?name]", "bool"),
        ("[?self.spec.?on].all(x, x)", "bool"),
        ("strings.quote(self.spec.name) == 'x' && type(ip('1.2.3.4')) == net.IP", "bool"),
        (".size(self.spec.tags) > 0 && .duration('1h') > .duration('2h')", "bool"),
        ("self.spec.tags.all(format, format.dns1123Label().validate('x').hasValue())", "bool"),
        ("[][?0].orValue(true)", "dyn"),
        ("[has(self.spec.n), has(self.spec.on)].filter(x, x == true).size() == 1", "bool"),
        ("[].all(x, x) || [].exists(x, x.y > 1) || [][0] + 1 == 2", "bool"),
        ("a b", "dyn"),
    ] {
        assert_eq!(checked(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_can_never_be_evaluated_is_refused_where_it_is_wrong() {
    for (text, expected) in [
        ("self.nope == 1", "1:5: undefined field 'nope'"),
        ("self.spec.n > 1 &&\n  self.spec.m > 1", "2:12: undefined field 'm'"),
        ("self.metadata.labels.size() > 0", "1:14: undefined field 'labels'"),
        ("self.spec.ports.all(p, p.prot > 1)", "1:25: undefined field 'prot'"),
        ("self.spec.?nope.hasValue()", "undefined field 'nope'"),
        ("has(self.spec.nope)", "1:14: undefined field 'nope'"),
        ("other.n == 1", "1:1: undeclared reference to 'other' (in container '')"),
        ("self.spec.ports.all(p, q.port > 1)", "1:24: undeclared reference to 'q' (in container '')"),
        ("nope(self)", "1:5: undeclared reference to 'nope' (in container '')"),
        ("self.spec.name.nope()", "1:20: undeclared reference to 'nope' (in container '')"),
        ("self.spec.n.x == 1", "1:12: type 'int' does not support field selection"),
        ("self.spec.n + 'x'", "1:13: found no matching overload for '_+_' applied to '(int, string)'"),
        ("self.spec.n == 'x'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.spec.name > 1", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("self.spec.n && true", "expected type 'bool' but found 'int'"),
        ("self.spec.name == null", "found no matching overload for '_==_' applied to '(string, null)'"),
        (
            "self.spec.on ? 1 : 'x'",
            "1:14: found no matching overload for '_?_:_' applied to '(bool, int, string)'",
        ),
        ("self.spec.name in [1, 2]", "found no matching overload for '@in' applied to '(string, list(int))'"),
        ("self.spec.name in self.spec.n", "applied to '(string, int)'"),
        ("self.spec.tags['a'] == 'x'", "applied to '(list(string), string)'"),
        ("self.spec['n'] == 1", "found no matching overload for '_[_]'"),
        ("self.spec.tags == [1]", "applied to '(list(string), list(int))'"),
        ("self.spec == 1", "applied to '(object, int)'"),
        ("math.greatest(1, 2) > 1", "1:1: undeclared reference to 'math'"),
        (
            "self.spec.share % 2.0 == 0.0",
            "found no matching overload for '_%_' applied to '(double, double)'",
        ),
        ("!self.spec.n", "1:1: found no matching overload for '!_' applied to '(int)'"),
    ] {
        let why = checked(text).expect_err(text);
        assert!(why.starts_with("ERROR: <input>:") && why.contains(expected), "{text}: {why}");
    }
    let why = checked("self.nope == 1").unwrap_err();
    assert_eq!(why, "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 1\n | ....^");
}
