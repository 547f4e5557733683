//! The default priority levels and flow schemas.

use serde_json::{Value, json};

use super::{Plan, builtin, tree};

/// Name, shares, lendable per cent, and queues, hand size and queue length; no queues reject at once.
const LEVELS: [(&str, i64, i64, [i64; 3]); 7] = [
    ("system", 30, 33, [64, 6, 50]),
    ("node-high", 40, 25, [64, 6, 50]),
    ("leader-election", 10, 0, [16, 4, 50]),
    ("workload-high", 40, 50, [128, 6, 50]),
    ("workload-low", 100, 90, [128, 6, 50]),
    ("global-default", 20, 50, [128, 6, 50]),
    ("catch-all", 5, 0, [0, 0, 0]),
];

const AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// What a flow schema applies to.
enum Scope {
    /// Every request.
    Everything,
    /// Verbs on resources of a group.
    Resources(&'static [Resources]),
    /// Paths, read.
    Paths(&'static [&'static str]),
}

struct Resources {
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
    cluster: bool,
}

/// Name, precedence, level, how flows are told apart, subjects, scope.
type Schema = (&'static str, i64, &'static str, &'static str, &'static [&'static str], Scope);

const LEASES: Resources = Resources {
    verbs: &["get", "create", "update"],
    group: "coordination.k8s.io",
    resources: &["leases"],
    cluster: false,
};

const EVERYBODY: &[&str] = &["Group system:unauthenticated", "Group system:authenticated"];
const KUBE_CONTROLLER_MANAGER: &str = "User system:kube-controller-manager";
const KUBE_SCHEDULER: &str = "User system:kube-scheduler";
const KUBE_SYSTEM: &str = "ServiceAccount kube-system/*";

const SCHEMAS: [Schema; 11] = [
    ("exempt", 1, "exempt", "", &["Group system:masters"], Scope::Everything),
    ("probes", 2, "exempt", "", EVERYBODY, Scope::Paths(&["/healthz", "/readyz", "/livez"])),
    (
        "system-leader-election",
        100,
        "leader-election",
        "ByUser",
        &[KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBE_SYSTEM],
        Scope::Resources(&[LEASES]),
    ),
    (
        "system-node-high",
        400,
        "node-high",
        "ByUser",
        &["Group system:nodes"],
        Scope::Resources(&[
            Resources { verbs: &["*"], group: "", resources: &["nodes", "nodes/status"], cluster: true },
            Resources { verbs: &["*"], group: "coordination.k8s.io", resources: &["leases"], cluster: false },
        ]),
    ),
    ("system-nodes", 500, "system", "ByUser", &["Group system:nodes"], Scope::Everything),
    (
        "kube-controller-manager",
        800,
        "workload-high",
        "ByNamespace",
        &[KUBE_CONTROLLER_MANAGER],
        Scope::Everything,
    ),
    ("kube-scheduler", 800, "workload-high", "ByNamespace", &[KUBE_SCHEDULER], Scope::Everything),
    ("kube-system-service-accounts", 900, "workload-high", "ByNamespace", &[KUBE_SYSTEM], Scope::Everything),
    (
        "service-accounts",
        9_000,
        "workload-low",
        "ByUser",
        &["Group system:serviceaccounts"],
        Scope::Everything,
    ),
    ("global-default", 9_900, "global-default", "ByUser", EVERYBODY, Scope::Everything),
    ("catch-all", 10_000, "catch-all", "ByUser", EVERYBODY, Scope::Everything),
];

pub(super) fn plan(plan: &mut Plan<'_>) {
    let levels = builtin("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations");
    let exempt =
        json!({ "type": "Exempt", "exempt": { "nominalConcurrencyShares": 0, "lendablePercent": 0 } });
    let limited =
        LEVELS.iter().map(|(name, shares, lendable, queues)| (*name, level(*shares, *lendable, *queues)));
    for (name, spec) in limited.chain([("exempt", exempt)]) {
        let level = json!({ "metadata": metadata(name), "spec": spec });
        plan.ensure(levels, tree(levels, &level));
    }
    let schemas = builtin("flowcontrol.apiserver.k8s.io", "flowschemas");
    for schema in &SCHEMAS {
        let object = json!({
            "metadata": metadata(schema.0),
            "spec": schema_spec(schema),
            "status": { "conditions": [{
                "type": "Dangling",
                "status": "False",
                "lastTransitionTime": plan.now,
                "reason": "Found",
                "message": format!(
                    "This FlowSchema references the PriorityLevelConfiguration object named {:?} and it exists",
                    schema.2
                ),
            }] },
        });
        plan.ensure(schemas, tree(schemas, &object));
    }
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "generation": 1, "annotations": { AUTOUPDATE: "true" } })
}

fn level(shares: i64, lendable: i64, [queues, hand, length]: [i64; 3]) -> Value {
    let response = if queues == 0 {
        json!({ "type": "Reject" })
    } else {
        json!({ "type": "Queue", "queuing": { "queues": queues, "handSize": hand, "queueLengthLimit": length } })
    };
    let limited =
        json!({ "nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response });
    json!({ "type": "Limited", "limited": limited })
}

fn schema_spec((_, precedence, level, distinguisher, subjects, scope): &Schema) -> Value {
    let subjects: Vec<Value> = subjects.iter().map(|subject| subject_value(subject)).collect();
    let mut rule = json!({ "subjects": subjects });
    match scope {
        Scope::Everything => {
            rule["resourceRules"] = json!([{
                "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"],
            }]);
            rule["nonResourceRules"] = json!([{ "verbs": ["*"], "nonResourceURLs": ["*"] }]);
        }
        Scope::Resources(rules) => {
            let rules = rules.iter().map(|resources| {
                let mut rule = json!({
                    "verbs": resources.verbs,
                    "apiGroups": [resources.group],
                    "resources": resources.resources,
                    "namespaces": ["*"],
                });
                if resources.cluster {
                    rule["clusterScope"] = json!(true);
                }
                rule
            });
            rule["resourceRules"] = rules.collect();
        }
        Scope::Paths(paths) => {
            rule["nonResourceRules"] = json!([{ "verbs": ["get"], "nonResourceURLs": paths }])
        }
    }
    let mut spec = json!({
        "priorityLevelConfiguration": { "name": level },
        "matchingPrecedence": precedence,
        "rules": [rule],
    });
    if !distinguisher.is_empty() {
        spec["distinguisherMethod"] = json!({ "type": distinguisher });
    }
    spec
}

fn subject_value(subject: &str) -> Value {
    let (kind, name) = subject.split_once(' ').unwrap_or((subject, ""));
    match (kind, name.split_once('/')) {
        ("ServiceAccount", Some((namespace, name))) => {
            json!({ "kind": kind, "serviceAccount": { "namespace": namespace, "name": name } })
        }
        ("User", _) => json!({ "kind": kind, "user": { "name": name } }),
        _ => json!({ "kind": kind, "group": { "name": name } }),
    }
}
