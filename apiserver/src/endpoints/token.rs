//! `serviceaccounts/NAME/token`: a token for a service account, perhaps bound to a pod, a Secret or a node.
//!
//! Keeps: a token is issued from a view behind a barrier, so nothing that is known to be gone is named in one.

use crate::admission::subject::Body;
use crate::admission::{Companions, Operation};
use crate::field::{FieldErrors, Path};
use crate::options::WriteOptions;
use crate::registry::{Registry, Resource};
use crate::reply::{Reply, TreeReply};
use crate::schema;
use crate::scope::Scope;
use crate::service_account::claims::{Claims, Kubernetes, Reference};
use crate::status::Error;
use crate::storage::View;
use crate::time;
use crate::tree::{Map, Node};
use crate::write::Stage;

const EXPIRATION_SECONDS_DEFAULT: i64 = 3600;
const EXPIRATION_SECONDS_MIN: i64 = 600;
const EXPIRATION_SECONDS_MAX: i64 = 1 << 32;
/// What the volume that admission gives to every pod asks for. Clients from before such tokens ended read theirs once,
/// so theirs lives on for a year, as upstream's does by default, and says that it should have been replaced.
const WARN_ONLY_SECONDS: i64 = 60 * 60 + 7;
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

impl Scope<'_> {
    /// POST of a TokenRequest.
    pub(super) async fn token(&mut self) -> Result<Reply, Error> {
        let subresource = *self.resource.kind.subresource("token").ok_or(Error::NoResource)?;
        let body_kind = subresource.body.ok_or(Error::NoResource)?;
        let mut request = self.special_body(&subresource)?;
        let view = View::new(self.server.reader().latest().await?);
        self.check_names(&request)?;
        let account =
            view.object(&self.resource, self.namespace(), self.name()).ok_or_else(|| self.not_found())?;
        request.map_mut("spec").set_default("expirationSeconds", EXPIRATION_SECONDS_DEFAULT);
        let dry_run = WriteOptions::parse(&self.request.query, "CreateOptions")?.dry_run;
        let stage = Stage::new(Operation::Create, &view, dry_run)
            .through(subresource.name)
            .showing(Body::Own(body_kind));
        let mut companions = Companions::default();
        self.admit(&stage, &mut request, &mut companions).await?;
        self.complete(&mut request);
        self.validate_admission(&stage, Some(&request), &mut companions).await?;
        let token = self.issue(&mut request, &account, &view)?;
        request.set("status", token);
        Ok(Reply::Tree(TreeReply {
            resource: None,
            api_version: format!("{}/{}", body_kind.group, body_kind.version),
            kind: body_kind.kind.to_owned(),
            schema: schema::builtin().find(body_kind.schema).ok_or(Error::NoResource)?,
            object: request,
            created: true,
        }))
    }

    fn check_names(&self, request: &Map) -> Result<(), Error> {
        let mut errors = FieldErrors::new();
        let path = Path::new("metadata");
        let namespace = self.namespace();
        if !request.name().is_empty() && request.name() != self.name() {
            let wrong = "must match the service account name if specified";
            errors.invalid(&path.child("name"), request.name(), wrong);
        } else if !request.namespace().is_empty() && request.namespace() != namespace {
            let wrong = "must match the service account namespace if specified";
            errors.invalid(&path.child("namespace"), request.namespace(), wrong);
        }
        self.refuse(self.name(), errors)
    }

    fn refuse(&self, name: &str, errors: FieldErrors) -> Result<(), Error> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid {
            group: "authentication.k8s.io".to_owned(),
            kind: "TokenRequest".to_owned(),
            name: name.to_owned(),
            errors,
        })
    }

    /// Fills in what the client left to the server.
    fn complete(&self, request: &mut Map) {
        let audiences = &self.server.cluster.api_audiences;
        let spec = request.map_mut("spec");
        if spec.list("audiences").is_empty() {
            spec.set("audiences", audiences.iter().map(|it| Node::from(it.as_str())).collect::<Node>());
        }
        let (name, namespace) = (self.name().to_owned(), self.namespace().to_owned());
        let metadata = request.metadata_mut();
        metadata.set("name", name);
        metadata.set("namespace", namespace);
        metadata.set("creationTimestamp", self.now.as_str());
    }

    /// The status of a request that is whole.
    fn issue(&self, request: &mut Map, account: &Map, view: &View) -> Result<Map, Error> {
        let Some(tokens) = &self.server.cluster.service_account_tokens else {
            return Err(Error::NotImplemented("this server has no key to sign tokens with".to_owned()));
        };
        let empty = Map::new();
        let spec = request.map("spec").unwrap_or(&empty);
        let seconds = spec.int("expirationSeconds").unwrap_or(EXPIRATION_SECONDS_DEFAULT);
        let mut errors = FieldErrors::new();
        let path = Path::new("spec");
        if seconds < EXPIRATION_SECONDS_MIN {
            let wrong = "may not specify a duration less than 10 minutes";
            errors.invalid(&path.child("expirationSeconds"), seconds, wrong);
        } else if seconds > EXPIRATION_SECONDS_MAX {
            let wrong = "may not specify a duration larger than 2^32 seconds";
            errors.invalid(&path.child("expirationSeconds"), seconds, wrong);
        }
        self.refuse("", errors)?;
        let mut kubernetes = Kubernetes {
            namespace: self.namespace().to_owned(),
            serviceaccount: Some(reference(account)),
            ..Kubernetes::default()
        };
        if let Some(bound) = spec.map("boundObjectRef") {
            self.bind(&mut kubernetes, bound, view)?;
        }
        let audiences: Vec<String> =
            spec.list("audiences").iter().filter_map(Node::as_str).map(str::to_owned).collect();
        let now = time::seconds_of(&self.now).unwrap_or_default();
        let own = &self.server.cluster.api_audiences;
        let mut lifetime = seconds;
        if seconds == WARN_ONLY_SECONDS
            && kubernetes.pod.is_some()
            && audiences.iter().all(|audience| own.contains(audience))
        {
            kubernetes.warnafter = Some(now + seconds);
            lifetime = EXTENDED_SECONDS;
        }
        let claims = Claims {
            aud: audiences,
            exp: Some(now + lifetime),
            iat: Some(now),
            iss: tokens.issuer().to_owned(),
            jti: self.server.clock.uuid(),
            kubernetes: Some(kubernetes),
            nbf: Some(now),
            sub: format!("system:serviceaccount:{}:{}", self.namespace(), self.name()),
            ..Claims::default()
        };
        let id = || format!("JTI={}", claims.jti);
        self.request.annotate("authentication.kubernetes.io/issued-credential-id", id);
        let token = tokens
            .issue(&claims)
            .map_err(|why| Error::Internal(format!("failed to generate token: {why}")))?;
        Ok(Map::from([
            ("token", Node::from(token)),
            ("expirationTimestamp", time::format_seconds(now + seconds).into()),
        ]))
    }

    /// Binds a token to the object that the request names.
    fn bind(&self, claims: &mut Kubernetes, bound: &Map, view: &View) -> Result<(), Error> {
        let name = bound.str("name");
        let kind = bound.str("kind");
        let find = |plural: &str, namespace: &str| {
            let object = view.object(builtin(plural), namespace, name);
            object.ok_or_else(|| Error::not_found(plural, name))
        };
        let (group, version) = match bound.str("apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", bound.str("apiVersion")),
        };
        let object = match (group, kind) {
            ("", "Pod") => {
                let pod = find("pods", self.namespace())?;
                if pod.str_at(&["spec", "serviceAccountName"]) != self.name() {
                    return Err(Error::BadRequest(format!(
                        "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                        self.name()
                    )));
                }
                let node = pod.str_at(&["spec", "nodeName"]);
                if !node.is_empty() {
                    let stored = view.object(builtin("nodes"), "", node);
                    // A pod may be on a node that is not registered yet.
                    let nameless = || Reference { name: node.to_owned(), uid: String::new() };
                    claims.node = Some(stored.as_ref().map_or_else(nameless, reference));
                }
                claims.pod = Some(reference(&pod));
                pod
            }
            ("", "Node") => {
                let node = find("nodes", "")?;
                claims.node = Some(reference(&node));
                node
            }
            ("", "Secret") => {
                let secret = find("secrets", self.namespace())?;
                claims.secret = Some(reference(&secret));
                secret
            }
            _ => {
                return Err(Error::BadRequest(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={kind}"
                )));
            }
        };
        let (uid, asked) = (object.str_at(&["metadata", "uid"]), bound.str("uid"));
        if !asked.is_empty() && asked != uid {
            return Err(Error::Conflict {
                resource: kind.to_owned(),
                name: name.to_owned(),
                cause: format!(
                    "the UID in the bound object reference ({asked}) does not match the UID in record. The object might have been deleted and then recreated"
                ),
            });
        }
        Ok(())
    }
}

fn reference(object: &Map) -> Reference {
    Reference { name: object.name().to_owned(), uid: object.str_at(&["metadata", "uid"]).to_owned() }
}

fn builtin(plural: &str) -> &'static Resource {
    Registry::builtin().storage_of("", plural).expect("the core kinds are built in")
}
