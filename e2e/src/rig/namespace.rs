//! A namespace of processes, mounts, names and network: what a host is made of. Keeps: when the value is dropped, or the
//! program that holds it ends in whatever way, every process in it is killed and the network in it is gone.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::fd::AsFd,
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The first process of a namespace lives as long as its standard input is open, and buries what is orphaned there.
const FIRST_PROCESS: &str = "exec 3<&0; ip link set lo up; echo ready; cat <&3 >/dev/null & wait $!";

/// A namespace.
pub struct Namespace {
    /// `unshare`; the namespace's first process is its child, and dies with it.
    holder: Child,
}

impl Namespace {
    /// A namespace with nothing in it but a loopback interface. Panics where the machine does not permit it.
    pub fn new() -> Namespace {
        let unshare = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--uts", "--kill-child"];
        let mut holder = Command::new("unshare")
            .args(unshare)
            .args(["bash", "-c", FIRST_PROCESS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{NEEDS}; unshare could not be started: {error}"));
        let stdout = holder.stdout.take().expect("standard output was asked for as a pipe");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        assert!(read.is_ok() && line.trim() == "ready", "{NEEDS}; unshare says why above");
        Namespace { holder }
    }

    /// A command that runs in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let mut enter = |option: &str, file: &str| {
            command.arg(format!("--{option}=/proc/{}/ns/{file}", self.holder.id()));
        };
        enter("net", "net");
        enter("mount", "mnt");
        enter("uts", "uts");
        enter("pid", "pid_for_children");
        command.arg("--").arg(program);
        command
    }

    /// The arguments of `nsenter` to share only the network.
    pub fn enter_network(&self) -> [String; 2] {
        [format!("--net={}", self.network_path()), "--".to_owned()]
    }

    /// Runs a command to its end; panics when it fails.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{program} {arguments:?} failed ({}): {stdout}{stderr}",
            output.status
        );
        stdout.into_owned()
    }

    /// The same whatever comes of it.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).stdin(Stdio::null()).output().expect("nsenter can be started")
    }

    /// Starts a thread whose sockets are in this network.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let network = File::open(self.network_path()).expect("the namespace exists");
        thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("who made a namespace may enter it");
            work()
        })
    }

    /// A process of this namespace as `ip link set ... netns` names it.
    pub fn process_id(&self) -> String {
        self.holder.id().to_string()
    }

    fn network_path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Default for Namespace {
    fn default() -> Namespace {
        Namespace::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Closing its input ends the first process, the system kills the others, and `unshare` ends after all of them.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// What a machine must permit.
const NEEDS: &str = "the rig makes hosts out of namespaces: run it as root on a Linux machine that permits network, \
    mount and process namespaces (in a container: privileged)";
