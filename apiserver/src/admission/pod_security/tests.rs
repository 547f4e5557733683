use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, object, resource, user};

fn check(level: Level, spec: &Value, expected: &[&str]) {
    let pod = object(resource("", "pods"), &json!({ "spec": spec }));
    assert_eq!(level.violations(&Pod::new(&pod).unwrap()), expected, "{spec}");
}

fn container(security: Value) -> Value {
    json!({ "containers": [{ "name": "c", "image": "i", "securityContext": security }] })
}

#[test]
fn baseline_refuses_ways_out_of_a_container() {
    let baseline = |spec: Value, expected: &[&str]| check(Level::Baseline, &spec, expected);
    baseline(container(json!({})), &[]);
    baseline(
        container(json!({ "privileged": true })),
        &["privileged (container \"c\" must not set securityContext.privileged=true)"],
    );
    baseline(
        container(json!({ "capabilities": { "add": ["NET_ADMIN", "CHOWN", "BPF"] } })),
        &["non-default capabilities (container \"c\" must not include \"BPF\", \"NET_ADMIN\" in \
           securityContext.capabilities.add)"],
    );
    baseline(
        json!({ "hostNetwork": true, "hostPID": true, "containers": [],
            "volumes": [{ "name": "v", "hostPath": { "path": "/" } }] }),
        &["host namespaces (hostNetwork=true, hostPID=true)", "hostPath volumes (volume \"v\")"],
    );
    baseline(
        json!({ "containers": [
            { "name": "a", "ports": [{ "containerPort": 1, "hostPort": 80 }] },
            { "name": "b", "ports": [{ "containerPort": 1, "hostPort": 22 }] },
        ] }),
        &["hostPort (containers \"a\", \"b\" use hostPorts 22, 80)"],
    );
    baseline(
        container(json!({ "seccompProfile": { "type": "Unconfined" } })),
        &[
            "seccompProfile (container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ],
    );
    baseline(
        container(json!({ "seLinuxOptions": { "type": "spc_t", "user": "u" } })),
        &[
            "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not \
           be set)",
        ],
    );
    baseline(
        json!({ "containers": [], "securityContext": { "sysctls": [
            { "name": "kernel.msgmax", "value": "1" }, { "name": "net.ipv4.tcp_syncookies", "value": "1" },
        ] } }),
        &["forbidden sysctls (kernel.msgmax)"],
    );
}

#[test]
fn restricted_wants_pods_to_say_what_they_do_without() {
    let hardened = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    check(Level::Restricted, &container(hardened), &[]);
    check(
        Level::Restricted,
        &container(json!({})),
        &[
            "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false)",
            "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"])",
            "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)",
            "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" \
             or \"Localhost\")",
        ],
    );
}

#[test]
fn labels_of_the_namespace_decide() {
    let fixture = Fixture::bootstrapped();
    let root = user("root", &["system:masters"]);
    let namespaces = resource("", "namespaces");
    let labelled = |name: &str, labels: Value| {
        object(namespaces, &json!({ "metadata": { "name": name, "labels": labels } }))
    };
    fixture
        .write(
            namespaces,
            &root,
            None,
            Some(labelled("strict", json!({ "pod-security.kubernetes.io/enforce": "baseline" }))),
        )
        .unwrap();
    let pods = resource("", "pods");
    let pod = |namespace: &str, privileged: bool| {
        let spec = container(json!({ "privileged": privileged }));
        object(pods, &json!({ "metadata": { "namespace": namespace, "name": "p" }, "spec": spec }))
    };
    for (namespace, privileged, expected) in [
        ("default", true, None),
        ("strict", false, None),
        (
            "strict",
            true,
            Some(
                "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not \
                 set securityContext.privileged=true)",
            ),
        ),
    ] {
        let outcome = fixture.admit(Operation::Create, pods, &root, None, Some(pod(namespace, privileged)));
        assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), expected);
    }
    let wrong = labelled("wrong", json!({ "pod-security.kubernetes.io/warn": "much" }));
    let error = fixture.admit(Operation::Create, namespaces, &root, None, Some(wrong)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Namespace \"wrong\" is invalid: metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: \"much\": must \
         be one of privileged, baseline, restricted"
    );
}
