//! The Kubernetes API: kinds, request pipeline, watch, discovery, OpenAPI, HTTP.
//!
//! Keeps: every request, from any source, passes the same pipeline.

#![allow(dead_code, reason = "pieces land one by one")]

pub mod codec;
pub mod schema;
pub mod tree;
