//! A host: a namespace with directories of its own where services keep their files, a cable, and services that are
//! started as their units say. Keeps: it never touches files of the machine it runs on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::{
    namespace::Namespace,
    network::{Network, Port},
    power,
};
use crate::server::binary;

/// As much of a service's log as is shown after a failure.
const LOG_SHOWN_LINES: &str = "60";

/// A host.
pub struct Host {
    /// Where its processes run.
    pub namespace: Namespace,
    /// Its place in the network.
    pub port: Port,
    home: TempDir,
}

/// What a host keeps the server's data on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// A directory of the machine's disk.
    Large,
    /// A disk of its own with so many mebibytes, which can be filled.
    Small(u32),
    /// The same, and a power cut takes what was not flushed.
    Volatile(u32),
}

impl Host {
    /// A bare host: the packages are installed, the program lies beside `ha/`, nothing is configured.
    pub fn new(network: &Network, port: Port, disk: Disk) -> Host {
        let home = TempDir::new().expect("the temporary directory is writable");
        let namespace = Namespace::new();
        network.plug(&namespace, port);
        let host = Host { namespace, port, home };
        host.furnish(disk);
        host
    }

    /// Runs a line as its administrator types it.
    pub fn shell(&self, line: &str) -> Output {
        let mut command = self.namespace.command("bash");
        // Entering a namespace of mounts leads to its root directory.
        command.args(["-c", &format!("cd; {line}")]).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.home.path()).env("LANG", "C.UTF-8");
        command.output().expect("nsenter can be started")
    }

    /// The same, and it must succeed; answers what was printed on standard output.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let output = self.shell(line);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "`{line}` on {} failed ({}):\n{stdout}{stderr}\n{}",
            self.port.address(),
            output.status,
            self.log("pintle")
        );
        stdout.into_owned()
    }

    /// Sends a signal to a service's process (`KILL`, `STOP`, `CONT`); whether there was one.
    pub fn signal(&self, service: &str, signal: &str) -> bool {
        // HAProxy and keepalived are several processes each, of which the first is known.
        let line = format!(
            "pid=$(cat /run/rig/{service}.pid) && kill -s {signal} $(cat /proc/$pid/task/$pid/children) $pid"
        );
        self.shell(&line).status.success()
    }

    /// Whether a service that has ended is left alone instead of being started again.
    pub fn hold(&self, service: &str, held: bool) {
        let file = format!("/run/rig/{service}.hold");
        self.ok(&if held { format!("touch {file}") } else { format!("rm -f {file}") });
    }

    /// Whether it holds an address now.
    pub fn has_address(&self, address: &str) -> bool {
        let shown = self.namespace.run("ip", &["-brief", "address", "show", "to", address]);
        !shown.trim().is_empty()
    }

    /// The end of a service's log.
    pub fn log(&self, service: &str) -> String {
        let path = format!("/run/rig/{service}.log");
        let output = self.namespace.output("tail", &["-n", LOG_SHOWN_LINES, &path]);
        format!("--- {service} on {} ---\n{}", self.port.address(), String::from_utf8_lossy(&output.stdout))
    }

    /// The server's data directory as the machine sees it (a large disk only).
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A directory for whatever a test puts on this host.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Changes to /etc go to memory; state and data have places of their own.
    fn furnish(&self, disk: Disk) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("deploy").join("ha");
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rig/systemctl");
        let data = self.data_dir();
        fs::create_dir_all(&data).expect("the temporary directory is writable");
        let copied = Command::new("cp").arg("-r").arg(&repository).arg(self.home.path()).status();
        assert!(copied.is_ok_and(|status| status.success()), "{} could not be copied", repository.display());
        let mut script = vec![
            "set -e".to_owned(),
            format!("hostname host{}", self.port.0),
            "mount -t tmpfs tmpfs /run".to_owned(),
            "mkdir -p /run/rig".to_owned(),
        ];
        for place in ["/etc", "/var/lib", "/usr/local"] {
            let upper = format!("/run/over{place}");
            script.push(format!("mkdir -p {upper}/upper {upper}/work"));
            script.push(format!(
                "mount -t overlay overlay -o lowerdir={place},upperdir={upper}/upper,workdir={upper}/work {place}"
            ));
        }
        script.push("mkdir -p /var/lib/pintle /usr/local/bin /usr/local/sbin".to_owned());
        script.push(match disk {
            Disk::Large => format!("mount --bind {} /var/lib/pintle", data.display()),
            Disk::Small(mebibytes) => format!("mount -t tmpfs -o size={mebibytes}m tmpfs /var/lib/pintle"),
            Disk::Volatile(_) => String::new(),
        });
        // There is no journal to log to.
        script.push("echo 'DAEMON_ARGS=--log-console --no-syslog' >/etc/default/keepalived".to_owned());
        script.push(format!("ln -sf {} /usr/local/sbin/systemctl", stand_in.display()));
        script.push(format!("ln -sf {} /usr/local/bin/pintle", binary().display()));
        self.ok(&script.join("\n"));
        if let Disk::Volatile(mebibytes) = disk {
            power::make(self, mebibytes);
            power::switch_on(self);
        }
    }
}
