//! A cluster of three nodes on this machine, made and used as its operator does: with the real flags, commands and kubectl.

use std::path::Path;

use pintle_e2e::{
    clients::Client,
    cluster::{Cluster, free_address, peer_flags},
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, Options},
    server::{Server, run},
};
use serde_json::Value;

fn create(kubectl: &Client, name: &str) {
    kubectl.ok(&["create", "configmap", name, "--from-literal=a=b"]);
}

fn holds(kubectl: &Client, name: &str) -> bool {
    kubectl.ok(&["get", "configmap", name, "-o", "name"]).trim() == format!("configmap/{name}")
}

#[test]
fn what_one_node_writes_every_node_reads() {
    let cluster = Cluster::start();
    for writer in 0..3 {
        let name = format!("by-{writer}");
        create(&cluster.kubectl(writer), &name);
        assert!((0..3).all(|reader| holds(&cluster.kubectl(reader), &name)), "{name}");
    }
    for asked in 0..3 {
        let members = cluster.members(asked);
        let voters = members.iter().filter(|member| member["role"] == "voter" && member["health"] == "good");
        assert_eq!((members.len(), voters.count()), (3, 3), "{members:?}");
        let table = cluster.pintle(asked).ok(&["members"]);
        assert!(cluster.nodes.iter().all(|node| table.contains(node.address())), "{table}");
    }
}

#[test]
fn any_node_may_lead_and_may_be_told_to() {
    let cluster = Cluster::start();
    for to in [2, 0, 1] {
        cluster.pintle((to + 1) % 3).ok(&["leader", "transfer", &cluster.id(to)]);
        assert_eq!(cluster.leader(to), to);
        create(&cluster.kubectl((to + 2) % 3), &format!("under-{to}"));
    }
}

#[test]
fn the_death_of_the_leader_loses_nothing() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader(0);
    create(&cluster.kubectl(leader), "before");
    let other = (leader + 1) % 3;
    let watch = cluster.kubectl(other).start(&["get", "configmaps", "-w", "-o", "name"]);
    watch.find(|line| line == "configmap/before");
    cluster.nodes[leader].kill();
    let kubectl = cluster.kubectl(other);
    assert!(holds(&kubectl, "before"));
    create(&kubectl, "after");
    watch.find(|line| line == "configmap/after");
    cluster.nodes[leader].start_again();
    assert!(holds(&cluster.kubectl(leader), "after"));
}

#[test]
fn a_node_that_lost_its_disk_takes_its_own_place() {
    let mut cluster = Cluster::start();
    let lost = cluster.id(2);
    create(&cluster.kubectl(0), "kept");
    cluster.nodes[2].kill();
    std::fs::remove_dir_all(cluster.nodes[2].data_dir()).unwrap();
    cluster.nodes[2].start_again();
    assert!(holds(&cluster.kubectl(2), "kept"));
    let members = cluster.members(0);
    let ids: Vec<&str> = members.iter().filter_map(|member| member["id"].as_str()).collect();
    assert!(ids.len() == 3 && !ids.contains(&lost.as_str()), "{ids:?}");
    assert!(ids.contains(&cluster.id(2).as_str()));
    assert!(members.iter().all(|member| member["role"] == "voter"), "{members:?}");
}

#[test]
fn members_restart_with_the_command_that_they_joined_with() {
    let mut cluster = Cluster::start();
    create(&cluster.kubectl(0), "kept");
    for node in 0..3 {
        assert!(cluster.nodes[node].end("TERM").success());
        cluster.nodes[node].start_again();
        assert!(holds(&cluster.kubectl(node), "kept"));
    }
    let log = cluster.nodes[1].log();
    assert!(log.contains("--join is ignored"), "{log}");
    let before: Vec<String> = (0..3).map(|node| cluster.id(node)).collect();
    let members = cluster.members(1);
    assert!(members.iter().all(|member| before.iter().any(|id| member["id"] == id.as_str())), "{members:?}");
}

#[test]
fn a_member_whose_log_is_damaged_joins_again_as_it_says() {
    let mut cluster = Cluster::start();
    let damaged = cluster.id(2);
    for number in 0..20 {
        create(&cluster.kubectl(0), &format!("kept-{number}"));
    }
    cluster.nodes[2].kill();
    damage_log(&cluster.nodes[2].data_dir());
    let refusal = cluster.nodes[2].fails_to_start();
    assert!(refusal.contains(&format!("the log of member {damaged}")), "{refusal}");
    // What it says to do is done, word by word.
    let data_dir = std::fs::canonicalize(cluster.nodes[2].data_dir()).unwrap();
    let aside = format!("{}.damaged", data_dir.display());
    assert!(refusal.contains(&format!("mv {} {aside}", data_dir.display())), "{refusal}");
    std::fs::rename(&data_dir, &aside).unwrap();
    assert!(refusal.contains("pintle token create --print-join-command"), "{refusal}");
    let peer_address = cluster.nodes[2].option("--peer-listen");
    let flags = cluster.join_flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(peer_flags(&peer_address)).collect();
    cluster.nodes[2].set_options(&flags);
    cluster.nodes[2].start_again();
    assert!((0..20).all(|number| holds(&cluster.kubectl(2), &format!("kept-{number}"))));
    let members = cluster.members(0);
    assert!(members.iter().all(|member| member["id"] != damaged.as_str()), "{members:?}");
    let voters = members.iter().filter(|member| member["role"] == "voter");
    assert_eq!((members.len(), voters.count()), (3, 3), "{members:?}");
}

/// Flips a bit in the middle of what the log wrote last.
fn damage_log(data_dir: &Path) {
    let files = std::fs::read_dir(data_dir.join("log")).expect("there is a log").flatten();
    let written =
        files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "log"));
    let length = |path: &std::path::PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    let largest = written.max_by_key(length).expect("something was written");
    let mut bytes = std::fs::read(&largest).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).expect("it can be written");
}

#[test]
fn a_node_joins_though_the_leader_dies_meanwhile() {
    let mut cluster = Cluster::start();
    for number in 0..20 {
        create(&cluster.kubectl(0), &format!("kept-{number}"));
    }
    cluster.pintle(1).ok(&["leader", "transfer", &cluster.id(0)]);
    assert_eq!(cluster.leader(1), 0);
    let (flags, address) = (cluster.join_flags(), free_address());
    // The command names the leader first, and the others behind it.
    assert_eq!(flags[1].split(',').collect::<Vec<_>>().len(), 3, "{flags:?}");
    assert!(flags[1].starts_with(cluster.nodes[0].address()), "{flags:?}");
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(peer_flags(&address)).collect();
    let mut leader = cluster.nodes.remove(0);
    let joined = std::thread::scope(|scope| {
        let joining = scope.spawn(|| Server::start_with(&flags));
        leader.kill();
        joining.join().expect("it joins")
    });
    assert!((0..20).all(|number| holds(&joined.kubectl(), &format!("kept-{number}"))));
    leader.start_again();
    cluster.nodes.extend([leader, joined]);
    let members = cluster.members(0);
    assert_eq!(members.len(), 4, "{members:?}");
}

#[test]
fn a_running_cluster_tells_what_its_load_balancers_need() {
    let cluster = Cluster { nodes: vec![Server::start_with(&peer_flags(&free_address()))] };
    // On one machine all members have one address, which no virtual address can be in front of.
    let refusal = cluster.pintle(0).fails(&["ha-config", "--vip", "10.0.0.100"]);
    assert!(refusal.contains("nobody to share"), "{refusal}");
    let mut cluster = cluster;
    cluster.join();
    let refusal = cluster.pintle(1).fails(&["ha-config", "--vip", "10.0.0.100"]);
    assert!(refusal.contains("two members have one address"), "{refusal}");
}

#[test]
fn load_balancers_are_told_to_drain_a_server_that_stops_and_readyz_names_every_condition() {
    let (address, health) = (free_address(), free_address());
    let options = ["--peer-listen", &address, "--health-listen", &health, "--shutdown-delay", "5s"];
    let mut server = Server::start_with(&options);
    let curl = server.anonymous_curl();
    let url = format!("http://{health}/readyz");
    let advice = || curl.run(&["--output", "/dev/null", "--write-out", "%{http_code}", &url]).stdout;
    assert_eq!(advice(), "200");
    let verbose = server.curl().ok(&[&server.url("/readyz?verbose")]);
    for line in ["pintle-leader", "pintle-state", "pintle-disk", "pintle-quota", "pintle-state-hash"] {
        assert!(verbose.contains(&format!("[+]{line} ok")), "{verbose}");
    }
    let metrics = server.curl().ok(&[&server.url("/metrics")]);
    assert!(metrics.contains("pintle_store_health{condition=\"good\"} 1"), "{metrics}");
    assert!(metrics.contains("pintle_store_state_hash_alarm 0"), "{metrics}");
    // The delay ends this when the port does not say it.
    server.signal("TERM");
    let said = std::iter::repeat_with(advice).find(|code| code != "200").expect("it goes on");
    assert_eq!(said, "404");
    create(&server.kubectl(), "meanwhile");
    assert!(server.end("CONT").success());
}

#[test]
fn a_cluster_that_lost_power_comes_back() {
    let mut cluster = Cluster::start();
    create(&cluster.kubectl(0), "kept");
    cluster.nodes.iter_mut().for_each(Server::kill);
    // No node is ready before a majority runs.
    std::thread::scope(|scope| {
        for node in &mut cluster.nodes {
            scope.spawn(|| node.start_again());
        }
    });
    assert!((0..3).all(|node| holds(&cluster.kubectl(node), "kept")));
    create(&cluster.kubectl(2), "after");
}

#[test]
fn a_server_that_stops_is_unready_before_it_is_gone() {
    let address = free_address();
    let mut server = Server::start_with(&["--peer-listen", &address, "--shutdown-delay", "5s"]);
    let url = server.url("/readyz");
    let curl = server.anonymous_curl();
    let readyz = || curl.run(&["--output", "/dev/null", "--write-out", "%{http_code}", &url]).stdout;
    assert_eq!(readyz(), "200");
    server.signal("TERM");
    // The delay ends this when readiness does not.
    let said = std::iter::repeat_with(readyz).find(|code| code != "200").expect("it goes on");
    assert_eq!(said, "500");
    create(&server.kubectl(), "meanwhile");
    assert!(server.end("CONT").success());
}

#[test]
fn a_node_that_was_alone_becomes_the_first_of_a_cluster() {
    let mut server = Server::start();
    create(&server.kubectl(), "kept");
    assert!(server.end("TERM").success());
    server.set_options(&peer_flags(&free_address()));
    server.start_again();
    let mut cluster = Cluster { nodes: vec![server] };
    cluster.join();
    assert!(holds(&cluster.kubectl(1), "kept"));
    let members = cluster.members(1);
    assert!(members.iter().all(|member| member["peerAddress"] != ""), "{members:?}");
    // Two nodes that need each other: each may be restarted.
    for node in 0..2 {
        assert!(cluster.nodes[node].end("TERM").success());
        cluster.nodes[node].start_again();
        create(&cluster.kubectl(1 - node), &format!("after-{node}"));
    }
}

#[test]
fn a_removed_member_is_gone_and_the_others_go_on() {
    let mut cluster = Cluster::start();
    cluster.pintle(1).ok(&["leader", "transfer", &cluster.id(0)]);
    let removed = cluster.id(2);
    cluster.pintle(1).ok(&["member", "remove", &removed]);
    // It finds out by itself, and says what to do.
    assert!(!cluster.nodes[2].finished().success());
    let log = cluster.nodes[2].log();
    assert!(log.contains("this node was removed from its cluster"), "{log}");
    assert_eq!(cluster.members(0).len(), 2);
    create(&cluster.kubectl(1), "after");
    let refusal = cluster.pintle(1).fails(&["member", "remove", &removed]);
    assert!(refusal.contains("no member with the id"), "{refusal}");
}

#[test]
fn nobody_joins_without_the_right_token_and_hash() {
    let server = Server::start_with(&peer_flags(&free_address()));
    let cluster = Cluster { nodes: vec![server] };
    let [_, address, _, token, _, hash] = &cluster.join_flags()[..] else {
        panic!("the command has three flags")
    };
    let home = tempfile::tempdir().unwrap();
    let join = |address: &str, token: &str, hash: &str| {
        let data_dir = home.path().join("data");
        let peer_address = free_address();
        let output = run(&[
            "server",
            "--data-dir",
            data_dir.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--join",
            address,
            "--token",
            token,
            "--ca-cert-hash",
            hash,
            "--peer-listen",
            &peer_address,
        ]);
        assert!(!output.status.success());
        assert!(!data_dir.join("store.identity").exists(), "nothing was made");
        assert!(!data_dir.join("pki").exists(), "no key was handed out");
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = join(address, "aaaaaa.0123456789abcdef", hash);
    assert!(refused.contains("knows no token with the id aaaaaa"), "{refused}");
    let id = token.split('.').next().unwrap();
    let refused = join(address, &format!("{id}.0123456789abcdef"), hash);
    assert!(refused.contains("with another secret"), "{refused}");
    // The token cleaner may have been faster.
    cluster.kubectl(0).ok_with_input(&["create", "-f", "-"], EXPIRED_TOKEN);
    let refused = join(address, "dddddd.0123456789abcdef", hash);
    assert!(refused.contains("expired at 2026-01-01") || refused.contains("knows no token"), "{refused}");
    let other_hash = format!("sha256:{}", "0".repeat(64));
    let refused = join(address, token, &other_hash);
    assert!(refused.contains("does not have the hash"), "{refused}");
    let refused = join("127.0.0.1:1", token, hash);
    assert!(refused.contains("cannot be reached"), "{refused}");

    // A token for kubelets opens no door to the keys.
    let kubelet = "cccccc.0123456789abcdef";
    cluster.kubectl(0).ok_with_input(&["create", "-f", "-"], KUBELET_TOKEN);
    let refused = join(address, kubelet, hash);
    assert!(refused.contains("not one for joining the control plane"), "{refused}");

    let shown = cluster.pintle(0).ok(&["token", "list"]);
    assert!(shown.contains(id) && !shown.contains(token.as_str()), "{shown}");
    cluster.pintle(0).ok(&["token", "delete", id]);
    let refused = join(address, token, hash);
    assert!(refused.contains("knows no token with the id"), "{refused}");
}

const EXPIRED_TOKEN: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: bootstrap-token-dddddd
  namespace: kube-system
type: bootstrap.kubernetes.io/token
stringData:
  token-id: dddddd
  token-secret: 0123456789abcdef
  expiration: \"2026-01-01T00:00:00Z\"
  usage-bootstrap-authentication: \"true\"
  auth-extra-groups: system:bootstrappers:pintle:control-plane
";

const KUBELET_TOKEN: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: bootstrap-token-cccccc
  namespace: kube-system
type: bootstrap.kubernetes.io/token
stringData:
  token-id: cccccc
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: \"true\"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
";

#[test]
fn a_snapshot_makes_a_new_cluster_whose_revisions_go_on() {
    let cluster = Cluster::start();
    create(&cluster.kubectl(0), "saved");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("cluster.snapshot");
    let file = file.to_str().unwrap();
    cluster.pintle(1).ok(&["snapshot", "save", file]);
    create(&cluster.kubectl(2), "not-saved");
    let newest = revision(&cluster.kubectl(2), "not-saved");
    let status: Value =
        serde_json::from_slice(&run(&["snapshot", "status", file, "-o", "json"]).stdout).unwrap();
    assert!(status["revision"].as_u64().is_some_and(|saved| saved > 0 && saved < newest), "{status}");
    let again = cluster.pintle(1).fails(&["snapshot", "save", file]);
    assert!(again.contains("exists already"), "{again}");

    let mut restored = Server::prepare(&[]);
    let data_dir = restored.data_dir();
    copy_pki(&cluster.nodes[0].data_dir(), &data_dir);
    let output = run(&["snapshot", "restore", file, "--data-dir", data_dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    restored.start_again();
    let kubectl = restored.kubectl();
    assert!(holds(&kubectl, "saved"));
    kubectl.fails(&["get", "configmap", "not-saved"]);
    create(&kubectl, "new");
    assert!(revision(&kubectl, "new") > newest);
    // Whoever watched the old cluster is told that its history is over.
    let watch = restored.url(&format!("/api/v1/configmaps?watch=true&resourceVersion={newest}"));
    let event: Value = serde_json::from_str(&restored.curl().ok(&[&watch])).unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&"ERROR".into(), &410.into()), "{event}");

    let damaged = home.path().join("damaged.snapshot");
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let output = run(&["snapshot", "status", damaged.to_str().unwrap()]);
    assert!(!output.status.success());
}

fn revision(kubectl: &Client, name: &str) -> u64 {
    let path = "jsonpath={.metadata.resourceVersion}";
    kubectl.ok(&["get", "configmap", name, "-o", path]).parse().expect("a number")
}

/// Takes the certificates along, as whoever restores a cluster does.
fn copy_pki(from: &Path, to: &Path) {
    for directory in ["pki", "pki/etcd"] {
        std::fs::create_dir_all(to.join(directory)).expect("the temporary directory is writable");
        for entry in std::fs::read_dir(from.join(directory)).expect("the temporary directory is writable") {
            let entry = entry.expect("the temporary directory is writable");
            if entry.file_type().expect("the temporary directory is writable").is_file() {
                std::fs::copy(entry.path(), to.join(directory).join(entry.file_name()))
                    .expect("the temporary directory is writable");
            }
        }
    }
}

/// The ports of these nodes, as the endpoints of the service `kubernetes` list them.
fn ports(cluster: &Cluster, nodes: &[usize]) -> String {
    let port = |node: &usize| {
        let (_, port) = cluster.nodes[*node].address().rsplit_once(':').expect("an address has a port");
        port.parse::<u16>().expect("a port is a number")
    };
    let mut ports: Vec<u16> = nodes.iter().map(port).collect();
    ports.sort_unstable();
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_service_kubernetes_lists_exactly_the_servers_that_live() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader(0);
    let (watching, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let watch =
        cluster.kubectl(watching).watch_field("endpoints", "kubernetes", "{.subsets[*].ports[*].port}");
    let until = |expected: String| watch.find(|line| line.trim_end() == expected);
    let all = ports(&cluster, &[0, 1, 2]);
    until(all.clone());
    cluster.nodes[other].end("TERM");
    until(ports(&cluster, &[leader, watching]));
    cluster.nodes[other].start_again();
    until(all.clone());
    cluster.nodes[other].kill();
    until(ports(&cluster, &[leader, watching]));
    cluster.nodes[other].start_again();
    until(all);
    cluster.nodes[leader].kill();
    until(ports(&cluster, &[watching, other]));
}

#[test]
fn endpoints_follow_their_pods_while_the_leader_dies() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader(0);
    let other = (leader + 1) % 3;
    let kubectl = cluster.kubectl(other);
    let administrator = Kubeconfig::read(&cluster.nodes[other].kubeconfig()).expect("the server wrote it");
    let options = Options { bind: true, ..Options::default() };
    let _nodes = Kubelets::start(&administrator, &options).expect("the server takes nodes");
    kubectl.ok(&["create", "service", "clusterip", "web", "--tcp=80:8080"]);
    let run_pod = |name: &str| kubectl.ok(&["run", name, "--image=web:1", "--labels=app=web"]);
    let watch = kubectl.watch_field("endpoints", "web", "{.subsets[*].addresses[*].targetRef.name}");
    let until = |expected: &str| watch.find(|line| line.trim_end() == expected);
    run_pod("web-1");
    run_pod("web-2");
    until("web-1 web-2");
    kubectl.ok(&["delete", "pod", "web-1", "--wait=false"]);
    cluster.nodes[leader].kill();
    until("web-2");
    run_pod("web-3");
    until("web-2 web-3");
    kubectl.ok(&["delete", "service", "web"]);
    kubectl.ok(&["wait", "endpoints/web", "--for=delete", "--timeout=20s"]);
    let slices = "--selector=kubernetes.io/service-name=web";
    kubectl.ok(&["wait", "endpointslices", slices, "--for=delete", "--timeout=20s"]);
}
