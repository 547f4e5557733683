//! Who is who: tokens of service accounts and of nodes that join, and what admission makes of pods.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf};

use pintle_e2e::{clients::Client, server::Server};
use serde_json::{Value, json};

/// How long kubectl waits for what a controller does a moment later.
const WAIT: &str = "--timeout=30s";
const PARALLEL_CREATES: usize = 64;

/// A server with its administrator, and people who only have tokens.
struct Cluster {
    server: Server,
    kubectl: Client,
}

impl Cluster {
    fn start() -> Cluster {
        let server = Server::start();
        let kubectl = server.kubectl();
        Cluster { server, kubectl }
    }

    /// kubectl of somebody who has nothing but what is given with each command.
    fn stranger(&self) -> Client {
        let path = self.server.home().join("stranger.kubeconfig");
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "c", "cluster": {
                "server": self.server.url(""),
                "certificate-authority": self.authority(),
            }}],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "users": [{ "name": "u", "user": {} }],
            "current-context": "c",
        });
        fs::write(&path, text.to_string()).unwrap();
        self.kubectl.with_kubeconfig(&path)
    }

    fn authority(&self) -> PathBuf {
        self.server.data_dir().join("pki/ca.crt")
    }

    /// What the holder of a token is told of himself; the refusal otherwise.
    fn whoami(&self, token: &str) -> Result<Value, String> {
        let answer = self.stranger().run(&["--token", token, "auth", "whoami", "-o", "json"]);
        if !answer.status.success() {
            return Err(answer.stderr);
        }
        let review: Value = serde_json::from_str(&answer.stdout).unwrap();
        Ok(review["status"]["userInfo"].clone())
    }

    /// The code and body that curl gets with a token.
    fn get(&self, token: &str, path: &str) -> (String, String) {
        let (header, url) = (format!("Authorization: Bearer {token}"), self.server.url(path));
        let printed =
            self.server.anonymous_curl().ok(&["--header", &header, "--write-out", "\n%{http_code}", &url]);
        let (body, code) = printed.rsplit_once('\n').unwrap();
        (code.to_owned(), body.to_owned())
    }

    fn review(&self, token: &str, audiences: &[&str]) -> Value {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": audiences },
        });
        let answer = self.kubectl.ok_with_input(&["create", "-o", "json", "-f", "-"], &review.to_string());
        serde_json::from_str::<Value>(&answer).unwrap()["status"].clone()
    }

    fn create(&self, object: &Value) {
        self.kubectl.ok_with_input(&["create", "-f", "-"], &object.to_string());
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl.ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    fn token(&self, arguments: &[&str]) -> String {
        self.kubectl.ok(&[&["create", "token"], arguments].concat()).trim().to_owned()
    }
}

fn pod(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["containers"] = json!([{ "name": "c", "image": "registry.example/c:1" }]);
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

#[test]
fn a_token_is_its_account_until_the_account_is_deleted() {
    let cluster = Cluster::start();
    let kubectl = &cluster.kubectl;
    kubectl.ok(&["create", "serviceaccount", "bot"]);
    let token = cluster.token(&["bot"]);
    let user = cluster.whoami(&token).unwrap();
    assert_eq!(user["username"], "system:serviceaccount:default:bot");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    let pods = "/api/v1/namespaces/default/pods";
    assert_eq!(cluster.get(&token, pods).0, "403");
    let can = ["auth", "can-i", "list", "pods", "--as", "system:serviceaccount:default:bot"];
    assert_eq!(kubectl.run(&can).stdout, "no\n");
    kubectl.ok(&["create", "rolebinding", "bot", "--clusterrole=view", "--serviceaccount=default:bot"]);
    assert_eq!(kubectl.ok(&can), "yes\n");
    assert_eq!(cluster.get(&token, pods).0, "200");
    kubectl.ok(&["delete", "serviceaccount", "bot"]);
    let (code, body) = cluster.get(&token, pods);
    assert!(code == "401" && body.contains("\"reason\": \"Unauthorized\""), "{code} {body}");
    kubectl.ok(&["create", "serviceaccount", "bot"]);
    assert_eq!(cluster.get(&token, pods).0, "401", "another account of the same name is somebody else");
}

#[test]
fn a_bound_token_names_its_pod_and_dies_with_it() {
    let cluster = Cluster::start();
    cluster.create(&pod("p", json!({ "nodeName": "n1" })));
    let bound = ["default", "--bound-object-kind=Pod", "--bound-object-name=p"];
    let token = cluster.token(&bound);
    let user = cluster.whoami(&token).unwrap();
    assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(user["extra"]["authentication.kubernetes.io/node-name"], json!(["n1"]));
    let credential = user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap();
    assert!(credential.starts_with("JTI="), "{credential}");
    let wrong =
        cluster.kubectl.fails(&[&["create", "token"], &bound[..], &["--bound-object-uid=x"]].concat());
    assert!(wrong.contains("the UID in the bound object reference (x) does not match"), "{wrong}");
    let short = cluster.kubectl.fails(&["create", "token", "default", "--duration=1m"]);
    assert!(short.contains("may not specify a duration less than 10 minutes"), "{short}");
    cluster.kubectl.ok(&["delete", "pod", "p", "--force", "--grace-period=0"]);
    assert!(cluster.whoami(&token).unwrap_err().contains("Unauthorized"));
}

#[test]
fn tokens_count_for_their_audiences_alone() {
    let cluster = Cluster::start();
    let vault = cluster.token(&["default", "--audience=vault", "--audience=other"]);
    assert!(cluster.whoami(&vault).is_err());
    let status = cluster.review(&vault, &["vault"]);
    assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!(["vault"])));
    let status = cluster.review(&vault, &[]);
    let error = status["error"].as_str().unwrap();
    assert!(
        status["authenticated"].is_null() && error.contains("is invalid for the target audiences"),
        "{error}"
    );
    let own = cluster.token(&["default"]);
    assert_eq!(cluster.review(&own, &[])["user"]["username"], "system:serviceaccount:default:default");
    assert_eq!(cluster.review("a.b.c", &[])["error"], "invalid bearer token");

    let (code, document) = cluster.get(&own, "/.well-known/openid-configuration");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        (code.as_str(), &document["issuer"]),
        ("200", &json!("https://kubernetes.default.svc.cluster.local"))
    );
    let (_, keys) = cluster.get(&own, "/openid/v1/jwks");
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys["keys"][0]["alg"], "ES256");
    let anonymous = cluster.server.anonymous_curl().ok(&[&cluster.server.url("/openid/v1/jwks")]);
    assert!(anonymous.contains("\"code\": 403"), "{anonymous}");
}

#[test]
fn a_bootstrap_token_is_a_node_that_joins_until_it_expires() {
    let cluster = Cluster::start();
    let secret = |id: &str, expiration: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": format!("bootstrap-token-{id}"), "namespace": "kube-system" },
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": id,
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
                "expiration": expiration,
            },
        })
    };
    cluster.create(&secret("abcdef", "2999-01-01T00:00:00Z"));
    let user = cluster.whoami("abcdef.0123456789abcdef").unwrap();
    assert_eq!(user["username"], "system:bootstrap:abcdef");
    assert_eq!(user["groups"][1], "system:bootstrappers:kubeadm:default-node-token");
    assert!(cluster.whoami("abcdef.0123456789abcdeg").is_err());
    cluster.create(&secret("fedcba", "2020-01-01T00:00:00Z"));
    assert!(cluster.whoami("fedcba.0123456789abcdef").is_err());
    let gone = ["-n", "kube-system", "wait", "--for=delete", "secret/bootstrap-token-fedcba", WAIT];
    cluster.kubectl.ok(&gone);
    cluster.kubectl.ok(&["-n", "kube-system", "get", "secret", "bootstrap-token-abcdef"]);
}

#[test]
fn whoever_has_a_token_can_tell_the_cluster_from_another() {
    let cluster = Cluster::start();
    cluster.create(&json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "bootstrap-token-abcdef", "namespace": "kube-system" },
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-signing": "true",
        },
    }));
    let signed = "--for=jsonpath={.data.jws-kubeconfig-abcdef}";
    cluster.kubectl.ok(&["-n", "kube-public", "wait", signed, "configmap/cluster-info", WAIT]);
    let url = cluster.server.url("/api/v1/namespaces/kube-public/configmaps/cluster-info");
    let info: Value = serde_json::from_str(&cluster.server.anonymous_curl().ok(&[&url])).unwrap();
    let data = &info["data"];
    let signature = data["jws-kubeconfig-abcdef"].as_str().unwrap();
    assert!(signature.starts_with("eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.."), "{signature}");
    let kubeconfig = data["kubeconfig"].as_str().unwrap();
    assert!(kubeconfig.contains(&cluster.server.url("")), "{kubeconfig}");
}

#[test]
fn a_token_secret_is_filled_and_goes_with_its_account() {
    let cluster = Cluster::start();
    let kubectl = &cluster.kubectl;
    kubectl.ok(&["create", "serviceaccount", "bot"]);
    cluster.create(&json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "bot-token", "annotations": { "kubernetes.io/service-account.name": "bot" } },
        "type": "kubernetes.io/service-account-token",
    }));
    let described = kubectl.ok(&["describe", "secret", "bot-token"]);
    let token = described.lines().find_map(|line| line.strip_prefix("token:")).unwrap().trim().to_owned();
    assert_eq!(cluster.whoami(&token).unwrap()["username"], "system:serviceaccount:default:bot");
    let last_used = r"--for=jsonpath={.metadata.labels.kubernetes\.io/legacy-token-last-used}";
    kubectl.ok(&["wait", last_used, "secret/bot-token", WAIT]);
    kubectl.ok(&["label", "secret", "bot-token", "kubernetes.io/legacy-token-invalid-since=2026-01-01"]);
    assert!(cluster.whoami(&token).is_err(), "the cleaner has marked it");
    kubectl.ok(&["label", "secret", "bot-token", "kubernetes.io/legacy-token-invalid-since-"]);
    assert!(cluster.whoami(&token).is_ok());
    kubectl.ok(&["delete", "serviceaccount", "bot"]);
    assert!(cluster.whoami(&token).is_err());
    kubectl.ok(&["wait", "--for=delete", "secret/bot-token", WAIT]);
}

#[test]
fn the_default_account_and_the_root_certificate_come_back() {
    let cluster = Cluster::start();
    let kubectl = &cluster.kubectl.with(&["--namespace", "team"]);
    cluster.kubectl.ok(&["create", "namespace", "team"]);
    let authority = fs::read_to_string(cluster.authority()).unwrap();
    kubectl.ok(&["delete", "serviceaccount", "default"]);
    kubectl.ok(&["delete", "configmap", "kube-root-ca.crt"]);
    kubectl.ok(&["wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", WAIT]);
    kubectl.ok(&[
        "patch",
        "configmap",
        "kube-root-ca.crt",
        "--type=merge",
        "-p",
        r#"{"data":{"x":"y","ca.crt":null}}"#,
    ]);
    // A certificate may hold a `=`, which kubectl does not take in a value to wait for.
    kubectl.ok(&["wait", r"--for=jsonpath={.data.ca\.crt}", "configmap/kube-root-ca.crt", WAIT]);
    let data = kubectl.ok(&["get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data}"]);
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap(), json!({ "ca.crt": authority }));
}

#[test]
fn a_quota_holds_under_parallel_creates() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl.with(&["--namespace", "team"]);
    cluster.kubectl.ok(&["create", "namespace", "team"]);
    kubectl.ok(&["create", "quota", "q", "--hard=pods=10,count/configmaps=3"]);
    kubectl.ok(&["wait", "--for=jsonpath={.status.used.count/configmaps}=1", "quota/q", WAIT]);
    let curl = cluster.server.curl();
    let url = cluster.server.url("/api/v1/namespaces/team/pods");
    let codes: Vec<String> = std::thread::scope(|scope| {
        let creates: Vec<_> = (0..PARALLEL_CREATES)
            .map(|number| {
                let (curl, url) = (&curl, &url);
                scope.spawn(move || {
                    let body = pod(&format!("p{number}"), json!({})).to_string();
                    let json = "Content-Type: application/json";
                    let quiet = ["--output", "/dev/null", "--write-out", "%{http_code}"];
                    let send = ["--header", json, "--data-binary", "@-", url.as_str()];
                    curl.ok_with_input(&[&quiet[..], &send[..]].concat(), &body)
                })
            })
            .collect();
        creates.into_iter().map(|create| create.join().unwrap()).collect()
    });
    let created = codes.iter().filter(|code| *code == "201").count();
    assert_eq!((created, codes.iter().filter(|code| *code == "403").count()), (10, PARALLEL_CREATES - 10));
    assert_eq!(cluster.json(&["-n", "team", "get", "quota", "q"])["status"]["used"]["pods"], "10");
    let refused = kubectl.fails(&["run", "more", "--image=registry.example/c:1"]);
    let why =
        "pods \"more\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10";
    assert!(refused.contains(why), "{refused}");
    kubectl.ok(&["delete", "pods", "--all", "--force", "--grace-period=0"]);
    assert_eq!(cluster.json(&["-n", "team", "get", "quota", "q"])["status"]["used"]["pods"], "0");
}

#[test]
fn pods_get_their_account_limits_and_class() {
    let cluster = Cluster::start();
    cluster.create(&json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": { "name": "limits" },
        "spec": { "limits": [
            { "type": "Container", "default": { "cpu": "500m" }, "defaultRequest": { "cpu": "100m" }, "max": { "cpu": "1" } },
        ]},
    }));
    cluster.create(&pod("p", json!({})));
    let stored = cluster.json(&["get", "pod", "p"]);
    let container = &stored["spec"]["containers"][0];
    assert_eq!(container["resources"], json!({ "limits": { "cpu": "500m" }, "requests": { "cpu": "100m" } }));
    assert_eq!(stored["status"]["qosClass"], "Burstable");
    let mount = &container["volumeMounts"][0];
    assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    let volume = &stored["spec"]["volumes"][0];
    assert_eq!(volume["name"], mount["name"]);
    let sources = volume["projected"]["sources"].as_array().unwrap();
    assert_eq!(sources[0]["serviceAccountToken"], json!({ "expirationSeconds": 3607, "path": "token" }));
    assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
    let mut greedy = pod("greedy", json!({}));
    greedy["spec"]["containers"][0]["resources"] = json!({ "limits": { "cpu": "2" } });
    let refused = cluster.kubectl.fails_with_input(&["create", "-f", "-"], &greedy.to_string());
    assert!(refused.contains("maximum cpu usage per Container is 1, but limit is 2"), "{refused}");
}

#[test]
fn a_kubelet_reads_what_its_pods_refer_to() {
    let cluster = Cluster::start();
    let node = |name: &str| {
        let kubeconfig = cluster.server.kubeconfig_of(&format!("system:node:{name}"), &["system:nodes"]);
        cluster.kubectl.with_kubeconfig(&kubeconfig)
    };
    let (own, other) = (node("n1"), node("n2"));
    cluster.kubectl.ok(&["create", "secret", "generic", "mounted", "--from-literal=a=b"]);
    let spec = json!({
        "nodeName": "n1",
        "volumes": [{ "name": "v", "secret": { "secretName": "mounted" } }],
    });
    let refused = own.fails(&["get", "secret", "mounted"]);
    let why = "no relationship found between node 'n1' and this object";
    assert!(refused.contains(why), "{refused}");
    cluster.create(&pod("p", spec));
    assert_eq!(own.ok(&["get", "secret", "mounted", "-o", "name"]), "secret/mounted\n");
    assert!(other.fails(&["get", "secret", "mounted"]).contains("no relationship found between node 'n2'"));
    assert!(own.fails(&["get", "secrets"]).contains("No Object name found"));
    assert_eq!(own.ok(&["get", "pods", "-A", "--field-selector=spec.nodeName=n1", "-o", "name"]), "pod/p\n");
    let all = own.fails(&["get", "pods", "-A"]);
    assert!(all.contains("can only list/watch pods with spec.nodeName field selector"), "{all}");
    let uid = cluster.json(&["get", "pod", "p"])["metadata"]["uid"].as_str().unwrap().to_owned();
    let bound = [
        "create",
        "token",
        "default",
        "--bound-object-kind=Pod",
        "--bound-object-name=p",
        "--bound-object-uid",
    ];
    own.ok(&[&bound[..], &[&uid]].concat());
    assert!(other.fails(&[&bound[..], &[&uid]].concat()).contains("no relationship found"));
    let unbound = own.fails(&["create", "token", "default"]);
    assert!(unbound.contains("node requested token not bound to a pod"), "{unbound}");
}
