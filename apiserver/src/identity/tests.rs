use super::*;
use crate::fixture::Fixture;

/// A server's Lease is written into the store, as that server does.
fn introduce_server(fixture: &mut Fixture, node: u64, address: &str) {
    let own = fixture.cluster.clone();
    fixture.cluster = Cluster { node, advertised: address.parse().unwrap(), ..own.clone() };
    let plan = bootstrap::plan(&fixture.view(), &fixture.cluster, &fixture.clock);
    fixture.commit(plan);
    fixture.cluster = own;
}

fn renew(fixture: &Fixture, node: u64, address: &str) {
    let cluster = Cluster { node, advertised: address.parse().unwrap(), ..fixture.cluster.clone() };
    let mut companions = Companions::default();
    write_lease(&fixture.view(), &cluster, &fixture.clock, LIFE, &mut companions);
    fixture.commit(companions);
}

/// The listed servers: of the Endpoints, and of all slices.
fn listed(fixture: &Fixture) -> (Vec<String>, Vec<String>) {
    let endpoints = fixture.stored("", "endpoints", "default", "kubernetes").unwrap();
    let port = |map: &Map| map.maps("ports").next().and_then(|port| port.int("port")).unwrap();
    let listed = endpoints.maps("subsets").flat_map(|subset| {
        let port = port(subset);
        subset.maps("addresses").map(move |address| format!("{}:{port}", address.str("ip")))
    });
    let slices = Registry::builtin().storage_of("discovery.k8s.io", "endpointslices").unwrap();
    let view = fixture.view();
    let sliced = view.entries(slices, "default").flat_map(|entry| {
        let slice = storage::decode(slices, entry);
        let endpoints: Vec<String> = slice
            .maps("endpoints")
            .map(|endpoint| {
                let address = endpoint.list("addresses")[0].as_str().unwrap();
                format!("{} {address}:{}", slice.name(), port(&slice))
            })
            .collect();
        endpoints
    });
    (listed.collect(), sliced.collect())
}

fn maintain(fixture: &Fixture, ages: &Ages) {
    fixture.commit(list(&fixture.view(), &fixture.cluster, &fixture.clock, ages));
}

fn three_servers() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.cluster.node = 1;
    fixture.cluster.advertised = "10.1.0.1:6443".parse().unwrap();
    fixture.commit(bootstrap::plan(&fixture.view(), &fixture.cluster, &fixture.clock));
    introduce_server(&mut fixture, 2, "10.1.0.2:6443");
    introduce_server(&mut fixture, 3, "10.1.0.3:6443");
    fixture
}

#[test]
fn a_new_server_is_listed_from_its_start() {
    let fixture = three_servers();
    let (endpoints, slices) = listed(&fixture);
    assert_eq!(endpoints, ["10.1.0.1:6443", "10.1.0.2:6443", "10.1.0.3:6443"]);
    assert_eq!(slices, ["kubernetes 10.1.0.1:6443", "kubernetes 10.1.0.2:6443", "kubernetes 10.1.0.3:6443"]);
    let before = fixture.view().revision();
    maintain(&fixture, &Ages::default());
    assert_eq!(fixture.view().revision(), before, "the leader has nothing to add");
}

#[test]
fn a_server_that_ceases_to_renew_leaves_and_one_that_renews_stays() {
    let fixture = three_servers();
    let mut ages = Ages::default();
    for second in 0..=LIFE.as_secs() {
        ages.look(&fixture.view(), TICK);
        maintain(&fixture, &ages);
        let expected = if second < LIFE.as_secs() { 3 } else { 2 };
        assert_eq!(listed(&fixture).0.len(), expected, "after {second} s");
        if second % RENEWAL.as_secs() == 0 {
            renew(&fixture, 3, "10.1.0.3:6443");
        }
    }
    assert_eq!(listed(&fixture).0, ["10.1.0.1:6443", "10.1.0.3:6443"]);
    assert!(
        fixture.stored("coordination.k8s.io", "leases", NAMESPACE, "apiserver-0000000000000002").is_none()
    );
}

#[test]
fn a_server_that_was_taken_off_is_listed_when_it_starts_again_or_renews() {
    let mut fixture = three_servers();
    let mut ages = Ages::default();
    ages.look(&fixture.view(), TICK);
    ages.look(&fixture.view(), LIFE);
    maintain(&fixture, &ages);
    assert_eq!(listed(&fixture).0, ["10.1.0.1:6443"]);
    introduce_server(&mut fixture, 2, "10.1.0.9:6443");
    renew(&fixture, 3, "10.1.0.3:6443");
    ages.look(&fixture.view(), TICK);
    maintain(&fixture, &ages);
    assert_eq!(listed(&fixture).0, ["10.1.0.1:6443", "10.1.0.3:6443", "10.1.0.9:6443"]);
}

#[test]
fn a_new_leader_gives_every_server_its_time() {
    let fixture = three_servers();
    let mut ages = Ages::default();
    ages.look(&fixture.view(), LIFE * 10);
    maintain(&fixture, &ages);
    assert_eq!(listed(&fixture).0.len(), 3);
}

#[test]
fn a_server_that_moves_is_listed_where_it_is() {
    let mut fixture = three_servers();
    introduce_server(&mut fixture, 2, "10.1.0.2:7443");
    let (endpoints, slices) = listed(&fixture);
    assert_eq!(endpoints, ["10.1.0.1:6443", "10.1.0.3:6443", "10.1.0.2:7443"]);
    assert_eq!(
        slices,
        ["kubernetes 10.1.0.1:6443", "kubernetes 10.1.0.3:6443", "kubernetes-ipv4-7443 10.1.0.2:7443"]
    );
    introduce_server(&mut fixture, 2, "10.1.0.2:6443");
    assert_eq!(listed(&fixture).1.len(), 3, "the slice that nobody needs is gone");
    let slice = fixture.stored("discovery.k8s.io", "endpointslices", "default", "kubernetes").unwrap();
    assert_eq!(slice.metadata().unwrap().int("generation"), Some(5), "every change counts");
}

#[test]
fn leases_of_others_are_none_of_its_business() {
    let fixture = three_servers();
    let lease = |name: &str, labels: Value| {
        json!({
            "metadata": {
                "namespace": NAMESPACE,
                "name": name,
                "labels": labels,
                "annotations": { ADDRESS: "192.0.2.1:1" },
            },
            "spec": {},
        })
    };
    let group = "coordination.k8s.io";
    fixture.fill(&[
        (group, "leases", lease("apiserver-unlabelled", json!({}))),
        (group, "leases", lease("some-controller", json!({ LABEL: LABEL_VALUE }))),
    ]);
    let mut ages = Ages::default();
    for _ in 0..2 * LIFE.as_secs() {
        ages.look(&fixture.view(), TICK);
        maintain(&fixture, &ages);
    }
    assert_eq!(listed(&fixture).0, ["10.1.0.1:6443"]);
    assert!(fixture.stored(group, "leases", NAMESPACE, "apiserver-unlabelled").is_some());
}
