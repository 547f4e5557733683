use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::{Error, peer_name, server_of};

const SERVER: &str = "https://127.0.0.1:6443";
const FILES: [&str; 14] = [
    "apiserver-kubelet-client.crt",
    "apiserver-kubelet-client.key",
    "apiserver.crt",
    "apiserver.key",
    "ca.crt",
    "ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "front-proxy-client.crt",
    "front-proxy-client.key",
    "sa.key",
    "sa.pub",
];

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn days_later(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(days * 24)
}

fn names(extra: &[&str]) -> ServerNames {
    let mut names = ServerNames::new();
    for name in extra {
        names.add(name).unwrap();
    }
    names
}

fn open(directory: &TempDir, names: &ServerNames, now: Timestamp) -> (Pki, ServerTls) {
    Pki::open_or_create(&directory.path().join("pki"), names, now).unwrap()
}

fn contents(directory: &TempDir) -> Vec<String> {
    FILES.iter().map(|file| fs::read_to_string(directory.path().join("pki").join(file)).unwrap()).collect()
}

/// Which files differ between two states of a directory.
fn changed(before: &[String], after: &[String]) -> Vec<&'static str> {
    let pairs = before.iter().zip(after).zip(FILES);
    pairs.filter(|((before, after), _)| before != after).map(|(_, file)| file).collect()
}

fn text(kubeconfig: &Kubeconfig<'_>) -> String {
    let mut out = Vec::new();
    kubeconfig.write_to(&mut out, start()).unwrap();
    String::from_utf8(out).unwrap()
}

fn decoded(kubeconfig: &str, field: &str) -> String {
    let line = kubeconfig.lines().find(|line| line.trim_start().starts_with(field)).unwrap();
    let value = line.split_once(": ").unwrap().1;
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

/// The user and groups that a server reads from the client certificate of a kubeconfig.
fn identity(kubeconfig: &str) -> (String, Vec<String>) {
    let pem = decoded(kubeconfig, "client-certificate-data");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let subject = certificate.subject();
    let user = subject.iter_common_name().next().unwrap().as_str().unwrap().to_owned();
    let groups = subject.iter_organization().map(|group| group.as_str().unwrap().to_owned());
    (user, groups.collect())
}

/// A TLS connection in memory; answers the certificate the client saw and the one the server saw.
fn handshake(tls: &ServerTls, kubeconfig: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut roots = RootCertStore::empty();
    let authority = decoded(kubeconfig, "certificate-authority-data");
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let chain = CertificateDer::from_pem_slice(decoded(kubeconfig, "client-certificate-data").as_bytes());
    let key = PrivateKeyDer::from_pem_slice(decoded(kubeconfig, "client-key-data").as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(Noon))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![chain.unwrap()], key.unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("kubernetes.default.svc").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server_config = (*tls.config()).clone();
    server_config.time_provider = Arc::new(Noon);
    let mut server = ServerConnection::new(Arc::new(server_config)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        server.read_tls(&mut flight.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| error.to_string())?;
        let mut flight = Vec::new();
        server.write_tls(&mut flight).unwrap();
        client.read_tls(&mut flight.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| error.to_string())?;
    }
    assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
    let seen = |certificates: Option<&[CertificateDer<'static>]>| certificates.unwrap()[0].to_vec();
    Ok((seen(client.peer_certificates()), seen(server.peer_certificates())))
}

/// The day of `start`, at noon, for both ends of a handshake.
#[derive(Debug)]
struct Noon;

impl rustls::time_provider::TimeProvider for Noon {
    fn current_time(&self) -> Option<UnixTime> {
        let noon = start() + SignedDuration::from_hours(12);
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(noon.as_second() as u64)))
    }
}

#[test]
fn the_first_start_makes_every_file_for_its_owner_only() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let pki = directory.path().join("pki");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in FILES {
        assert_eq!(mode(&pki.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&pki), 0o700);
    assert_eq!(mode(&pki.join("etcd")), 0o700);
    let entries = fs::read_dir(&pki).unwrap().count() + fs::read_dir(pki.join("etcd")).unwrap().count();
    assert_eq!(entries, FILES.len() + 1, "no temporary file stays");
}

#[test]
fn a_second_start_uses_what_is_there() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&["10.0.0.7"]), start());
    let before = contents(&directory);
    open(&directory, &names(&["10.0.0.7"]), days_later(200));
    assert_eq!(changed(&before, &contents(&directory)), [""; 0]);
}

#[test]
fn other_names_issue_only_the_serving_certificate_anew() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let before = contents(&directory);
    open(&directory, &names(&["api.example.org"]), start());
    assert_eq!(changed(&before, &contents(&directory)), ["apiserver.crt", "apiserver.key"]);
}

#[test]
fn leaves_near_their_expiry_are_issued_anew_and_authorities_stay() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let before = contents(&directory);
    open(&directory, &names(&[]), days_later(300));
    let leaves = ["apiserver-kubelet-client", "apiserver", "front-proxy-client"];
    let expected: Vec<String> =
        leaves.iter().flat_map(|leaf| [format!("{leaf}.crt"), format!("{leaf}.key")]).collect();
    assert_eq!(changed(&before, &contents(&directory)), expected);
}

#[test]
fn a_leaf_of_a_replaced_authority_is_issued_anew() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let before = contents(&directory);
    for file in ["ca.crt", "ca.key"] {
        fs::remove_file(directory.path().join("pki").join(file)).unwrap();
    }
    open(&directory, &names(&[]), start());
    let changed = changed(&before, &contents(&directory));
    assert!(
        changed.contains(&"apiserver.crt") && changed.contains(&"apiserver-kubelet-client.crt"),
        "{changed:?}"
    );
    assert!(!changed.contains(&"front-proxy-client.crt") && !changed.contains(&"sa.key"), "{changed:?}");
}

#[test]
fn a_client_with_a_kubeconfig_and_the_server_trust_each_other() {
    let directory = TempDir::new().unwrap();
    let (pki, tls) = open(&directory, &names(&[]), start());
    let groups: Vec<String> = ["dev", "ops", "café"].map(str::to_owned).into();
    let kubeconfig = text(&pki.kubeconfig("jane \"j\" doe", &groups, SERVER).unwrap());
    let (_, client) = handshake(&tls, &kubeconfig).unwrap();
    let sent = decoded(&kubeconfig, "client-certificate-data");
    assert_eq!(client, CertificateDer::from_pem_slice(sent.as_bytes()).unwrap().to_vec());
    assert_eq!(identity(&kubeconfig), ("jane \"j\" doe".to_owned(), groups));
}

#[test]
fn a_client_of_another_cluster_is_let_in_and_not_believed() {
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (here, tls) = open(&directories[0], &names(&[]), start());
    let (there, _) = open(&directories[1], &names(&[]), start());
    let foreign = text(&there.kubeconfig("eve", &["system:masters".to_owned()], SERVER).unwrap());
    let foreign =
        foreign.replace(&STANDARD.encode(there.authority_pem()), &STANDARD.encode(here.authority_pem()));
    let (_, client) = handshake(&tls, &foreign).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(start().as_second() as u64 + 60));
    let verify = |der: Vec<u8>| tls.clients().verify_client_cert(&der.into(), &[], now).is_ok();
    assert!(!verify(client));
    let native = text(&here.kubeconfig("jane", &[], SERVER).unwrap());
    assert!(verify(handshake(&tls, &native).unwrap().1));
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    let directory = TempDir::new().unwrap();
    let (pki, tls) = open(&directory, &names(&[]), start());
    let kubeconfig = text(&pki.kubeconfig("jane", &[], SERVER).unwrap());
    let (before, _) = handshake(&tls, &kubeconfig).unwrap();
    pki.renew(&tls, &names(&[]), start()).unwrap();
    assert_eq!(handshake(&tls, &kubeconfig).unwrap().0, before, "nothing to renew");
    pki.renew(&tls, &names(&["new.example.org"]), start()).unwrap();
    assert_ne!(handshake(&tls, &kubeconfig).unwrap().0, before);
}

#[test]
fn the_admin_kubeconfig_stays_while_it_works() {
    let directory = TempDir::new().unwrap();
    let (pki, _) = open(&directory, &names(&[]), start());
    let path = directory.path().join("admin.kubeconfig");
    let masters = ["system:masters".to_owned()];
    let write = |server: &str, now: Timestamp| {
        pki.kubeconfig("kubernetes-admin", &masters, server).unwrap().write_file(&path, now).unwrap();
        fs::read_to_string(&path).unwrap()
    };
    let first = write(SERVER, start());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(write(SERVER, days_later(100)), first);
    assert_eq!(server_of(&path).unwrap().as_deref(), Some(SERVER));
    let moved = write("https://127.0.0.1:7443", days_later(100));
    assert_ne!(moved, first);
    assert_eq!(server_of(&path).unwrap().as_deref(), Some("https://127.0.0.1:7443"));
    assert_ne!(
        write("https://127.0.0.1:7443", days_later(400)),
        moved,
        "its certificate was about to expire"
    );
    assert_eq!(identity(&first), ("kubernetes-admin".to_owned(), masters.to_vec()));
}

#[test]
fn an_authority_without_its_key_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let pki = directory.path().join("pki");
    fs::remove_file(pki.join("ca.key")).unwrap();
    let error = Pki::open_or_create(&pki, &names(&[]), start()).err().unwrap();
    assert!(matches!(error, Error::KeyMissing { .. }), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let pki = directory.path().join("pki");
    fs::copy(pki.join("front-proxy-ca.key"), pki.join("ca.key")).unwrap();
    let error = Pki::open_or_create(&pki, &names(&[]), start()).err().unwrap();
    assert!(matches!(error, Error::KeyMismatch { .. }), "{error}");
}

#[test]
fn damaged_and_expired_authorities_are_named() {
    let directory = TempDir::new().unwrap();
    open(&directory, &names(&[]), start());
    let pki = directory.path().join("pki");
    let error = Pki::open(&pki, days_later(3651)).err().unwrap();
    assert!(matches!(error, Error::Expired { .. }), "{error}");
    fs::write(pki.join("ca.crt"), "not a certificate").unwrap();
    let error = Pki::open(&pki, start()).err().unwrap();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let error = Pki::open(&directory.path().join("elsewhere"), start()).err().unwrap();
    assert!(matches!(error, Error::AuthorityMissing { .. }), "{error}");
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let directory = TempDir::new().unwrap();
    let (pki, _) = open(&directory, &names(&[]), start());
    for user in ["", "a\nb", "\u{0}", &"x".repeat(1025)] {
        let refused = pki.kubeconfig(user, &[], SERVER).unwrap().write_to(&mut Vec::new(), start());
        assert!(matches!(refused, Err(Error::Name { .. })), "{user:?}");
    }
    for url in ["", "http://x", "https://", "https://a b", "https://a\"b"] {
        assert!(matches!(pki.kubeconfig("jane", &[], url), Err(Error::ServerUrl { .. })), "{url:?}");
    }
    for name in ["", "not a host", "käse.example.org", "a..b"] {
        assert!(matches!(ServerNames::new().add(name), Err(Error::Name { .. })), "{name:?}");
    }
    for name in ["*.example.org", "fd00::1", "192.168.0.1", "UPPER.example.org"] {
        ServerNames::new().add(name).unwrap();
    }
}

/// A handshake on the peer port; answers the certificate that each side saw of the other.
fn peer_handshake(caller: &PeerTls, name: &str, called: &PeerTls) -> Result<[Vec<u8>; 2], String> {
    let mut config = (*caller.client()).clone();
    config.time_provider = Arc::new(Noon);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut config = (*called.server()).clone();
    config.time_provider = Arc::new(Noon);
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let step = |error: rustls::Error| error.to_string();
    // The client is done before the server has looked at its certificate; one more flight tells.
    let mut done = 0;
    while done < 2 {
        done += usize::from(!client.is_handshaking() && !server.is_handshaking());
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        server.read_tls(&mut flight.as_slice()).unwrap();
        server.process_new_packets().map_err(step)?;
        let mut flight = Vec::new();
        server.write_tls(&mut flight).unwrap();
        client.read_tls(&mut flight.as_slice()).unwrap();
        client.process_new_packets().map_err(step)?;
    }
    let seen = |certificates: Option<&[CertificateDer<'static>]>| certificates.unwrap()[0].to_vec();
    Ok([seen(client.peer_certificates()), seen(server.peer_certificates())])
}

#[test]
fn nodes_know_each_other_by_the_names_in_their_certificates() {
    let directory = TempDir::new().unwrap();
    let (pki, _) = open(&directory, &names(&[]), start());
    let tls = |node| pki.peer_tls(&PeerNames::new(7, node), start()).unwrap();
    let (first, second) = (tls(1), tls(2));
    assert!(peer_handshake(&first, &peer_name(7, 2), &second).is_ok());
    assert!(peer_handshake(&first, &peer_name(7, 3), &second).is_err(), "another node");
    assert!(peer_handshake(&first, &peer_name(8, 2), &second).is_err(), "another cluster");
}

#[test]
fn nodes_of_other_authorities_are_refused_on_both_sides() {
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let tls = |directory: &TempDir, node| {
        open(directory, &names(&[]), start()).0.peer_tls(&PeerNames::new(7, node), start()).unwrap()
    };
    let (here, there) = (tls(&directories[0], 1), tls(&directories[1], 2));
    assert!(peer_handshake(&here, &peer_name(7, 2), &there).is_err());
    // The API's authority is none of the peers' either.
    let mut names = PeerNames::new(7, 3);
    names.add("peer-3.example.org").unwrap();
    let pki = open(&directories[0], &super::tests::names(&[]), start()).0;
    let issued = names.leaf().issue(&pki.kubernetes, start()).unwrap();
    let stranger = PeerTls::new(&issued, &pki.peers).unwrap();
    assert!(peer_handshake(&stranger, &peer_name(7, 1), &here).is_err());
}

#[test]
fn a_peer_certificate_is_issued_once_renewed_in_time_and_picked_up_from_disk() {
    let directory = TempDir::new().unwrap();
    let (pki, _) = open(&directory, &names(&[]), start());
    let mut peer = PeerNames::new(7, 1);
    peer.add_address("10.0.0.7".parse().unwrap());
    let file = directory.path().join("pki/etcd/peer.crt");
    let tls = pki.peer_tls(&peer, start()).unwrap();
    let first = fs::read(&file).unwrap();
    pki.renew_peer(&tls, &peer, days_later(200)).unwrap();
    assert_eq!(fs::read(&file).unwrap(), first, "nothing to renew");
    pki.renew_peer(&tls, &peer, days_later(300)).unwrap();
    let second = fs::read(&file).unwrap();
    assert_ne!(second, first);

    // Somebody else renews on disk; the running node takes what it finds.
    let elsewhere = pki.peer_tls(&PeerNames::new(7, 2), start()).unwrap();
    let name = peer_name(7, 1);
    pki.renew_peer(&tls, &peer, start()).unwrap();
    let [before, _] = peer_handshake(&elsewhere, &name, &tls).unwrap();
    fs::remove_file(&file).unwrap();
    pki.peer_tls(&peer, start()).unwrap();
    pki.renew_peer(&tls, &peer, start()).unwrap();
    assert_ne!(peer_handshake(&elsewhere, &name, &tls).unwrap()[0], before);
}
