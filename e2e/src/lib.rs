//! What the end-to-end tests and the load program are made of: the built `pintle` binary as a process, the real
//! clients that talk to it, a small HTTP/2 client for load, and simulated nodes.
//!
//! Invariant: nothing here knows the server's inside; tests see what a user sees.
#![warn(missing_docs)]

pub mod clients;
pub mod cluster;
pub mod differential;
pub mod https;
pub mod kubeconfig;
pub mod kubelet_port;
pub mod kubelets;
pub mod load;
pub mod process;
pub mod rig;
pub mod server;
pub mod webhook;
