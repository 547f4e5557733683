//! What can strike a host, and how it is taken back. Keeps: a fault leaves the other hosts as they are; as long as it
//! strikes one of three, the cluster owes its clients everything all the time.

use std::{fmt, time::Duration};

use super::{
    cluster::{self, Cluster, HOSTS, VIRTUAL_ADDRESS},
    network::{drop_from, drop_nothing},
    power,
    traffic::Traffic,
};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server is killed; the service starts it again.
    Kill,
    /// The server is asked to end, and started again.
    Restart,
    /// The server hangs.
    Pause,
    /// The host and the other hosts do not reach each other; clients reach all of them.
    CutOff,
    /// The host hears nothing of the others; they hear it.
    Deaf,
    /// The others hear nothing of the host; it hears them.
    Mute,
    /// The host's cable is pulled.
    Unplug,
    /// Everything on the host hangs, as when the whole machine does.
    Freeze,
    /// Nothing can be written to the disk (a small one).
    FullDisk,
    /// The data directory is gone; the host joins again as a new member.
    LostDisk,
    /// The same, and it joins through the virtual address, behind which it is the server that does not answer.
    LostDiskJoinsThroughAddress,
    /// The power is cut (a volatile disk).
    PowerCut,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 12] = [
        Fault::Kill,
        Fault::Restart,
        Fault::Pause,
        Fault::CutOff,
        Fault::Deaf,
        Fault::Mute,
        Fault::Unplug,
        Fault::Freeze,
        Fault::FullDisk,
        Fault::LostDisk,
        Fault::LostDiskJoinsThroughAddress,
        Fault::PowerCut,
    ];

    /// Those that strike two hosts at once.
    pub const OF_TWO: [Fault; 5] =
        [Fault::Kill, Fault::Pause, Fault::Unplug, Fault::FullDisk, Fault::PowerCut];

    /// Those that strike all hosts at once.
    pub const OF_ALL: [Fault; 2] = [Fault::Kill, Fault::PowerCut];

    /// Strikes a host.
    pub fn strike(self, cluster: &Cluster, number: usize) {
        let host = cluster.host(number);
        let others = (0..HOSTS).filter(|other| *other != number);
        match self {
            Fault::Kill => {
                host.signal("pintle", "KILL");
            }
            Fault::Restart => {
                host.ok("systemctl restart pintle");
            }
            Fault::Pause => {
                host.signal("pintle", "STOP");
            }
            Fault::CutOff => others.for_each(|other| {
                drop_from(&host.namespace, cluster.host(other).port);
                drop_from(&cluster.host(other).namespace, host.port);
            }),
            Fault::Deaf => others.for_each(|other| drop_from(&host.namespace, cluster.host(other).port)),
            Fault::Mute => others.for_each(|other| drop_from(&cluster.host(other).namespace, host.port)),
            Fault::Unplug => cluster.network.connect(host.port, false),
            Fault::Freeze => SERVICES.iter().for_each(|service| {
                host.signal(service, "STOP");
            }),
            Fault::FullDisk => {
                // It fills what is left and fails at the end, which is its purpose.
                host.shell("cat /dev/zero >/var/lib/pintle/filler");
            }
            Fault::LostDisk | Fault::LostDiskJoinsThroughAddress => {
                host.ok("systemctl stop pintle && rm -rf /var/lib/pintle/*");
            }
            Fault::PowerCut => {
                power::cut(host);
                cluster.network.connect(host.port, false);
                for service in SERVICES {
                    host.hold(service, true);
                    host.signal(service, "KILL");
                }
                // What is left of a killed keepalived may take the address away itself: then there is nothing to do.
                host.shell(&format!("ip address del {VIRTUAL_ADDRESS}/24 dev eth0"));
                power::clear(host);
            }
        }
    }

    /// Takes it back.
    pub fn heal(self, cluster: &Cluster, number: usize) {
        let host = cluster.host(number);
        match self {
            Fault::Kill | Fault::Restart => {}
            Fault::Pause => {
                host.signal("pintle", "CONT");
            }
            Fault::CutOff | Fault::Deaf | Fault::Mute => {
                cluster.hosts().iter().for_each(|host| drop_nothing(&host.namespace))
            }
            Fault::Unplug => cluster.network.connect(host.port, true),
            Fault::Freeze => SERVICES.iter().for_each(|service| {
                host.signal(service, "CONT");
            }),
            Fault::FullDisk => {
                host.ok("rm -f /var/lib/pintle/filler");
            }
            Fault::LostDisk => replace(cluster, number, None),
            Fault::LostDiskJoinsThroughAddress => replace(cluster, number, Some(VIRTUAL_ADDRESS)),
            Fault::PowerCut => {
                power::switch_on(host);
                cluster.network.connect(host.port, true);
                SERVICES.iter().for_each(|service| host.hold(service, false));
                // As at every boot; what its unit starts again is coming already.
                host.ok("systemctl start --no-block haproxy keepalived");
            }
        }
    }
}

/// Follows the page's commands for a host that lost its disk, and has it join through the servers that the printed
/// command names, or through another address.
fn replace(cluster: &Cluster, number: usize, through: Option<&str>) {
    let good = (0..HOSTS).find(|other| *other != number).expect("there are three");
    let place = |name: &str| if name == "host3" { number } else { good };
    let commands = cluster::commands("## Replace a host").into_iter();
    let placed = commands.map(|(name, command)| (format!("host{}", place(&name) + 1), command));
    cluster.follow(&placed.collect::<Vec<_>>(), |command| match through {
        None => command.to_owned(),
        Some(address) => joining_through(address, command),
    });
}

/// The printed command with another address to join through.
fn joining_through(address: &str, command: &str) -> String {
    let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if let Some(flag) = words.iter().position(|word| word == "--join")
        && let Some(addresses) = words.get_mut(flag + 1)
    {
        *addresses = format!("{address}:6443");
    }
    words.join(" ")
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Fault::Kill => "kill -9",
            Fault::Restart => "restart",
            Fault::Pause => "pause",
            Fault::CutOff => "cut off from the members",
            Fault::Deaf => "hears nothing",
            Fault::Mute => "is not heard",
            Fault::Unplug => "cable pulled",
            Fault::Freeze => "machine hangs",
            Fault::FullDisk => "disk full",
            Fault::LostDisk => "disk lost, joins again",
            Fault::LostDiskJoinsThroughAddress => "disk lost, joins again through the address",
            Fault::PowerCut => "power cut",
        })
    }
}

/// In this order they stop: what routes to the server before the server.
const SERVICES: [&str; 3] = ["keepalived", "haproxy", "pintle"];

/// How long a fault stays, so that everything that notices it has acted.
const STAYS: Duration = Duration::from_secs(3);

/// What a cluster owes its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long they may wait for progress while the fault stays.
    pub progress: Duration,
    /// How long the cluster may take to be whole after it.
    pub healed: Duration,
}

impl Limits {
    /// Strikes a host, sees clients go on while the fault stays, takes it back and waits until the cluster is whole;
    /// says how it went.
    #[track_caller]
    pub fn strike(&self, cluster: &Cluster, traffic: &Traffic, fault: Fault, number: usize) -> String {
        let leads = if cluster.leader() == Some(number) { " (leads)" } else { "" };
        let holds = if cluster.holder() == Some(number) { " (has the address)" } else { "" };
        fault.strike(cluster, number);
        std::thread::sleep(STAYS);
        let before = traffic.acknowledged();
        let progress = cluster.wait_for("progress", self.progress, |_| traffic.acknowledged() > before);
        fault.heal(cluster, number);
        let healed = cluster.wait_until_healthy(self.healed);
        format!(
            "host {}{leads}{holds}, {fault}: after {STAYS:?} progress within {:.1} s, whole after {:.1} s",
            number + 1,
            progress.as_secs_f64(),
            healed.as_secs_f64()
        )
    }

    /// Strikes several hosts at once, takes it back and waits until the cluster is whole and clients go on; meanwhile it
    /// owes them nothing but to forget nothing. Says how it went.
    #[track_caller]
    pub fn strike_many(
        &self,
        cluster: &Cluster,
        traffic: &Traffic,
        fault: Fault,
        struck: &[usize],
    ) -> String {
        let leader = cluster.leader();
        std::thread::scope(|scope| {
            for number in struck {
                scope.spawn(|| fault.strike(cluster, *number));
            }
        });
        std::thread::sleep(STAYS);
        struck.iter().for_each(|number| fault.heal(cluster, *number));
        let healed = cluster.wait_until_healthy(self.healed);
        let before = traffic.acknowledged();
        let progress = cluster.wait_for("progress", self.progress, |_| traffic.acknowledged() > before);
        let hosts: Vec<String> = struck
            .iter()
            .map(|number| format!("{}{}", number + 1, if leader == Some(*number) { " (leads)" } else { "" }))
            .collect();
        format!(
            "hosts {} at once, {fault}: whole after {:.1} s, progress within {:.1} s",
            hosts.join(", "),
            healed.as_secs_f64(),
            progress.as_secs_f64()
        )
    }
}
