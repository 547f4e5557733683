//! Measures the CPU that writes cost between a request's body and its answer: the whole pipeline over a real store, in
//! process, so that HTTP and TLS are left out.
//!
//! `cargo run --release -p pintle-apiserver --example write_path [-- [OPERATIONS] [WORD IN THE NAME]...]`
//!
//! A dry run does everything but the store's transaction, on one thread alone: its figure is what the API server
//! itself costs. The other figures are those of the whole process, by groups of threads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use pintle_apiserver::Server;
use pintle_apiserver::clock::SystemClock;
use pintle_apiserver::cluster::Cluster;
use pintle_apiserver::negotiation::Form;
use pintle_apiserver::reply::Reply;
use pintle_apiserver::request::{Attributes, Query, Request};
use pintle_apiserver::user::User;
use pintle_store::Store;

/// As the binary has it: the allocator is a good part of what a write costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The load program's Pod of 9 KB.
const POD: &str = include_str!("../../e2e/src/load/objects/pod.json");
const CLIENTS: usize = 64;
const PATCHED_PODS: usize = 200;
const GROUPS: usize = 100;
const PODS: &str = "/api/v1/namespaces/load/pods";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/load/leases";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let operations = words.first().and_then(|word| word.parse().ok());
    if operations.is_some() {
        words.remove(0);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let options = pintle_store::Options::new(directory.path().join("data"));
    let store = runtime.block_on(async { Store::open(options) }).expect("the store opens");
    let server = Arc::new(Server::new(store.clone(), Cluster::default(), Arc::new(SystemClock::default())));
    runtime.block_on(server.start()).expect("the first objects are written");
    let bench = Bench { server, runtime, operations: operations.unwrap_or(10_000), words };
    bench.fill();
    bench.run();
    bench.runtime.block_on(store.shutdown());
}

struct Bench {
    server: Arc<Server>,
    runtime: tokio::runtime::Runtime,
    operations: usize,
    words: Vec<String>,
}

/// Makes the request of the operation with a number.
type Make = fn(&str, usize) -> Request;

/// Query of a dry run.
const DRY: &str = "?dryRun=All";

impl Bench {
    /// What the scenarios write to.
    fn fill(&self) {
        let mut requests = vec![post("/api/v1/namespaces", r#"{"metadata":{"name":"load"}}"#.to_owned())];
        requests.extend((0..PATCHED_PODS).map(|n| post(PODS, pod(&format!("patched-{n}"), n))));
        requests.extend((0..CLIENTS).map(|n| post(LEASES, lease(n, "", 0))));
        let user = User::apiserver();
        self.runtime.block_on(async {
            for request in &requests {
                call(&self.server, &user, request).await;
            }
        });
    }

    fn run(&self) {
        let scenarios: [(&str, Make); 5] = [
            ("create ConfigMap", |query, n| {
                let path = format!("/api/v1/namespaces/load/configmaps{query}");
                post(&path, config_map(&format!("map-{n}")))
            }),
            ("create Pod", |query, n| post(&format!("{PODS}{query}"), pod(&format!("pod-{n}"), n))),
            ("create Pod, no two specs alike", |query, n| {
                let pod = POD.replace("@RELEASE@", &n.to_string());
                post(&format!("{PODS}{query}"), fill(&pod, &format!("unlike-{n}"), n))
            }),
            ("update Lease", |query, n| {
                let path = format!("{LEASES}/node-{}{query}", n % CLIENTS);
                request(Method::PUT, &path, "application/json", lease(n % CLIENTS, VERSION, n))
            }),
            ("patch Pod", |query, n| {
                let path = format!("{PODS}/patched-{}{query}", n % PATCHED_PODS);
                let body = format!(r#"{{"metadata":{{"annotations":{{"shop.example/load":"{n}"}}}}}}"#);
                request(Method::PATCH, &path, STRATEGIC, body)
            }),
        ];
        for (name, make) in scenarios {
            let dry = format!("{name}, dry run");
            if self.wants(&dry) {
                self.alone(&dry, |n| make(DRY, n), self.operations);
            }
            if self.wants(name) {
                self.together(name, |n| make("", n));
            }
        }
        // Without the scenario that creates pods there are only those that are patched.
        let stored = self.server.view().state().count("/registry/pods/");
        let name = format!("list by label 1 % of {stored} pods");
        if self.wants(&name) {
            let lists = self.operations / 50;
            let list = format!("{PODS}?labelSelector=group%3D17");
            self.alone(&name, |_| request(Method::GET, &list, "", String::new()), lists);
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    /// One request after the other on this thread.
    fn alone(&self, name: &str, make: impl Fn(usize) -> Request, operations: usize) {
        let requests: Vec<Request> = (0..operations).map(make).collect();
        let user = User::apiserver();
        let before = thread_cpu("/proc/thread-self");
        self.runtime.block_on(async {
            for request in &requests {
                call(&self.server, &user, request).await;
            }
        });
        let nanos = thread_cpu("/proc/thread-self") - before;
        println!("{:8.1} us  {name}", micros(nanos, operations));
    }

    /// Many clients at once on the runtime, each with one request at a time.
    fn together(&self, name: &str, make: impl Fn(usize) -> Request) {
        let requests: Arc<[Request]> = (0..self.operations).map(make).collect();
        let before = process_cpu();
        self.runtime.block_on(async {
            let mut clients = tokio::task::JoinSet::new();
            for client in 0..CLIENTS {
                let (server, requests) = (self.server.clone(), requests.clone());
                clients.spawn(async move {
                    let user = User::apiserver();
                    for request in requests.iter().skip(client).step_by(CLIENTS) {
                        call(&server, &user, request).await;
                    }
                });
            }
            clients.join_all().await;
        });
        let mut groups = process_cpu();
        for (group, nanos) in before {
            groups.entry(group).and_modify(|now| *now = now.saturating_sub(nanos));
        }
        let total = micros(groups.values().sum(), self.operations);
        let mut parts: Vec<(f64, String)> =
            groups.into_iter().map(|(group, nanos)| (micros(nanos, self.operations), group)).collect();
        parts.retain(|(micros, _)| *micros >= 0.5);
        parts.sort_by(|a, b| b.0.total_cmp(&a.0));
        let parts: Vec<String> = parts.iter().map(|(micros, group)| format!("{group} {micros:.1}")).collect();
        println!("{total:8.1} us  {name} ({})", parts.join(", "));
    }
}

async fn call(server: &Server, user: &User, request: &Request) {
    let answer = server.call(user, &at_current_version(server, request), Ok(Form::JSON)).await;
    match answer.reply {
        Ok(Reply::Entry(_) | Reply::Tree(_) | Reply::List(_)) => {}
        Ok(_) => panic!("{} {} has another answer", request.method, request.attributes.path),
        Err(error) => panic!("{} {}: {error}", request.method, request.attributes.path),
    }
}

/// An update as a client sends it that has just read the object: it states the version.
fn at_current_version<'r>(server: &Server, request: &'r Request) -> Cow<'r, Request> {
    if request.method != Method::PUT {
        return Cow::Borrowed(request);
    }
    let Attributes { group, version, resource, namespace, name, .. } = &request.attributes;
    let resource = server.known(group, version, resource).expect("the resource is served");
    let view = server.view();
    let entry = view.entry(&resource, namespace, name).expect("the object was created");
    let body = String::from_utf8_lossy(&request.body).replace("@VERSION@", &entry.modified.to_string());
    Cow::Owned(Request { body: Bytes::from(body), ..request.clone() })
}

fn post(path: &str, body: String) -> Request {
    request(Method::POST, path, "application/json", body)
}

fn request(method: Method, url: &str, content_type: &'static str, body: String) -> Request {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query = Query::parse(query);
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static("write-path/1"));
    Request {
        attributes: Attributes::parse(&method, path, &query),
        method,
        query,
        headers,
        body: Bytes::from(body),
        fence: None,
        origin: None,
        recording: None,
    }
}

fn pod(name: &str, n: usize) -> String {
    fill(POD, name, n)
}

fn fill(pod: &str, name: &str, n: usize) -> String {
    pod.replace("@NAME@", name).replace("@GROUP@", &(n % GROUPS).to_string()).replace("@NODE@", "")
}

fn config_map(name: &str) -> String {
    let text: String = (0..900).map(|at| char::from(b'a' + (at * 7 % 26) as u8)).collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"settings":"{text}","stamp":"0"}}}}"#
    )
}

/// The resource version of an update, and the place in its body where it is filled in.
const VERSION: &str = r#","resourceVersion":"@VERSION@""#;

fn lease(node: usize, version: &str, second: usize) -> String {
    let (minutes, seconds) = (second / 60 % 60, second % 60);
    format!(
        r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"node-{node}"{version}}},"spec":{{"holderIdentity":"node-{node}","leaseDurationSeconds":40,"renewTime":"2026-11-21T10:{minutes:02}:{seconds:02}.{second:06}Z"}}}}"#
    )
}

fn micros(nanos: u64, operations: usize) -> f64 {
    nanos as f64 / 1e3 / operations.max(1) as f64
}

/// CPU time of a thread in nanoseconds, so that other work on the machine counts as little as it can.
fn thread_cpu(thread: &str) -> u64 {
    let text = std::fs::read_to_string(format!("{thread}/schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// CPU time of all threads by name, without numbers at its end.
fn process_cpu() -> BTreeMap<String, u64> {
    let mut groups = BTreeMap::new();
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux lists threads");
    for thread in threads.flatten() {
        let path = thread.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        *groups.entry(name).or_insert(0) += thread_cpu(&path.to_string_lossy());
    }
    groups
}
