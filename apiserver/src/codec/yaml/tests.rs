use super::*;

#[track_caller]
fn check(yaml: &str, json: &str) {
    assert_eq!(String::from_utf8(to_json(yaml.as_bytes(), None).unwrap()).unwrap(), json, "of {yaml}");
}

#[test]
fn plain_scalars_become_what_kubernetes_makes_of_them() {
    let cases = [
        ("a: yes", r#"{"a":true}"#),
        ("a: 'yes'", r#"{"a":"yes"}"#),
        ("a: Off", r#"{"a":false}"#),
        ("a: ~", r#"{"a":null}"#),
        ("a:", r#"{"a":null}"#),
        ("a: 010", r#"{"a":8}"#),
        ("a: 0x1F", r#"{"a":31}"#),
        ("a: 1_000", r#"{"a":1000}"#),
        ("a: 1.50", r#"{"a":1.5}"#),
        ("a: 1e3", r#"{"a":1000}"#),
        ("a: 18446744073709551615", r#"{"a":18446744073709551615}"#),
        ("a: -9223372036854775808", r#"{"a":-9223372036854775808}"#),
        ("a: 1:30", r#"{"a":"1:30"}"#),
        ("a: 2024-01-01", r#"{"a":"2024-01-01"}"#),
        ("a: 1.2.3", r#"{"a":"1.2.3"}"#),
        ("a: !!str 5", r#"{"a":"5"}"#),
        ("1: a\ntrue: b\n1.5: c", r#"{"1":"a","1.5":"c","true":"b"}"#),
        ("- a\n- b: |\n    x\n    y\n", r#"["a",{"b":"x\ny\n"}]"#),
        ("{a: [1, {b: c}]}", r#"{"a":[1,{"b":"c"}]}"#),
        ("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2", r#"{"a":{"b":1},"c":{"b":1},"d":{"b":1,"e":2}}"#),
        ("a: 1\n---\nb: 2", r#"{"a":1}"#),
        ("", "null"),
        (r#"{"a":"\u00e9","b":[1,2]}"#, r#"{"a":"é","b":[1,2]}"#),
    ];
    for (yaml, json) in cases {
        check(yaml, json);
    }
}

#[test]
fn duplicates_are_reported_and_the_last_wins() {
    let mut findings = Findings::default();
    let json = to_json(b"spec:\n  a:\n  - b: 1\n    b: 2\n", Some(&mut findings)).unwrap();
    assert_eq!(json, br#"{"spec":{"a":[{"b":2}]}}"#);
    assert_eq!(findings.duplicate, ["spec.a[0].b"]);
}

#[test]
fn hostile_documents_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let item = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [item.as_str(); 9].join(",")));
    }
    let error = to_json(bomb.as_bytes(), None).unwrap_err();
    assert_eq!(error.message, "yaml: document contains excessive aliasing");
    for text in ["[".repeat(10_000), "- ".repeat(10_000), "a: &a [*a]".into(), "a: b: c".to_owned()] {
        assert!(to_json(text.as_bytes(), None).is_err(), "{text}");
    }
    for text in ["a: .inf", "? [a]\n: b", "~: a", "a: !!int x", "a: '"] {
        assert!(to_json(text.as_bytes(), None).is_err(), "{text}");
    }
}

#[test]
fn written_documents_look_as_upstreams() {
    let json = br#"{"b":[{"y":1,"x":[]},["a",["b"]],{}],"a":{"t":"2024-01-01T00:00:00Z","s":"x: y","m":"l1\nl2\n","n":null,"f":0.5,"k10":"","k9":"'","z":"a\tb","l":"no break\nend","q":"yes","g":"*"}}"#;
    let expected = concat!(
        "a:\n  f: 0.5\n  g: '*'\n  k9: ''''\n  k10: \"\"\n  l: |-\n    no break\n    end\n  m: |\n    l1\n    l2\n",
        "  \"n\": null\n  q: \"yes\"\n  s: 'x: y'\n  t: \"2024-01-01T00:00:00Z\"\n  z: \"a\\tb\"\n",
        "b:\n- x: []\n  \"y\": 1\n- - a\n  - - b\n- {}\n",
    );
    assert_eq!(String::from_utf8(from_json(json).unwrap()).unwrap(), expected);
}

#[test]
fn any_string_reads_back_as_itself() {
    let pieces = [
        "",
        "a",
        " ",
        "\n",
        "- ",
        ": ",
        "#",
        "'",
        "\"",
        "\\",
        "{",
        "[",
        "?",
        "!",
        "&",
        "*",
        "%",
        "@",
        "`",
        "|",
        ">",
        "~",
        "0",
        "1.5",
        "0x1",
        "1:2",
        "yes",
        "null",
        "<<",
        "---",
        "...",
        "\t",
        "\r",
        "\u{1}",
        "\u{85}",
        "\u{2028}",
        "é",
        "😀",
        "\u{feff}",
        "2024-01-01",
        "=",
        ",",
        "]",
        "}",
    ];
    for one in pieces {
        for other in pieces {
            for third in ["", "x", "\n", " "] {
                let text = format!("{one}{other}{third}");
                let node = Node::List([Node::Str(text.as_str().into())].into_iter().collect());
                let map: crate::tree::Map =
                    [(crate::tree::Key::Owned(text.as_str().into()), node.clone())].into_iter().collect();
                let whole = Node::List([node, Node::Map(map)].into_iter().collect());
                let mut yaml = Vec::new();
                encode(&whole, &mut yaml);
                let read = decode(&yaml, None);
                assert_eq!(read.ok().as_ref(), Some(&whole), "{}", String::from_utf8_lossy(&yaml));
            }
        }
    }
}

#[test]
fn keys_that_stand_again_are_told_with_their_lines() {
    let mut findings = Findings::default();
    let text = "a:\n  b: 1\n  c: 2\n  b: 3\na: 4\nd: [{e: 1, e: 2}]\n";
    to_json(text.as_bytes(), Some(&mut findings)).unwrap();
    assert_eq!(
        findings.repeated_keys(),
        [
            "line 4: key \"b\" already set in map",
            "line 5: key \"a\" already set in map",
            "line 6: key \"e\" already set in map",
        ]
    );
}
