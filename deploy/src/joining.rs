//! A node that joins a running cluster (`pintle server --join`): the keys first, then its place among the members, then
//! the state.
//!
//! Keeps: the token is shown to nobody but a server of the authority that the operator named by its hash; the ids that
//! the cluster assigned are on disk before the store is made, and the file that holds them is there until the state has
//! arrived, so a node that dies in between goes on where it was.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use pintle_certs::{AuthorityHash, Bundle, Token};
use pintle_store::{Founding, Member, MemberRole, Store};
use serde::{Deserialize, Serialize};

use crate::{
    address::HostPort,
    cli::{JoinArgs, ServerArgs},
    clock,
    error::Error,
    layout,
    node_id::NodeId,
    print::print,
    service_networks::ServiceNetworks,
    size::Size,
    wire::{self, JoinAnswer, JoinRequest, MemberAddress, MemberRequest, MembersReport},
};

/// Certificates are made valid from a moment before now; beyond this difference they, or tokens, would not be.
const CLOCK_SKEW_SECONDS_MAX: u64 = 60;
/// How long a node that joins waits to become a voter before it serves all the same.
const PROMOTION_PATIENCE: Duration = Duration::from_secs(10);
/// How long a state that has arrived may take to be published.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(5);
/// How often it is shown how much has arrived.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// How often the keys are asked for, a second apart: a cluster without a leader has one again by then.
const KEYS_TRIES_MAX: usize = 60;

mod seeds;

use seeds::Seeds;

/// A node that has not joined completely.
pub(crate) struct Joining {
    file: PathBuf,
    plan: Plan,
    /// Through whom it joins; none when the operator does not say so any more.
    seeds: Option<Seeds>,
    /// Whether this goes on with an earlier start.
    resumed: bool,
}

/// What the cluster has assigned.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    cluster: NodeId,
    node: NodeId,
    members: Vec<MemberAddress>,
    /// About how much this node will receive.
    stored_bytes: u64,
}

impl Joining {
    /// Finds out whether this node is to join, and gets the keys if it has none.
    pub(crate) async fn prepare(
        args: &ServerArgs,
        service_networks: &ServiceNetworks,
        initialised: bool,
        peer_address: Option<&HostPort>,
    ) -> Result<Option<Joining>, Error> {
        let file = layout::joining(&args.data_dir);
        let plan = read(&file)?;
        let resumed = plan.is_some();
        if plan.is_none() && initialised {
            if !args.join.is_empty() {
                tracing::info!("this node belongs to a cluster already, so --join is ignored");
            }
            return Ok(None);
        }
        let (plan, seeds) = match plan {
            None if args.join.is_empty() => return Ok(None),
            Some(plan) if args.join.is_empty() => (plan, None),
            plan => {
                let peer_address = peer_address.ok_or(Error::JoinWithoutPeerPort)?;
                let join = JoinArgs::of(args)?;
                match (plan, Seeds::introduce(&args.join, &join).await) {
                    (None, seeds) => {
                        let seeds = seeds?;
                        let plan = get_keys(args, &join, &seeds, peer_address, service_networks).await?;
                        write(&args.data_dir, &file, &plan)?;
                        (plan, Some(seeds))
                    }
                    (Some(plan), Ok(seeds)) => (plan, Some(seeds)),
                    (Some(plan), Err(error)) => {
                        tracing::warn!(%error, "the cluster cannot be asked again; waiting for its state");
                        (plan, None)
                    }
                }
            }
        };
        Ok(Some(Joining { file, plan, seeds, resumed }))
    }

    /// What the store of this node becomes.
    pub(crate) fn founding(&self) -> Founding {
        Founding { cluster: self.plan.cluster.0, node: self.plan.node.0, voters: Vec::new() }
    }

    /// Where the members are, before the membership tells.
    pub(crate) fn addresses(&self) -> BTreeMap<u64, String> {
        self.plan.members.iter().map(|member| (member.node.0, member.address.clone())).collect()
    }

    /// Has this node taken in and waits until the state has arrived.
    pub(crate) async fn complete(self, store: &Store, peer_address: &HostPort) -> Result<(), Error> {
        let arrived = async {
            tokio::select! {
                () = arrived(store) => {}
                () = self.show_progress() => {}
            }
        };
        tokio::pin!(arrived);
        tokio::select! {
            () = &mut arrived => {}
            admitted = self.admit(peer_address) => {
                match admitted {
                    Ok(()) => print("joining: taken in as a learner, waiting for the state\n"),
                    // The cluster may know this node already, though the token has expired meanwhile.
                    Err(error) if self.resumed && error.is_about_token() => {
                        tracing::warn!(
                            %error,
                            "waiting for the state, because the cluster may have taken this node in before; if none \
                             comes, start it with a new token"
                        );
                    }
                    Err(error) => return Err(error),
                }
                arrived.await;
            }
        }
        // The membership is told a moment before the state is published; every cluster has written something.
        let _ = store.state_at_least(1, PUBLISH_PATIENCE).await;
        let status = store.status();
        let size = Size(status.stored_bytes);
        print(&format!("joining: received the state, {size} up to revision {}\n", status.revision));
        let promoted = tokio::time::timeout(PROMOTION_PATIENCE, became(store, MemberRole::Voter)).await;
        print(match promoted {
            Ok(()) => "joining: this node votes\n",
            Err(_) => "joining: this node will vote when it has caught up\n",
        });
        fs::remove_file(&self.file).map_err(|source| Error::JoinFile { path: self.file.clone(), source })
    }

    /// Shows how much of the state has arrived, as far as it is on the disk already. Never ends.
    async fn show_progress(&self) {
        let mut shown = 0;
        loop {
            tokio::time::sleep(PROGRESS_INTERVAL).await;
            let here = self.file.parent().map_or(0, |data_dir| bytes_below(&data_dir.join("state")));
            if here > shown {
                let (here, all) = (Size(here), Size(self.plan.stored_bytes.max(here)));
                print(&format!("joining: received {here} of about {all}\n"));
            }
            shown = shown.max(here);
        }
    }

    /// Asks to be taken in, again while the cluster is busy.
    async fn admit(&self, peer_address: &HostPort) -> Result<(), Error> {
        let Some(seeds) = &self.seeds else {
            print(
                "joining: waiting for the state; if the cluster does not know this node, start it with --join\n",
            );
            return Ok(());
        };
        let request = MemberRequest { node: self.plan.node, peer_address: peer_address.to_string() };
        seeds.insist::<MembersReport>("not yet taken in", None, wire::JOIN_MEMBER, &request).await.map(drop)
    }
}

/// Resolves when the state has arrived, which tells this node the membership.
async fn arrived(store: &Store) {
    wait_for(store, |_| true).await;
}

/// Resolves when this node has a role.
async fn became(store: &Store, role: MemberRole) {
    wait_for(store, |member| member.role == role).await;
}

/// Resolves when this node is such a member.
async fn wait_for(store: &Store, wanted: impl Fn(&Member) -> bool) {
    let own = store.status().node;
    loop {
        // Asked for before looking, so that no change is overlooked.
        let changed = store.members_changed();
        if store.members().iter().any(|member| member.node == own && wanted(member)) {
            return;
        }
        changed.await;
    }
}

/// Gets the keys of the cluster and installs them.
async fn get_keys(
    args: &ServerArgs,
    join: &JoinArgs,
    seeds: &Seeds,
    peer_address: &HostPort,
    service_networks: &ServiceNetworks,
) -> Result<Plan, Error> {
    let request = JoinRequest { peer_address: peer_address.to_string() };
    let answer: JoinAnswer =
        seeds.insist("the keys are not there yet", Some(KEYS_TRIES_MAX), wire::JOIN, &request).await?;
    let now = clock::now();
    let skew = now.as_second().abs_diff(answer.unix_seconds);
    if skew > CLOCK_SKEW_SECONDS_MAX {
        return Err(Error::JoinClock { address: seeds.answering().address.clone(), seconds: skew });
    }
    if answer.service_cidr != service_networks.to_string() {
        return Err(Error::JoinServiceCidr { cidr: answer.service_cidr });
    }
    let node = answer.node;
    let members = answer.members.len();
    let bundle = Bundle::parse(&answer.bundle)?;
    let directory = layout::pki(&args.data_dir);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(&args.data_dir)
        .map_err(|source| Error::JoinFile { path: args.data_dir.clone(), source })?;
    bundle.install(&directory, join.hash, now)?;
    print(&format!(
        "joining: received the keys of cluster {}, which has {members} members\n",
        answer.cluster
    ));
    print(&format!("joining: this node is {node}\n"));
    let JoinAnswer { cluster, members, stored_bytes, .. } = answer;
    Ok(Plan { cluster, node, members, stored_bytes })
}

/// The bytes of all files below a directory; what disappears meanwhile does not count.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

fn read(file: &Path) -> Result<Option<Plan>, Error> {
    match fs::read(file) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => {
                Err(Error::JoinFile { path: file.to_owned(), source: io::Error::other(error.to_string()) })
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::JoinFile { path: file.to_owned(), source }),
    }
}

/// Writes the file so that it is there whole or not at all, also after a power failure.
fn write(data_dir: &Path, file: &Path, plan: &Plan) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let temporary = file.with_extension("new");
        let mut out = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        out.write_all(&serde_json::to_vec(plan)?)?;
        out.sync_all()?;
        fs::rename(&temporary, file)?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|source| Error::JoinFile { path: file.to_owned(), source })
}

impl JoinArgs {
    /// What the operator copied from `pintle token create --print-join-command`.
    fn of(args: &ServerArgs) -> Result<JoinArgs, Error> {
        let token: Token = args.token.as_deref().ok_or(Error::JoinIncomplete)?.parse()?;
        let hash: AuthorityHash = args.ca_cert_hash.as_deref().ok_or(Error::JoinIncomplete)?.parse()?;
        Ok(JoinArgs { token, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_of_a_node_that_joins_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let file = layout::joining(directory.path());
        assert!(read(&file).unwrap().is_none());
        let members = vec![MemberAddress { node: NodeId(7), address: "10.0.0.1:6444".to_owned() }];
        let plan = Plan { cluster: NodeId(u64::MAX), node: NodeId(9), members, stored_bytes: 7 };
        write(directory.path(), &file, &plan).unwrap();
        let found = read(&file).unwrap().unwrap();
        assert_eq!((found.cluster, found.node), (plan.cluster, plan.node));
        assert_eq!(found.members[0].address, "10.0.0.1:6444");
        fs::write(&file, "{").unwrap();
        assert!(read(&file).is_err(), "a damaged file is not taken for none");
    }
}
