use serde_json::json;

use super::*;
use crate::fixture::{Fixture, user};

fn asked<'a>(verb: &'a str, resource: &'a str, namespace: &'a str, name: &'a str) -> Attributes<'a> {
    let (group, resource) = resource.split_once(':').unwrap_or(("", resource));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        verb,
        is_resource: true,
        group,
        resource,
        subresource,
        namespace,
        name,
        ..Attributes::default()
    }
}

fn check(fixture: &Fixture, user: &User, attributes: &Attributes<'_>, expected: &str) {
    let view = fixture.view();
    let decision = fixture.authorizer.authorize(&view, user, attributes);
    let text = match fixture.authorizer.check(&view, user, attributes) {
        Ok(()) => decision.reason(),
        Err(error) => error.to_string(),
    };
    assert_eq!(text, expected, "{attributes:?}");
    assert_eq!(decision.allowed(), fixture.authorizer.check(&view, user, attributes).is_ok());
}

fn policy() -> Fixture {
    let fixture = Fixture::new();
    let rbac = GROUP;
    fixture.fill(&[
        (
            rbac,
            "clusterroles",
            json!({ "metadata": { "name": "reader" }, "rules": [
            { "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"] },
            { "verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"] },
        ] }),
        ),
        (
            rbac,
            "clusterroles",
            json!({ "metadata": { "name": "scaler" }, "rules": [
            { "verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"] },
            { "verbs": ["*"], "apiGroups": ["*"], "resources": ["things"], "resourceNames": ["one"] },
        ] }),
        ),
        (
            rbac,
            "roles",
            json!({ "metadata": { "namespace": "ns", "name": "editor" }, "rules": [
            { "verbs": ["*"], "apiGroups": [""], "resources": ["configmaps"] },
        ] }),
        ),
        (
            rbac,
            "clusterrolebindings",
            json!({ "metadata": { "name": "readers" },
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "reader" },
            "subjects": [{ "kind": "User", "name": "alice" }, { "kind": "Group", "name": "dev" }] }),
        ),
        (
            rbac,
            "rolebindings",
            json!({ "metadata": { "namespace": "ns", "name": "editors" },
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": "editor" },
            "subjects": [{ "kind": "ServiceAccount", "name": "robot" }] }),
        ),
        (
            rbac,
            "rolebindings",
            json!({ "metadata": { "namespace": "ns", "name": "scalers" },
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "scaler" },
            "subjects": [{ "kind": "User", "name": "alice" }] }),
        ),
        (
            rbac,
            "rolebindings",
            json!({ "metadata": { "namespace": "ns", "name": "dangling" },
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "gone" },
            "subjects": [{ "kind": "User", "name": "bob" }] }),
        ),
    ]);
    fixture
}

use super::rbac::GROUP;

#[test]
fn bindings_decide_and_say_why() {
    let fixture = policy();
    let (alice, dev, bob) = (user("alice", &[]), user("dave", &["dev"]), user("bob", &[]));
    let robot = user("system:serviceaccount:ns:robot", &[]);
    let master = user("root", &["system:masters"]);
    for (user, verb, resource, namespace, name, expected) in [
        (
            &alice,
            "get",
            "pods",
            "ns",
            "p",
            r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "alice""#,
        ),
        (
            &dev,
            "list",
            "pods/log",
            "",
            "",
            r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to Group "dev""#,
        ),
        (
            &robot,
            "watch",
            "configmaps",
            "ns",
            "",
            r#"RBAC: allowed by RoleBinding "editors/ns" of Role "editor" to ServiceAccount "robot/ns""#,
        ),
        (
            &alice,
            "update",
            "apps:deployments/scale",
            "ns",
            "d",
            r#"RBAC: allowed by RoleBinding "scalers/ns" of ClusterRole "scaler" to User "alice""#,
        ),
        (
            &alice,
            "update",
            "apps:deployments/scale",
            "other",
            "d",
            r#"deployments.apps "d" is forbidden: User "alice" cannot update resource "deployments/scale" in API group "apps" in the namespace "other""#,
        ),
        (
            &alice,
            "bake",
            "x:things",
            "ns",
            "one",
            r#"RBAC: allowed by RoleBinding "scalers/ns" of ClusterRole "scaler" to User "alice""#,
        ),
        (
            &alice,
            "bake",
            "x:things",
            "ns",
            "two",
            r#"things.x "two" is forbidden: User "alice" cannot bake resource "things" in API group "x" in the namespace "ns""#,
        ),
        (
            &alice,
            "delete",
            "pods",
            "ns",
            "p",
            r#"pods "p" is forbidden: User "alice" cannot delete resource "pods" in API group "" in the namespace "ns""#,
        ),
        (
            &dev,
            "get",
            "pods/exec",
            "",
            "p",
            r#"pods "p" is forbidden: User "dave" cannot get resource "pods/exec" in API group "" at the cluster scope"#,
        ),
        (
            &bob,
            "list",
            "pods",
            "ns",
            "",
            r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "ns": RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#,
        ),
        (&master, "delete", "pods", "ns", "p", ""),
    ] {
        check(&fixture, user, &asked(verb, resource, namespace, name), expected);
    }
    for (path, expected) in [
        (
            "/metrics",
            r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "alice""#,
        ),
        (
            "/logs/a/b",
            r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "alice""#,
        ),
        ("/<x>", r#"forbidden: User "alice" cannot get path "/&lt;x&gt;""#),
    ] {
        check(&fixture, &alice, &Attributes { verb: "get", path, ..Attributes::default() }, expected);
    }
}

#[test]
fn a_changed_role_decides_at_once() {
    let fixture = policy();
    let alice = user("alice", &[]);
    let pods = asked("delete", "pods", "ns", "p");
    assert!(!fixture.authorizer.authorize(&fixture.view(), &alice, &pods).allowed());
    fixture.fill(&[(
        GROUP,
        "clusterroles",
        json!({ "metadata": { "name": "reader" }, "rules": [
        { "verbs": ["delete"], "apiGroups": [""], "resources": ["pods"] },
    ] }),
    )]);
    assert!(fixture.authorizer.authorize(&fixture.view(), &alice, &pods).allowed());
    assert!(
        !fixture.authorizer.authorize(&fixture.view(), &alice, &asked("get", "pods", "ns", "p")).allowed()
    );
}

#[test]
fn rights_that_are_not_held_cannot_be_granted() {
    let fixture = policy();
    let view = fixture.view();
    let alice = user("alice", &["dev"]);
    let rule = |verbs: &[&str], group: &str, resource: &str| {
        Rule::new(
            verbs.iter().map(|verb| (*verb).into()).collect(),
            vec![group.into()],
            vec![resource.into()],
        )
    };
    for (wanted, expected) in [
        (rule(&["get", "list"], "", "pods"), Ok(())),
        (rule(&["update"], "apps", "statefulsets/scale"), Ok(())),
        (rule(&["bake"], "x", "things").named(vec!["one".into()]), Ok(())),
        (rule(&["bake"], "x", "things"), Err(r#"{APIGroups:["x"], Resources:["things"], Verbs:["bake"]}"#)),
        (
            rule(&["get", "watch", "delete"], "", "pods"),
            Err(r#"{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}"#),
        ),
        (Rule::of_paths(vec!["get".into()], vec!["/logs/x".into()]), Ok(())),
        (
            Rule::of_paths(vec!["get".into()], vec!["/other".into()]),
            Err(r#"{NonResourceURLs:["/other"], Verbs:["get"]}"#),
        ),
    ] {
        let found = escalation::confirm_held(&fixture.authorizer, &view, &alice, "ns", &[wanted]);
        let expected = expected.map_err(|rules| {
            format!(
                "user \"alice\" (groups=[\"dev\"]) is attempting to grant RBAC permissions not currently held:\n{rules}"
            )
        });
        assert_eq!(found, expected);
    }
}
