//! The Kubernetes API: kinds, request pipeline, watch, discovery, OpenAPI, HTTP.
//!
//! Keeps: every request, from any source, passes the same pipeline.

pub mod admission;
pub mod age;
pub mod aggregation;
pub mod apply;
pub mod audit;
pub mod authentication;
pub mod authorization;
pub mod body;
pub mod bootstrap;
pub mod cel;
pub mod clock;
mod closing;
pub mod cluster;
pub mod codec;
pub mod connect;
pub mod continuation;
pub mod custom;
pub mod discovery;
pub mod document;
pub mod encode;
pub mod endpoints;
pub mod eviction;
pub mod expiry;
pub mod extension;
pub mod facts;
pub mod field;
pub mod forms;
pub mod health;
pub mod http;
pub mod identity;
mod keep_alive;
pub mod kind;
pub mod kinds;
pub mod managed_fields;
pub mod metadata;
pub mod metrics;
pub mod names;
pub mod negotiation;
pub mod nonresource;
pub mod openapi;
pub mod options;
pub mod patch;
pub mod pipeline;
pub mod quantity;
pub mod read;
pub mod registry;
pub mod remote;
pub mod reply;
pub mod request;
pub mod reviews;
pub mod schema;
pub mod scope;
pub mod selector;
pub mod service_account;
pub mod status;
pub mod storage;
pub mod stream;
pub mod structural;
pub mod table;
pub mod templates;
pub mod time;
pub mod tree;
pub mod user;
pub mod version;
pub mod virtual_kinds;
pub mod warning;
pub mod webhook;
pub mod write;

pub use pipeline::Server;
pub use version::GIT_VERSION as VERSION;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod wakes;
