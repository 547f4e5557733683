//! Every document that the API module publishes, and those that Go writes at the edges of the encodings, in each form.
//!
//! The documents are not in the repository: Go reads them from its module cache and writes the others when the test
//! runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use pintle_apiserver::codec::{json, proto, yaml};
use pintle_apiserver::schema::{self, BuiltinKind};
use pintle_apiserver::tree::Map;

/// One object in the forms in which it is there.
#[derive(Default)]
struct Document {
    json: Option<Vec<u8>>,
    yaml: Option<Vec<u8>>,
    proto: Option<Vec<u8>>,
}

/// Documents by file name without its ending.
type Documents = BTreeMap<String, Document>;

/// Runs the generator, which knows where Go keeps the modules.
fn generator(arguments: &[&str]) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/generator");
    let output = Command::new("go").args(["run", "."]).args(arguments).current_dir(&directory).output();
    let advice = "this test reads the k8s.io/api module through Go: install Go 1.26 or newer, put it on the PATH, \
                  and run `go mod download` in apiserver/schema/generator where a module proxy can be reached";
    let output = output.unwrap_or_else(|error| panic!("cannot run go ({error}); {advice}"));
    assert!(output.status.success(), "{}\n{advice}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Sources {
    published: PathBuf,
    written: tempfile::TempDir,
}

static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let written = tempfile::tempdir().unwrap();
    let published = generator(&["-testdata", "-documents", written.path().to_str().unwrap()]);
    Sources { published: published.trim().into(), written }
});

fn read(directory: &Path) -> Documents {
    let mut documents = Documents::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Some((name, form)) = path.file_name().unwrap().to_str().unwrap().rsplit_once('.') else {
            continue;
        };
        let document = documents.entry(name.to_owned()).or_default();
        let bytes = Some(std::fs::read(&path).unwrap());
        match form {
            "json" => document.json = bytes,
            "yaml" => document.yaml = bytes,
            "pb" => document.proto = bytes,
            _ => {}
        }
    }
    documents
}

/// `apps.v1.Deployment` as the table's kind; `core` is the group without a name.
fn kind_of(name: &str) -> Option<&'static BuiltinKind> {
    let (rest, kind) = name.rsplit_once('.')?;
    let (group, version) = rest.rsplit_once('.')?;
    let api_version = if group == "core" { version.to_owned() } else { format!("{group}/{version}") };
    let of = |version: &str| {
        schema::builtin_kinds().iter().find(|known| known.api_version == version && known.kind == kind)
    };
    of(&api_version).or_else(|| of("*"))
}

/// The version that documents of a kind carry; those of meta/v1 are written as `v1`.
fn version_of(kind: &BuiltinKind) -> &'static str {
    if kind.api_version == "*" { "v1" } else { kind.api_version }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn encoded_json(map: &Map, kind: &BuiltinKind) -> Vec<u8> {
    let mut out = Vec::new();
    json::encode(map, schema::builtin(), kind.id, &mut out);
    out
}

fn decoded_json(input: &[u8], kind: &BuiltinKind) -> Map {
    json::decode(input, schema::builtin(), kind.id, None).unwrap()
}

fn encoded_proto(map: &Map, kind: &BuiltinKind) -> Vec<u8> {
    let (mut message, mut out) = (Vec::new(), Vec::new());
    proto::encode(map, schema::builtin(), kind.id, &mut message);
    proto::document(version_of(kind), kind.kind, &message, &mut out);
    out
}

fn decoded_proto(input: &[u8], kind: &BuiltinKind) -> Map {
    let envelope = proto::Envelope::decode(input).unwrap();
    assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), (version_of(kind), kind.kind));
    let map = proto::decode(envelope.raw, schema::builtin(), kind.id).unwrap();
    // The type stands in the envelope; in JSON it stands first.
    let head = Map::from([("kind", kind.kind), ("apiVersion", version_of(kind))]);
    head.into_iter().chain(map).collect()
}

/// JSON without the white space that the published documents have.
fn compact(input: &[u8]) -> String {
    match json::raw(text(input)).unwrap() {
        pintle_apiserver::tree::Node::Raw(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn published_documents_convert_to_each_other_form_unchanged() {
    let documents = read(&SOURCES.published);
    let mut seen = Vec::new();
    for (name, document) in &documents {
        let Some(kind) = kind_of(name).filter(|kind| kind.api_version != "*") else { continue };
        seen.push((kind.api_version, kind.kind));
        let Document { json: Some(json), yaml: Some(yaml), proto: Some(proto) } = document else {
            panic!("{name} is not there in every form")
        };
        let from_json = decoded_json(json, kind);
        let from_yaml = decoded_json(&yaml::to_json(yaml, None).unwrap(), kind);
        let from_proto = decoded_proto(proto, kind);
        assert_eq!(from_json, from_yaml, "{name}: JSON and YAML give one tree");
        assert_eq!(from_json, from_proto, "{name}: JSON and protobuf give one tree");
        for map in [&from_json, &from_yaml, &from_proto] {
            let encoded = encoded_json(map, kind);
            assert_eq!(text(&encoded), compact(json), "{name} as JSON");
            assert_eq!(text(&yaml::from_json(&encoded).unwrap()), text(yaml), "{name} as YAML");
            assert_eq!(encoded_proto(map, kind), *proto, "{name} as protobuf");
        }
    }
    // Lists have no documents of their own, and those of two groups live in other modules.
    for kind in schema::builtin_kinds() {
        let published = kind.round_trips
            && !kind.kind.ends_with("List")
            && !kind.api_version.starts_with("apiextensions.k8s.io/")
            && !kind.api_version.starts_with("apiregistration.k8s.io/")
            && !kind.api_version.starts_with("apidiscovery.k8s.io/");
        assert!(!published || seen.contains(&(kind.api_version, kind.kind)), "{kind:?} has no document");
    }
}

#[test]
fn empty_and_sparse_documents_are_written_as_go_writes_them() {
    let documents = read(SOURCES.written.path());
    let mut count = 0;
    for (name, document) in &documents {
        let (name, shape) = name.rsplit_once('.').unwrap();
        let kind = kind_of(name).unwrap();
        let Document { json: Some(json), proto: Some(proto), .. } = document else { panic!("{name}") };
        let from_json = decoded_json(json, kind);
        let from_proto = decoded_proto(proto, kind);
        assert_eq!(from_json, from_proto, "{name}, {shape}: JSON and protobuf give one tree");
        for map in [&from_json, &from_proto] {
            assert_eq!(text(&encoded_json(map, kind)), text(json), "{name}, {shape}, as JSON");
            assert_eq!(encoded_proto(map, kind), *proto, "{name}, {shape}, as protobuf");
        }
        count += 1;
    }
    let kinds = schema::builtin_kinds().iter().filter(|kind| kind.round_trips).count();
    assert!(count > kinds * 3, "{count} documents of {kinds} kinds");
}

#[test]
fn the_stored_form_reads_back_and_takes_a_version() {
    for (name, document) in &read(&SOURCES.published) {
        let (Some(kind), Some(input)) = (kind_of(name), &document.json) else { continue };
        let mut map = decoded_json(input, kind);
        let mut stored = Vec::new();
        let Some(at) = json::encode_stored(&map, schema::builtin(), kind.id, &mut stored) else { continue };
        stored.splice(at..at, *b"4711");
        let again = json::decode_stored(&stored, schema::builtin(), kind.id).unwrap();
        map.metadata_mut().set("resourceVersion", "4711");
        map.remove("kind");
        map.remove("apiVersion");
        assert_eq!(again, map, "{name}");
        let stored = bytes::Bytes::from(stored);
        let for_write = json::decode_stored_for_write(&stored, kind.id).unwrap();
        for look in [false, true] {
            let mut unversioned = Vec::new();
            let place = json::encode_stored(&for_write, schema::builtin(), kind.id, &mut unversioned);
            assert_eq!(place, Some(at), "{name}");
            unversioned.splice(at..at, *b"4711");
            assert_eq!(text(&unversioned), text(&stored), "{name}, looked into: {look}");
            assert_eq!(for_write, map, "{name}");
        }
    }
}

#[test]
fn a_message_made_from_the_stored_form_means_the_same() {
    let mut documents = read(&SOURCES.published);
    for (name, document) in read(SOURCES.written.path()) {
        // The shape stands behind the kind in these names.
        documents.insert(name, document);
    }
    for (name, document) in &documents {
        let kind = kind_of(name).or_else(|| kind_of(name.rsplit_once('.')?.0));
        let (Some(kind), Some(input)) = (kind, &document.json) else { continue };
        let mut map = decoded_json(input, kind);
        map.remove("kind");
        map.remove("apiVersion");
        let mut stored = Vec::new();
        json::encode(&map, schema::builtin(), kind.id, &mut stored);
        let mut message = Vec::new();
        proto::transcode_stored(&stored[1..], schema::builtin(), kind.id, &mut message).unwrap();
        assert_eq!(proto::decode(&message, schema::builtin(), kind.id).unwrap(), map, "{name}");
    }
}

/// A generator of numbers with a fixed seed, so that a failure repeats.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Feeds a damaged document to every decoder; what a decoder takes must be encoded without a panic, and be stable.
fn try_everything(input: &[u8], kind: &BuiltinKind) {
    let schema = schema::builtin();
    if let Ok(map) = json::decode(input, schema, kind.id, None) {
        let encoded = encoded_json(&map, kind);
        assert_eq!(text(&encoded_json(&decoded_json(&encoded, kind), kind)), text(&encoded));
    }
    if let Ok(map) = proto::decode(input, schema, kind.id) {
        let encoded = encoded_json(&map, kind);
        assert_eq!(decoded_json(&encoded, kind), map, "{}", text(&encoded));
    }
    let _ = proto::Envelope::decode(input);
    let _ =
        proto::transcode_stored(input.strip_prefix(b"{").unwrap_or(input), schema, kind.id, &mut Vec::new());
    if let Ok(text) = yaml::to_json(input, None) {
        let _ = json::decode(&text, schema, kind.id, None);
    }
}

#[test]
fn damaged_documents_never_panic() {
    let mut numbers = Numbers(1);
    for (name, document) in &read(&SOURCES.published) {
        let Some(kind) = kind_of(name) else { continue };
        let proto = document.proto.as_deref().map(|bytes| proto::Envelope::decode(bytes).unwrap().raw);
        for input in [document.json.as_deref(), document.yaml.as_deref(), proto].into_iter().flatten() {
            for _ in 0..40 {
                try_everything(&input[..numbers.below(input.len())], kind);
                let mut garbled = input.to_vec();
                for _ in 0..=numbers.below(4) {
                    if garbled.is_empty() {
                        break;
                    }
                    let at = numbers.below(garbled.len());
                    match numbers.below(4) {
                        0 => garbled[at] = numbers.below(256) as u8,
                        1 => garbled[at] ^= 1 << numbers.below(8),
                        2 => drop(garbled.remove(at)),
                        _ => {
                            let end = (at + numbers.below(40)).min(garbled.len());
                            let piece = garbled[at..end].to_vec();
                            let place = numbers.below(garbled.len());
                            garbled.splice(place..place, piece);
                        }
                    }
                }
                try_everything(&garbled, kind);
            }
        }
    }
}
