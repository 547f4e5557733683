//! `pintle server`: the order in which the parts start and end. The store first, because it owns the data directory
//! and refuses another's; then socket, certificates and the API; the greeting only when all of it serves.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pintle_apiserver::{
    Server,
    authentication::oidc::Issuers,
    clock::SystemClock,
    cluster::Cluster,
    connect::{self, Outbound},
    http, identity,
};
use pintle_certs::{FrontProxy, KubeletTls, Pki, ServerNames, ServerTls};
use pintle_store::Store;
use tokio::{runtime::Handle, sync::watch, task::JoinSet};

use crate::{
    address::HostPort,
    administration::{self, Administration},
    audit_log, authentication,
    cli::ServerArgs,
    clock, controllers, directory,
    error::Error,
    health_port::HealthPort,
    joining::Joining,
    layout, limits, listener, logging, moving,
    node_id::NodeId,
    peer_port::{LatePeers, PeerPort, PeerSocket},
    predecessor::succeed,
    promotion, removal, service_account,
    service_manager::ServiceManager,
    service_networks::ServiceNetworks,
    shutdown::Stop,
};

/// The version of the Kubernetes API that is served.
pub(crate) const API_VERSION: &str = pintle_apiserver::version::GIT_VERSION;

const ADMINISTRATOR: &str = "kubernetes-admin";
const ADMINISTRATORS: &str = "system:masters";

/// How often certificates are looked at: seldom enough to cost nothing, often enough for whoever has put other files
/// there and waits for them to be served.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(60);

/// Heartbeats are this many of the store's ticks apart.
const HEARTBEAT_TICKS: usize = 3;
/// A shorter tick would only cost processor time.
const TICK_MIN: Duration = Duration::from_millis(1);
/// How often a member without a majority tries to become ready.
const START_RETRY: Duration = Duration::from_millis(500);
/// How long a server that stops tries to be taken off the list of API servers.
const WITHDRAWAL_PATIENCE: Duration = Duration::from_secs(2);
/// How long a leader that stops waits for another one; the store tries once more when it shuts down.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a member of a cluster goes on while load balancers find out that it stops.
const SHUTDOWN_DELAY: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &ServerArgs) -> Result<(), Error> {
    logging::start(args.log_format);
    limits::raise_open_files();
    limits::use_small_pages();
    // An error says that a provider is installed already, which is what counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let controllers = controllers::threads().map_err(Error::Runtime)?;
    runtime.block_on(serve(args, controllers.handle()))
}

/// Serves until the signal to stop; `controllers` is where the controllers run.
async fn serve(args: &ServerArgs, controllers: &Handle) -> Result<(), Error> {
    let service_networks: ServiceNetworks =
        args.service_cidr.parse().map_err(|source| Error::ServiceCidr { source })?;
    let mut options = options(args)?;
    let audit = audit_log::open(&args.audit)?;
    let believed = authentication::read(&args.authentication, &args.issuers)?;
    let initialised = Store::identity(&options)?.is_some();
    let reserved = succeed(|| listener::reserve(args.listen, "--listen")).await?;
    let health = match args.health_listen {
        Some(listen) => Some(succeed(|| listener::reserve(listen, "--health-listen")).await?),
        None => None,
    };
    let address = reserved.address;
    let peer_socket = match args.peer_listen {
        Some(listen) => Some(succeed(|| PeerSocket::bind(listen, args.peer_address.as_ref())).await?),
        None => None,
    };
    let peer_address = peer_socket.as_ref().map(|socket| socket.address.clone());
    let mut stop = Stop::listen()?;

    let preparing = Joining::prepare(args, &service_networks, initialised, peer_address.as_ref());
    let Some(joining) = stop.unless(preparing).await.transpose()? else { return Ok(()) };
    let late_peers = Arc::new(LatePeers::default());
    if let Some(address) = &peer_address {
        options.peer_address = address.to_string();
        options.peers = late_peers.clone();
    }
    options.founding = joining.as_ref().map(Joining::founding);
    let store = succeed(|| Ok(Store::open(options.clone())?)).await?;
    if peer_socket.is_none() && !is_alone(&store) {
        return Err(Error::PeerListenMissing);
    }
    let data_dir = std::fs::canonicalize(&args.data_dir).unwrap_or_else(|_| args.data_dir.clone());

    let advertised = advertised(address, peer_address.as_ref());
    let names = server_names(args, address, advertised, service_networks.first().address(1))?;
    let (pki, tls) = Pki::open_or_create(&layout::pki(&data_dir), &names, clock::now())?;
    let (pki, tls) = (Arc::new(pki), Arc::new(tls));
    let url = format!("https://{advertised}");
    let kubeconfig = layout::admin_kubeconfig(&data_dir);
    pki.kubeconfig(ADMINISTRATOR, &[ADMINISTRATORS.to_owned()], &url)?
        .write_file(&kubeconfig, clock::now())?;
    let addresses = joining.as_ref().map(Joining::addresses).unwrap_or_default();
    let peer_port = match peer_socket {
        Some(socket) => {
            Some(Arc::new(PeerPort::start(socket, &late_peers, &store, &pki, addresses, clock::now())?))
        }
        None => None,
    };
    let mut tasks = JoinSet::new();
    let was_removed = Arc::new(AtomicBool::new(false));
    let front_proxy = Arc::new(pki.front_proxy(clock::now())?);
    let kubelet_tls = Arc::new(pki.kubelet_tls(args.kubelet_authority.as_deref(), clock::now())?);
    tasks.spawn(renew(Renewed {
        pki: pki.clone(),
        tls: tls.clone(),
        kubelet_tls: kubelet_tls.clone(),
        front_proxy: front_proxy.clone(),
        names,
        url: url.clone(),
        kubeconfig: kubeconfig.clone(),
        peer_port: peer_port.clone(),
    }));
    let cluster = Cluster {
        service_networks: service_networks.all().to_vec(),
        advertised,
        root_ca: pki.authority_pem().to_owned(),
        client_ca: pki.authority_pem().to_owned(),
        front_proxy_ca: pki.front_proxy_authority_pem().to_owned(),
        api_audiences: if args.api_audiences.is_empty() { &args.issuers } else { &args.api_audiences }
            .clone(),
        controllers: controllers::roles(),
        service_account_tokens: Some(Arc::new(service_account::tokens(&args.issuers, &pki)?)),
        issuers: Arc::new(Issuers::new(believed.issuers)),
        anonymous: believed.anonymous.unwrap_or_default(),
        ..Cluster::default()
    };
    let mut server = Server::new(store.clone(), cluster, Arc::new(SystemClock::default()));
    server.extensions.push(administration::extension(Administration {
        store: store.clone(),
        links: peer_port.as_ref().map(|port| port.links()),
        pki: layout::pki(&data_dir),
        authority: pki.authority_pem().to_owned(),
        api_address: advertised.into(),
        service_cidr: service_networks.to_string(),
    }));
    server.outbound = Some(Outbound::new(connect::Configurations {
        kubelets: kubelet_tls.kubelets(),
        unchecked_kubelets: kubelet_tls.unchecked_kubelets(),
        others: kubelet_tls.others(),
    }));
    server.remotes.proof = Some(front_proxy.proof());
    server.audit = audit;
    let server = Arc::new(server);
    if let Some(address) = &peer_address {
        tasks.spawn(promotion::run(store.clone(), server.clone()));
        tasks.spawn(moving::run(store.clone(), address.to_string()));
        let removed = removal::removed(store.clone(), server.clone(), kubeconfig.clone());
        let (stop, was_removed) = (stop.clone(), was_removed.clone());
        tasks.spawn(async move {
            removed.await;
            was_removed.store(true, Ordering::Relaxed);
            stop.now();
        });
    }
    let getting_ready = get_ready(&store, &server, joining, peer_address.as_ref(), advertised);
    if let Some(ready) = stop.unless(getting_ready).await {
        ready?;
        let listener = reserved.listen()?;
        let health = match health {
            Some(health) => {
                Some(HealthPort::start(health.listen()?, server.clone()).map_err(Error::HealthPort)?)
            }
            None => None,
        };
        tasks
            .spawn_on(controllers::follow_leadership(server.clone(), &store, &args.controllers), controllers);
        let manager = ServiceManager::from_environment();
        tasks.spawn(manager.clone().announce(server.clone()));
        greet(&data_dir, &url, &kubeconfig);
        let (close, closing) = watch::channel(false);
        let default_delay = if is_alone(&store) { Duration::ZERO } else { SHUTDOWN_DELAY };
        let delay = args.shutdown_delay.map_or(default_delay, |length| length.0);
        tasks.spawn(leave(stop, manager, store.clone(), server.clone(), delay, close));
        http::serve(listener, tls.config(), tls.clients(), server, closing).await;
        if let Some(health) = health {
            health.stop();
        }
    }
    tasks.shutdown().await;
    store.shutdown().await;
    if let Some(port) = peer_port.and_then(Arc::into_inner) {
        port.stop().await;
    }
    tracing::info!("stopped");
    if was_removed.load(Ordering::Relaxed) { Err(Error::Removed) } else { Ok(()) }
}

/// The store's options as the flags give them.
fn options(args: &ServerArgs) -> Result<pintle_store::Options, Error> {
    let mut options = pintle_store::Options::new(&args.data_dir);
    options.companions = layout::companions();
    options.quota_bytes = args.storage_quota.0;
    let (heartbeat, election) = (args.heartbeat.0, args.election_timeout.0);
    options.heartbeat_ticks = HEARTBEAT_TICKS;
    options.tick = heartbeat / HEARTBEAT_TICKS as u32;
    if options.tick < TICK_MIN || election < heartbeat * 3 {
        return Err(Error::Timers);
    }
    let ticks = election.as_micros().div_ceil(options.tick.as_micros());
    options.election_ticks = usize::try_from(ticks).map_err(|_| Error::Timers)?;
    Ok(options)
}

/// Whether this node is a cluster of its own.
fn is_alone(store: &Store) -> bool {
    let own = store.status().node;
    matches!(store.members().as_slice(), [member] if member.node == own)
}

/// Waits until this node has the state of the cluster and a leader has confirmed that it is not behind; only then
/// clients are let in, so none of them sees the past.
async fn get_ready(
    store: &Store,
    server: &Arc<Server>,
    joining: Option<Joining>,
    peer_address: Option<&HostPort>,
    advertised: SocketAddr,
) -> Result<(), Error> {
    if let (Some(joining), Some(peer_address)) = (joining, peer_address) {
        joining.complete(store, peer_address).await?;
    }
    let mut waiting = false;
    while let Err(error) = server.start().await {
        // A cluster of one does not get better by waiting.
        if is_alone(store) {
            return Err(Error::Bootstrap(error));
        }
        if !std::mem::replace(&mut waiting, true) {
            tracing::warn!(%error, "waiting for a majority of the members");
        }
        tokio::time::sleep(START_RETRY).await;
    }
    let entry = directory::Entry {
        api_address: advertised.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let members: Vec<NodeId> = store.members().iter().map(|member| NodeId(member.node)).collect();
    if let Err(error) = directory::publish(server, NodeId(store.status().node), &entry, &members).await {
        tracing::warn!(%error, "the other members are not told where this node serves the API");
    }
    Ok(())
}

/// Waits for the signal to stop, then leaves without anybody noticing: another node leads, load balancers go
/// elsewhere, and only then the port is closed.
async fn leave(
    stop: Stop,
    manager: ServiceManager,
    store: Store,
    server: Arc<Server>,
    delay: Duration,
    close: watch::Sender<bool>,
) {
    stop.received().await;
    manager.stopping();
    server.drain();
    // Without a majority nobody could write it down.
    let _ = tokio::time::timeout(WITHDRAWAL_PATIENCE, identity::withdraw(&server)).await;
    if !is_alone(&store) && store.leadership().borrow().leads {
        let leader = tokio::time::timeout(HAND_OVER_PATIENCE, store.hand_over(None)).await;
        tracing::info!(?leader, "handed leadership over");
    }
    tokio::time::sleep(delay).await;
    close.send_replace(true);
}

/// All names by which clients may reach this server.
fn server_names(
    args: &ServerArgs,
    address: SocketAddr,
    advertised: SocketAddr,
    service: IpAddr,
) -> Result<ServerNames, Error> {
    let mut names = ServerNames::new();
    names.add_address(address.ip());
    names.add_address(advertised.ip());
    names.add_address(service);
    if let Ok(hostname) = std::fs::read_to_string("/proc/sys/kernel/hostname")
        && let Err(error) = names.add(hostname.trim())
    {
        tracing::warn!(%error, "the certificate does not cover this machine's name");
    }
    for san in &args.sans {
        names.add(san)?;
    }
    Ok(names)
}

/// Where clients find the server: the address itself, or instead of every address the one at which other members reach
/// this node, or the local one.
fn advertised(address: SocketAddr, peer_address: Option<&HostPort>) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        ip => {
            let peer = peer_address.and_then(|peer| peer.host.parse::<IpAddr>().ok());
            // The unspecified IPv6 address takes connections of both families.
            let fitting = peer.filter(|peer| (peer.is_ipv4() || ip.is_ipv6()) && !peer.is_unspecified());
            fitting.unwrap_or(if ip.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            })
        }
    };
    SocketAddr::new(ip, address.port())
}

/// Prints how to go on. A closed standard output is no reason to stop serving.
fn greet(data_dir: &Path, url: &str, kubeconfig: &Path) {
    let mut text = String::new();
    let _ = writeln!(text, "{}", crate::version());
    let _ = writeln!(text, "data directory: {}", data_dir.display());
    let _ = writeln!(text, "serving on:     {url}");
    let _ = writeln!(text, "export KUBECONFIG={}", shell_quoted(kubeconfig));
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// A path as a shell reads it back.
fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// What is made anew before it expires.
struct Renewed {
    pki: Arc<Pki>,
    tls: Arc<ServerTls>,
    kubelet_tls: Arc<KubeletTls>,
    front_proxy: Arc<FrontProxy>,
    names: ServerNames,
    url: String,
    kubeconfig: PathBuf,
    peer_port: Option<Arc<PeerPort>>,
}

async fn renew(of: Renewed) {
    let masters = [ADMINISTRATORS.to_owned()];
    let renew = |now| {
        of.pki.renew(&of.tls, &of.names, now)?;
        of.pki.renew_kubelet(&of.kubelet_tls, now)?;
        of.pki.renew_front_proxy(&of.front_proxy, now)?;
        if let Some(port) = &of.peer_port {
            port.renew(&of.pki, now)?;
        }
        of.pki.kubeconfig(ADMINISTRATOR, &masters, &of.url)?.write_file(&of.kubeconfig, now)
    };
    loop {
        tokio::time::sleep(CERTIFICATE_CHECK).await;
        if let Err(error) = renew(clock::now()) {
            tracing::error!(%error, "certificates could not be renewed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_shell() {
        for (path, quoted) in [
            ("/data/admin.kubeconfig", "/data/admin.kubeconfig"),
            ("/my data/a", "'/my data/a'"),
            ("/o'clock/a", r"'/o'\''clock/a'"),
            ("/$HOME/a", "'/$HOME/a'"),
        ] {
            assert_eq!(shell_quoted(&PathBuf::from(path)), quoted);
        }
    }

    #[test]
    fn the_unspecified_address_is_reached_as_the_peers_do_or_locally() {
        let check = |text: &str, peer: Option<&str>, expected: &str| {
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(advertised(text.parse().unwrap(), peer.as_ref()).to_string(), expected);
        };
        check("0.0.0.0:6443", None, "127.0.0.1:6443");
        check("[::]:6443", None, "[::1]:6443");
        check("10.0.0.7:6443", Some("10.0.0.8:6444"), "10.0.0.7:6443");
        check("0.0.0.0:6443", Some("10.0.0.8:6444"), "10.0.0.8:6443");
        check("0.0.0.0:6443", Some("node1:6444"), "127.0.0.1:6443");
        check("[::]:6443", Some("10.0.0.8:6444"), "10.0.0.8:6443");
        check("0.0.0.0:6443", Some("[fd00::8]:6444"), "127.0.0.1:6443");
    }
}
