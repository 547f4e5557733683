//! Secret: data that is meant for few. Keeps: `stringData` is never stored; the type never changes; `immutable`
//! never goes back; known types have the keys they need.

use super::config_map;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, FieldValue, Kind, Names, Scope, Selectable, Version, column};
use crate::tree::{Map, Node};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Secret")],
    columns: &[
        kind::NAME,
        column("Type", "string", |it, _| it.str("type").into()),
        column("Data", "string", |it, _| Node::Int(it.map("data").map_or(0, Map::len) as i64)),
        kind::AGE,
    ],
    selectable: &[Selectable { name: "type", value: FieldValue::At(&["type"]), indexed: false }],
    set_defaults,
    prepare_for_update,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SERVICE_ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";
const DATA: Path<'static> = Path::new("data");

fn set_defaults(secret: &mut Map) {
    if let Some(Node::Map(plain)) = secret.remove("stringData") {
        let data = secret.map_mut("data");
        for (key, value) in plain {
            let text = STANDARD.encode(value.as_str().unwrap_or_default());
            data.set(key, text);
        }
    }
    if secret.str("type").is_empty() {
        secret.set("type", "Opaque");
    }
}

fn prepare_for_update(secret: &mut Map, old: &Map, _: &Context<'_>) {
    if secret.str("type").is_empty()
        && let Some(kind) = old.get("type")
    {
        secret.set("type", kind.clone());
    }
}

fn validate(secret: &Map, errors: &mut FieldErrors) {
    let mut bytes = 0;
    for (key, value) in secret.map("data").into_iter().flat_map(Map::iter) {
        config_map::validate_key(key, &DATA.key(key), errors);
        bytes += value.as_str().map_or(0, config_map::decoded_len);
    }
    if bytes > config_map::DATA_BYTES_MAX {
        errors.too_long(&DATA, config_map::DATA_BYTES_MAX);
    }
    validate_type(secret, errors);
}

fn validate_type(secret: &Map, errors: &mut FieldErrors) {
    let data = |key: &str| secret.map("data").and_then(|data| data.get(key)).and_then(Node::as_str);
    let require = |key: &str, errors: &mut FieldErrors| {
        if data(key).is_none() {
            errors.required(&DATA.key(key), "");
        }
    };
    match secret.str("type") {
        "kubernetes.io/service-account-token"
            if secret.annotation(SERVICE_ACCOUNT_ANNOTATION).unwrap_or_default().is_empty() =>
        {
            let path = Path::new("metadata");
            errors.required(&path.child("annotations").key(SERVICE_ACCOUNT_ANNOTATION), "");
        }
        "kubernetes.io/dockercfg" => validate_json(data(".dockercfg"), ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => {
            validate_json(data(".dockerconfigjson"), ".dockerconfigjson", errors)
        }
        "kubernetes.io/basic-auth" if data("username").is_none() && data("password").is_none() => {
            require("username", errors);
            require("password", errors);
        }
        "kubernetes.io/ssh-auth" if data("ssh-privatekey").unwrap_or_default().is_empty() => {
            errors.required(&DATA.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            require("tls.crt", errors);
            require("tls.key", errors);
        }
        _ => {}
    }
}

fn validate_json(value: Option<&str>, key: &str, errors: &mut FieldErrors) {
    let path = DATA.key(key);
    let Some(value) = value else {
        errors.required(&path, "");
        return;
    };
    let bytes = STANDARD.decode(value).unwrap_or_default();
    let fault = match serde_json::from_slice::<serde_json::Value>(&bytes) {
        _ if bytes.is_empty() => "unexpected end of JSON input".to_owned(),
        Ok(serde_json::Value::Object(_) | serde_json::Value::Null) => return,
        Ok(_) => "json: cannot unmarshal into Go value of type map[string]interface {}".to_owned(),
        Err(error) => error.to_string(),
    };
    errors.invalid(&path, "<secret contents redacted>", fault);
}

fn validate_update(secret: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("type"), secret.get("type"), old.get("type"));
    if old.bool("immutable") != Some(true) {
        return;
    }
    if secret.bool("immutable") != Some(true) {
        errors.forbidden(&Path::new("immutable"), config_map::FROZEN);
    }
    if secret.get("data") != old.get("data") {
        errors.forbidden(&DATA, config_map::FROZEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, data: &[(&'static str, &str)], expected: &str) {
        let data: Map = data.iter().map(|(key, value)| (*key, STANDARD.encode(value))).collect();
        let mut errors = FieldErrors::new();
        validate(&Map::from([("type", Node::from(kind)), ("data", data.into())]), &mut errors);
        assert_eq!(errors.to_string(), expected, "{kind}");
    }

    #[test]
    fn known_types_need_their_keys() {
        check("Opaque", &[], "[]");
        check("kubernetes.io/tls", &[("tls.crt", "")], "data[tls.key]: Required value");
        check("kubernetes.io/basic-auth", &[("password", "x")], "[]");
        check(
            "kubernetes.io/basic-auth",
            &[],
            "[data[username]: Required value, data[password]: Required value]",
        );
        check("kubernetes.io/dockerconfigjson", &[(".dockerconfigjson", "{}")], "[]");
        check("kubernetes.io/dockercfg", &[], "data[.dockercfg]: Required value");
        check(
            "kubernetes.io/dockercfg",
            &[(".dockercfg", "")],
            "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": unexpected end of JSON input",
        );
        check(
            "kubernetes.io/service-account-token",
            &[],
            "metadata.annotations[kubernetes.io/service-account.name]: Required value",
        );
    }

    #[test]
    fn string_data_becomes_data() {
        let mut secret = Map::from([("stringData", Map::from([("a", "b")]))]);
        set_defaults(&mut secret);
        assert_eq!(secret.to_string(), r#"{"data":{"a":"Yg=="},"type":"Opaque"}"#);
    }
}
