use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::fixture;
use crate::negotiation::Form;
use crate::pipeline::{Answer, Server};
use crate::reply::Reply;
use crate::user::User;

const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// As often as it takes until nothing of a pod is new: seen, remembered, admitted twice, recognized.
const ENOUGH: usize = 5;

/// Runs `body` with a server whose namespace `default` has its service account.
fn serving<T>(body: impl AsyncFnOnce(&Server) -> T) -> T {
    fixture::serving(async |server| {
        let account = json!({ "metadata": { "name": "default" } });
        sent(server, "/api/v1/namespaces/default/serviceaccounts", &account).await;
        body(server).await
    })
}

async fn post(server: &Server, url: &str, content_type: &'static str, body: impl AsRef<[u8]>) -> Answer {
    let request = fixture::request(Method::POST, url, content_type, body);
    server.call(&User::apiserver(), &request, Ok(Form::JSON)).await
}

async fn sent(server: &Server, url: &str, object: &Value) -> Answer {
    post(server, url, JSON, object.to_string()).await
}

/// What was stored, without what is every object's own.
fn stored(answer: Answer) -> Value {
    let Reply::Entry(reply) = answer.reply.unwrap() else { panic!("an object was created") };
    let mut object: Value = serde_json::from_slice(&[b"{", reply.entry.bytes().as_ref()].concat()).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["name", "uid", "creationTimestamp", "resourceVersion"] {
        assert!(metadata.remove(field).is_some(), "{field}");
    }
    metadata["managedFields"][0].as_object_mut().unwrap().remove("time");
    object
}

/// The part of a pod that repeats, long enough to be remembered.
fn spec(more: Value) -> Value {
    let env: Vec<Value> =
        (0..20).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "a \"value\" & more" })).collect();
    let container = json!({
        "name": "main", "image": "registry.example/main:1", "env": env,
        "ports": [{ "containerPort": 8080 }],
        "resources": { "limits": { "cpu": "1500m", "memory": "1024Mi" } },
    });
    let mut spec = json!({ "containers": [container] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn pod(name: &str, metadata: Value, spec: &Value) -> Value {
    let mut pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": name }, "spec": spec });
    pod["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    pod
}

fn message(pod: &Value) -> Vec<u8> {
    let id = schema::kind("", "v1", "Pod").unwrap();
    let tree = codec::json::decode(pod.to_string().as_bytes(), schema::builtin(), id, None).unwrap();
    let (mut message, mut document) = (Vec::new(), Vec::new());
    codec::proto::encode(&tree, schema::builtin(), id, &mut message);
    codec::proto::document("v1", "Pod", &message, &mut document);
    document
}

/// The templates of a server, and how many of them are known through admission.
fn known(server: &Server) -> (usize, usize) {
    let remembered = server.templates.known.lock();
    let templates = remembered.by_hash.values();
    let recognized = templates.filter(|template| template.admitted.lock().known.is_some());
    (remembered.by_hash.len(), recognized.count())
}

#[test]
fn pods_of_a_template_are_what_each_would_be_alone() {
    let specs = [
        json!({}),
        json!({ "hostNetwork": true, "terminationGracePeriodSeconds": 0, "nodeName": "n" }),
        json!({ "automountServiceAccountToken": false, "schedulingGates": [{ "name": "a.example/b" }] }),
        json!({ "initContainers": [{ "name": "first", "image": "i" }], "overhead": {}, "priority": 0 }),
        json!({ "volumes": [{ "name": "v", "secret": { "secretName": "s" } }], "securityContext": {} }),
    ];
    let metadata = json!({ "labels": { "app": "a" }, "annotations": { "k": "v" } });
    serving(async |server| {
        for (at, more) in specs.into_iter().enumerate() {
            let spec = spec(more);
            let url = format!("{PODS}?fieldValidation=Ignore");
            let alone =
                stored(sent(server, &url, &pod(&format!("alone-{at}"), metadata.clone(), &spec)).await);
            for (form, content_type) in [("json", JSON), ("protobuf", PROTOBUF)] {
                for n in 0..ENOUGH {
                    let pod = pod(&format!("{form}-{at}-{n}"), metadata.clone(), &spec);
                    let body = if content_type == JSON { pod.to_string().into() } else { message(&pod) };
                    let answer = post(server, PODS, content_type, body).await;
                    assert!(answer.warnings.is_empty());
                    assert_eq!(stored(answer), alone, "{form} {at} {n}");
                }
            }
            assert_eq!(known(server), (2 * (at + 1), 2 * (at + 1)), "both forms are recognized");
        }
    });
}

#[test]
fn every_pod_of_a_template_is_created_with_the_same_advice() {
    let spec = spec(json!({ "nodeSelector": { "beta.kubernetes.io/os": "linux" } }));
    let of_metadata = json!({ "annotations": { "security.alpha.kubernetes.io/sysctls": "a" } });
    serving(async |server| {
        for n in 0..ENOUGH {
            let pod = pod(&format!("p-{n}"), if n % 2 == 1 { of_metadata.clone() } else { json!({}) }, &spec);
            let told = sent(server, PODS, &pod).await.warnings;
            let of_spec = told.last().unwrap();
            assert!(of_spec.starts_with("spec.nodeSelector[beta.kubernetes.io/os]: deprecated"), "{of_spec}");
            assert_eq!(told.len(), 1 + n % 2, "{told:?}");
            assert_eq!(told[0].contains("sysctls"), n % 2 == 1, "{told:?}");
        }
        assert_eq!(known(server), (1, 1));
    });
}

#[test]
fn a_dry_run_of_a_known_template_shows_what_would_be_stored() {
    serving(async |server| {
        let spec = spec(json!({}));
        for n in 0..ENOUGH {
            sent(server, PODS, &pod(&format!("p-{n}"), json!({}), &spec)).await.reply.unwrap();
        }
        let shown = async |query: &str| {
            let url = format!("{PODS}?dryRun=All{query}");
            let Ok(Reply::Tree(reply)) = sent(server, &url, &pod("q", json!({}), &spec)).await.reply else {
                panic!("a dry run answers a tree");
            };
            let mut json = Vec::new();
            codec::json::encode(&reply.object, schema::builtin(), reply.schema, &mut json);
            let object: Value = serde_json::from_slice(&json).unwrap();
            (object["spec"].clone(), object["status"].clone())
        };
        assert_eq!(shown("").await, shown("&fieldValidation=Ignore").await);
    });
}

#[test]
fn what_admission_makes_of_a_template_now_counts() {
    serving(async |server| {
        let spec = spec(json!({}));
        let priority = async |n: usize| {
            let pod = stored(sent(server, PODS, &pod(&format!("p-{n}"), json!({}), &spec)).await);
            pod["spec"]["priority"].as_i64().unwrap()
        };
        for n in 0..ENOUGH {
            assert_eq!(priority(n).await, 0);
        }
        let class = json!({ "metadata": { "name": "high" }, "value": 7, "globalDefault": true });
        sent(server, "/apis/scheduling.k8s.io/v1/priorityclasses", &class).await.reply.unwrap();
        for n in ENOUGH..2 * ENOUGH {
            assert_eq!(priority(n).await, 7);
        }
        assert_eq!(known(server), (1, 1));
        let limits = json!({ "type": "Container", "max": { "memory": "512Mi" } });
        let range = json!({ "metadata": { "name": "small" }, "spec": { "limits": [limits] } });
        sent(server, "/api/v1/namespaces/default/limitranges", &range).await.reply.unwrap();
        let refused = sent(server, PODS, &pod("large", json!({}), &spec)).await.reply.err().unwrap();
        assert!(refused.to_string().contains("maximum memory usage per Container is 512Mi"), "{refused}");
    });
}

#[test]
fn labels_count_where_a_spec_names_their_keys() {
    let constraint = json!({
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "a" } }, "matchLabelKeys": ["release"],
    });
    let spec = spec(json!({ "topologySpreadConstraints": [constraint] }));
    serving(async |server| {
        for n in 0..2 * ENOUGH {
            let release = (n / 3).to_string();
            let pod = pod(&format!("p-{n}"), json!({ "labels": { "release": release } }), &spec);
            let pod = stored(sent(server, PODS, &pod).await);
            let selector = &pod["spec"]["topologySpreadConstraints"][0]["labelSelector"];
            assert_eq!(selector["matchExpressions"][0]["values"], json!([release]));
        }
    });
}

#[test]
fn pods_whose_name_counts_are_judged_one_by_one() {
    let claim = json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let volume = json!({ "name": "v", "ephemeral": { "volumeClaimTemplate": claim } });
    let spec = spec(json!({ "volumes": [volume] }));
    serving(async |server| {
        for n in 0..ENOUGH {
            sent(server, PODS, &pod(&format!("p-{n}"), json!({}), &spec)).await.reply.unwrap();
        }
        assert_eq!(known(server), (0, 0));
        let long = "a".repeat(253);
        assert!(sent(server, PODS, &pod(&long, json!({}), &spec)).await.reply.is_err());
    });
}

#[test]
fn what_is_wrong_with_a_spec_is_said_every_time() {
    let unknown = spec(json!({ "restartPolcy": "Never" }));
    let unsound = spec(json!({ "restartPolicy": "Sometimes" }));
    let doubled = |name: &str| {
        let text = pod(name, json!({}), &spec(json!({}))).to_string();
        text.strip_suffix('}').map(|text| format!(r#"{text},"spec":{{"hostname":"h"}}}}"#)).unwrap()
    };
    serving(async |server| {
        for n in 0..ENOUGH {
            let answer = sent(server, PODS, &pod(&format!("p-{n}"), json!({}), &unknown)).await;
            assert_eq!(*answer.warnings, [r#"unknown field "spec.restartPolcy""#]);
            let answer = sent(server, PODS, &pod(&format!("q-{n}"), json!({}), &unsound)).await;
            let refused = answer.reply.err().unwrap().to_string();
            assert!(refused.contains(r#"spec.restartPolicy: Unsupported value: "Sometimes""#), "{refused}");
            let answer = post(server, PODS, JSON, doubled(&format!("r-{n}"))).await;
            assert_eq!(*answer.warnings, [r#"duplicate field "spec""#]);
            assert_eq!(stored(answer)["spec"]["hostname"], "h");
        }
        assert_eq!(known(server), (1, 0), "only the unsound one was decoded without findings");
    });
}

#[test]
fn templates_that_were_not_used_for_the_longest_time_go() {
    let padded = |n: usize| {
        spec(json!({ "nodeSelector": { "n": n.to_string() }, "schedulerName": "s".repeat(50_000) }))
    };
    serving(async |server| {
        let create = async |n: usize, copy: usize| {
            let pod = pod(&format!("p-{n}-{copy}"), json!({}), &padded(n));
            sent(server, PODS, &pod).await.reply.unwrap();
        };
        for n in 0..30 {
            create(n, 0).await;
            create(n, 1).await;
            create(0, n + 2).await;
            assert!(server.templates.known.lock().text_bytes <= TEXTS_BYTES_MAX);
        }
        let remembered = server.templates.known.lock();
        let bytes: usize = remembered.by_hash.values().map(|template| template.text.len()).sum();
        assert_eq!(bytes, remembered.text_bytes);
        let is_here = |n: usize| {
            let wanted = json!({ "n": n.to_string() });
            remembered.by_hash.values().any(|template| {
                let text: Value = serde_json::from_slice(&template.text).unwrap();
                text["nodeSelector"] == wanted
            })
        };
        assert!(is_here(0) && !is_here(1) && is_here(29));
    });
}
