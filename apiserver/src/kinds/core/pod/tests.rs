use super::*;
use crate::codec::{json, yaml};
use crate::schema;
use crate::user::User;
use crate::warning::Warnings;

/// A pod from YAML, as the decoder leaves it.
fn pod(text: &str) -> Map {
    let schema = schema::builtin();
    let id = schema.find("io.k8s.api.core.v1.Pod").unwrap();
    let text = yaml::to_json(text.as_bytes(), None).unwrap();
    json::decode(&text, schema, id, None).unwrap()
}

fn defaulted(text: &str) -> Map {
    let mut pod = pod(text);
    set_defaults(&mut pod);
    pod
}

fn created(text: &str) -> Map {
    let user = User::default();
    let mut pod = defaulted(text);
    prepare_for_create(&mut pod, &Context { now: "2026-01-01T00:00:00Z", user: &user });
    pod
}

fn faults(pod: &Map) -> String {
    let mut errors = FieldErrors::new();
    validate_metadata(pod, &mut errors);
    validate(pod, &mut errors);
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const MINIMAL: &str = "
metadata: {name: p, namespace: default}
spec:
  containers: [{name: c, image: nginx}]
";

mod cells {
    use super::*;

    /// Ready, Status and Restarts of a pod with two containers and the given status.
    fn check(init: &str, status: &str, metadata: &str, expected: [&str; 3]) {
        let pod = pod(&format!(
            "
metadata: {{name: p{metadata}}}
spec: {{initContainers: [{init}], containers: [{{name: a}}, {{name: b}}]}}
status: {status}
"
        ));
        let now = "2026-01-01T01:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        let cells: Vec<Node> = columns::COLUMNS[1..4].iter().map(|column| column.cell(&pod, now)).collect();
        assert_eq!(cells, expected.map(Node::from), "{status}");
    }

    #[test]
    fn status_is_told_in_one_word() {
        check("", "{phase: Pending}", "", ["0/2", "Pending", "0"]);
        check("", "{phase: Failed, reason: Evicted}", "", ["0/2", "Evicted", "0"]);
        check(
            "",
            "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated}]}",
            "",
            ["0/2", "SchedulingGated", "0"],
        );
        let running = "{name: a, ready: true, state: {running: {}}}";
        let completed = "{name: b, state: {terminated: {exitCode: 0, reason: Completed}}}";
        check(
            "",
            &format!("{{phase: Running, containerStatuses: [{running}, {completed}]}}"),
            "",
            ["1/2", "NotReady", "0"],
        );
        check(
            "",
            &format!(
                "{{phase: Running, conditions: [{{type: Ready, status: 'True'}}], containerStatuses: [{running}, {completed}]}}"
            ),
            "",
            ["1/2", "Running", "0"],
        );
        check(
            "",
            "{phase: Running, containerStatuses: [{name: a, state: {terminated: {exitCode: 0, reason: Completed}}}, {name: b, state: {terminated: {exitCode: 3}}}]}",
            "",
            ["0/2", "ExitCode:3", "0"],
        );
        check(
            "",
            "{phase: Running}",
            ", deletionTimestamp: '2026-01-01T00:00:00Z'",
            ["0/2", "Terminating", "0"],
        );
        check(
            "",
            "{phase: Running, reason: NodeLost}",
            ", deletionTimestamp: '2026-01-01T00:00:00Z'",
            ["0/2", "Unknown", "0"],
        );
        check(
            "",
            "{phase: Succeeded}",
            ", deletionTimestamp: '2026-01-01T00:00:00Z'",
            ["0/2", "Succeeded", "0"],
        );
    }

    #[test]
    fn init_containers_come_first() {
        let two = "{name: i}, {name: j}";
        check(
            two,
            "{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 0}}}, {name: j, state: {running: {}}}]}",
            "",
            ["0/2", "Init:1/2", "0"],
        );
        check(
            two,
            "{phase: Pending, initContainerStatuses: [{name: i, state: {waiting: {reason: CrashLoopBackOff}}, restartCount: 2, lastState: {terminated: {exitCode: 1, finishedAt: '2026-01-01T00:55:00Z'}}}]}",
            "",
            ["0/2", "Init:CrashLoopBackOff", "2 (5m ago)"],
        );
        check(
            two,
            "{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 1, signal: 9}}}]}",
            "",
            ["0/2", "Init:Signal:9", "0"],
        );
        check(
            "{name: s, restartPolicy: Always}",
            "{phase: Running, initContainerStatuses: [{name: s, ready: true, started: true, state: {running: {}}, restartCount: 1}], containerStatuses: [{name: a, ready: true, state: {running: {}}, restartCount: 2}]}",
            "",
            ["2/3", "Running", "3"],
        );
    }
}

#[test]
fn classes_follow_requests_and_limits() {
    let check = |containers: &str, expected: &str| {
        let pod = created(&format!("{{metadata: {{name: p}}, spec: {{containers: [{containers}]}}}}"));
        assert_eq!(pod.str_at(&["status", "qosClass"]), expected, "{containers}");
    };
    let both = "resources: {limits: {cpu: 1, memory: 1Gi}}";
    check("{name: a}", "BestEffort");
    check(&format!("{{name: a, {both}}}"), "Guaranteed");
    check(&format!("{{name: a, {both}}}, {{name: b}}"), "Burstable");
    check("{name: a, resources: {requests: {cpu: 500m}, limits: {cpu: 1, memory: 1Gi}}}", "Burstable");
    check("{name: a, resources: {requests: {example.com/x: 1}, limits: {example.com/x: 1}}}", "BestEffort");
    check(
        "{name: a, resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 1, memory: 1Gi}}}",
        "Guaranteed",
    );
}

#[test]
fn pods_ask_for_what_their_containers_ask_for() {
    let check = |own: &str, containers: &str, expected: &str| {
        let pod = created(&format!(
            "{{metadata: {{name: p}}, spec: {{resources: {own}, containers: [{containers}]}}}}"
        ));
        assert_eq!(pod.at(&["spec", "resources"]).unwrap().to_string(), expected);
    };
    let one = "{name: a, resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}}";
    let other = "{name: b, resources: {requests: {cpu: 300m}, limits: {cpu: 1}}}";
    check("{limits: {cpu: 2}}", one, r#"{"limits":{"cpu":"2"},"requests":{"cpu":"100m"}}"#);
    check(
        "{limits: {memory: 1Gi}}",
        "{name: a}",
        r#"{"limits":{"memory":"1Gi"},"requests":{"memory":"1Gi"}}"#,
    );
    check(
        "{requests: {cpu: 500m}}",
        &format!("{one}, {other}"),
        r#"{"requests":{"cpu":"500m"},"limits":{"cpu":"1200m"}}"#,
    );
    check("{requests: {cpu: 500m}}", &format!("{one}, {{name: c}}"), r#"{"requests":{"cpu":"500m"}}"#);
}

#[test]
fn create_defaults_what_is_absent() {
    let pod = created(
        "
metadata: {name: p}
spec:
  serviceAccount: robot
  hostNetwork: true
  containers:
  - {name: c, image: 'nginx:1', ports: [{containerPort: 80}], resources: {limits: {cpu: 0.5}}, livenessProbe: {httpGet: {port: 80}}}
  volumes: [{name: v}, {name: s, secret: {secretName: x}}]
",
    );
    let spec = pod.map("spec").unwrap();
    let text = |field: &str| spec.str(field).to_owned();
    assert_eq!(text("restartPolicy"), "Always");
    assert_eq!(text("dnsPolicy"), "ClusterFirst");
    assert_eq!(text("schedulerName"), "default-scheduler");
    assert_eq!(text("serviceAccountName"), "robot");
    assert_eq!(spec.int("terminationGracePeriodSeconds"), Some(30));
    assert_eq!(spec.bool("enableServiceLinks"), Some(true));
    let container = spec.maps("containers").next().unwrap();
    assert_eq!(container.str("imagePullPolicy"), "IfNotPresent");
    assert_eq!(container.str_at(&["resources", "requests", "cpu"]), "500m");
    assert_eq!(container.str_at(&["livenessProbe", "httpGet", "path"]), "/");
    let port = container.maps("ports").next().unwrap();
    assert_eq!((port.str("protocol"), port.int("hostPort")), ("TCP", Some(80)));
    let volumes: Vec<String> = spec.maps("volumes").map(ToString::to_string).collect();
    assert_eq!(
        volumes,
        [r#"{"name":"v","emptyDir":{}}"#, r#"{"name":"s","secret":{"secretName":"x","defaultMode":420}}"#]
    );
    assert_eq!(faults(&pod), "");
    assert_eq!(pod.at(&["status"]).unwrap().to_string(), r#"{"phase":"Pending","qosClass":"Burstable"}"#);
}

#[test]
fn faults_are_told_in_upstreams_words() {
    let check = |spec: &str, expected: &str| {
        let pod = defaulted(&format!("{{metadata: {{name: p, namespace: d}}, spec: {spec}}}"));
        assert_eq!(faults(&pod), expected, "{spec}");
    };
    check("{}", "spec.containers: Required value");
    check(
        "{containers: [{name: A_b}]}",
        "spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\nspec.containers[0].image: Required value",
    );
    check(
        "{restartPolicy: Sometimes, containers: [{name: c, image: i}]}",
        "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
    );
    check(
        "{containers: [{name: c, image: i, resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}]}",
        "spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi",
    );
    check(
        "{containers: [{name: c, image: i, resources: {limits: {foo: 1}}}]}",
        "spec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified\nspec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a standard resource for containers\nspec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified\nspec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a standard resource for containers",
    );
    check(
        "{containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /x}]}]}",
        "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
    );
    check(
        "{containers: [{name: c, image: i}, {name: c, image: i}]}",
        "spec.containers[1].name: Duplicate value: \"c\"",
    );
    check(
        "{containers: [{name: c, image: i}], volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]}",
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    );
    check(
        "{containers: [{name: c, image: i, env: [{name: E, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]}",
        "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
    );
    check(
        "{containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}, successThreshold: 2}}]}",
        "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type\nspec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    );
    check(
        "{containers: [{name: c, image: i}], tolerations: [{key: a, operator: Exists, value: b}]}",
        "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
    );
    check(
        "{containers: [{name: c, image: i}], securityContext: {runAsUser: -1, seccompProfile: {type: Localhost}}}",
        "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive\nspec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
    );
}

#[test]
fn only_a_few_fields_change() {
    let check = |change: &dyn Fn(&mut Map), expected: &str| {
        let old = created(MINIMAL);
        let mut new = old.clone();
        change(new.map_mut("spec"));
        let mut errors = FieldErrors::new();
        update::validate(&new, &old, &mut errors);
        let text = errors.to_string();
        assert_eq!(text, if expected.is_empty() { "[]" } else { expected });
    };
    let first = |spec: &mut Map, field: &'static str, value: &str| {
        defaults::maps_mut(spec, "containers").next().unwrap().set(field, value);
    };
    check(&|spec| first(spec, "image", "nginx:2"), "");
    check(&|spec| spec.set("activeDeadlineSeconds", 5_i64), "");
    check(
        &|spec| first(spec, "workingDir", "/x"),
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n+ .containers[0].workingDir: \"/x\"\n",
    );
    check(
        &|spec| {
            spec.remove("containers");
        },
        "spec.containers: Forbidden: pod updates may not add or remove containers",
    );
    check(
        &|spec| spec.list_mut("schedulingGates").push(Map::from([("name", "a/b")]).into()),
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a/b'",
    );
}

#[test]
fn binding_gives_a_node_once() {
    let user = User::default();
    let context = Context { now: "2026-01-01T00:00:00Z", user: &user };
    let target = Map::from([("kind", "Node"), ("name", "n1")]);
    let body = Map::from([("metadata", Map::from([("name", "p")])), ("target", target)]);
    let mut bound = created(MINIMAL);
    binding::bind(&mut bound, &body, &context).unwrap();
    assert_eq!(bound.str_at(&["spec", "nodeName"]), "n1");
    assert_eq!(
        bound.at(&["status", "conditions"]).unwrap().to_string(),
        r#"[{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]"#
    );
    let again = binding::bind(&mut bound, &body, &context).unwrap_err();
    assert_eq!(
        again.to_string(),
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\""
    );
}

#[test]
fn status_keeps_the_class_and_the_owners() {
    let user = User::default();
    let context = Context { now: "2026-01-01T00:00:00Z", user: &user };
    let old = created(MINIMAL);
    let mut new =
        pod("{metadata: {name: p, ownerReferences: [{name: x}]}, status: {phase: Running, podIP: 10.0.0.1}}");
    set_defaults(&mut new);
    status::prepare(&mut new, &old, &context);
    assert_eq!(new.get("spec"), old.get("spec"));
    assert_eq!(new.at(&["metadata", "ownerReferences"]), None);
    assert_eq!(
        new.at(&["status"]).unwrap().to_string(),
        r#"{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"qosClass":"BestEffort"}"#
    );
    let mut errors = FieldErrors::new();
    status::validate(&new, &old, &mut errors);
    assert_eq!(errors.to_string(), "[]");
}

#[test]
fn resize_changes_amounts_alone() {
    let user = User::default();
    let context = Context { now: "2026-01-01T00:00:00Z", user: &user };
    let with = |resources: &str| {
        created(&format!(
            "{{metadata: {{name: p, namespace: d}}, spec: {{containers: [{{name: c, image: i, resources: {resources}}}]}}}}"
        ))
    };
    let check = |resources: &str, expected: &str| {
        let old = with("{requests: {cpu: 100m, memory: 1Gi}}");
        let mut new = with(resources);
        new.map_mut("spec").set("nodeName", "elsewhere");
        resize::prepare(&mut new, &old, &context);
        let mut errors = FieldErrors::new();
        resize::validate(&new, &old, &mut errors);
        assert_eq!(errors.to_string(), expected, "{resources}");
        assert_eq!(new.str_at(&["spec", "nodeName"]), "");
    };
    check("{requests: {cpu: 200m, memory: 2Gi}}", "[]");
    check(
        "{requests: {cpu: 200m}}",
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
    );
    check(
        "{limits: {cpu: 200m, memory: 2Gi}}",
        "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
    );
}

#[test]
fn grace_is_for_pods_that_run_somewhere() {
    let check = |spec: &str, phase: &str, requested: Option<i64>, expected: i64| {
        let pod = pod(&format!("{{spec: {spec}, status: {{phase: {phase}}}}}"));
        assert_eq!(grace_period(&pod, requested), expected);
    };
    check("{terminationGracePeriodSeconds: 30}", "Pending", None, 0);
    check("{terminationGracePeriodSeconds: 30, nodeName: n1}", "Running", None, 30);
    check("{terminationGracePeriodSeconds: 30, nodeName: n1}", "Running", Some(5), 5);
    check("{terminationGracePeriodSeconds: 30, nodeName: n1}", "Running", Some(-1), 1);
    check("{terminationGracePeriodSeconds: 30, nodeName: n1}", "Failed", None, 0);
}

#[test]
fn what_is_probably_not_meant_is_told_of() {
    let pod = defaulted(
        "
metadata: {name: p, namespace: default}
spec:
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [
    {weight: 1, preference: {matchExpressions: [{key: beta.kubernetes.io/os, operator: In, values: [-x]}]}}]}}
  containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 80, hostIP: 192.0.2.1}]}]
",
    );
    let mut told = Warnings::new();
    warnings::warn(&pod, None, &mut told);
    let term = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]";
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with(&format!("{term}.key: beta.kubernetes.io/os is deprecated since v1.14")));
    assert!(told[1].starts_with(&format!("{term}.values[0]: -x is invalid, a valid label must")));
    assert_eq!(
        told[2],
        "spec.containers[0].ports[0]: hostIP set without hostPort: {Name:http HostPort:0 ContainerPort:80 Protocol:TCP HostIP:192.0.2.1}"
    );
}
