//! The Kubernetes API: kinds, request pipeline, watch, discovery, OpenAPI, HTTP.
