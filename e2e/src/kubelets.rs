//! Simulated nodes: each is a client that does over HTTPS what a kubelet does, without running anything. It registers
//! its Node, renews its Lease, brings the pods bound to it to Running and ends them gracefully.
//!
//! Keeps: what a node does depends only on its pods and its own clock, so a cluster of them can be stopped and started
//! again at any moment; a node writes a status only when it differs from the stored one.

mod api;
mod behaviour;
mod binder;
mod kubelet;
mod node;
mod pod;
mod watch;

use std::time::Duration;

use tokio::{
    runtime::Runtime,
    task::{JoinHandle, JoinSet},
};

use self::{api::Api, kubelet::Kubelet, node::Node};
use crate::{
    kubeconfig::Kubeconfig,
    load::{Error, Result},
};

pub use behaviour::{EXIT_AFTER, EXIT_CODE, READY, START_AFTER, TERMINATE_AFTER};
pub use node::NODES_MAX;

/// What the simulated nodes are like.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many.
    pub nodes: usize,
    /// Their names are this and a number, from 0.
    pub prefix: String,
    /// Whether pods without a node are bound to these, in turn.
    pub bind: bool,
    /// Whether pods get an IPv6 address as well.
    pub dual_stack: bool,
    /// Zones that the nodes are spread over (`topology.kubernetes.io/zone`); none without any.
    pub zones: usize,
    /// How long a pod takes to start, unless it says so itself.
    pub start_after: Duration,
    /// How long a pod takes to end, unless it says so itself; never longer than its grace period.
    pub terminate_after: Duration,
    /// Time between renewals of a node's Lease.
    pub renew_every: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            nodes: 1,
            prefix: "node-".to_owned(),
            bind: false,
            dual_stack: false,
            zones: 0,
            start_after: Duration::ZERO,
            terminate_after: Duration::from_secs(1),
            renew_every: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// The name of a node, by its number.
    pub fn name(&self, number: usize) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The user that the kubelet of a node is, by the node's number.
    pub fn user(&self, number: usize) -> String {
        format!("system:node:{}", self.name(number))
    }
}

/// The group of every kubelet's user.
pub const NODES_GROUP: &str = "system:nodes";

/// Running simulated nodes. They stop, without a word to the server, when this is dropped.
pub struct Kubelets {
    runtime: Option<Runtime>,
    nodes: Vec<JoinHandle<()>>,
}

impl Kubelets {
    /// Starts the nodes, all of them as this user, and waits until they are registered and Ready.
    pub fn start(administrator: &Kubeconfig, options: &Options) -> Result<Kubelets> {
        Kubelets::start_as(administrator, &[], options)
    }

    /// The same with a user of its own for each node, who may do what kubelets may; the administrator binds pods.
    pub fn start_as(administrator: &Kubeconfig, users: &[Kubeconfig], options: &Options) -> Result<Kubelets> {
        if options.nodes > NODES_MAX {
            return Err(Error::Unreadable("there are no addresses for so many nodes"));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Error::io("starting threads"))?;
        let administrator = Api::new(administrator)?;
        let mut registered = Vec::with_capacity(options.nodes);
        runtime.block_on(async {
            let mut registrations = JoinSet::new();
            for number in 0..options.nodes {
                let mut api = match users.get(number) {
                    Some(user) => Api::new(user)?,
                    None => administrator.another(),
                };
                let node = Node::new(number, options);
                registrations.spawn(async move {
                    node.register(&mut api).await?;
                    Ok::<_, Error>((node, api))
                });
            }
            while let Some(registration) = registrations.join_next().await {
                registered.push(registration.expect("registering does not panic")?);
            }
            Ok::<_, Error>(())
        })?;
        registered.sort_by_key(|(node, _)| node.number());
        let kubelet = |(node, api)| runtime.spawn(Kubelet::new(node, api, options.clone()).run());
        let nodes = registered.into_iter().map(kubelet).collect();
        if options.bind {
            runtime.spawn(binder::run(administrator, options.clone()));
        }
        Ok(Kubelets { runtime: Some(runtime), nodes })
    }

    /// Lets a node vanish, as a machine does whose power fails: nothing more is heard of it.
    pub fn vanish(&mut self, number: usize) {
        if let Some(node) = self.nodes.get(number) {
            node.abort();
        }
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
