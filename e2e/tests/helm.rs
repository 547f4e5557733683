//! A chart of our own, installed, upgraded, rolled back and removed with each helm.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{clients::Client, server::Server};

macro_rules! with_each_helm {
    ($($name:ident)*) => {
        mod helm_3 { $(#[test] fn $name() { super::$name("helm-3"); })* }
        mod helm_4 { $(#[test] fn $name() { super::$name("helm-4"); })* }
    };
}

with_each_helm! {
    a_release_is_installed_upgraded_listed_and_uninstalled
    a_chart_that_is_refused_leaves_a_failed_release
    an_install_into_a_new_namespace_makes_it
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart");

fn status(helm: &Client, release: &str) -> serde_json::Value {
    serde_json::from_str(&helm.ok(&["status", release, "-o", "json"])).unwrap()
}

fn a_release_is_installed_upgraded_listed_and_uninstalled(version: &str) {
    let server = Server::start();
    let (helm, kubectl) = (server.client(version), server.kubectl());
    let installed = helm.ok(&["install", "shop", CHART]);
    assert!(installed.contains("STATUS: deployed") && installed.contains("REVISION: 1"), "{installed}");
    let greeting = || kubectl.ok(&["get", "configmap", "shop", "-o", "jsonpath={.data.greeting}"]);
    assert_eq!(greeting(), "hello");
    let managed = kubectl.ok(&["get", "all", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"]);
    assert_eq!(managed, "service/shop\ndeployment.apps/shop\n");

    helm.ok(&["upgrade", "shop", CHART, "--set", "greeting=good day,replicas=5"]);
    assert_eq!(greeting(), "good day");
    let replicas = || kubectl.ok(&["get", "deployment", "shop", "-o", "jsonpath={.spec.replicas}"]);
    assert_eq!(replicas(), "5");
    assert_eq!(status(&helm, "shop")["version"], 2);
    let list = helm.ok(&["list"]);
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["shop", "default", "2"], "{list}");
    assert!(list.contains("deployed") && list.contains("shop-1.0.0"), "{list}");

    helm.ok(&["rollback", "shop", "1"]);
    assert_eq!((greeting(), replicas()), ("hello".to_owned(), "2".to_owned()));
    let history = helm.ok(&["history", "shop", "-o", "json"]);
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 3);
    assert!(helm.ok(&["get", "values", "shop", "--revision", "2"]).contains("good day"));

    let uninstalled = helm.ok(&["uninstall", "shop"]);
    assert_eq!(uninstalled, "release \"shop\" uninstalled\n");
    assert_eq!(
        kubectl.ok(&[
            "get",
            "configmaps,secrets,deployments,services,roles",
            "-l",
            "app.kubernetes.io/managed-by=Helm",
            "-o",
            "name"
        ]),
        ""
    );
    assert_eq!(kubectl.ok(&["get", "secrets", "-o", "name"]), "");
}

fn a_chart_that_is_refused_leaves_a_failed_release(version: &str) {
    let server = Server::start();
    let helm = server.client(version);
    let refused = helm.fails(&["install", "shop", CHART, "--set", "replicas=-1"]);
    assert!(
        refused.contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        "{refused}"
    );
    assert_eq!(status(&helm, "shop")["info"]["status"], "failed");
    helm.ok(&["upgrade", "shop", CHART, "--set", "replicas=1"]);
    assert_eq!(status(&helm, "shop")["info"]["status"], "deployed");
    let again = helm.fails(&["install", "shop", CHART]);
    assert!(again.contains("cannot re-use a name") || again.contains("cannot reuse a name"), "{again}");
}

fn an_install_into_a_new_namespace_makes_it(version: &str) {
    let server = Server::start();
    let helm = server.client(version);
    helm.ok(&["install", "shop", CHART, "--namespace", "town", "--create-namespace"]);
    let list = helm.ok(&["list", "-A", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["namespace"]), (&"shop".into(), &"town".into()));
    let subject = "jsonpath={.subjects[0].namespace}";
    assert_eq!(server.kubectl().ok(&["-n", "town", "get", "rolebinding", "shop", "-o", subject]), "town");
}
