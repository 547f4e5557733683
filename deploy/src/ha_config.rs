//! `pintle ha-config`: the configuration of HAProxy and keepalived for a cluster behind a virtual address, made from
//! the addresses of its members. Keeps: the same members in any order make the same files, so that every host may make
//! its own; nothing is changed but the files in the output directory.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    str::FromStr,
};

use clap::Args;

use crate::{
    cli::ClusterArgs,
    commands,
    error::Error,
    wire::{self, MemberReport, MembersReport},
};

/// Port of an API server, and of the virtual address.
const API_PORT: u16 = 6443;
/// Where HAProxy tells keepalived, on the same host only, whether it can serve.
const HEALTH_PORT: u16 = 6445;
/// Where a server tells HAProxy whether it can.
const MEMBER_HEALTH_PORT: u16 = 6446;
/// The priority of the first host; it only decides who takes an address that nobody holds.
const PRIORITY_MAX: usize = 200;
/// Every member has a priority of its own, above zero, which would mean that it gives the address up.
const MEMBERS_MAX: usize = PRIORITY_MAX - 1;

const HAPROXY: &str = include_str!("../ha/haproxy.cfg");
const KEEPALIVED: &str = include_str!("../ha/keepalived.conf");

#[derive(Args)]
pub(crate) struct HaConfigArgs {
    /// Address of a member's API server (port 6443 unless given), as `pintle members` shows it; once for each member.
    /// Without it a running cluster is asked for its members.
    #[arg(long = "member", value_name = "ADDRESS[:PORT]")]
    members: Vec<Member>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// The virtual address by which clients reach the cluster, with the length of its network's prefix.
    #[arg(long, value_name = "ADDRESS[/PREFIX]")]
    vip: Vip,

    /// Port of the virtual address.
    #[arg(long, value_name = "PORT", default_value_t = API_PORT)]
    vip_port: u16,

    /// Network interface that carries the virtual address, the same on every host.
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    interface: String,

    /// Number by which the hosts of this address recognise each other (1 to 255), different from those of other virtual
    /// addresses in the same network; by default the last byte of the address.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    router_id: Option<u8>,

    /// Port at which every member answers the checks of load balancers (its --health-listen).
    #[arg(long, value_name = "PORT", default_value_t = MEMBER_HEALTH_PORT)]
    health_port: u16,

    /// Directory to write haproxy.cfg and keepalived-ADDRESS.conf (one for each host) to; without it all of them are
    /// printed.
    #[arg(long, value_name = "DIRECTORY")]
    output_dir: Option<PathBuf>,
}

/// Where an API server is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    address: IpAddr,
    port: u16,
}

/// A virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vip {
    address: IpAddr,
    prefix: u8,
}

#[derive(Debug, PartialEq, Eq)]
struct File {
    name: String,
    text: String,
}

pub(crate) fn run(args: &HaConfigArgs) -> Result<(), Error> {
    let members = if args.members.is_empty() { asked(&args.cluster)? } else { args.members.clone() };
    let files = files(args, members)?;
    let Some(directory) = &args.output_dir else {
        let texts = files.iter().map(|file| format!("## {}\n\n{}", file.name, file.text));
        // A closed standard output is no error: whoever reads has seen enough.
        let _ = io::stdout().lock().write_all(texts.collect::<Vec<_>>().join("\n").as_bytes());
        return Ok(());
    };
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| Error::File { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    for file in files {
        let path = directory.join(file.name);
        fs::write(&path, file.text).map_err(failed(&path))?;
        let _ = writeln!(io::stdout().lock(), "wrote {}", path.display());
    }
    Ok(())
}

/// The members of a running cluster, where they serve the API.
fn asked(cluster: &ClusterArgs) -> Result<Vec<Member>, Error> {
    let report: MembersReport =
        commands::ask(cluster, async |client, _| Ok(client.get(wire::MEMBERS).await?))?;
    let serves = |member: MemberReport| {
        let address = member.api_address.as_deref().and_then(|address| address.parse().ok());
        address.ok_or(Error::MemberSilent { id: member.id })
    };
    report.members.into_iter().map(serves).collect()
}

fn files(args: &HaConfigArgs, mut members: Vec<Member>) -> Result<Vec<File>, Error> {
    members.sort_unstable();
    members.dedup();
    if members.len() < 2 {
        return Err(Error::Members(
            "one member has nobody to share a virtual address with: name all of them",
        ));
    }
    if members.len() > MEMBERS_MAX {
        return Err(Error::Members("there are more members than priorities of virtual routers"));
    }
    if members.windows(2).any(|pair| pair[0].address == pair[1].address) {
        return Err(Error::Members("two members have one address, so they are on one host"));
    }
    if members.iter().any(|member| member.address == args.vip.address) {
        return Err(Error::Members("the virtual address is the address of a member: take a free one"));
    }
    if members.iter().any(|member| member.address.is_ipv4() != args.vip.address.is_ipv4()) {
        return Err(Error::Members("the members and the virtual address are IPv4 and IPv6 mixed"));
    }
    let mut files = vec![File { name: "haproxy.cfg".to_owned(), text: haproxy(args, &members) }];
    files.extend((0..members.len()).map(|own| File {
        name: format!("keepalived-{}.conf", members[own].address),
        text: keepalived(args, &members, own),
    }));
    Ok(files)
}

fn haproxy(args: &HaConfigArgs, members: &[Member]) -> String {
    let server = |member: &Member| {
        let address = socket(member.address, member.port);
        // A name may not hold a colon, an address of IPv6 does.
        format!("    server {} {address}", member.address.to_string().replace(':', "-"))
    };
    let servers: Vec<String> = members.iter().map(server).collect();
    filled(
        HAPROXY,
        &[
            ("@BIND@", &socket(args.vip.address, args.vip_port)),
            ("@MEMBER_HEALTH_PORT@", &args.health_port.to_string()),
            ("@SERVERS@", &servers.join("\n")),
            ("@HEALTH_PORT@", &HEALTH_PORT.to_string()),
        ],
    )
}

fn keepalived(args: &HaConfigArgs, members: &[Member], own: usize) -> String {
    let others = members.iter().enumerate().filter(|(number, _)| *number != own);
    let peers: Vec<String> = others.map(|(_, member)| format!("        {}", member.address)).collect();
    filled(
        KEEPALIVED,
        &[
            ("@OWN@", &members[own].address.to_string()),
            ("@INTERFACE@", &args.interface),
            ("@ROUTER_ID@", &args.router_id.unwrap_or(args.vip.router_id()).to_string()),
            ("@PRIORITY@", &(PRIORITY_MAX - own).to_string()),
            ("@PEERS@", &peers.join("\n")),
            ("@VIP@", &format!("{}/{}", args.vip.address, args.vip.prefix)),
            ("@HEALTH_PORT@", &HEALTH_PORT.to_string()),
        ],
    )
}

fn filled(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

fn socket(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Member, String> {
        let member = match text.parse() {
            Ok(address) => Ok(Member { address, port: API_PORT }),
            Err(_) => text
                .parse()
                .map(|socket: std::net::SocketAddr| Member { address: socket.ip(), port: socket.port() }),
        };
        let unusable = || format!("{text} is not an IP address with or without a port");
        member.ok().filter(|member| member.port != 0 && is_host(member.address)).ok_or_else(unusable)
    }
}

impl FromStr for Vip {
    type Err = String;

    fn from_str(text: &str) -> Result<Vip, String> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let unusable = || format!("{text} is not an IP address with or without the length of a prefix");
        let address: IpAddr = address.parse().map_err(|_| unusable())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| unusable())?;
        if prefix == 0 || prefix > longest || !is_host(address) {
            return Err(unusable());
        }
        Ok(Vip { address, prefix })
    }
}

impl Vip {
    fn router_id(self) -> u8 {
        let last = match self.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        last.max(1)
    }
}

fn is_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: HaConfigArgs,
    }

    fn args(line: &str) -> HaConfigArgs {
        Line::parse_from(line.split_whitespace()).args
    }

    fn made(line: &str) -> Vec<File> {
        let args = args(line);
        files(&args, args.members.clone()).unwrap()
    }

    const THREE: &str =
        "ha-config --member 10.0.0.1 --member 10.0.0.2 --member 10.0.0.3:7443 --vip 10.0.0.100/24";

    #[test]
    fn each_host_has_its_own_keepalived_and_all_have_one_haproxy() {
        let files = made(THREE);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let expected = [
            "haproxy.cfg",
            "keepalived-10.0.0.1.conf",
            "keepalived-10.0.0.2.conf",
            "keepalived-10.0.0.3.conf",
        ];
        assert_eq!(names, expected);
        for line in [
            "bind 10.0.0.100:6443 transparent",
            "server 10.0.0.1 10.0.0.1:6443",
            "server 10.0.0.3 10.0.0.3:7443",
            "check port 6446 ",
        ] {
            assert!(files[0].text.contains(line), "{line}");
        }
        let second = &files[2].text;
        for line in [
            "unicast_src_ip 10.0.0.2\n    unicast_peer {\n        10.0.0.1\n        10.0.0.3\n    }",
            "virtual_router_id 100",
            "priority 199",
            "10.0.0.100/24 dev eth0",
        ] {
            assert!(second.contains(line), "{line}");
        }
        assert!(files.iter().all(|file| !file.text.contains('@')), "every mark is filled");
    }

    #[test]
    fn the_order_of_the_members_does_not_matter() {
        let other =
            "ha-config --member 10.0.0.3:7443 --member 10.0.0.1 --member 10.0.0.2 --vip 10.0.0.100/24";
        assert_eq!(made(THREE), made(other));
    }

    #[test]
    fn addresses_of_ipv6_are_written_as_each_program_wants_them() {
        let files =
            made("ha-config --member fd00::1 --member [fd00::2]:7443 --vip fd00::100/64 --vip-port 443");
        assert!(files[0].text.contains("bind [fd00::100]:443 transparent"));
        assert!(files[0].text.contains("server fd00--2 [fd00::2]:7443"));
        assert!(files[1].text.contains("fd00::100/64 dev eth0"));
    }

    #[test]
    fn members_that_cannot_be_a_cluster_are_refused() {
        for (line, word) in [
            ("ha-config --member 10.0.0.1 --member 10.0.0.1:6443 --vip 10.0.0.100", "nobody"),
            ("ha-config --member 10.0.0.1 --member 10.0.0.1:7443 --vip 10.0.0.100", "one host"),
            ("ha-config --member 10.0.0.1 --member 10.0.0.2 --vip 10.0.0.2/24", "free one"),
            ("ha-config --member 10.0.0.1 --member fd00::2 --vip 10.0.0.100", "mixed"),
        ] {
            let args = args(line);
            let refused = files(&args, args.members.clone()).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn addresses_that_no_host_has_are_refused() {
        for text in ["0.0.0.0", "10.0.0.1:0", "host", "10.0.0.1:", "10.0.0.1/24"] {
            assert!(text.parse::<Member>().is_err(), "{text}");
        }
        for text in ["10.0.0.1/0", "10.0.0.1/33", "10.0.0.1:6443", "224.0.0.1/24", "fd00::1/129"] {
            assert!(text.parse::<Vip>().is_err(), "{text}");
        }
    }
}
