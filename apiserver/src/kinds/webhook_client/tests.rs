use super::*;

fn check(client: &Map, expected: &[&str]) {
    let mut errors = FieldErrors::new();
    validate(client, &Path::new("client"), &mut errors);
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

fn service(path: &str) -> Map {
    let service = Map::from([("name", "a"), ("namespace", "b"), ("path", path)]);
    let mut client = Map::from([("service", service)]);
    set_defaults(&mut client);
    client
}

#[test]
fn a_url_is_https_and_names_a_host() {
    check(&Map::from([("url", "https://example.com:443/hook")]), &[]);
    check(
        &Map::from([("url", "")]),
        &[
            "client.url: Invalid value: \"\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            "client.url: Invalid value: \"\": host must be specified; desired format: https://host[/path]",
        ],
    );
    check(
        &Map::from([("url", "https://u:p@h/x?q=1#f")]),
        &[
            "client.url: Invalid value: \"u:p\": user information is not permitted in the URL",
            "client.url: Invalid value: \"f\": fragments are not permitted in the URL",
            "client.url: Invalid value: \"q=1\": query parameters are not permitted in the URL",
        ],
    );
    check(
        &Map::from([("url", "https://h:p")]),
        &[
            "client.url: Required value: url must be a valid URL: parse \"https://h:p\": invalid port \":p\" after host; desired format: https://host[/path]",
        ],
    );
}

#[test]
fn segments_of_a_service_s_path_are_names() {
    check(&service("/a/b/"), &[]);
    check(&service("//"), &["client.service.path: Invalid value: \"//\": segment[0] may not be empty"]);
    check(&service("ab"), &["client.service.path: Invalid value: \"ab\": must start with a '/'"]);
}

#[test]
fn a_bundle_without_certificates_is_unreadable() {
    assert!(has_readable_bundle(&Map::new()));
    assert!(!has_readable_bundle(&Map::from([("caBundle", "Zm9v")])));
}
