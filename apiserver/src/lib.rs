//! The Kubernetes API: kinds, request pipeline, watch, discovery, OpenAPI, HTTP.
//!
//! Keeps: every request, from any source, passes the same pipeline.

#![allow(dead_code, reason = "pieces land one by one")]

pub mod tree;
pub mod schema;
pub mod codec;
pub mod quantity;
pub mod time;
pub mod field;
pub mod status;
pub mod names;
pub mod metadata;
pub mod user;
pub mod kind;
pub mod kinds;
pub mod age;
pub mod document;
pub mod discovery;
pub mod openapi;
pub mod health;
pub mod metrics;
pub mod version;
pub mod clock;
pub mod cluster;
pub mod request;
pub mod registry;
pub mod facts;
pub mod storage;
pub mod authentication;
pub mod authorization;
pub mod admission;
pub mod bootstrap;
pub mod eviction;
pub mod reviews;
pub mod selector;
pub mod options;
pub mod negotiation;
pub mod continuation;
pub mod reply;
pub mod table;
pub mod forms;
pub mod stream;
pub mod read;
pub mod body;
pub mod scope;
pub mod write;
pub mod endpoints;
pub mod virtual_kinds;
pub mod nonresource;
pub mod pipeline;
pub mod encode;
pub mod warning;
pub mod http;
pub mod expiry;
pub mod managed_fields;
pub mod patch;
pub mod apply;

pub use pipeline::Server;
pub use version::GIT_VERSION as VERSION;
