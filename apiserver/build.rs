//! Writes the descriptions of the API's types and fields for `kubectl explain` and OpenAPI.
//!
//! Keeps: the prose comes from the `k8s-openapi` build-dependency and never enters the repository.
//!
//! Two files in `OUT_DIR`: `descriptions.txt`, every distinct description one after the other, and
//! `descriptions.index`, a line per type in ascending order with places in that text (`offset,length`):
//! `name \t place-of-the-type \t field=place …`.
//!
//! The environment variable `OPENAPI_FINGERPRINT` is a hash of everything that OpenAPI documents are made from, so
//! that their tags are known without building them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use k8s_openapi::schemars::SchemaGenerator;
use k8s_openapi::serde_json::{Map, Value};

/// Asks the generator for the schemas of types and of everything that they refer to.
macro_rules! add {
    ($generator:expr, $($module:path: $($kind:ident)*;)*) => {
        $({
            #[allow(clippy::wildcard_imports, reason = "a macro cannot name the items of a module one by one")]
            use $module::*;
            $($generator.subschema_for::<$kind>();)*
        })*
    };
}

fn add_kinds(generator: &mut SchemaGenerator) {
    add! { generator,
        k8s_openapi::api::admissionregistration::v1: MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
            MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
            ValidatingWebhookConfiguration;
        k8s_openapi::api::apps::v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
        k8s_openapi::api::authentication::v1: SelfSubjectReview TokenRequest TokenReview;
        k8s_openapi::api::authorization::v1: LocalSubjectAccessReview SelfSubjectAccessReview
            SelfSubjectRulesReview SubjectAccessReview;
        k8s_openapi::api::autoscaling::v1: HorizontalPodAutoscaler Scale;
        k8s_openapi::api::autoscaling::v2: HorizontalPodAutoscaler;
        k8s_openapi::api::batch::v1: CronJob Job;
        k8s_openapi::api::certificates::v1: CertificateSigningRequest ClusterTrustBundle PodCertificateRequest;
        k8s_openapi::api::coordination::v1: Lease;
        k8s_openapi::api::core::v1: Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node
            PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret
            Service ServiceAccount;
        k8s_openapi::api::discovery::v1: EndpointSlice;
        k8s_openapi::api::events::v1: Event;
        k8s_openapi::api::flowcontrol::v1: FlowSchema PriorityLevelConfiguration;
        k8s_openapi::api::networking::v1: Ingress IngressClass IPAddress NetworkPolicy ServiceCIDR;
        k8s_openapi::api::node::v1: RuntimeClass;
        k8s_openapi::api::policy::v1: Eviction PodDisruptionBudget;
        k8s_openapi::api::rbac::v1: ClusterRole ClusterRoleBinding Role RoleBinding;
        k8s_openapi::api::resource::v1: DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate
            ResourceSlice;
        k8s_openapi::api::scheduling::v1: PriorityClass;
        k8s_openapi::api::storage::v1: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment
            VolumeAttributesClass;
        k8s_openapi::api::storagemigration::v1: StorageVersionMigration;
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition;
        k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1: APIService;
        k8s_openapi::apimachinery::pkg::apis::meta::v1: APIGroup APIGroupList APIResourceList APIVersions
            DeleteOptions ListMeta Patch Status;
        k8s_openapi::apimachinery::pkg::version: Info;
    }
    // WatchEvent is generic over its object; its description does not depend on it.
    generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::WatchEvent<
        k8s_openapi::api::core::v1::ConfigMap,
    >>();
}

/// Every distinct text, once.
#[derive(Default)]
struct Texts {
    all: String,
    places: HashMap<String, (usize, usize)>,
}

impl Texts {
    /// Where a schema's description stands, as `offset,length`; a schema without one has length 0.
    fn place(&mut self, schema: &Value) -> String {
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let (offset, length) = *self.places.entry(text.to_owned()).or_insert_with(|| {
            self.all.push_str(text);
            (self.all.len() - text.len(), text.len())
        });
        format!("{offset},{length}")
    }
}

fn line(name: &str, schema: &Value, texts: &mut Texts) -> String {
    let mut line = format!("{name}\t{}", texts.place(schema));
    let none = Map::new();
    for (field, schema) in schema.get("properties").and_then(Value::as_object).unwrap_or(&none) {
        write!(line, "\t{field}={}", texts.place(schema)).expect("a string takes every write");
    }
    line
}

/// What OpenAPI documents are made from, besides the descriptions.
const SOURCES: &[&str] =
    &["schema/table.txt", "src/kind.rs", "src/kinds", "src/discovery", "src/openapi", "build.rs"];

/// Feeds the names and contents of files to a hasher, directories in the order of names.
fn hash(path: &Path, hasher: &mut DefaultHasher) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a readable source directory");
        let mut entries: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a readable entry").path()).collect();
        entries.sort();
        for entry in &entries {
            hash(entry, hasher);
        }
    } else {
        hasher.write(path.to_string_lossy().as_bytes());
        hasher.write(&fs::read(path).expect("a readable source file"));
    }
}

#[allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn main() {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        hash(Path::new(source), &mut hasher);
    }
    let mut generator = SchemaGenerator::default();
    add_kinds(&mut generator);
    let schemas: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    let mut texts = Texts::default();
    let mut index = String::new();
    for (name, schema) in &schemas {
        index.push_str(&line(name, schema, &mut texts));
        index.push('\n');
    }
    hasher.write(texts.all.as_bytes());
    hasher.write(index.as_bytes());
    println!("cargo::rustc-env=OPENAPI_FINGERPRINT={:016x}", hasher.finish());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("descriptions.txt"), &texts.all).expect("OUT_DIR is writable");
    fs::write(out.join("descriptions.index"), &index).expect("OUT_DIR is writable");
}
