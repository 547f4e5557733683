//! The Targets cell: per metric what is and what should be. Keeps: two metrics are shown, the others counted.

use super::metrics::SOURCES;
use crate::kinds::listing;
use crate::tree::{Map, Node};

const SHOWN_MAX: usize = 2;

/// `cpu: 10%/80%, 5/10 + 1 more...`
pub(super) fn cell(autoscaler: &Map, _: i64) -> Node {
    let statuses: Vec<&Map> =
        autoscaler.map("status").into_iter().flat_map(|status| status.maps("currentMetrics")).collect();
    let metrics = autoscaler.map("spec").into_iter().flat_map(|spec| spec.maps("metrics"));
    let texts = metrics.enumerate().map(|(i, metric)| target(metric, statuses.get(i).copied()));
    listing::first(SHOWN_MAX, texts, ", ").into()
}

fn target(metric: &Map, status: Option<&Map>) -> String {
    let Some((_, field)) = SOURCES.iter().find(|(kind, _)| *kind == metric.str("type")) else {
        return "<unknown type>".to_owned();
    };
    let empty = Map::new();
    let source = metric.map(field).unwrap_or(&empty);
    let wanted = source.map("target").unwrap_or(&empty);
    let current = status.and_then(|status| status.map_at(&[field, "current"]));
    let now = |field: &str| current.map(|current| current.str(field)).filter(|text| !text.is_empty());
    let unknown = "<unknown>";
    let average = format!("{}/{} (avg)", now("averageValue").unwrap_or(unknown), wanted.str("averageValue"));
    match *field {
        "object" | "external" if wanted.contains("averageValue") => average,
        "object" | "external" => format!("{}/{}", now("value").unwrap_or(unknown), wanted.str("value")),
        "pods" => format!("{}/{}", now("averageValue").unwrap_or(unknown), wanted.str("averageValue")),
        _ => {
            let name = source.str("name");
            if wanted.contains("averageValue") {
                let now = now("averageValue").unwrap_or(unknown);
                return format!("{name}: {now}/{}", wanted.str("averageValue"));
            }
            let percent = |utilization: Option<i64>, absent: &str| {
                utilization.map_or(absent.to_owned(), |percent| format!("{percent}%"))
            };
            let now = percent(current.and_then(|current| current.int("averageUtilization")), unknown);
            format!("{name}: {now}/{}", percent(wanted.int("averageUtilization"), "<auto>"))
        }
    }
}
