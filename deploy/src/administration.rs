//! The administration of the cluster below `/pintle/v1/`: what commands and joining nodes ask of a running server.
//!
//! Keeps: nothing here decides who may ask; the API server's pipeline has authenticated and authorized every request,
//! by path and method, before it gets here.

mod join;
mod leader;
mod members;
mod snapshot;
mod status;
mod token;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::Method;
use pintle_apiserver::{
    Server,
    extension::{Answering, Extension},
    reply::{Content, Reply},
    request::Request,
    status::Error,
    user::User,
};
use pintle_store::{Links, MemberError, Store};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{address::HostPort, node_id::NodeId, wire};

/// What the administration of a node needs to know.
pub(crate) struct Administration {
    pub(crate) store: Store,
    /// The connections to other nodes, when there is a port for them.
    pub(crate) links: Option<watch::Receiver<Links>>,
    pub(crate) pki: PathBuf,
    pub(crate) authority: String,
    /// Where this node serves the Kubernetes API.
    pub(crate) api_address: HostPort,
    pub(crate) service_cidr: String,
}

impl Extension for Administration {
    fn prefix(&self) -> &str {
        wire::PREFIX
    }

    fn answer<'a>(&'a self, server: &'a Server, _: &'a User, request: &'a Request) -> Answering<'a> {
        Box::pin(self.dispatch(server, request))
    }
}

impl Administration {
    async fn dispatch(&self, server: &Server, request: &Request) -> Result<Reply, Error> {
        let path = request.attributes.path.as_str();
        let get = matches!(request.method, Method::GET | Method::HEAD);
        let post = request.method == Method::POST;
        match path {
            wire::AUTHORITY if get => {
                let authority = Bytes::from(self.authority.clone());
                Ok(Reply::Content("application/x-pem-file", Content::Whole(authority)))
            }
            wire::STATUS if get => json(&self.status(server)),
            wire::MEMBERS if get => json(&self.members(server).await),
            wire::SNAPSHOT if get => Ok(self.snapshot(server)),
            wire::JOIN_TOKEN if get => json(&token::report(server, request)?),
            wire::JOIN if post => json(&self.join(server, &body(request)?).await?),
            wire::JOIN_MEMBER if post => json(&self.take_in(server, &body(request)?).await?),
            wire::LEADER if post => json(&self.hand_over(&body(request)?).await?),
            wire::AUTHORITY
            | wire::STATUS
            | wire::MEMBERS
            | wire::SNAPSHOT
            | wire::JOIN
            | wire::JOIN_TOKEN
            | wire::JOIN_MEMBER
            | wire::LEADER => Err(Error::MethodNotAllowed),
            _ => {
                let member = path.strip_prefix(wire::MEMBERS).and_then(|rest| rest.strip_prefix('/'));
                let id = member.ok_or(Error::NoPath)?.parse::<NodeId>().map_err(Error::BadRequest)?;
                match request.method {
                    Method::DELETE => json(&self.remove(server, id).await?),
                    _ => Err(Error::MethodNotAllowed),
                }
            }
        }
    }
}

fn json(answer: &impl Serialize) -> Result<Reply, Error> {
    let text = serde_json::to_vec(answer).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Reply::Content("application/json", Content::Whole(Bytes::from(text))))
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Error> {
    serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(format!("the body: {error}")))
}

/// What a refused change of membership means for whoever asked.
fn refused(error: &MemberError) -> Error {
    match error {
        MemberError::Busy
        | MemberError::NotCaughtUp { .. }
        | MemberError::NoLeader
        | MemberError::NotTaken
        | MemberError::Unknown => Error::Unavailable(error.to_string()),
        MemberError::NoSuchMember(node) => Error::BadRequest(format!(
            "no member with the id {} can be asked for this: see the ids and roles in `pintle members`",
            NodeId(*node)
        )),
        MemberError::Needed(node) => Error::BadRequest(format!(
            "node {} leads or is the last voter: hand leadership over with `pintle leader transfer` first",
            NodeId(*node)
        )),
        _ => Error::BadRequest(error.to_string()),
    }
}

/// The server's administration, as the API server takes it.
pub(crate) fn extension(administration: Administration) -> Arc<dyn Extension> {
    Arc::new(administration)
}
