//! The scope of one request: who asks, for what, when, and the warnings gathered on the way.

use std::sync::Arc;

use crate::admission::webhooks::Asked;
use crate::body::Expected;
use crate::managed_fields;
use crate::negotiation::{Form, Transform};
use crate::pipeline::Server;
use crate::read::Reader;
use crate::registry::Resource;
use crate::request::{Attributes, Request};
use crate::selector::Selection;
use crate::status::Error;
use crate::templates::Template;
use crate::user::User;
use crate::warning::Warnings;

/// One request for a resource.
pub struct Scope<'a> {
    /// The server.
    pub server: &'a Server,
    /// Who asks.
    pub user: &'a User,
    /// The request.
    pub request: &'a Request,
    /// The resource in the version asked for.
    pub resource: Arc<Resource>,
    /// The form of the answer.
    pub form: Form,
    /// When the request came, canonical.
    pub now: String,
    /// Warning headers.
    pub warnings: Warnings,
    /// The field manager of writes.
    pub manager: String,
    /// Managed fields are not computed (objects that the server makes for itself).
    pub skip_ownership: bool,
    /// The body wants a generated name.
    pub generated: bool,
    /// What webhooks have answered.
    pub asked: Asked,
    /// The uid of an object that is created: the same in every attempt.
    pub new_uid: Option<String>,
    /// What is known of the spec of an object that is created.
    pub template: Option<Arc<Template>>,
}

impl<'a> Scope<'a> {
    /// The scope of a request whose resource was found.
    pub fn new(
        server: &'a Server,
        user: &'a User,
        request: &'a Request,
        resource: Arc<Resource>,
        form: Form,
    ) -> Scope<'a> {
        let mut warnings = Warnings::new();
        warnings.push(resource.kind.deprecation.to_owned());
        if !resource.kind.deprecation.is_empty() {
            request.annotate("k8s.io/deprecated", || "true".to_owned());
        }
        let now = server.clock.now();
        let manager = request.field_manager();
        Scope {
            server,
            user,
            request,
            resource,
            form,
            now,
            warnings,
            manager,
            skip_ownership: false,
            generated: false,
            asked: Asked::default(),
            new_uid: None,
            template: None,
        }
    }

    /// The read side, for objects in the version and the form of the request.
    pub fn reader(&self, selection: &Selection) -> Reader<'a> {
        // Metadata is the same in all versions, unless it is asked what an object has in one of them.
        let is_seen = self.form.transform != Transform::Metadata || selection.looks_into_objects();
        let converts = self.resource.is_converted() && is_seen;
        Reader { converter: converts.then_some(self.server), ..self.server.reader() }
    }

    /// What the path asks for.
    pub fn attributes(&self) -> &'a Attributes {
        &self.request.attributes
    }

    /// The namespace of the object; empty at cluster scope.
    pub fn namespace(&self) -> &'a str {
        if self.resource.namespaced() { &self.request.attributes.namespace } else { "" }
    }

    /// The object's name in the path.
    pub fn name(&self) -> &'a str {
        &self.request.attributes.name
    }

    /// Whether the request is a PUT.
    pub fn is_put(&self) -> bool {
        self.request.method == http::Method::PUT
    }

    /// Whether a new object's name is made by the server.
    pub fn generates_name(&self) -> bool {
        self.generated
    }

    /// What a body of the resource itself must be.
    pub fn expected(&self) -> Expected<'_> {
        Expected {
            api_version: &self.resource.api_version,
            kind: self.resource.kind.names.kind,
            schema: self.resource.schema,
            custom: self.resource.custom.as_ref(),
        }
    }

    /// Whose fields a write owns.
    pub fn ownership<'b>(&'b self, subresource: &'b str) -> managed_fields::Context<'b> {
        managed_fields::Context {
            manager: &self.manager,
            api_version: &self.resource.api_version,
            subresource,
            now: &self.now,
            reset: self.never_owned(subresource),
            known: None,
            elsewhere: &[],
        }
    }

    /// Top-level fields that an endpoint does not write and so never owns.
    pub fn never_owned(&self, subresource: &str) -> &'static [&'static [&'static str]] {
        match subresource {
            "status" => &[&["spec"]],
            _ if self.resource.kind.subresource("status").is_some() => &[&["status"]],
            _ => &[],
        }
    }

    /// 404 for the object in the path.
    pub fn not_found(&self) -> Error {
        Error::not_found(self.resource.group_resource.as_str(), self.name())
    }
}
