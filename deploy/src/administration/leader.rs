//! Handing leadership over.

use pintle_apiserver::status::Error;

use super::{Administration, refused};
use crate::{
    node_id::NodeId,
    wire::{LeaderAnswer, LeaderRequest},
};

impl Administration {
    pub(super) async fn hand_over(&self, request: &LeaderRequest) -> Result<LeaderAnswer, Error> {
        let to = request.to.map(|to| to.0);
        let leader = self.store.hand_over(to).await.map_err(|error| refused(&error))?;
        tracing::info!(leader = %NodeId(leader), "leadership was handed over");
        Ok(LeaderAnswer { leader: NodeId(leader) })
    }
}
