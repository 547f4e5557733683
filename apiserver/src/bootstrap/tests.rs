use super::*;
use crate::authorization::Attributes;
use crate::fixture::{Fixture, resource, user};
use crate::storage::Op;

const RBAC: &str = "rbac.authorization.k8s.io";

#[test]
fn a_second_start_writes_nothing() {
    let fixture = Fixture::bootstrapped();
    let again = plan(&fixture.view(), &fixture.cluster, &fixture.clock);
    let keys: Vec<&str> = again.ops.iter().map(|op| op.key().as_str()).collect();
    assert!(keys.is_empty(), "{keys:?}");
}

#[test]
fn everything_fits_one_transaction() {
    let fixture = Fixture::new();
    let plan = plan(&fixture.view(), &fixture.cluster, &fixture.clock);
    assert!((150..1_000).contains(&plan.ops.len()), "{}", plan.ops.len());
    let mut keys: Vec<&str> = plan.ops.iter().map(|op| op.key().as_str()).collect();
    keys.sort_unstable();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn the_default_policy_allows_what_it_should() {
    let fixture = Fixture::bootstrapped();
    let view = fixture.view();
    let anonymous = user("system:anonymous", &["system:unauthenticated"]);
    let somebody = user("alice", &["system:authenticated"]);
    let scheduler = user("system:kube-scheduler", &["system:authenticated"]);
    let controller = user("system:serviceaccount:kube-system:job-controller", &[]);
    let path = |path| Attributes { verb: "get", path, ..Attributes::default() };
    let on = |verb, group, resource, subresource| Attributes {
        verb,
        is_resource: true,
        group,
        resource,
        subresource,
        namespace: "default",
        ..Attributes::default()
    };
    for (user, attributes, expected) in [
        (&anonymous, path("/livez"), true),
        (&anonymous, path("/version"), true),
        (&anonymous, path("/api"), false),
        (&anonymous, path("/metrics"), false),
        (&somebody, path("/api"), true),
        (&somebody, path("/openapi/v3"), true),
        (&somebody, on("list", "", "pods", ""), false),
        (&somebody, on("create", "authorization.k8s.io", "selfsubjectaccessreviews", ""), true),
        (&scheduler, on("create", "", "pods", "binding"), true),
        (&scheduler, on("create", "", "pods", ""), false),
        (&controller, on("create", "", "pods", ""), true),
        (&controller, on("patch", "events.k8s.io", "events", ""), true),
    ] {
        let allowed = fixture.authorizer.authorize(&view, user, &attributes).allowed();
        assert_eq!(allowed, expected, "{} {attributes:?}", user.name);
    }
}

#[test]
fn aggregated_roles_show_the_rules_of_their_parts() {
    let fixture = Fixture::bootstrapped();
    let count = |name: &str| fixture.stored(RBAC, "clusterroles", "", name).unwrap().list("rules").len();
    assert!(count("view") > 10);
    assert_eq!(count("edit"), count("view") + count("system:aggregate-to-edit"));
    assert_eq!(count("admin"), count("edit") + count("system:aggregate-to-admin"));
}

#[test]
fn default_roles_are_completed_unless_they_opted_out() {
    let fixture = Fixture::bootstrapped();
    let roles = resource(RBAC, "clusterroles");
    let damage = |name: &str, autoupdate: &str| {
        let mut role = fixture.stored(RBAC, "clusterroles", "", name).unwrap();
        role.metadata_mut()
            .map_mut("annotations")
            .set(ecow::EcoString::from("rbac.authorization.kubernetes.io/autoupdate"), autoupdate);
        role.list_mut("rules").clear();
        role.list_mut("rules")
            .push(Node::Map(Map::from([("verbs", ["mine"].into_iter().collect::<Node>())])));
        fixture.put(roles, &role);
    };
    damage("system:kube-dns", "true");
    damage("system:heapster", "false");
    fixture.commit(plan(&fixture.view(), &fixture.cluster, &fixture.clock));
    let rules = |name: &str| fixture.stored(RBAC, "clusterroles", "", name).unwrap().list("rules").len();
    assert_eq!((rules("system:kube-dns"), rules("system:heapster")), (3, 1));
}

#[test]
fn lost_subjects_come_back_and_own_ones_stay() {
    let fixture = Fixture::bootstrapped();
    let bindings = resource(RBAC, "clusterrolebindings");
    let mut binding = fixture.stored(RBAC, "clusterrolebindings", "", "cluster-admin").unwrap();
    let own = Map::from([("kind", "User"), ("apiGroup", RBAC), ("name", "alice")]);
    *binding.list_mut("subjects") = [Node::Map(own)].into_iter().collect();
    fixture.put(bindings, &binding);
    fixture.commit(plan(&fixture.view(), &fixture.cluster, &fixture.clock));
    let binding = fixture.stored(RBAC, "clusterrolebindings", "", "cluster-admin").unwrap();
    let names: Vec<&str> = binding.maps("subjects").map(|subject| subject.str("name")).collect();
    assert_eq!(names, ["alice", "system:masters"]);
}

#[test]
fn a_new_address_is_published() {
    let mut fixture = Fixture::bootstrapped();
    fixture.cluster.advertised = "192.0.2.7:7443".parse().unwrap();
    let plan = plan(&fixture.view(), &fixture.cluster, &fixture.clock);
    let keys: Vec<&str> = plan.ops.iter().map(Op::key).map(|key| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "/registry/endpoints/default/kubernetes",
            "/registry/endpointslices.discovery.k8s.io/default/kubernetes",
            "/registry/leases.coordination.k8s.io/kube-system/apiserver-0000000000000000",
        ]
    );
}

#[test]
fn the_servers_own_service_comes_back_with_its_address() {
    let fixture = Fixture::bootstrapped();
    let (service, address) = (("", "services"), ("networking.k8s.io", "ipaddresses"));
    let before = fixture.stored("", "services", "default", "kubernetes").unwrap();
    for ((group, plural), namespace, name) in
        [(service, "default", "kubernetes"), (address, "", before.str_at(&["spec", "clusterIP"]))]
    {
        let mut gone = Companions::default();
        gone.delete(fixture.view().entry(resource(group, plural), namespace, name).unwrap());
        fixture.commit(gone);
    }
    let view = fixture.view();
    let servers = [fixture.cluster.advertised];
    fixture.commit(list_servers(&view, &fixture.cluster, &fixture.clock, &servers));
    let after = fixture.stored("", "services", "default", "kubernetes").unwrap();
    assert_eq!(after.map("spec"), before.map("spec"));
    assert!(fixture.stored("networking.k8s.io", "ipaddresses", "", "10.96.0.1").is_some());
}
