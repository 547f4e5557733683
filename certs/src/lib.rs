//! The certificate authorities, leaves, service-account keys and kubeconfigs of a control plane.
//!
//! Invariant: no private key leaves this crate except to the file (or stream) it was asked to write. Keys are
//! ECDSA P-256, because an RSA key would cost more start-up time than everything else together.
//!
//! Time is always given by the caller; nothing here reads a clock or the environment.
#![warn(missing_docs)]

mod authority;
mod authority_hash;
mod bundle;
mod current;
mod error;
mod files;
mod front_proxy;
mod inventory;
mod join_tls;
mod kubeconfig;
mod kubelet_tls;
mod leaf;
mod names;
mod peer;
mod pki;
mod server_tls;
mod service_account_keys;
mod subject;
mod token;

pub use authority_hash::AuthorityHash;
pub use bundle::Bundle;
pub use error::{Error, Result};
pub use front_proxy::FrontProxy;
pub use inventory::{Content, Entry, Inventory, Problem};
pub use join_tls::{pinned_client, unverified_client};
pub use kubeconfig::{Kubeconfig, server_of};
pub use kubelet_tls::KubeletTls;
pub use names::ServerNames;
pub use peer::{PeerNames, PeerTls, peer_name};
pub use pki::Pki;
pub use server_tls::ServerTls;
pub use service_account_keys::ServiceAccountKeys;
pub use token::Token;
