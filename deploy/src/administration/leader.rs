//! Handing leadership over.

use std::time::Duration;

use pintle_apiserver::status::Error;

use super::{Administration, refused};
use crate::{
    node_id::NodeId,
    wire::{LeaderAnswer, LeaderRequest},
};

/// How long the new leader may take to be heard.
const HEARING_PATIENCE: Duration = Duration::from_secs(3);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

impl Administration {
    pub(super) async fn hand_over(&self, request: &LeaderRequest) -> Result<LeaderAnswer, Error> {
        let to = request.to.map(|to| to.0);
        let mut leader = self.store.hand_over(to).await.map_err(|error| refused(&error))?;
        // The other one leads; this node hears of it a moment later.
        let heard = async {
            while leader == 0 {
                tokio::time::sleep(LOOK_INTERVAL).await;
                leader = self.store.status().leader;
            }
        };
        if tokio::time::timeout(HEARING_PATIENCE, heard).await.is_err() {
            return Err(Error::Unavailable("leadership was given up, but nobody took it yet".to_owned()));
        }
        tracing::info!(leader = %NodeId(leader), "leadership was handed over");
        Ok(LeaderAnswer { leader: NodeId(leader) })
    }
}
