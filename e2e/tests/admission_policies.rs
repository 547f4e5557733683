//! Policies of admission: rules and changes of administrators that need no webhook.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::server::Server;

const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  matchConditions:
  - {name: not-the-system, expression: "!request.userInfo.username.startsWith('system:')"}
  variables:
  - {name: limit, expression: "int(params.data.limit)"}
  - {name: team, expression: "namespaceObject.metadata.?labels['team'].orValue('nobody')"}
  validations:
  - expression: "object.spec.replicas <= variables.limit"
    messageExpression: "'team ' + variables.team + ' may have ' + string(variables.limit)"
    reason: Forbidden
"#;

const BINDING: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicas}
spec:
  policyName: replicas
  validationActions: [Deny]
  paramRef: {name: limits, namespace: kube-public, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchExpressions: [{key: free, operator: DoesNotExist}]}}
"#;

#[test]
fn a_policy_is_in_force_where_it_is_bound_with_the_parameters_of_the_moment() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let create =
        |name: &str, replicas: &str| ["create", "deployment", name, "--image=a", replicas].map(str::to_owned);
    let run = |arguments: &[String]| {
        kubectl.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).printed()
    };
    kubectl.ok(&["label", "namespace", "default", "team=blue"]);
    kubectl.ok_with_input(&["apply", "-f", "-"], POLICY);
    // Nobody has put it into force.
    assert!(run(&create("a", "--replicas=9")).contains("created"));

    kubectl.ok_with_input(&["apply", "-f", "-"], BINDING);
    let missing = run(&create("b", "--replicas=2"));
    let expected = "ValidatingAdmissionPolicy 'replicas' with binding 'replicas' denied request: failed to configure binding: no params found";
    assert!(missing.contains(expected), "{missing}");

    kubectl.ok(&["create", "configmap", "limits", "-n", "kube-public", "--from-literal=limit=3"]);
    assert!(run(&create("b", "--replicas=2")).contains("created"));
    let refused = run(&create("c", "--replicas=4"));
    assert!(refused.contains("(Forbidden)") || refused.contains("is forbidden"), "{refused}");
    assert!(refused.contains("denied request: team blue may have 3"), "{refused}");
    // What was there before may stay, but not be changed into what it already is.
    let changed = kubectl.fails(&["set", "image", "deployment/a", "a=b"]);
    assert!(changed.contains("team blue may have 3"), "{changed}");
    kubectl.ok(&["patch", "configmap", "limits", "-n", "kube-public", "-p", r#"{"data": {"limit": "9"}}"#]);
    kubectl.ok(&["set", "image", "deployment/a", "a=b"]);

    // Warnings do not refuse, and not every namespace is meant.
    let warns = r#"{"spec": {"validationActions": ["Warn"]}}"#;
    kubectl.ok(&["patch", "validatingadmissionpolicybinding", "replicas", "--type=merge", "-p", warns]);
    let warned = run(&create("d", "--replicas=10"));
    let expected = "Warning: Validation failed for ValidatingAdmissionPolicy 'replicas' with binding 'replicas': team blue may have 9";
    assert!(warned.contains(expected) && warned.contains("created"), "{warned}");
    kubectl.ok(&["label", "namespace", "default", "free=yes"]);
    assert!(!run(&create("e", "--replicas=10")).contains("Warning"));
}

const MUTATIONS: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: mesh}
spec:
  reinvocationPolicy: IfNeeded
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  matchConditions:
  - {name: once, expression: "!object.spec.containers.exists(c, c.name == 'mesh')"}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >
        Object{spec: Object.spec{containers: [
          Object.spec.containers{name: 'mesh', image: 'mesh:1', env: [Object.spec.containers.env{name: 'OF', value: object.metadata.name}]}
        ]}}
  - patchType: JSONPatch
    jsonPatch:
      expression: >
        [JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/mesh'), value: 'yes'}]
"#;

#[test]
fn a_policy_adds_a_container_whose_defaults_are_filled_in() {
    let server = Server::start();
    let kubectl = server.kubectl();
    let binding = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {name: mesh}\nspec: {policyName: mesh}";
    kubectl.ok_with_input(&["apply", "-f", "-"], &format!("{MUTATIONS}---\n{binding}"));
    kubectl.ok(&["run", "web", "--image=web:1"]);
    let shown = "{.spec.containers[*].name} {.spec.containers[1].env[0].value} {.spec.containers[1].imagePullPolicy} {.spec.containers[1].volumeMounts[0].readOnly} {.metadata.labels.example\\.com/mesh}";
    let seen = kubectl.ok(&["get", "pod", "web", "-o", &format!("jsonpath={shown}")]);
    assert_eq!(seen, "web mesh web IfNotPresent true yes");
    // What does not fit is refused, and nothing is written.
    let patch = r#"{"spec": {"mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{spec: Object.spec{nothing: 1}}"}}]}}"#;
    kubectl.ok(&["patch", "mutatingadmissionpolicy", "mesh", "--type=merge", "-p", patch]);
    let refused = kubectl.fails(&["run", "db", "--image=db:1"]);
    assert!(refused.contains("policy 'mesh' with binding 'mesh' denied request"), "{refused}");
    assert!(refused.contains("field not declared in schema"), "{refused}");
    assert!(kubectl.fails(&["get", "pod", "db"]).contains("NotFound"));
}
