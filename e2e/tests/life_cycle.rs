//! Starting, ending and refusing to start, as an operator sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, process::Output};

use pintle_e2e::server::{Server, run};
use tempfile::TempDir;

/// What a refused start says; it must be one sentence on standard error.
#[track_caller]
fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "the start should have been refused");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Vec<&str> = stderr.lines().filter(|line| line.starts_with("pintle: ")).collect();
    assert_eq!(said.len(), 1, "one sentence: {stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing claims that it is ready");
    said[0].to_owned()
}

fn start(data_dir: &str, listen: &str) -> Output {
    run(&["server", "--data-dir", data_dir, "--listen", listen])
}

#[test]
fn the_greeting_says_version_directory_address_and_how_to_go_on() {
    let server = Server::start();
    let greeting = server.greeting();
    let data_dir = fs::canonicalize(server.data_dir()).unwrap();
    assert!(greeting.starts_with("pintle "), "{greeting}");
    assert!(greeting.contains(&data_dir.display().to_string()), "{greeting}");
    assert!(greeting.contains(&format!("https://{}", server.address())), "{greeting}");
    let last = greeting.lines().next_back().unwrap();
    assert_eq!(last, format!("export KUBECONFIG={}/admin.kubeconfig", data_dir.display()));
    assert!(server.kubectl().ok(&["version"]).contains("Server Version: v1.37.0+pintle"));
}

#[test]
fn sigterm_and_ctrl_c_end_it_cleanly_and_the_next_start_goes_on() {
    let mut server = Server::start();
    server.kubectl().ok(&["create", "configmap", "kept", "--from-literal=a=b"]);
    let kubeconfig = fs::read_to_string(server.kubeconfig()).unwrap();
    for signal in ["TERM", "INT"] {
        let status = server.end(signal);
        assert_eq!(status.code(), Some(0), "SIG{signal}");
        server.start_again();
        assert_eq!(server.kubectl().ok(&["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
    }
    assert_eq!(fs::read_to_string(server.kubeconfig()).unwrap(), kubeconfig);
}

#[test]
fn a_shutdown_closes_watches_and_does_not_wait_for_them() {
    let mut server = Server::start();
    server.kubectl().ok(&["create", "configmap", "seen", "--from-literal=a=b"]);
    let watch = server.curl().start(&["--no-buffer", &server.url("/api/v1/configmaps?watch=true")]);
    watch.next_line();
    assert_eq!(server.end("TERM").code(), Some(0));
    assert!(watch.finished().success(), "a watch ends like any finished answer");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let server = Server::start();
    let said = refusal(&start(&server.data_dir().display().to_string(), "127.0.0.1:0"));
    assert!(said.contains("in use") && said.contains("--data-dir"), "{said}");
    server.kubectl().ok(&["get", "namespaces"]);
}

#[test]
fn a_busy_port_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = TempDir::new().unwrap();
    let said = refusal(&start(&directory.path().join("data").display().to_string(), &address));
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    let said = refusal(&start(&directory.path().display().to_string(), "127.0.0.1:0"));
    assert!(said.contains("--data-dir"), "{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_file_or_an_unwritable_place_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.display().to_string(), "/sys/pintle".to_owned()] {
        let said = refusal(&start(&path, "127.0.0.1:0"));
        assert!(said.contains(&path) && said.contains("--data-dir"), "{said}");
    }
}

#[test]
fn keys_are_for_their_owner_only() {
    let server = Server::start();
    let mut unread = vec![server.data_dir()];
    let mut files = 0;
    while let Some(directory) = unread.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let (name, mode) = (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o077);
            let name = name.to_string_lossy();
            if entry.file_type().unwrap().is_dir() {
                unread.push(entry.path());
            } else if name.ends_with(".key") || name.ends_with(".kubeconfig") {
                files += 1;
                assert_eq!(mode, 0, "{}", entry.path().display());
            }
        }
    }
    assert!(files >= 7, "{files} private files");
}

#[test]
fn further_names_stand_in_the_certificate() {
    let server = Server::start_with(&["--san", "api.example.org", "--san", "192.0.2.7"]);
    let port = server.address().rsplit(':').next().unwrap();
    let resolve = format!("api.example.org:{port}:127.0.0.1");
    let url = format!("https://api.example.org:{port}/version");
    assert!(server.anonymous_curl().ok(&["--resolve", &resolve, &url]).contains("gitVersion"));
    let unknown =
        [format!("other.example.org:{port}:127.0.0.1"), format!("https://other.example.org:{port}/version")];
    server.anonymous_curl().fails(&["--resolve", &unknown[0], &unknown[1]]);
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let mut server = Server::start_with(&["--log-format", "json"]);
    server.kubectl().ok(&["get", "namespaces"]);
    server.end("TERM");
    let log = server.log();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(parsed["timestamp"].is_string() && parsed["level"].is_string(), "{line}");
    }
}

#[test]
fn version_and_help_need_no_directory() {
    let version = run(&["version"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("pintle "));
    let help = run(&["server", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for flag in ["--data-dir", "--listen", "--san", "--log-format", "--service-cidr", "--storage-quota"] {
        let (_, after) = text.split_once(&format!("{flag} <")).unwrap_or_else(|| panic!("{flag}: {text}"));
        let (_, sentence) = after.split_once('>').unwrap();
        assert!(sentence.trim_start().starts_with(char::is_uppercase), "{flag} has a sentence: {text}");
    }
    assert!(!run(&["server", "--listen", "nonsense"]).status.success());
}

#[test]
fn a_kubeconfig_can_be_made_for_any_user() {
    let server = Server::start();
    let jane = server.kubectl().with_kubeconfig(&server.kubeconfig_of("jane", &["dev", "ops"]));
    let whoami = jane.ok(&["auth", "whoami", "-o", "json"]);
    let review: serde_json::Value = serde_json::from_str(&whoami).unwrap();
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], "jane");
    assert_eq!(user["groups"], serde_json::json!(["dev", "ops", "system:authenticated"]));
    assert!(
        jane.fails(&["get", "pods"])
            .contains("pods is forbidden: User \"jane\" cannot list resource \"pods\"")
    );
    let masters = server.kubectl().with_kubeconfig(&server.kubeconfig_of("root", &["system:masters"]));
    masters.ok(&["get", "pods"]);
}

#[test]
fn a_kubeconfig_of_a_directory_without_authority_is_refused() {
    let directory = TempDir::new().unwrap();
    let output =
        run(&["kubeconfig", "--user", "jane", "--data-dir", &directory.path().display().to_string()]);
    let said = refusal(&output);
    assert!(said.contains("pintle server"), "{said}");
}
