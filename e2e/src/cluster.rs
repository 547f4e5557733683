//! Several servers of one cluster on this machine, made as their operator makes it: with the real flags and commands.
//! Keeps: each node has a data directory of its own and is gone when the test ends.

use std::net::TcpListener;

use serde_json::Value;

use crate::{
    clients::Client,
    server::{Server, binary},
};

/// Nodes, the first of which the others have joined.
pub struct Cluster {
    /// The servers, in the order in which they joined.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Three nodes.
    pub fn start() -> Cluster {
        let mut cluster = Cluster { nodes: vec![Server::start_with(&peer_flags(&free_address()))] };
        for _ in 0..2 {
            cluster.join();
        }
        cluster
    }

    /// Adds a node, as the printed command says.
    pub fn join(&mut self) {
        let (flags, address) = (self.join_flags(), free_address());
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(peer_flags(&address)).collect();
        self.nodes.push(Server::start_with(&flags));
    }

    /// The flags of the command that `pintle token create --print-join-command` prints.
    pub fn join_flags(&self) -> Vec<String> {
        let printed = self.pintle(0).ok(&["token", "create", "--print-join-command"]);
        let words = printed.split_whitespace().skip_while(|word| *word != "--join");
        words.take_while(|word| *word != "--listen").map(str::to_owned).collect()
    }

    /// The program itself, as the administrator of a node.
    pub fn pintle(&self, node: usize) -> Client {
        self.nodes[node].program(&binary())
    }

    /// kubectl as the administrator of a node.
    pub fn kubectl(&self, node: usize) -> Client {
        self.nodes[node].kubectl()
    }

    /// What `pintle members` says on a node.
    pub fn members(&self, node: usize) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.pintle(node).ok(&["members", "-o", "json"]))
            .expect("the report is complete");
        report["members"].as_array().expect("the report is complete").clone()
    }

    /// The place of the node that leads.
    pub fn leader(&self, asked: usize) -> usize {
        let members = self.members(asked);
        let leader = members.iter().find(|member| member["leader"] == true).expect("there is a leader");
        let address = leader["apiAddress"].as_str().expect("it says where it serves the API");
        self.nodes.iter().position(|node| node.address() == address).expect("it is one of the nodes")
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> String {
        let status: Value = serde_json::from_str(&self.pintle(node).ok(&["status", "-o", "json"]))
            .expect("the report is complete");
        status["node"].as_str().expect("the report is complete").to_owned()
    }
}

/// An address that nobody uses.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// The flags of a member.
pub fn peer_flags(address: &str) -> [&str; 4] {
    ["--peer-listen", address, "--shutdown-delay", "0"]
}
