//! How long the codecs take for one pod: `cargo run --release -p pintle-apiserver --example codec_bench`.
//!
//! Prints the best of several rounds, so a busy machine disturbs little.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and stops at the first failure"
)]

use std::time::Instant;

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use pintle_apiserver::codec::{json, proto, yaml};
use pintle_apiserver::schema;
use pintle_apiserver::tree::Map;

const ROUNDS: usize = 400;
const REPEATS: usize = 5;

/// A running pod as a kubelet leaves it: `containers` of them, each with probes, volumes and a status.
fn pod(containers: usize) -> String {
    let mut specs = Vec::new();
    let mut statuses = Vec::new();
    for index in 0..containers {
        specs.push(format!(
            r#"{{"name":"worker-{index}","image":"registry.example.com/team/service-{index}:v1.14.{index}","args":["--log-level=info","--listen=0.0.0.0:80{index}0","--config=/etc/service/config.yaml"],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}},{{"name":"metrics","containerPort":9090,"protocol":"TCP"}}],"env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}},{{"name":"POD_NAMESPACE","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.namespace"}}}}}},{{"name":"DATABASE_URL","valueFrom":{{"secretKeyRef":{{"name":"database","key":"url"}}}}}},{{"name":"GOMAXPROCS","value":"4"}}],"resources":{{"limits":{{"cpu":"2","memory":"1536Mi"}},"requests":{{"cpu":"250m","memory":"512Mi"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/service"}},{{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http","scheme":"HTTP"}},"initialDelaySeconds":10,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"readinessProbe":{{"httpGet":{{"path":"/readyz","port":8080,"scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{{"capabilities":{{"drop":["ALL"]}},"runAsNonRoot":true,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false}}}}"#
        ));
        statuses.push(format!(
            r#"{{"name":"worker-{index}","state":{{"running":{{"startedAt":"2026-11-20T10:15:{index:02}Z"}}}},"lastState":{{}},"ready":true,"restartCount":{index},"image":"registry.example.com/team/service-{index}:v1.14.{index}","imageID":"registry.example.com/team/service-{index}@sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","containerID":"containerd://7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded9773{index}","started":true}}"#
        ));
    }
    let mut owned = Vec::new();
    for index in 0..containers {
        owned.push(format!(
            r#""k:{{\"name\":\"worker-{index}\"}}":{{".":{{}},"f:args":{{}},"f:env":{{".":{{}},"k:{{\"name\":\"POD_NAME\"}}":{{".":{{}},"f:name":{{}},"f:valueFrom":{{".":{{}},"f:fieldRef":{{}}}}}}}},"f:image":{{}},"f:imagePullPolicy":{{}},"f:livenessProbe":{{".":{{}},"f:failureThreshold":{{}},"f:httpGet":{{".":{{}},"f:path":{{}},"f:port":{{}},"f:scheme":{{}}}},"f:periodSeconds":{{}}}},"f:name":{{}},"f:ports":{{".":{{}},"k:{{\"containerPort\":8080,\"protocol\":\"TCP\"}}":{{".":{{}},"f:containerPort":{{}},"f:name":{{}},"f:protocol":{{}}}}}},"f:resources":{{".":{{}},"f:limits":{{".":{{}},"f:cpu":{{}},"f:memory":{{}}}}}}}}"#
        ));
    }
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"service-7c5ddbdf54-x2k8p","generateName":"service-7c5ddbdf54-","namespace":"production","uid":"0f1f9d3e-5a0c-4f6f-9a39-3f6f3a4f3e11","resourceVersion":"184467","generation":1,"creationTimestamp":"2026-11-20T10:15:00Z","labels":{{"app.kubernetes.io/name":"service","app.kubernetes.io/part-of":"shop","pod-template-hash":"7c5ddbdf54"}},"annotations":{{"prometheus.io/scrape":"true","prometheus.io/port":"9090"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"service-7c5ddbdf54","uid":"9be0a1f2-07ab-4d3a-8f1c-55c9fd3c8f55","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-11-20T10:15:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app.kubernetes.io/name":{{}},"f:pod-template-hash":{{}}}}}},"f:spec":{{"f:containers":{{{}}}}}}}}}]}},"spec":{{"volumes":[{{"name":"config","configMap":{{"name":"service-config","defaultMode":420}}}},{{"name":"kube-api-access-x7k2p","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}},{{"downwardAPI":{{"items":[{{"path":"namespace","fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.namespace"}}}}]}}}}],"defaultMode":420}}}}],"containers":[{}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"service","serviceAccount":"service","nodeName":"node-17","securityContext":{{"runAsUser":1000,"fsGroup":1000}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:15:12Z"}},{{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:15:00Z"}}],"hostIP":"10.0.3.17","podIP":"10.244.17.9","podIPs":[{{"ip":"10.244.17.9"}}],"startTime":"2026-11-20T10:15:00Z","containerStatuses":[{}],"qosClass":"Burstable"}}}}"#,
        owned.join(","),
        specs.join(","),
        statuses.join(",")
    )
}

/// Microseconds of one call, the best of several rounds.
fn measure(name: &str, bytes: usize, mut work: impl FnMut() -> usize) {
    let mut best = f64::MAX;
    let mut sum = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPEATS {
            sum += work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / REPEATS as f64);
    }
    println!("{name:<34}{best:>8.1} us{:>8.0} MB/s{:>16}", bytes as f64 / best, sum / ROUNDS / REPEATS);
}

fn main() {
    let start = Instant::now();
    let schema = schema::builtin();
    println!("reading the table: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    let kind = schema::kind("", "v1", "Pod").expect("the table has pods");
    for containers in [2, 4, 6] {
        let text = pod(containers);
        let input = text.as_bytes();
        let map: Map = json::decode(input, schema, kind, None).expect("the pod is well formed");
        let mut out = Vec::new();
        json::encode(&map, schema, kind, &mut out);
        let mut message = Vec::new();
        proto::encode(&map, schema, kind, &mut message);
        println!(
            "pod with {containers} containers: {} bytes of JSON, {} of protobuf",
            input.len(),
            message.len()
        );
        let mut findings = pintle_apiserver::codec::Findings::default();
        measure("JSON to tree", input.len(), || {
            json::decode(input, schema, kind, None).map_or(0, |map| map.len())
        });
        measure("JSON to tree, strict", input.len(), || {
            json::decode(input, schema, kind, Some(&mut findings)).map_or(0, |map| map.len())
        });
        measure("tree to JSON", out.len(), || {
            out.clear();
            json::encode(&map, schema, kind, &mut out);
            out.len()
        });
        measure("protobuf to tree", message.len(), || {
            proto::decode(&message, schema, kind).map_or(0, |map| map.len())
        });
        let mut written = Vec::new();
        measure("tree to protobuf", message.len(), || {
            written.clear();
            proto::encode(&map, schema, kind, &mut written);
            written.len()
        });
        measure("JSON to protobuf through a tree", input.len(), || {
            written.clear();
            let map = json::decode(input, schema, kind, None).unwrap_or_default();
            proto::encode(&map, schema, kind, &mut written);
            written.len()
        });
        let mut stored = Vec::new();
        json::encode_stored(&map, schema, kind, &mut stored);
        measure("stored JSON to protobuf, no tree", stored.len(), || {
            written.clear();
            proto::transcode_stored(&stored, schema, kind, &mut written).map_or(0, |()| written.len())
        });
        measure("JSON to untyped tree", input.len(), || json::decode_untyped(input).map_or(0, |_| 1));
        measure("untyped tree to typed", input.len(), || {
            let node = json::decode_untyped(input).unwrap_or_default();
            let map = node.as_map().cloned().unwrap_or_default();
            json::typed(map, schema, kind, None).map_or(0, |map| map.len())
        });
        measure("JSON to YAML", input.len(), || yaml::from_json(input).map_or(0, |text| text.len()));
    }
}
