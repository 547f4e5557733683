//! Three hosts, one client's machine, and the commands of `deploy/ha/README.md` that make a cluster of them. Keeps:
//! nothing is done here that the page does not tell an operator to do.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    host::{Disk, Host},
    namespace::Namespace,
    network::{Network, Port},
};
use crate::{kubeconfig::Kubeconfig, load::clock::Moment};

/// The virtual address that the page uses.
pub const VIRTUAL_ADDRESS: &str = "10.0.0.100";
/// Members of the cluster.
pub const HOSTS: usize = 3;
/// What the page writes for the line that joins a host.
const JOIN_COMMAND: &str = "JOIN_COMMAND";
/// The client's place in the network.
const CLIENT: Port = Port(200);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A command that asks the cluster itself waits no longer, whatever is broken.
const ASK_MAX: &str = "timeout 5";

/// A cluster and the machines around it.
pub struct Cluster {
    hosts: Vec<Host>,
    /// The machine of clients, in the hosts' network.
    pub client: Namespace,
    /// What connects them.
    pub network: Network,
}

/// A member as `pintle members` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its host, by number.
    pub host: Option<usize>,
    /// `voter`, `learner`, …
    pub role: String,
    /// Whether it leads.
    pub leads: bool,
    /// `good`, or what is wrong.
    pub health: String,
    /// How many entries it lacks.
    pub lag: Option<u64>,
}

impl Cluster {
    /// Bare hosts, cabled.
    pub fn bare(disks: [Disk; HOSTS]) -> Cluster {
        let network = Network::new();
        let hosts = (1..).zip(disks).map(|(port, disk)| Host::new(&network, Port(port), disk)).collect();
        let client = Namespace::new();
        network.plug(&client, CLIENT);
        Cluster { hosts, client, network }
    }

    /// The cluster that the page's commands make.
    pub fn of_page(disks: [Disk; HOSTS]) -> Cluster {
        let cluster = Cluster::bare(disks);
        cluster.follow(&commands("## Five commands"), str::to_owned);
        cluster
    }

    /// Types commands of the page, each on its host. Those of the administrator's machine only copy what lies on the
    /// hosts already. What the line that joins a host becomes when it is pasted is `pasted`'s business.
    pub fn follow(&self, commands: &[(String, String)], pasted: impl Fn(&str) -> String) {
        let mut join = String::new();
        for (place, command) in commands {
            let Some(host) = place.strip_prefix("host").and_then(|number| number.parse::<usize>().ok())
            else {
                continue;
            };
            let printed = self.host(host - 1).ok(&command.replace(JOIN_COMMAND, &join));
            if let Some(line) =
                printed.lines().map(str::trim).find(|line| line.starts_with("pintle server --join"))
            {
                join = pasted(line);
            }
        }
    }

    /// A host, counted from 0.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// All hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host that holds the virtual address.
    pub fn holder(&self) -> Option<usize> {
        (0..HOSTS).find(|number| self.host(*number).has_address(VIRTUAL_ADDRESS))
    }

    /// The members, as the first of these hosts that answers sees them.
    pub fn members(&self, ask: impl IntoIterator<Item = usize>) -> Option<Vec<Member>> {
        ask.into_iter().find_map(|number| {
            let command = format!("{ASK_MAX} pintle members -o json --data-dir /var/lib/pintle");
            let output = self.host(number).shell(&command);
            let report: Value = serde_json::from_slice(&output.stdout).ok()?;
            report["members"].as_array()?.iter().map(|member| self.member(member)).collect()
        })
    }

    /// The host that leads.
    pub fn leader(&self) -> Option<usize> {
        self.members(0..HOSTS)?.into_iter().find(|member| member.leads)?.host
    }

    /// Waits until there are three healthy voters that lack nothing, and answers how long it took.
    #[track_caller]
    pub fn wait_until_healthy(&self, limit: Duration) -> Duration {
        let healthy = |members: &Vec<Member>| {
            members.len() == HOSTS
                && members.iter().any(|member| member.leads)
                && members.iter().all(|member| member.role == "voter" && member.health == "good")
        };
        self.wait_for("three healthy members", limit, |it| it.members(0..HOSTS).as_ref().is_some_and(healthy))
    }

    /// Waits for a condition, and answers how long it took.
    #[track_caller]
    pub fn wait_for(&self, what: &str, limit: Duration, condition: impl Fn(&Cluster) -> bool) -> Duration {
        let began = Moment::now();
        while !condition(self) {
            assert!(began.elapsed() < limit, "there is no {what} after {limit:?}\n{}", self.story());
            std::thread::sleep(LOOK);
        }
        began.elapsed()
    }

    /// The administrator's kubeconfig for the virtual address, written for the client's machine.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.hosts[0].home().join("admin.kubeconfig");
        self.write_kubeconfig(&path, VIRTUAL_ADDRESS);
        path
    }

    /// The same for each host itself.
    pub fn nodes(&self) -> Vec<(String, Kubeconfig)> {
        let of = |host: &Host| {
            let path = host.home().join("own.kubeconfig");
            self.write_kubeconfig(&path, &host.port.address());
            (host.port.address(), Kubeconfig::read(&path).expect("it was just written"))
        };
        self.hosts.iter().map(of).collect()
    }

    /// Whether the server at an address has been started.
    pub fn serves(&self, address: &str) -> bool {
        let host = self.hosts.iter().find(|host| host.port.address() == address);
        host.is_some_and(|host| host.shell("test -e /run/rig/pintle.pid").status.success())
    }

    /// What all services said, for a test that failed.
    pub fn story(&self) -> String {
        let mut story =
            format!("members: {:#?}\nvirtual address on {:?}\n", self.members(0..HOSTS), self.holder());
        for (host, service) in
            self.hosts.iter().flat_map(|host| ["pintle", "haproxy", "keepalived"].map(|it| (host, it)))
        {
            story.push_str(&host.log(service));
        }
        story
    }

    fn write_kubeconfig(&self, path: &Path, address: &str) {
        let read = |host: &Host| {
            let output = host.shell("cat /var/lib/pintle/admin.kubeconfig");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let text = self.hosts.iter().find_map(read).expect("a host has the administrator's kubeconfig");
        let lines = text.lines().map(|line| match line.split_once("server: ") {
            Some((indent, _)) => format!("{indent}server: https://{address}:6443\n"),
            None => format!("{line}\n"),
        });
        fs::write(path, lines.collect::<String>()).expect("the temporary directory is writable");
    }

    fn member(&self, report: &Value) -> Option<Member> {
        let text = |field: &str| report[field].as_str().map(str::to_owned);
        let peer = text("peerAddress")?;
        let is_its = |host: &Host| peer.split(':').next() == Some(host.port.address().as_str());
        Some(Member {
            id: text("id").or_else(|| report["id"].as_u64().map(|id| id.to_string()))?,
            host: self.hosts.iter().position(is_its),
            role: text("role")?,
            leads: report["leader"].as_bool()?,
            health: text("health")?,
            lag: report["lag"].as_u64(),
        })
    }
}

/// The commands of the page below a heading, up to the next one that is as large: (`host1`, `ha/up …`).
pub fn commands(heading: &str) -> Vec<(String, String)> {
    let page = include_str!("../../../deploy/ha/README.md");
    let below =
        page.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("## "));
    below.filter_map(command).collect()
}

fn command(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("    ")?;
    let (place, command) = line.split_once("# ").or_else(|| line.split_once("$ "))?;
    let is_place = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_place.then(|| (place.to_owned(), command.trim().to_owned()))
}
