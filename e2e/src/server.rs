//! The built binary, started on a free port with a data directory of its own. Keeps: a server that a test started is
//! gone when the test ends, and its log is shown when the test failed.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(30);
/// As much of a failed server's log as is shown.
const LOG_SHOWN_BYTES_MAX: usize = 16 * 1024;

/// A running server.
pub struct Server {
    home: TempDir,
    binary: PathBuf,
    options: Vec<String>,
    address: String,
    greeting: String,
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// Kept open: a server whose standard output is gone could not print.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server with a new data directory.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// The same with further arguments.
    pub fn start_with(options: &[&str]) -> Server {
        Server::start_binary(&binary(), options)
    }

    /// The same with another build of the binary.
    pub fn start_binary(binary: &Path, options: &[&str]) -> Server {
        let mut server = Server::of_binary(binary.to_owned(), options);
        server.start_again();
        server
    }

    /// A server that has not been started, so that something can be put into its data directory.
    pub fn prepare(options: &[&str]) -> Server {
        Server::of_binary(binary(), options)
    }

    fn of_binary(binary: PathBuf, options: &[&str]) -> Server {
        Server {
            binary,
            home: TempDir::new().expect("the temporary directory is writable"),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            address: "127.0.0.1:0".to_owned(),
            greeting: String::new(),
            running: None,
        }
    }

    /// Gives other arguments to the next start.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
    }

    /// Starts the server again on the same directory and port.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server is running already");
        let log = File::options().create(true).append(true).open(self.log_path());
        let mut child = Command::new(&self.binary)
            .args(["server", "--listen", &self.address, "--data-dir"])
            .arg(self.data_dir())
            .args(&self.options)
            .stdout(Stdio::piped())
            .stderr(log.expect("the temporary directory is writable"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.binary.display()));
        let stdout = child.stdout.take().expect("standard output was asked for as a pipe");
        let (greeting, stdout) = match greeting(stdout) {
            Ok(greeted) => greeted,
            Err(printed) => {
                let _ = child.kill();
                let status = child.wait();
                panic!(
                    "the server did not become ready ({status:?}); it printed:\n{printed}\n{}",
                    self.log()
                );
            }
        };
        let address = greeting.lines().find_map(|line| line.split("https://").nth(1));
        self.address = address.expect("the greeting names the address").trim().to_owned();
        self.greeting = greeting;
        self.running = Some(Running { child, _stdout: stdout });
    }

    /// The value of an option that it was given.
    pub fn option(&self, name: &str) -> String {
        let mut rest = self.options.iter().skip_while(|option| *option != name).skip(1);
        rest.next().expect("it was given this option").clone()
    }

    /// Starts a server that must end by itself, and answers what it said.
    pub fn fails_to_start(&self) -> String {
        assert!(self.running.is_none(), "the server is running already");
        let output = Command::new(&self.binary)
            .args(["server", "--listen", &self.address, "--data-dir"])
            .arg(self.data_dir())
            .args(&self.options)
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.binary.display()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "the server started: {said}");
        said
    }

    /// Ends the process at once, as a power failure would.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("the server is running");
        running.child.kill().expect("the process is ours");
        running.child.wait().expect("the process is ours");
    }

    /// Asks the server to end with a signal (`TERM`, `INT`) and waits until it has.
    pub fn end(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.running.take().expect("the server is running").child.wait().expect("the process is ours")
    }

    /// Waits until the server has ended by itself.
    pub fn finished(&mut self) -> ExitStatus {
        self.running.take().expect("the server is running").child.wait().expect("the process is ours")
    }

    /// Sends a signal without waiting for what it does.
    pub fn signal(&self, signal: &str) {
        let id = self.process_id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal was not sent");
    }

    /// The id of the server's process.
    pub fn process_id(&self) -> u32 {
        self.running.as_ref().expect("the server is running").child.id()
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the server printed until it was ready.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// The directory that holds everything of this server and its clients.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir().join("admin.kubeconfig")
    }

    /// Writes the kubeconfig of another user and answers where it is.
    pub fn kubeconfig_of(&self, user: &str, groups: &[&str]) -> PathBuf {
        let mut command = Command::new(&self.binary);
        command.args(["kubeconfig", "--user", user, "--data-dir"]).arg(self.data_dir());
        for group in groups {
            command.args(["--group", group]);
        }
        let output = command.output().expect("the binary can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = self.home.path().join(format!("{}.kubeconfig", user.replace(['/', ':'], "-")));
        fs::write(&path, output.stdout).expect("the temporary directory is writable");
        path
    }

    /// Everything the server logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if thread::panicking() {
            let log = self.log();
            let start = log.ceil_char_boundary(log.len().saturating_sub(LOG_SHOWN_BYTES_MAX));
            eprintln!("--- the server's log ---\n{}", &log[start..]);
        }
    }
}

/// The binary that cargo built beside this program.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let directories = own.ancestors().skip(1).take(2);
    let found = directories.map(|directory| directory.join("pintle")).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("the binary is not built: run `cargo build --release` first, as ./test does")
    })
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary can be started")
}

/// Reads up to the last line of the greeting; what was printed instead if it does not come.
fn greeting(stdout: ChildStdout) -> Result<(String, BufReader<ChildStdout>), String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut printed = String::new();
        loop {
            match stdout.read_line(&mut printed) {
                Ok(1..)
                    if printed
                        .lines()
                        .next_back()
                        .is_some_and(|line| line.starts_with("export KUBECONFIG=")) =>
                {
                    let _ = sender.send(Ok((printed, stdout)));
                    return;
                }
                Ok(1..) => {}
                _ => {
                    let _ = stdout.read_to_string(&mut printed);
                    let _ = sender.send(Err(printed));
                    return;
                }
            }
        }
    });
    receiver.recv_timeout(START_MAX).unwrap_or_else(|_| Err("nothing that says it is ready".to_owned()))
}
