use std::fs;

use jiff::SignedDuration;
use tempfile::TempDir;

use super::*;
use crate::{PeerNames, Pki};

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn days_later(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(days * 24)
}

/// A data directory after the first start of a server with the name `api.example.org`.
fn data_dir() -> (TempDir, Inventory) {
    let directory = TempDir::new().unwrap();
    let inventory = Inventory {
        pki: directory.path().join("pki"),
        admin_kubeconfig: directory.path().join("admin.kubeconfig"),
    };
    let pki = started(&inventory, start());
    let masters = ["system:masters".to_owned(), "ops".to_owned()];
    let admin = pki.kubeconfig("kubernetes-admin", &masters, "https://10.0.0.7:6443").unwrap();
    admin.write_file(&inventory.admin_kubeconfig, start()).unwrap();
    (directory, inventory)
}

fn started(inventory: &Inventory, now: Timestamp) -> Pki {
    let mut names = ServerNames::new();
    names.add("api.example.org").unwrap();
    Pki::open_or_create(&inventory.pki, &names, now).unwrap().0
}

fn problems(inventory: &Inventory, now: Timestamp) -> Vec<(&'static str, Problem)> {
    let entries = inventory.check(now).into_iter();
    entries.filter_map(|entry| Some((entry.name, entry.problem?))).collect()
}

fn days_left(inventory: &Inventory, now: Timestamp) -> Vec<(&'static str, i64)> {
    inventory.check(now).into_iter().map(|entry| (entry.name, entry.content.unwrap().days_left)).collect()
}

#[test]
fn a_fresh_data_directory_is_in_order() {
    let (_directory, inventory) = data_dir();
    let entries = inventory.check(start());
    assert_eq!(problems(&inventory, start()), []);
    let names: Vec<_> = entries.iter().map(|entry| (entry.name, entry.authority)).collect();
    assert_eq!(
        names,
        [
            ("ca", "ca"),
            ("front-proxy-ca", "front-proxy-ca"),
            ("etcd/ca", "etcd/ca"),
            ("apiserver", "ca"),
            ("apiserver-kubelet-client", "ca"),
            ("front-proxy-client", "front-proxy-ca"),
            ("admin.kubeconfig", "ca"),
        ]
    );
    let subjects: Vec<_> = entries.into_iter().map(|entry| entry.content.unwrap().subject).collect();
    assert_eq!(subjects[0], "CN=kubernetes-ca");
    assert_eq!(subjects[3], "CN=kube-apiserver");
    assert_eq!(subjects[6], "O=system:masters, O=ops, CN=kubernetes-admin");
    for (name, days) in days_left(&inventory, days_later(100)) {
        assert_eq!(days, if name.ends_with("ca") { 3550 } else { 265 }, "{name}");
    }
    started(&inventory, start()).peer_tls(&PeerNames::new(1, 2), start()).unwrap();
    assert_eq!(inventory.check(start())[6].content.as_ref().unwrap().subject, "CN=node-0000000000000002");
}

#[test]
fn every_kind_of_damage_has_its_name_and_hides_nothing_else() {
    let (_directory, inventory) = data_dir();
    let file = |name: &str| inventory.pki.join(name);
    fs::remove_file(file("front-proxy-client.crt")).unwrap();
    fs::write(file("apiserver.crt"), "nothing").unwrap();
    fs::copy(file("ca.key"), file("apiserver-kubelet-client.key")).unwrap();
    fs::remove_file(file("etcd/ca.key")).unwrap();
    fs::write(&inventory.admin_kubeconfig, [0xff]).unwrap();
    assert_eq!(
        problems(&inventory, start()),
        [
            ("etcd/ca", Problem::WithoutKey),
            ("apiserver", Problem::Unreadable),
            ("apiserver-kubelet-client", Problem::WithoutKey),
            ("front-proxy-client", Problem::Missing),
            ("admin.kubeconfig", Problem::Unreadable),
        ]
    );

    let (_directory, inventory) = data_dir();
    for file in ["ca.crt", "ca.key"] {
        fs::remove_file(inventory.pki.join(file)).unwrap();
    }
    let mut batch = Batch::default();
    Authority::open_or_create(&inventory.pki, "ca", "kubernetes-ca", start(), &mut batch).unwrap();
    batch.commit().unwrap();
    let of_another = problems(&inventory, start());
    assert!(of_another.contains(&("apiserver", Problem::OtherAuthority)), "{of_another:?}");
    let expired = problems(&inventory, days_later(366));
    assert!(expired.contains(&("front-proxy-client", Problem::Expired)), "{expired:?}");
}

#[test]
fn renewed_certificates_say_what_the_old_ones_said_and_the_server_keeps_them() {
    let (_directory, inventory) = data_dir();
    started(&inventory, start()).peer_tls(&PeerNames::new(1, 2), start()).unwrap();
    let before = inventory.check(start());
    let renewed = inventory.renew(None, days_later(200)).unwrap();
    assert_eq!(renewed, Inventory::renewable().collect::<Vec<_>>());
    assert_eq!(problems(&inventory, days_later(200)), []);
    let after = inventory.check(days_later(200));
    for (before, after) in before.iter().zip(&after) {
        let (before, after) = (before.content.as_ref().unwrap(), after.content.as_ref().unwrap());
        assert_eq!(before.subject, after.subject);
        let is_authority = after.days_left > 365;
        assert_eq!(after.days_left, if is_authority { 3450 } else { 365 });
    }
    // A server that starts or looks finds nothing to do.
    let text = |name: &str| fs::read_to_string(inventory.pki.join(name)).unwrap();
    let files = ["apiserver.crt", "apiserver-kubelet-client.crt", "front-proxy-client.crt", "etcd/peer.crt"];
    let renewed = files.map(text);
    started(&inventory, days_later(200)).peer_tls(&PeerNames::new(1, 2), days_later(200)).unwrap();
    assert_eq!(files.map(text), renewed);
    let server = kubeconfig::server_of(&inventory.admin_kubeconfig).unwrap();
    assert_eq!(server.as_deref(), Some("https://10.0.0.7:6443"));
}

#[test]
fn one_certificate_is_renewed_alone_and_only_where_that_makes_sense() {
    let (_directory, inventory) = data_dir();
    assert_eq!(inventory.renew(Some("apiserver"), days_later(100)).unwrap(), ["apiserver"]);
    let left = days_left(&inventory, days_later(100));
    assert!(left.contains(&("apiserver", 365)) && left.contains(&("front-proxy-client", 265)), "{left:?}");
    for name in ["ca", "etcd/ca", "nobody", ""] {
        let refused = inventory.renew(Some(name), start());
        assert!(matches!(refused, Err(Error::NotRenewable { .. })), "{name}");
    }
    let refused = inventory.renew(Some("etcd/peer"), start());
    assert!(matches!(refused, Err(Error::LeafMissing { .. })), "{refused:?}");
    fs::write(inventory.pki.join("apiserver.crt"), "nothing").unwrap();
    let before = fs::read_to_string(inventory.pki.join("front-proxy-client.crt")).unwrap();
    assert!(matches!(inventory.renew(None, start()), Err(Error::Malformed { .. })));
    assert_eq!(fs::read_to_string(inventory.pki.join("front-proxy-client.crt")).unwrap(), before);
}
