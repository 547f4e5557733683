//! The counters as a scraper reads them.

use super::*;
use crate::storage::Health;

fn labels() -> RequestLabels {
    RequestLabels { version: "v1", resource: "pods", scope: "resource", ..RequestLabels::of("get") }
}

#[test]
fn an_answered_request_is_counted_under_upstreams_names() {
    let metrics = Metrics::new();
    metrics.answered(&labels(), 200, 0.004, 5000);
    metrics.answered(&labels(), 200, 0.1, 5000);
    let text = metrics.text(&Figures::default());
    for expected in [
        "# TYPE apiserver_request_total counter\n",
        "apiserver_request_total{verb=\"GET\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"200\"} 2\n",
        "# TYPE apiserver_request_duration_seconds histogram\n",
        "apiserver_request_duration_seconds_bucket{le=\"0.005\",verb=\"GET\"",
        "apiserver_response_sizes_sum{verb=\"GET\"",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("# EOF"));
}

#[test]
fn what_is_going_on_counts_until_it_is_dropped() {
    let metrics = Metrics::new();
    let line = "apiserver_current_inflight_requests{request_kind=\"mutating\"} ";
    let watch = "apiserver_longrunning_requests{verb=\"WATCH\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"cluster\",component=\"apiserver\"} ";
    let labels =
        RequestLabels { version: "v1", resource: "pods", scope: "cluster", ..RequestLabels::of("watch") };
    let ongoing = (metrics.in_flight(Kind::Mutating), metrics.long_running(&labels));
    let text = metrics.text(&Figures::default());
    assert!(text.contains(&format!("{line}1\n")) && text.contains(&format!("{watch}1\n")), "{text}");
    drop(ongoing);
    let text = metrics.text(&Figures::default());
    assert!(text.contains(&format!("{line}0\n")) && text.contains(&format!("{watch}0\n")), "{text}");
    assert!(text.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 0\n"));
}

#[test]
fn watch_events_are_counted_by_a_kept_counter() {
    let metrics = Metrics::new();
    let counter =
        metrics.watch_events(ResourceLabels { group: "apps", version: "v1", resource: "deployments" });
    counter.inc_by(3);
    let text = metrics.text(&Figures::default());
    assert!(
        text.contains(
            "apiserver_watch_events_total{group=\"apps\",version=\"v1\",resource=\"deployments\"} 3\n"
        ),
        "{text}"
    );
}

#[test]
fn figures_of_the_store_and_its_objects_are_printed() {
    let store = StoreFigures {
        has_leader: true,
        revision: 42,
        stored_bytes: 1000,
        health: Some(Health::DiskFull),
        state_hash_differs: true,
        ..StoreFigures::default()
    };
    let figures =
        Figures { store, objects: vec![("pods".to_owned(), 7), ("deployments.apps".to_owned(), 2)] };
    let text = Metrics::new().text(&figures);
    for expected in [
        "etcd_server_has_leader 1\n",
        "etcd_debugging_mvcc_current_revision 42\n",
        "apiserver_storage_size_bytes 1000\n",
        "pintle_store_health{condition=\"disk_full\"} 1\n",
        "pintle_store_health{condition=\"good\"} 0\n",
        "pintle_store_state_hash_alarm 1\n",
        "apiserver_storage_objects{resource=\"deployments.apps\"} 2\n",
        "apiserver_resource_objects{group=\"apps\",resource=\"deployments\"} 2\n",
        "kubernetes_build_info{major=\"1\",minor=\"37\"",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

/// A line is a comment, or a name with a number: nothing else may reach a scraper.
#[test]
fn every_line_is_a_comment_or_a_sample() {
    let metrics = Metrics::new();
    metrics.answered(&labels(), 404, 0.1, 10);
    for line in metrics.text(&Figures::default()).lines() {
        let sample = || line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || sample(), "{line}");
    }
}
