//! Paths outside resources that somebody else answers: the administration of the program around this server.
//!
//! Keeps: a request gets there through the same pipeline as every other one, authenticated and authorized by its path
//! (`nonResourceURLs`) and lower-case method; an extension only answers it.

use std::future::Future;
use std::pin::Pin;

use crate::pipeline::Server;
use crate::reply::Reply;
use crate::request::Request;
use crate::status::Error;
use crate::user::User;

/// What an extension makes of a request.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>;

/// Answers all paths below a prefix, whatever their method.
pub trait Extension: Send + Sync {
    /// `/example/v1/`, never a path of Kubernetes.
    fn prefix(&self) -> &str;

    /// Answers a request of a user who may make it.
    fn answer<'a>(&'a self, server: &'a Server, user: &'a User, request: &'a Request) -> Answering<'a>;
}
