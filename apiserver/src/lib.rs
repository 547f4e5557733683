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
