//! `pintle server`: the order in which the parts start and end. The store first, because it owns the data directory
//! and refuses another's; then socket, certificates and the API; the greeting only when all of it serves.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pintle_apiserver::{
    Server,
    clock::SystemClock,
    cluster::{Cluster, Network},
    http, identity,
};
use pintle_certs::{Pki, ServerNames, ServerTls};
use pintle_store::Store;
use tokio::sync::watch;

use crate::{
    cli::ServerArgs, clock, error::Error, layout, limits, listener, logging, service_account,
    shutdown::Signals,
};

/// The version of the Kubernetes API that is served.
pub(crate) const API_VERSION: &str = pintle_apiserver::version::GIT_VERSION;

const ADMINISTRATOR: &str = "kubernetes-admin";
const ADMINISTRATORS: &str = "system:masters";

/// How often certificates are looked at: seldom enough to cost nothing, often enough for whoever has put other files
/// there and waits for them to be served.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ServerArgs) -> Result<(), Error> {
    logging::start(args.log_format);
    limits::raise_open_files();
    limits::use_small_pages();
    // An error says that a provider is installed already, which is what counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &ServerArgs) -> Result<(), Error> {
    let service_network: Network =
        args.service_cidr.parse().map_err(|source| Error::ServiceCidr { source })?;
    let mut options = pintle_store::Options::new(&args.data_dir);
    options.quota_bytes = args.storage_quota.0;
    let store = Store::open(options)?;
    let data_dir = std::fs::canonicalize(&args.data_dir).unwrap_or_else(|_| args.data_dir.clone());
    let listener = listener::bind(args.listen)?;
    let address = listener.local_addr().map_err(|source| Error::Listen { address: args.listen, source })?;
    let signals = Signals::new().map_err(Error::Runtime)?;

    let names = server_names(args, address, service_network.address(1))?;
    let (pki, tls) = Pki::open_or_create(&layout::pki(&data_dir), &names, clock::now())?;
    let tls = Arc::new(tls);
    let url = format!("https://{}", reachable(address));
    let kubeconfig = layout::admin_kubeconfig(&data_dir);
    pki.kubeconfig(ADMINISTRATOR, &[ADMINISTRATORS.to_owned()], &url)?
        .write_file(&kubeconfig, clock::now())?;

    let cluster = Cluster {
        service_networks: vec![service_network],
        advertised: reachable(address),
        root_ca: pki.authority_pem().to_owned(),
        client_ca: pki.authority_pem().to_owned(),
        front_proxy_ca: pki.front_proxy_authority_pem().to_owned(),
        api_audiences: if args.api_audiences.is_empty() { &args.issuers } else { &args.api_audiences }
            .clone(),
        service_account_tokens: Some(Arc::new(service_account::tokens(&args.issuers, &pki)?)),
        ..Cluster::default()
    };
    let server = Arc::new(Server::new(store.clone(), cluster, Arc::new(SystemClock::default())));
    server.start().await.map_err(Error::Bootstrap)?;
    let renewal = tokio::spawn(renew(pki, tls.clone(), names, url.clone(), kubeconfig.clone()));
    greet(&data_dir, &url, &kubeconfig);
    let (close, closing) = watch::channel(false);
    let leaving = server.clone();
    tokio::spawn(async move {
        signals.received().await;
        identity::withdraw(&leaving).await;
        close.send_replace(true);
    });
    http::serve(listener, tls.config(), tls.clients(), server, closing).await;
    renewal.abort();
    store.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// All names by which clients may reach this server.
fn server_names(args: &ServerArgs, address: SocketAddr, service: IpAddr) -> Result<ServerNames, Error> {
    let mut names = ServerNames::new();
    names.add_address(address.ip());
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

/// Where clients on this machine find the server; the unspecified address is every address, so also the local one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
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

async fn renew(pki: Pki, tls: Arc<ServerTls>, names: ServerNames, url: String, kubeconfig: PathBuf) {
    let masters = [ADMINISTRATORS.to_owned()];
    let renew = |now| {
        pki.renew(&tls, &names, now)?;
        pki.kubeconfig(ADMINISTRATOR, &masters, &url)?.write_file(&kubeconfig, now)
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
    fn the_unspecified_address_is_reached_locally() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:6443"), "127.0.0.1:6443");
        assert_eq!(reached("[::]:6443"), "[::1]:6443");
        assert_eq!(reached("10.0.0.7:6443"), "10.0.0.7:6443");
    }
}
