//! The control loops and the runtime that drives them.
//!
//! Invariant: a reconcile depends on observed state, never on the event that woke it.
//!
//! # A controller is one file
//!
//! ```text
//! //! Keeps a ConfigMap `motd` in every namespace.
//! pub const CONTROLLER: Controller = Controller {
//!     name: "motd-controller",            // also its service account in kube-system
//!     watches: |watches| {
//!         watches.primary::<Namespace>(); // keys are namespaces; a Digest type says what is kept of one
//!         watches.watch::<ConfigMap>(|change, _view, put| {
//!             change.newest().filter(|it| it.meta.name == "motd").into_iter()
//!                 .for_each(|it| put(Key::new("", it.meta.namespace.clone())));
//!         });
//!     },
//!     shape: Shape::Plan(plan),
//!     ..Controller::DEFAULT
//! };
//! fn plan(key: &Key, view: &View, _now: Timestamp) -> Plan {
//!     let Some(namespace) = view.of::<Namespace>().by_key(key) else { return Plan::done() };
//!     if namespace.phase != "Active" || view.of::<ConfigMap>().get(&key.name, "motd").is_some() {
//!         return Plan::done();
//!     }
//!     let object = json!({ "metadata": { "namespace": key.name, "name": "motd" } });
//!     Plan::from(vec![Action::Create { resource: ConfigMap::RESOURCE, object }])
//! }
//! ```
//!
//! Digest types that several controllers share are in [`digests`]; the runtime extracts each once per event. A plan may
//! assume that the view has seen everything that earlier plans for its key wrote. Tests start controllers on the fake
//! API of `fake.rs` and let time pass by hand. The loops of [`runtime`] that need more use `Shape::Reconcile` or
//! `Shape::Loop`.

#![warn(missing_docs)]

pub mod api;
pub mod clock;
mod context;
mod controller;
mod digest;
pub mod digests;
mod event;
mod key;
mod plan;
pub mod runtime;
pub mod settings;
mod view;

pub use context::Context;
pub use controller::{Controller, Mapping, Next, Reconcile, Shape, own_key};
pub use digest::{Change, Digest, Held, Index};
pub use event::{Event, Regarding, Severity};
pub use key::Key;
pub use plan::{Action, Plan};
pub use view::{Snapshot, View};

#[cfg(test)]
mod fake;

mod garbage_collector;
mod namespace;
mod persistent_volume_claim_protection;
mod persistent_volume_protection;
mod pod_garbage_collector;
mod protection;
mod volume_attributes_class_protection;

#[cfg(test)]
mod endpoint_fixture;
mod endpoint_packing;
mod endpoint_pods;
mod endpoint_topology;

mod bootstrap_signer;
mod custom_resource_deletion;
mod custom_resource_names;
mod endpoint_slice_mirroring;
mod endpoint_slices;
mod endpoints;
mod legacy_token_cleaner;
mod resource_quota;
mod root_ca_cert_publisher;
mod service_account;
mod service_account_token;
mod system_namespaces;
mod token_cleaner;

/// Every controller.
pub const ALL: &[&Controller] = &[
    &namespace::CONTROLLER,
    &system_namespaces::CONTROLLER,
    &custom_resource_names::CONTROLLER,
    &custom_resource_deletion::CONTROLLER,
    &garbage_collector::CONTROLLER,
    &pod_garbage_collector::CONTROLLER,
    &persistent_volume_claim_protection::CONTROLLER,
    &persistent_volume_protection::CONTROLLER,
    &volume_attributes_class_protection::CONTROLLER,
    &endpoints::CONTROLLER,
    &endpoint_slices::CONTROLLER,
    &endpoint_slice_mirroring::CONTROLLER,
    &resource_quota::CONTROLLER,
    &root_ca_cert_publisher::CONTROLLER,
    &service_account::CONTROLLER,
    &service_account_token::CONTROLLER,
    &token_cleaner::CONTROLLER,
    &legacy_token_cleaner::CONTROLLER,
    &bootstrap_signer::CONTROLLER,
];
