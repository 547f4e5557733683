//! Measures what patches and managed fields cost per write, on pods of the sizes that the load program uses.
//!
//! `cargo run --release -p pintle-apiserver --example ownership`

use std::hint::black_box;

use pintle_apiserver::codec::json;
use pintle_apiserver::managed_fields::{self, Context};
use pintle_apiserver::schema::{self, StructId};
use pintle_apiserver::tree::{Map, Node};
use pintle_apiserver::{apply, patch};

const ROUNDS: u32 = 40_000;
const BATCHES: u32 = 4;
const NOW: &str = "2026-01-02T03:04:05Z";

fn main() {
    for containers in [4, 8] {
        let text = pod_text(containers);
        let id = schema::kind("", "v1", "Pod").expect("the table has Pod");
        let pod = decoded(&text, id);
        let owned = created(&pod, id);
        println!("pod of {} bytes, {} with managed fields", text.len(), encoded(&owned, id).len());
        measure("decode", || decoded(&text, id));
        measure("managed fields of a create", || created(&pod, id));
        measure("the same as a set", || {
            managed_fields::compare(&Map::new(), &pod, schema::builtin(), id, RESET)
        });
        let changed = annotated(&owned, id);
        measure("managed fields of an update, parts shared", || updated(&owned, &changed, id));
        let apart = decoded(&encoded(&changed, id), id);
        measure("managed fields of an update, nothing shared", || updated(&owned, &apart, id));
        measure("managed fields of an update that changes nothing", || updated(&owned, &owned, id));
        measure("strategic patch of an annotation", || annotated(&owned, id));
        let document = annotated(&owned, id);
        measure("making it typed again", || json::typed(document.clone(), schema::builtin(), id, None));
        measure("server-side apply of the same", || applied(&owned, &text, id));
    }
}

const RESET: managed_fields::Reset<'static> = &[&["status"]];

fn context() -> Context<'static> {
    Context {
        manager: "bench",
        api_version: "v1",
        subresource: "",
        now: NOW,
        reset: RESET,
        known: None,
        elsewhere: &[],
    }
}

fn decoded(text: &str, id: StructId) -> Map {
    let mut map = json::decode(text.as_bytes(), schema::builtin(), id, None).expect("the document is sound");
    map.remove("apiVersion");
    map.remove("kind");
    map
}

fn encoded(map: &Map, id: StructId) -> String {
    let mut out = Vec::new();
    json::encode(map, schema::builtin(), id, &mut out);
    String::from_utf8(out).expect("JSON is text")
}

fn created(pod: &Map, id: StructId) -> Map {
    let mut map = pod.clone();
    managed_fields::update(None, &mut map, schema::builtin(), id, &context());
    map
}

fn updated(live: &Map, new: &Map, id: StructId) -> Map {
    let mut map = new.clone();
    managed_fields::update(Some(live), &mut map, schema::builtin(), id, &context());
    map
}

fn annotated(pod: &Map, id: StructId) -> Map {
    let annotations = Map::from([("load/patched", Node::from("1"))]);
    let body = Map::from([("metadata", Node::Map(Map::from([("annotations", Node::Map(annotations))])))]);
    let mut map = pod.clone();
    patch::strategic::apply(&body, &mut map, schema::builtin(), id).expect("the patch fits");
    map
}

fn applied(live: &Map, text: &str, id: StructId) -> Map {
    let Ok(Node::Map(mut body)) = json::decode_untyped(text.as_bytes()) else { return Map::new() };
    body.remove("status");
    let request = apply::Request { context: context(), kind: "Pod", force: true, object: id };
    apply::apply(Some(live), &body, schema::builtin(), id, &request).expect("the body fits")
}

fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    for _ in 0..ROUNDS / 10 {
        black_box(work());
    }
    let mut best = u64::MAX;
    for _ in 0..BATCHES {
        let start = cpu_nanos();
        for _ in 0..ROUNDS / BATCHES {
            black_box(work());
        }
        best = best.min(cpu_nanos() - start);
    }
    let micros = best as f64 / 1e3 / f64::from(ROUNDS / BATCHES);
    println!("  {micros:8.2} us  {what}");
}

/// The CPU time of this thread, so that other work on the machine counts as little as it can.
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts CPU time");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("the first number is nanoseconds")
}

fn pod_text(containers: usize) -> String {
    let container = |n: usize| {
        let env: Vec<String> = (0..12)
            .map(|i| format!(r#"{{"name":"VARIABLE_{i}","value":"a value of some length, number {i}"}}"#))
            .collect();
        format!(
            r#"{{"name":"container-{n}","image":"registry.example.com/team/image-{n}:v1.2.3","args":["--port=8080","--verbose"],"ports":[{{"name":"http","containerPort":808{n},"protocol":"TCP"}}],"env":[{}],"resources":{{"limits":{{"cpu":"500m","memory":"128Mi"}},"requests":{{"cpu":"100m","memory":"64Mi"}}}},"volumeMounts":[{{"name":"data","mountPath":"/var/lib/data"}},{{"name":"config","readOnly":true,"mountPath":"/etc/config"}}],"livenessProbe":{{"httpGet":{{"path":"/healthz","port":8080,"scheme":"HTTP"}},"initialDelaySeconds":10,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}"#,
            env.join(",")
        )
    };
    let containers: Vec<String> = (0..containers).map(container).collect();
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"pod","namespace":"default","labels":{{"app":"load","tier":"back"}},"annotations":{{"example.com/one":"1","example.com/two":"2"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs","uid":"0b2f9d32-0000-4000-8000-000000000000","controller":true,"blockOwnerDeletion":true}}]}},"spec":{{"volumes":[{{"name":"data","emptyDir":{{}}}},{{"name":"config","configMap":{{"name":"config","defaultMode":420}}}}],"containers":[{}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","securityContext":{{}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"status":{{"phase":"Pending","qosClass":"Burstable"}}}}"#,
        containers.join(",")
    )
}
