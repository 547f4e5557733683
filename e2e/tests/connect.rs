//! Logs, exec, attach, port-forward and proxied requests: real clients, the server between, and a kubelet whose containers
//! are made up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};

use pintle_e2e::{
    clients::{Client, KUBECTLS},
    kubelet_port::{KubeletPort, own_address},
    server::Server,
};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/connect.py");

/// A server, and a node whose kubelet has the pod `web`.
struct Site {
    server: Server,
    kubelet: KubeletPort,
    kubectl: Client,
}

impl Site {
    fn new() -> Site {
        Site::at(Ipv4Addr::LOCALHOST.into())
    }

    fn at(address: IpAddr) -> Site {
        let server = Server::start();
        let authority = std::fs::read_to_string(server.data_dir().join("pki/ca.crt")).unwrap();
        let kubelet = KubeletPort::start(address, &authority);
        let kubectl = server.kubectl();
        add_node(&kubectl, "node", &address.to_string(), kubelet.address().port());
        let pod = format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "web"}}, "spec": {{"nodeName": "node", "containers": [
                {{"name": "main", "image": "a", "stdin": true, "ports": [{{"containerPort": {}}}]}},
                {{"name": "broken", "image": "a"}}]}}}}"#,
            kubelet.pod().port()
        );
        kubectl.ok_with_input(&["create", "-f", "-"], &pod);
        let status = format!(
            r#"{{"status": {{"phase": "Running", "podIP": "{address}", "podIPs": [{{"ip": "{address}"}}], "containerStatuses": [
                {{"name": "main", "image": "a", "imageID": "a", "ready": true, "restartCount": 0, "state": {{"running": {{}}}}}}]}}}}"#
        );
        kubectl.ok(&["patch", "pod", "web", "--subresource=status", "-p", &status]);
        Site { server, kubelet, kubectl }
    }

    fn restart_with(&mut self, options: &[&str]) {
        self.server.end("TERM");
        self.server.set_options(options);
        self.server.start_again();
    }
}

fn add_node(kubectl: &Client, name: &str, address: &str, port: u16) {
    let node = format!(r#"{{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "{name}"}}}}"#);
    kubectl.ok_with_input(&["create", "-f", "-"], &node);
    let status = format!(
        r#"{{"status": {{"addresses": [{{"type": "InternalIP", "address": "{address}"}}], "daemonEndpoints": {{"kubeletEndpoint": {{"Port": {port}}}}}}}}}"#
    );
    kubectl.ok(&["patch", "node", name, "--subresource=status", "-p", &status]);
}

#[test]
fn a_log_comes_from_the_kubelet_with_what_was_asked_of_it() {
    let site = Site::new();
    for kubectl in KUBECTLS {
        let kubectl = site.server.client(kubectl);
        let log = kubectl.ok(&["logs", "web", "-c", "main", "--tail=7", "--timestamps", "--previous"]);
        let expected = r#"[("previous", "true"), ("tailLines", "7"), ("timestamps", "true")]"#;
        assert_eq!(log, format!("/containerLogs/default/web/main {expected}\n"));
        let refused = kubectl.fails(&["logs", "web", "-c", "broken"]);
        assert!(
            refused.contains("(BadRequest): container \"broken\" in pod \"web\" is waiting to start"),
            "{refused}"
        );
    }
    let raw = |query: &str| {
        site.kubectl.fails(&["get", "--raw", &format!("/api/v1/namespaces/default/pods/web/log{query}")])
    };
    let refused = raw("");
    assert!(
        refused.contains("a container name must be specified for pod web, choose one of: [main broken]"),
        "{refused}"
    );
    let refused = raw("?container=main&tailLines=-1");
    assert!(
        refused.contains("tailLines: Invalid value: -1: must be greater than or equal to 0"),
        "{refused}"
    );
    let refused = raw("?container=other");
    assert!(refused.contains("container other is not valid for pod web"), "{refused}");
}

#[test]
fn a_followed_log_comes_line_by_line_until_the_follower_leaves() {
    let site = Site::new();
    for kubectl in KUBECTLS {
        let lines = site.server.client(kubectl).start(&["logs", "-f", "web", "-c", "main"]);
        site.kubelet.await_follower();
        for line in ["first", "second"] {
            assert_eq!(site.kubelet.say(line), 1);
            assert_eq!(lines.next_line(), line);
        }
        drop(lines);
        site.kubelet.await_no_follower();
    }
}

#[test]
fn a_command_has_its_output_input_and_exit_code() {
    let site = Site::new();
    for kubectl in KUBECTLS {
        let kubectl = site.server.client(kubectl);
        let said = kubectl.ok(&["exec", "web", "-c", "main", "--", "echo", "a b", "c=d/e"]);
        assert_eq!(said, "a b c=d/e\n");
        let ended = kubectl.run(&["exec", "web", "-c", "main", "--", "fail", "3"]);
        assert_eq!(ended.status.code(), Some(3), "{}", ended.printed());
        assert!(ended.stderr.starts_with("no\n"), "{}", ended.printed());
        let long = "0123456789".repeat(100_000);
        let repeated = kubectl.ok_with_input(&["exec", "-i", "web", "-c", "main", "--", "cat"], &long);
        assert_eq!(repeated.len(), long.len());
        assert_eq!(repeated, long);
        let repeated = kubectl.ok_with_input(&["attach", "-i", "web", "-c", "main", "--quiet"], "hello\n");
        assert_eq!(repeated, "hello\n");
        let refused = kubectl.fails(&["exec", "web", "-c", "other", "--", "echo"]);
        assert!(refused.contains("container other is not valid for pod web"), "{refused}");
    }
}

#[test]
fn python_speaks_the_older_channels_and_other_protocols_pass_as_they_are() {
    let site = Site::new();
    let answer = site.server.python().run(&[PROGRAM]);
    assert_eq!(answer.stdout.trim(), "ok", "{}", answer.printed());
}

#[test]
fn who_may_only_look_runs_nothing() {
    let site = Site::new();
    let kubectl = &site.kubectl;
    let rules = [
        "create",
        "role",
        "looker",
        "--verb=get",
        "--resource=pods,pods/log,pods/exec,pods/attach,pods/portforward",
    ];
    kubectl.ok(&rules);
    kubectl.ok(&["create", "rolebinding", "looker", "--role=looker", "--user=jane"]);
    let jane = kubectl.with_kubeconfig(&site.server.kubeconfig_of("jane", &[]));
    jane.ok(&["logs", "web", "-c", "main"]);
    for command in [&["exec", "web", "-c", "main", "--", "echo"][..], &["attach", "web", "-c", "main"]] {
        let refused = jane.fails(command);
        assert!(refused.contains("User \"jane\" cannot create resource \"pods/"), "{refused}");
    }
    // A browser's way, with a right that upstream once took for enough.
    let curl = site.server.curl_as(&site.server.kubeconfig_of("jane", &[]));
    let url =
        site.server.url("/api/v1/namespaces/default/pods/web/exec?command=echo&container=main&stdout=1");
    let upgrade = ["--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", &url];
    let refused = curl.ok(&upgrade);
    assert!(refused.contains(r#"cannot create resource \"pods/exec\""#), "{refused}");
    kubectl.ok(&["create", "role", "runner", "--verb=create", "--resource=pods/exec"]);
    kubectl.ok(&["create", "rolebinding", "runner", "--role=runner", "--user=jane"]);
    assert_eq!(jane.ok(&["exec", "web", "-c", "main", "--", "echo", "hi"]), "hi\n");
    let stranger = site.server.anonymous_curl();
    let refused = stranger.ok(&[&site.server.url("/api/v1/namespaces/default/pods/web/log")]);
    assert!(refused.contains(r#"User \"system:anonymous\" cannot get resource \"pods/log\""#), "{refused}");
}

#[test]
fn a_kubelet_is_checked_against_the_authority_that_is_named() {
    let mut site = Site::new();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("kubelets.crt"), site.kubelet.certificate()).unwrap();
    std::fs::copy(site.server.data_dir().join("pki/ca.crt"), path("others.crt")).unwrap();
    std::fs::write(path("empty.crt"), "").unwrap();
    site.restart_with(&["--kubelet-certificate-authority", &path("others.crt")]);
    let refused = site.kubectl.fails(&["logs", "web", "-c", "main"]);
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    site.kubectl.ok(&["logs", "web", "-c", "main", "--insecure-skip-tls-verify-backend"]);
    site.restart_with(&["--kubelet-certificate-authority", &path("kubelets.crt")]);
    site.kubectl.ok(&["logs", "web", "-c", "main"]);
    site.server.end("TERM");
    site.server.set_options(&["--kubelet-certificate-authority", &path("empty.crt")]);
    let said = site.server.fails_to_start();
    assert!(said.contains("holds no certificates in PEM form"), "{said}");
}

#[test]
fn who_cannot_be_reached_is_named() {
    let site = Site::new();
    let kubectl = &site.kubectl;
    // Nothing listens at port 1.
    add_node(kubectl, "away", "127.0.0.1", 1);
    let pod = |name: &str, node: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{{node} "containers": [{{"name": "main", "image": "a"}}]}}}}"#
        )
    };
    kubectl.ok_with_input(&["create", "-f", "-"], &pod("lost", r#""nodeName": "away","#));
    let refused = kubectl.fails(&["logs", "lost"]);
    let expected = r#"Get "https://127.0.0.1:1/containerLogs/default/lost/main": dial tcp 127.0.0.1:1: connect: connection refused"#;
    assert!(refused.contains(expected), "{refused}");
    let refused = kubectl.fails(&["exec", "lost", "--", "echo"]);
    assert!(
        refused.contains("error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused"),
        "{refused}"
    );
    kubectl.ok_with_input(&["create", "-f", "-"], &pod("unbound", ""));
    assert_eq!(kubectl.ok(&["logs", "unbound"]), "");
    let refused = kubectl.fails(&["exec", "unbound", "--", "echo"]);
    assert!(refused.contains("pod unbound does not have a host assigned"), "{refused}");
    let refused = kubectl.fails(&["get", "--raw", "/api/v1/nodes/away/proxy/page"]);
    assert!(refused.contains("address not allowed"), "{refused}");
}

#[test]
fn requests_are_passed_on_to_nodes_pods_and_services() {
    let Some(address) = own_address() else {
        eprintln!(
            "LEFT OUT: this machine has no address besides the loopback's, to which nothing is passed on"
        );
        return;
    };
    let site = Site::at(address);
    let port = site.kubelet.pod().port();
    let service = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [
            {{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "web"}}, "spec": {{"ports": [{{"name": "main", "port": 80}}]}}}},
            {{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {{"name": "web", "labels": {{"kubernetes.io/service-name": "web"}}}},
              "addressType": "IPv4", "ports": [{{"name": "main", "port": {port}}}],
              "endpoints": [
                {{"addresses": ["198.51.100.9"], "targetRef": {{"kind": "Pod", "namespace": "default", "name": "web"}}}},
                {{"addresses": ["{address}"], "targetRef": {{"kind": "Pod", "namespace": "default", "name": "web"}}}}]}}]}}"#
    );
    site.kubectl.ok_with_input(&["create", "-f", "-"], &service);
    let node = "/api/v1/nodes/node/proxy";
    assert_eq!(site.kubectl.ok(&["get", "--raw", &format!("{node}/page")]), "a page\n");
    let curl = site.server.curl();
    let url = |path: &str| site.server.url(path);
    let places =
        ["pods/web", "pods/http:web:PORT", "services/web:main", "services/web:80", "services/http:web:main"];
    for place in places.map(|place| place.replace("PORT", &port.to_string())) {
        let page = curl.ok(&[&url(&format!("/api/v1/namespaces/default/{place}/proxy/page"))]);
        assert_eq!(page, "a page\n", "{place}");
    }
    // A kubelet believes nobody but the API server, which does not show its certificate to pods.
    let kubelet =
        format!("/api/v1/namespaces/default/pods/https:web:{}/proxy/page", site.kubelet.address().port());
    let refused = curl.ok(&[&url(&kubelet)]);
    assert!(refused.contains("error trying to reach service: "), "{refused}");
    let refused = curl.ok(&[&url("/api/v1/namespaces/default/services/web:81/proxy/")]);
    assert!(refused.contains("no service port 81 found for service"), "{refused}");
    for version in ["--http1.1", "--http2"] {
        let sent = [
            "-H",
            "Impersonate-User: kubernetes-admin",
            "-H",
            "Impersonate-Group: system:masters",
            "-H",
            "X-Own: 1",
        ];
        let target = url(&format!("{node}/seen/x%2Fy?a=%20b"));
        let post = [version, "-X", "POST", "--data-binary", "12345", &target];
        let seen = curl.ok(&[&sent[..], &post].concat());
        let expected = "POST /seen/x%2Fy?a=%20b 5 accept,content-length,content-type,host,user-agent,x-forwarded-for,x-forwarded-uri,x-own\n";
        assert_eq!(seen, expected);
        let head = curl.ok(&[version, "--head", &url(&format!("{node}/page"))]);
        assert!(head.to_lowercase().contains("content-length: 7"), "{head}");
        let redirect = curl.ok(&[version, "-i", &url(&format!("{node}/leave"))]);
        assert!(redirect.contains("location: /api/v1/nodes/node/proxy/page"), "{redirect}");
        let redirect = curl.ok(&[version, "-i", &url(&format!("{node}?a=b"))]);
        assert!(redirect.contains("location: /api/v1/nodes/node/proxy/?a=b"), "{redirect}");
        let large = "x".repeat(8 << 20);
        let target = url(&format!("{node}/seen"));
        let seen = curl
            .ok_with_input(&[version, "-X", "PUT", "-H", "Expect:", "--data-binary", "@-", &target], &large);
        assert!(seen.starts_with(&format!("PUT /seen {} ", large.len())), "{seen}");
    }
}

#[test]
fn who_listens_does_not_keep_a_server_from_stopping() {
    let mut site = Site::new();
    let following = site.kubectl.start(&["logs", "-f", "web", "-c", "main"]);
    site.kubelet.await_follower();
    site.kubelet.say("first");
    assert_eq!(following.next_line(), "first");
    let running = site.kubectl.start(&["exec", "web", "-c", "main", "--", "wait"]);
    assert_eq!(running.next_line(), "waiting");
    assert!(site.server.end("TERM").success());
    let log = site.server.log();
    assert!(!log.contains("still open at the end of the shutdown"), "{log}");
    assert!(!following.finished().success());
    assert!(!running.finished().success());
}
