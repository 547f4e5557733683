//! The real clients: kubectl and helm in several versions, curl, and the Python client, as `e2e/fetch-clients` put
//! them into `.cache/clients`. Keeps: no client runs longer than its limit, and none sees the user's own settings.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{kubeconfig::Kubeconfig, rig::namespace::Namespace, server::Server};

/// No single command of a test takes this long.
const COMMAND_SECONDS_MAX: &str = "90";
/// How long a running command may take to print the next line that a test waits for.
const LINE_MAX: Duration = Duration::from_secs(30);
/// Lines that a running command may be ahead of its test.
const LINES_MAX: usize = 1024;

/// The kubectl versions that are tried.
pub const KUBECTLS: [&str; 3] = ["kubectl-1.30", "kubectl-1.34", "kubectl-1.37"];
/// The newest of them, for tests of the server rather than of the client.
pub const KUBECTL: &str = "kubectl-1.37";
/// The helm versions that are tried.
pub const HELMS: [&str; 2] = ["helm-3", "helm-4"];

/// A client program with the settings to reach one server as one user.
#[derive(Clone)]
pub struct Client {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What a finished command answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    command: String,
}

impl Server {
    /// The client `name` (one of `KUBECTLS` or `HELMS`) as the administrator.
    pub fn client(&self, name: &str) -> Client {
        let program = name.split('-').next().unwrap_or(name);
        Client {
            program: cache().join(name).join(program),
            kubeconfig: self.kubeconfig(),
            home: self.home().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Another program that finds the server as kubectl does, as the administrator.
    pub fn program(&self, program: &Path) -> Client {
        Client { program: program.to_owned(), ..self.kubectl() }
    }

    /// The newest kubectl as the administrator.
    pub fn kubectl(&self) -> Client {
        self.client(KUBECTL)
    }

    /// Python with the Kubernetes client, as the administrator.
    pub fn python(&self) -> Client {
        Client { program: cache().join("python/bin/python"), ..self.kubectl() }
    }

    /// curl with the administrator's certificate; paths are given as `$SERVER/...`.
    pub fn curl(&self) -> Client {
        self.curl_as(&self.kubeconfig())
    }

    /// curl with the certificate of another kubeconfig.
    pub fn curl_as(&self, kubeconfig: &Path) -> Client {
        let parsed = Kubeconfig::read(kubeconfig).expect("the server wrote it");
        let [authority, certificate, key] = ["ca.pem", "cert.pem", "key.pem"].map(|file| {
            let stem = kubeconfig.file_stem().unwrap_or_default().to_string_lossy();
            self.home().join(format!("{stem}-{file}"))
        });
        let (own, own_key) = parsed.client.as_ref().expect("it has a client certificate");
        for (path, pem) in [(&authority, &parsed.authority), (&certificate, own), (&key, own_key)] {
            // Others may be reading it.
            if std::fs::read_to_string(path).ok().as_ref() != Some(pem) {
                std::fs::write(path, pem).expect("the temporary directory is writable");
            }
        }
        let arguments = ["--cert", &text(&certificate), "--key", &text(&key)].map(str::to_owned);
        let mut curl = self.anonymous_curl();
        curl.arguments.extend(arguments);
        curl
    }

    /// curl without a certificate of its own.
    pub fn anonymous_curl(&self) -> Client {
        let parsed = Kubeconfig::read(&self.kubeconfig()).expect("the server wrote it");
        let authority = self.home().join("authority.pem");
        std::fs::write(&authority, parsed.authority).expect("the temporary directory is writable");
        let arguments = ["--silent", "--show-error", "--cacert", &text(&authority)].map(str::to_owned);
        Client { program: "curl".into(), arguments: arguments.into(), ..self.kubectl() }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address())
    }
}

impl Client {
    /// The client `name` in the network of a namespace.
    pub fn in_network(namespace: &Namespace, name: &str, kubeconfig: &Path) -> Client {
        let program = cache().join(name).join(name.split('-').next().unwrap_or(name));
        let [network, end] = namespace.enter_network();
        Client {
            program: "nsenter".into(),
            kubeconfig: kubeconfig.to_owned(),
            home: kubeconfig.parent().unwrap_or(Path::new("/")).to_owned(),
            arguments: vec![network, end, text(&program)],
            environment: Vec::new(),
        }
    }

    /// The same program for another user.
    pub fn with_kubeconfig(&self, kubeconfig: &Path) -> Client {
        Client { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// The same program with these arguments before all others.
    pub fn with(&self, arguments: &[&str]) -> Client {
        let mut client = self.clone();
        client.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        client
    }

    /// The same program with a variable in its environment.
    pub fn in_environment(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.environment.push((name.to_owned(), value.to_owned()));
        client
    }

    /// Runs a command and answers its output; fails the test when the command fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect_success().stdout
    }

    /// The same with something on standard input.
    pub fn ok_with_input(&self, arguments: &[&str], input: &str) -> String {
        self.run_with_input(arguments, input).expect_success().stdout
    }

    /// Runs a command that must fail and answers what it printed on standard error.
    pub fn fails(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect_failure()
    }

    /// The same with something on standard input.
    pub fn fails_with_input(&self, arguments: &[&str], input: &str) -> String {
        self.run_with_input(arguments, input).expect_failure()
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with_input(arguments, "")
    }

    /// The same with something on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        let mut command = Command::new("timeout");
        command.arg(COMMAND_SECONDS_MAX).arg(&self.program);
        self.prepare(&mut command, arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(command);
        let mut stdin = child.stdin.take().expect("standard input was asked for as a pipe");
        let input = input.to_owned();
        // A command that does not read its input closes it early, which is its right.
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().expect("the process is ours");
        writer.join().expect("writing does not panic");
        Answer {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: format!("{} {}", self.program.display(), arguments.join(" ")),
        }
    }

    /// Starts a command that goes on, to read its lines as they come.
    pub fn start(&self, arguments: &[&str]) -> Lines {
        let mut command = Command::new(&self.program);
        self.prepare(&mut command, arguments);
        let mut child = self.spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
        let stdout = child.stdout.take().expect("standard output was asked for as a pipe");
        let (sender, receiver) = mpsc::sync_channel(LINES_MAX);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines { child, receiver }
    }

    /// Follows a field of one object, a line for each state, as the only object of a list: of `get NAME --watch` kubectl drops the
    /// first event as the state that it has printed, and with it what changed between its get and its watch.
    pub fn watch_field(&self, kind: &str, name: &str, template: &str) -> Lines {
        let selector = format!("--field-selector=metadata.name={name}");
        self.start(&["get", kind, &selector, "--watch", &format!("--output=jsonpath={template}{{\"\\n\"}}")])
    }

    fn prepare(&self, command: &mut Command, arguments: &[&str]) {
        command.args(&self.arguments).args(arguments).current_dir(&self.home).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &self.home).env("LANG", "C.UTF-8");
        command.env("KUBECONFIG", &self.kubeconfig).envs(self.environment.iter().cloned());
    }

    fn spawn(&self, command: &mut Command) -> Child {
        let failed =
            |error| panic!("{} cannot be started ({error}): run e2e/fetch-clients", self.program.display());
        command.spawn().unwrap_or_else(failed)
    }
}

impl Answer {
    /// Both outputs, as a terminal shows them.
    pub fn printed(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    fn expect_success(self) -> Answer {
        assert!(self.status.success(), "`{}` ended with {}:\n{}", self.command, self.status, self.printed());
        self
    }

    #[track_caller]
    fn expect_failure(self) -> String {
        assert!(
            !self.status.success(),
            "`{}` should have failed, but printed:\n{}",
            self.command,
            self.printed()
        );
        self.stderr
    }
}

/// A running command and the lines it prints.
pub struct Lines {
    child: Child,
    receiver: Receiver<String>,
}

impl Lines {
    /// The next line; fails the test when none comes in time.
    #[track_caller]
    pub fn next_line(&self) -> String {
        self.receiver.recv_timeout(LINE_MAX).expect("the command prints another line in time")
    }

    /// The next line; none when the command has ended, or `stopped` says so (it is asked every `interval`).
    pub fn next_within(&self, interval: Duration, stopped: impl Fn() -> bool) -> Option<String> {
        loop {
            match self.receiver.recv_timeout(interval) {
                Ok(line) => return Some(line),
                Err(RecvTimeoutError::Timeout) if !stopped() => {}
                Err(_) => return None,
            }
        }
    }

    /// The first line from here on that satisfies `condition`; lines before it are passed over.
    #[track_caller]
    pub fn find(&self, condition: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.next_line();
            if condition(&line) {
                return line;
            }
        }
    }

    /// Waits for the command to end by itself and answers how.
    pub fn finished(mut self) -> ExitStatus {
        while self.receiver.recv_timeout(LINE_MAX).is_ok() {}
        self.child.wait().expect("the process is ours")
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(".cache").join("clients")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
