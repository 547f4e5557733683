//! A node that was removed from its cluster finds out: the others do not talk to it any more, so the log may not say it.
//! Keeps: beside the log only the word of a leader of the same cluster counts, and only while this node hears no leader; a
//! node that is merely cut off goes on waiting.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pintle_apiserver::Server;
use pintle_store::Store;

use crate::{
    client::Client,
    directory,
    error::Error,
    kubeconfig_file::KubeconfigFile,
    node_id::NodeId,
    wire::{self, MembersReport, StatusReport},
};

/// How often a node without a leader asks, and so how long it waits at least.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long another node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves when this node is no member of its cluster any more.
pub(crate) async fn removed(store: Store, server: Arc<Server>, admin_kubeconfig: PathBuf) {
    let mut alone = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let (own, members) = (store.status().node, store.members());
        // Its own log may have said so, just before the others fell silent.
        if !members.is_empty() && members.iter().all(|member| member.node != own) {
            return;
        }
        let was_alone = std::mem::replace(&mut alone, store.status().leader == 0);
        if !(alone && was_alone) {
            continue;
        }
        match ask(&store, &server, &admin_kubeconfig).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the other members cannot be asked"),
        }
    }
}

/// Whether some other node leads this cluster and does not count this one among its members.
async fn ask(store: &Store, server: &Server, admin_kubeconfig: &Path) -> Result<bool, Error> {
    let status = store.status();
    let (cluster, own) = (NodeId(status.cluster), NodeId(status.node));
    let client = Client::of(&KubeconfigFile::read(admin_kubeconfig)?)?;
    for (node, entry) in directory::read(server) {
        let Ok(address) = entry.api_address.parse() else { continue };
        if node == own {
            continue;
        }
        let client = client.at(address);
        let asking = async {
            let status: StatusReport = client.get(wire::STATUS).await?;
            let members: MembersReport = client.get(wire::MEMBERS).await?;
            Ok::<_, Error>((status, members))
        };
        let Ok(Ok((status, report))) = tokio::time::timeout(ANSWER_TIMEOUT, asking).await else { continue };
        let leads = status.cluster == cluster && status.leader == Some(status.node);
        if leads && report.members.iter().all(|member| member.id != own) {
            return Ok(true);
        }
    }
    Ok(false)
}
