//! Three hosts behind one virtual address, made by the commands of `deploy/ha/README.md`, and what clients notice when
//! each host in turn is attacked. A longer run of the same, with every fault: `cargo run --release -p pintle-e2e --bin
//! faults`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, time::Duration};

use pintle_e2e::{
    kubeconfig::Kubeconfig,
    rig::{
        checker,
        cluster::{Cluster, HOSTS},
        faults::{Fault, Limits},
        host::{Disk, Host},
        kubectl::Loops,
        namespace::Namespace,
        network::{Network, Port},
        traffic::{Mix, Patience, Traffic},
    },
    server,
};
use tempfile::TempDir;

/// As long as a member may take to be a voter without lag again.
const HEALED_MAX: Duration = Duration::from_secs(60);
/// As long as clients may wait while two members are good, on a machine that does much else at the same time.
const LIMITS: Limits = Limits { progress: Duration::from_secs(15), healed: HEALED_MAX };

#[test]
fn the_page_makes_a_cluster_whose_clients_lose_nothing() {
    let cluster = Cluster::of_page([Disk::Large; HOSTS]);
    cluster.wait_until_healthy(HEALED_MAX);
    cluster.wait_for("holder of the virtual address", HEALED_MAX, |it| it.holder().is_some());
    let kubeconfig = Kubeconfig::read(&cluster.kubeconfig()).unwrap();
    let mix = Mix {
        writers: 6,
        pace: Duration::from_millis(10),
        contended: true,
        readers: 2,
        watchers: 6,
        patience: Patience::SHORT,
    };
    let traffic = Traffic::start(&cluster.client, &kubeconfig, "traffic", mix);
    let loops = Loops::start(&cluster);
    let strike = |fault, host| eprintln!("{}", LIMITS.strike(&cluster, &traffic, fault, host));

    for fault in [Fault::Kill, Fault::Pause, Fault::CutOff] {
        for host in 0..HOSTS {
            strike(fault, host);
        }
    }
    for fault in [Fault::Unplug, Fault::Freeze] {
        strike(fault, cluster.holder().unwrap());
    }
    strike(Fault::LostDisk, cluster.leader().unwrap());

    let (written, mut broken) = loops.finish();
    let verdict = checker::check(&traffic.finish(&cluster.client, cluster.nodes()));
    broken.extend(verdict.broken.iter().cloned());
    eprintln!(
        "{verdict:?}; kubectl applied and deleted {}, repeated {}",
        written.deleted.len(),
        written.repeated
    );
    assert!(broken.is_empty(), "{broken:#?}\n{}", cluster.story());
    assert!(verdict.acknowledged > 1_000 && verdict.resumed > 0 && verdict.lists > 100, "{verdict:?}");
    assert!(written.deleted.len() > 5, "{written:?}");
}

#[test]
fn generated_configurations_are_what_haproxy_and_keepalived_accept() {
    let (network, machine) = (Network::new(), Namespace::new());
    // keepalived insists on an interface that exists and is not a loopback one.
    network.plug(&machine, Port(1));
    for (vip, members) in [
        ("10.0.0.100/24", vec!["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.100/24", vec!["10.0.0.1", "10.0.0.2:7443", "10.0.0.3"]),
        ("fd00::100/64", vec!["fd00::1", "[fd00::2]:7443", "fd00::3"]),
    ] {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let mut arguments = vec!["ha-config", "--vip", vip];
        members.iter().for_each(|member| arguments.extend(["--member", member]));
        let into = directory.path().to_string_lossy().into_owned();
        let output = server::run(&[&arguments[..], &["--output-dir", &into]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        machine.run("haproxy", &["-c", "-f", &path("haproxy.cfg")]);
        let made: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("keepalived-"))
            .collect();
        assert_eq!(made.len(), members.len(), "{made:?}");
        for name in made {
            machine.run(
                "keepalived",
                &["--config-test", "--log-console", "--no-syslog", "--use-file", &path(&name)],
            );
        }
    }
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let network = Network::new();
    let host = Host::new(&network, Port(1), Disk::Large);
    if !host.shell("command -v systemd-analyze").status.success() {
        eprintln!("there is no systemd-analyze here, so the unit is not read by systemd");
        return;
    }
    host.ok(
        "mkdir -p /etc/pintle && touch /etc/pintle/server.env && cp ha/pintle.service /etc/systemd/system",
    );
    let said = host.ok("systemd-analyze verify --recursive-errors=no pintle.service 2>&1");
    assert_eq!(said, "");
}
