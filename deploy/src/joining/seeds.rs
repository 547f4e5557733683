//! The servers through which a node joins. Keeps: each of them is one of the authority that the operator named; whoever
//! answered last is asked first, and whoever does not answer costs no more than the time to find that out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use pintle_certs::{Token, pinned_client, unverified_client};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    address::HostPort,
    cli::JoinArgs,
    client::{Client, ClientError},
    error::Error,
    print::print,
    wire::{self, TokenReport, TokenState},
};

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Seeds {
    /// One for each address; never empty.
    clients: Vec<Client>,
    /// Which one answered last.
    answering: AtomicUsize,
    token: Token,
}

impl Seeds {
    /// Finds a server that has the authority with the given hash; from then on no other authority is trusted.
    pub(super) async fn introduce(addresses: &[HostPort], join: &JoinArgs) -> Result<Seeds, Error> {
        let anybody = Arc::new(unverified_client()?);
        let mut failed = Error::JoinIncomplete;
        for (number, address) in addresses.iter().enumerate() {
            let client = Client::new(address.clone(), anybody.clone(), None);
            match client.text(wire::AUTHORITY).await {
                Ok(authority) => {
                    let tls = Arc::new(pinned_client(&authority, join.hash)?);
                    let token = join.token.to_string();
                    let client =
                        |address: &HostPort| Client::new(address.clone(), tls.clone(), Some(token.clone()));
                    return Ok(Seeds {
                        clients: addresses.iter().map(client).collect(),
                        answering: AtomicUsize::new(number),
                        token: join.token.clone(),
                    });
                }
                Err(error) => failed = Error::Join(error),
            }
        }
        Err(failed)
    }

    /// The client of the server that answered last.
    pub(super) fn answering(&self) -> &Client {
        &self.clients[self.answering.load(Ordering::Relaxed) % self.clients.len()]
    }

    /// Asks again while the cluster is busy or silent, as often as `tries` says.
    pub(super) async fn insist<T: DeserializeOwned>(
        &self,
        meanwhile: &str,
        tries: Option<usize>,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Error> {
        let mut said = String::new();
        let mut tried = 0;
        loop {
            let error = match self.post(path, request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried += 1;
            let busy =
                matches!(error.code(), Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT));
            if !(busy || error.is_unanswered()) || tries.is_some_and(|tries| tried >= tries) {
                return Err(self.refused(error).await);
            }
            let why = error.to_string();
            if why != said {
                print(&format!("joining: {meanwhile} ({why}), trying again\n"));
                said = why;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Asks one server after the other until one answers.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, ClientError> {
        let mut rest = self.clients.len();
        loop {
            let answer = self.answering().post(path, request).await;
            rest -= 1;
            match answer {
                Err(error) if error.is_unanswered() => {
                    self.answering.fetch_add(1, Ordering::Relaxed);
                    if rest == 0 {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// What a refusal means for whoever joins.
    async fn refused(&self, error: ClientError) -> Error {
        match error.code() {
            Some(StatusCode::UNAUTHORIZED) => {
                // A server that cannot say it, or not now, leaves it at the general sentence.
                let report = self.answering().about_token().get(wire::JOIN_TOKEN).await.ok();
                about(self.token.id(), report)
            }
            Some(StatusCode::FORBIDDEN) => Error::JoinForbidden,
            _ => Error::Join(error),
        }
    }
}

fn about(id: &str, report: Option<TokenReport>) -> Error {
    let id = id.to_owned();
    match report {
        Some(TokenReport { state: TokenState::Unknown, .. }) => Error::JoinTokenUnknown { id },
        Some(TokenReport { state: TokenState::OtherSecret, .. }) => Error::JoinTokenSecret { id },
        Some(TokenReport { state: TokenState::Expired, expiration }) => {
            Error::JoinTokenExpired { id, expiration: expiration.unwrap_or_default() }
        }
        Some(TokenReport { state: TokenState::OtherUse, .. }) => Error::JoinForbidden,
        Some(TokenReport { state: TokenState::Good, .. }) | None => Error::JoinToken,
    }
}
