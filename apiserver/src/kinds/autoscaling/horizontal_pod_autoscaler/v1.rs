//! autoscaling/v1 as a view of v2: one CPU percentage instead of metrics, the rest in annotations.
//!
//! Keeps: `to_v2(from_v2(x))` is `x`; the annotations hold JSON as upstream writes it (metrics and conditions in
//! v1's shape, behavior with the names of Go's fields), so that clients of either server read the other's.

use crate::codec::json;
use crate::quantity;
use crate::tree::{List, Map, Node};

use super::metrics::cpu_utilization;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// Removes the annotations that only v1 has.
pub(super) fn drop_annotations(autoscaler: &mut Map) {
    for key in [METRICS, CURRENT_METRICS, BEHAVIOR, CONDITIONS] {
        take_annotation(autoscaler, key);
    }
}

fn take_annotation(autoscaler: &mut Map, key: &str) -> Option<Node> {
    autoscaler.annotation(key)?;
    let annotations = autoscaler.metadata_mut().existing_map_mut("annotations")?;
    let text = annotations.remove(key);
    if annotations.is_empty() {
        autoscaler.metadata_mut().remove("annotations");
    }
    text
}

/// The JSON of an annotation, which is removed; `None` when it cannot be read.
fn take_json(autoscaler: &mut Map, key: &str) -> Option<Node> {
    json::decode_untyped(take_annotation(autoscaler, key)?.as_str()?.as_bytes()).ok()
}

fn annotate(autoscaler: &mut Map, key: &'static str, value: Node) {
    autoscaler.metadata_mut().map_mut("annotations").set(key, value.to_string());
}

/// v2 to v1.
pub(super) fn from_v2(autoscaler: &mut Map) {
    drop_annotations(autoscaler);
    if let Some(spec) = autoscaler.existing_map_mut("spec") {
        let metrics = spec.remove("metrics");
        let behavior = spec.remove("behavior");
        let metrics: Vec<Map> = maps_of(metrics);
        let cpu = metrics.iter().find(|metric| is_cpu(metric));
        if let Some(percent) = cpu.and_then(|metric| metric.at(&["resource", "target", "averageUtilization"]))
        {
            spec.set("targetCPUUtilizationPercentage", percent.clone());
        }
        let others: List = metrics
            .iter()
            .filter(|metric| {
                !(is_cpu(metric) && metric.at(&["resource", "target", "averageUtilization"]).is_some())
            })
            .map(|metric| metric_to_v1(metric).into())
            .collect();
        if !others.is_empty() {
            annotate(autoscaler, METRICS, others.into());
        }
        if let Some(Node::Map(behavior)) = behavior {
            annotate(autoscaler, BEHAVIOR, behavior_to_go(&behavior).into());
        }
    }
    status_from_v2(autoscaler);
}

fn status_from_v2(autoscaler: &mut Map) {
    let Some(status) = autoscaler.existing_map_mut("status") else { return };
    let current: Vec<Map> = maps_of(status.remove("currentMetrics"));
    let conditions: Vec<Map> = maps_of(status.remove("conditions"));
    for metric in current.iter().filter(|metric| is_cpu(metric)) {
        if let Some(percent) = metric.at(&["resource", "current", "averageUtilization"]) {
            status.set("currentCPUUtilizationPercentage", percent.clone());
        }
    }
    if !current.is_empty() {
        annotate(autoscaler, CURRENT_METRICS, current.iter().map(status_to_v1).collect());
    }
    if !conditions.is_empty() {
        annotate(autoscaler, CONDITIONS, conditions.iter().map(condition_in_order).collect());
    }
}

/// v1 to v2.
pub(super) fn to_v2(autoscaler: &mut Map) {
    let others = take_json(autoscaler, METRICS);
    let current = take_json(autoscaler, CURRENT_METRICS);
    let behavior = take_json(autoscaler, BEHAVIOR);
    let conditions = take_json(autoscaler, CONDITIONS);
    if let Some(spec) = autoscaler.existing_map_mut("spec") {
        let mut metrics: List = maps_of(others).iter().map(|metric| metric_to_v2(metric).into()).collect();
        if let Some(percent) =
            spec.remove("targetCPUUtilizationPercentage").and_then(|percent| percent.as_int())
        {
            metrics.push(cpu_utilization(percent).into());
        }
        if !metrics.is_empty() {
            spec.set("metrics", metrics);
        }
        if let Some(Node::Map(behavior)) = behavior {
            spec.set("behavior", behavior_from_go(&behavior));
        }
    }
    let current: Vec<Map> = maps_of(current);
    let conditions: Vec<Map> = maps_of(conditions);
    if autoscaler.map("status").is_none() && current.is_empty() && conditions.is_empty() {
        return;
    }
    let status = autoscaler.map_mut("status");
    let percent = status.remove("currentCPUUtilizationPercentage");
    if !current.is_empty() {
        status.set("currentMetrics", current.iter().map(status_to_v2).collect::<Node>());
    } else if let Some(percent) = percent {
        let resource = Map::from([
            ("name", Node::from("cpu")),
            ("current", Map::from([("averageUtilization", percent)]).into()),
        ]);
        let metric = Map::from([("type", Node::from("Resource")), ("resource", resource.into())]);
        status.set("currentMetrics", [metric].into_iter().collect::<Node>());
    }
    if !conditions.is_empty() {
        status.set("conditions", conditions.iter().map(condition_in_order).collect::<Node>());
    }
}

fn maps_of(list: Option<Node>) -> Vec<Map> {
    match list {
        Some(Node::List(items)) => items.iter().filter_map(Node::as_map).cloned().collect(),
        _ => Vec::new(),
    }
}

fn is_cpu(metric: &Map) -> bool {
    metric.str("type") == "Resource" && metric.str_at(&["resource", "name"]) == "cpu"
}

/// A map of the fields that are there, in this order.
struct Fields(Map);

impl Fields {
    fn new() -> Fields {
        Fields(Map::new())
    }

    fn with(mut self, name: &'static str, value: Option<&Node>) -> Fields {
        if let Some(value) = value.filter(|value| **value != Node::Null) {
            self.0.set(name, value.clone());
        }
        self
    }

    /// A field that v1 always prints.
    fn always(mut self, name: &'static str, value: Option<&Node>, absent: &str) -> Fields {
        self.0.set(name, value.filter(|value| **value != Node::Null).cloned().unwrap_or(absent.into()));
        self
    }

    /// A quantity, made canonical; a zero that stands for absence is left out.
    fn amount(self, name: &'static str, value: Option<&Node>) -> Fields {
        let text = match value {
            Some(Node::Str(text)) => text.to_string(),
            Some(Node::Int(number)) => number.to_string(),
            _ => return self,
        };
        match quantity::canonical(&text) {
            Ok(text) => self.with(name, Some(&Node::Str(text))),
            Err(_) => self,
        }
    }
}

fn reference(reference: Option<&Map>) -> Map {
    let empty = Map::new();
    let reference = reference.unwrap_or(&empty);
    let absent = |field| reference.get(field);
    Fields::new()
        .always("kind", absent("kind"), "")
        .always("name", absent("name"), "")
        .with("apiVersion", absent("apiVersion"))
        .0
}

/// The one source of a metric: its field and what it holds.
fn source(metric: &Map) -> Option<(&'static str, &Map)> {
    super::metrics::SOURCES.iter().find_map(|(_, field)| Some((*field, metric.map(field)?)))
}

fn typed(metric: &Map, field: &'static str, source: Map) -> Map {
    Map::from([("type", Node::from(metric.str("type"))), (field, source.into())])
}

fn metric_to_v1(metric: &Map) -> Map {
    let Some((field, source)) = source(metric) else { return metric.clone() };
    let target = |name: &str| source.at(&["target", name]);
    let named = |name: &str| source.at(&["metric", name]);
    let flat = match field {
        "object" => Fields(Map::from([("target", reference(source.map("describedObject")))]))
            .always("metricName", named("name"), "")
            .always("targetValue", target("value"), "0")
            .with("selector", named("selector"))
            .with("averageValue", target("averageValue")),
        "pods" => Fields::new()
            .always("metricName", named("name"), "")
            .always("targetAverageValue", target("averageValue"), "0")
            .with("selector", named("selector")),
        "external" => Fields::new()
            .always("metricName", named("name"), "")
            .with("metricSelector", named("selector"))
            .with("targetValue", target("value"))
            .with("targetAverageValue", target("averageValue")),
        _ => Fields::new()
            .always("name", source.get("name"), "")
            .with("targetAverageUtilization", target("averageUtilization"))
            .with("targetAverageValue", target("averageValue"))
            .with("container", source.get("container")),
    };
    typed(metric, field, flat.0)
}

fn metric_to_v2(metric: &Map) -> Map {
    let Some((field, source)) = source(metric) else { return metric.clone() };
    let at = |name: &str| source.get(name);
    let has = |name: &str| at(name).is_some_and(|value| *value != Node::Null);
    let target = |kind: &str| Fields(Map::from([("type", kind)]));
    let identifier = |selector: &str| -> Node {
        Fields::new().always("name", at("metricName"), "").with("selector", at(selector)).0.into()
    };
    let nested = match field {
        "object" => {
            let average = has("averageValue");
            // v1 always has a value; with an average, zero means there was none.
            let value = at("targetValue").filter(|value| !(average && value.as_str() == Some("0")));
            let target = target(if average { "AverageValue" } else { "Value" })
                .amount("value", value)
                .amount("averageValue", at("averageValue"));
            Map::from([
                ("describedObject", Node::from(reference(source.map("target")))),
                ("target", target.0.into()),
                ("metric", identifier("selector")),
            ])
        }
        "pods" => Map::from([
            ("metric", identifier("selector")),
            ("target", target("AverageValue").amount("averageValue", at("targetAverageValue")).0.into()),
        ]),
        "external" => {
            let target = target(if has("targetValue") { "Value" } else { "AverageValue" })
                .amount("value", at("targetValue"))
                .amount("averageValue", at("targetAverageValue"));
            Map::from([("metric", identifier("metricSelector")), ("target", target.0.into())])
        }
        _ => {
            let by_percent = has("targetAverageUtilization");
            let target = target(if by_percent { "Utilization" } else { "AverageValue" })
                .amount("averageValue", at("targetAverageValue"))
                .with("averageUtilization", at("targetAverageUtilization"));
            Fields(Map::from([("target", target.0)]))
                .always("name", at("name"), "")
                .with("container", at("container"))
                .0
        }
    };
    typed(metric, field, nested)
}

fn status_to_v1(metric: &Map) -> Map {
    let Some((field, source)) = source(metric) else { return metric.clone() };
    let current = |name: &str| source.at(&["current", name]);
    let named = |name: &str| source.at(&["metric", name]);
    let flat = match field {
        "object" => Fields(Map::from([("target", reference(source.map("describedObject")))]))
            .always("metricName", named("name"), "")
            .always("currentValue", current("value"), "0")
            .with("selector", named("selector"))
            .with("averageValue", current("averageValue")),
        "pods" => Fields::new()
            .always("metricName", named("name"), "")
            .always("currentAverageValue", current("averageValue"), "0")
            .with("selector", named("selector")),
        "external" => Fields::new()
            .always("metricName", named("name"), "")
            .with("metricSelector", named("selector"))
            .always("currentValue", current("value"), "0")
            .with("currentAverageValue", current("averageValue")),
        _ => Fields::new()
            .always("name", source.get("name"), "")
            .with("currentAverageUtilization", current("averageUtilization"))
            .always("currentAverageValue", current("averageValue"), "0")
            .with("container", source.get("container")),
    };
    typed(metric, field, flat.0)
}

fn status_to_v2(metric: &Map) -> Map {
    let Some((field, source)) = source(metric) else { return metric.clone() };
    let at = |name: &str| source.get(name);
    let identifier = |selector: &str| -> Node {
        Fields::new().always("name", at("metricName"), "").with("selector", at(selector)).0.into()
    };
    let nested = match field {
        "object" => Map::from([
            ("metric", identifier("selector")),
            (
                "current",
                Fields::new()
                    .amount("value", at("currentValue"))
                    .amount("averageValue", at("averageValue"))
                    .0
                    .into(),
            ),
            ("describedObject", reference(source.map("target")).into()),
        ]),
        "pods" => Map::from([
            ("metric", identifier("selector")),
            ("current", Fields::new().amount("averageValue", at("currentAverageValue")).0.into()),
        ]),
        "external" => Map::from([
            ("metric", identifier("metricSelector")),
            (
                "current",
                Fields::new()
                    .amount("value", at("currentValue"))
                    .amount("averageValue", at("currentAverageValue"))
                    .0
                    .into(),
            ),
        ]),
        _ => {
            let current = Fields::new()
                .amount("averageValue", at("currentAverageValue"))
                .with("averageUtilization", at("currentAverageUtilization"));
            Fields(Map::from([("current", current.0)]))
                .always("name", at("name"), "")
                .with("container", at("container"))
                .0
        }
    };
    typed(metric, field, nested)
}

fn condition_in_order(condition: &Map) -> Map {
    let at = |name: &str| condition.get(name);
    Fields::new()
        .always("type", at("type"), "")
        .always("status", at("status"), "")
        .with("lastTransitionTime", at("lastTransitionTime"))
        .with("reason", at("reason"))
        .with("message", at("message"))
        .with("observedGeneration", at("observedGeneration"))
        .0
}

const BEHAVIOR_NAMES: [(&str, &str); 2] = [("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown")];
const RULE_NAMES: [(&str, &str); 3] = [
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("tolerance", "Tolerance"),
];
const POLICY_NAMES: [(&str, &str); 3] =
    [("type", "Type"), ("value", "Value"), ("periodSeconds", "PeriodSeconds")];

fn or_null(value: Option<&Node>) -> Node {
    value.cloned().unwrap_or(Node::Null)
}

fn behavior_to_go(behavior: &Map) -> Map {
    let policy = |policy: &Map| -> Map {
        POLICY_NAMES.iter().map(|(ours, go)| (*go, or_null(policy.get(ours)))).collect()
    };
    let rules = |rules: &Map| -> Map {
        let mut map = Map::new();
        for (ours, go) in RULE_NAMES {
            map.set(go, or_null(rules.get(ours)));
            if go == "SelectPolicy" {
                map.set("Policies", rules.maps("policies").map(policy).collect::<Node>());
            }
        }
        map
    };
    BEHAVIOR_NAMES
        .iter()
        .map(|(ours, go)| (*go, behavior.map(ours).map_or(Node::Null, |found| rules(found).into())))
        .collect()
}

fn behavior_from_go(behavior: &Map) -> Map {
    let renamed = |from: &Map, names: &[(&'static str, &'static str)]| {
        names.iter().fold(Fields::new(), |fields, (ours, go)| fields.with(ours, from.get(go))).0
    };
    let mut result = Map::new();
    for (ours, go) in BEHAVIOR_NAMES {
        let Some(found) = behavior.map(go) else { continue };
        let mut rules = renamed(found, &RULE_NAMES);
        let policies: List =
            found.maps("Policies").map(|policy| renamed(policy, &POLICY_NAMES).into()).collect();
        if !policies.is_empty() {
            rules.set("policies", policies);
        }
        result.set(ours, rules);
    }
    result
}
