//! The ConfigMaps by which a cluster makes itself known: to extension servers, to machines that join, and to the cleaner
//! of old tokens.
//!
//! Keeps: what an operator wrote into `cluster-info` stays as long as it names the cluster's authority.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Plan, builtin, tree};
use crate::registry::Resource;
use crate::time;

pub(super) fn plan(plan: &mut Plan<'_>) {
    let config_maps = builtin("", "configmaps");
    authentication(plan, config_maps);
    cluster_info(plan, config_maps);
    token_tracking(plan, config_maps);
}

/// How extension servers verify clients that this server passes on to them.
fn authentication(plan: &mut Plan<'_>, config_maps: &Resource) {
    let list = |item: &str| Value::String(json!([item]).to_string());
    let mut data = json!({ "client-ca-file": plan.cluster.client_ca });
    if !plan.cluster.front_proxy_ca.is_empty() {
        data["requestheader-client-ca-file"] = json!(plan.cluster.front_proxy_ca);
        for (key, value) in [
            ("requestheader-allowed-names", "front-proxy-client"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-uid-headers", "X-Remote-Uid"),
            ("requestheader-username-headers", "X-Remote-User"),
        ] {
            data[key] = list(value);
        }
    }
    let metadata = json!({ "namespace": "kube-system", "name": "extension-apiserver-authentication" });
    let config = json!({ "metadata": metadata, "data": data });
    plan.maintain(config_maps, tree(config_maps, &config), &["data"]);
}

/// What a machine that joins must know: the server and its authority, for everybody to read. The controller
/// bootstrap-signer adds the signatures of tokens.
fn cluster_info(plan: &mut Plan<'_>, config_maps: &Resource) {
    const NAMESPACE: &str = "kube-public";
    const NAME: &str = "cluster-info";
    if plan.cluster.root_ca.is_empty() {
        return;
    }
    let authority = STANDARD.encode(&plan.cluster.root_ca);
    let stored = plan.view.object(config_maps, NAMESPACE, NAME);
    if stored.is_some_and(|map| map.str_at(&["data", "kubeconfig"]).contains(&authority)) {
        return;
    }
    let kubeconfig = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    server: https://{}\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\nusers: null\n",
        plan.cluster.advertised
    );
    let metadata = json!({ "namespace": NAMESPACE, "name": NAME });
    let info = json!({ "metadata": metadata, "data": { "kubeconfig": kubeconfig } });
    plan.maintain(config_maps, tree(config_maps, &info), &["data"]);
}

/// Since when the use of tokens in Secrets has been noted: what was not used since then may be old.
fn token_tracking(plan: &mut Plan<'_>, config_maps: &Resource) {
    const NAMESPACE: &str = "kube-system";
    const NAME: &str = "kube-apiserver-legacy-service-account-token-tracking";
    let stored = plan.view.object(config_maps, NAMESPACE, NAME);
    let is_date = |date: &str| date.len() == 10 && time::seconds_of(&format!("{date}T00:00:00Z")).is_some();
    if stored.is_some_and(|map| is_date(map.str_at(&["data", "since"]))) {
        return;
    }
    let today = plan.now.split('T').next().unwrap_or_default();
    let metadata = json!({ "namespace": NAMESPACE, "name": NAME });
    let tracking = json!({ "metadata": metadata, "data": { "since": today } });
    plan.maintain(config_maps, tree(config_maps, &tracking), &["data"]);
}
