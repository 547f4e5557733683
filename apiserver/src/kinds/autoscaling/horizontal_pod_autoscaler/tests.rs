use super::*;
use crate::codec::json;

fn tree(text: &str) -> Map {
    match json::decode_untyped(text.as_bytes()).expect("JSON") {
        Node::Map(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// What is stored for a v2 object, seen through v1 and back.
fn check_round_trip(v2: &str) -> Map {
    let stored = tree(v2);
    let mut seen = stored.clone();
    v1::from_v2(&mut seen);
    let mut back = seen.clone();
    v1::to_v2(&mut back);
    assert_eq!(back, stored, "through {seen}");
    seen
}

#[test]
fn one_cpu_percentage_is_a_field_of_v1() {
    let v1 = check_round_trip(
        r#"{"metadata":{"name":"a"},"spec":{"maxReplicas":3,"minReplicas":1,"scaleTargetRef":{"kind":"Deployment","name":"d"},
        "metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]}}"#,
    );
    assert_eq!(v1.at(&["spec", "targetCPUUtilizationPercentage"]), Some(&Node::Int(80)));
    assert_eq!(v1.at(&["metadata", "annotations"]), None);
}

#[test]
fn other_metrics_travel_in_an_annotation_in_v1_shape() {
    let v1 = check_round_trip(
        r#"{"metadata":{"name":"a","annotations":{"keep":"me"}},"spec":{"maxReplicas":3,"metrics":[
        {"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}},
        {"type":"Pods","pods":{"metric":{"name":"rps"},"target":{"type":"AverageValue","averageValue":"100"}}},
        {"type":"Object","object":{"describedObject":{"kind":"Ingress","name":"i","apiVersion":"networking.k8s.io/v1"},
          "target":{"type":"Value","value":"10k"},"metric":{"name":"hits"}}},
        {"type":"External","external":{"metric":{"name":"queue","selector":{"matchLabels":{"q":"1"}}},"target":{"type":"AverageValue","averageValue":"30"}}},
        {"type":"ContainerResource","containerResource":{"name":"cpu","container":"c","target":{"type":"Utilization","averageUtilization":60}}}]}}"#,
    );
    assert_eq!(
        v1.annotation("autoscaling.alpha.kubernetes.io/metrics"),
        Some(concat!(
            r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}},"#,
            r#"{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"100"}},"#,
            r#"{"type":"Object","object":{"target":{"kind":"Ingress","name":"i","apiVersion":"networking.k8s.io/v1"},"metricName":"hits","targetValue":"10k"}},"#,
            r#"{"type":"External","external":{"metricName":"queue","metricSelector":{"matchLabels":{"q":"1"}},"targetAverageValue":"30"}},"#,
            r#"{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":60,"container":"c"}}]"#
        ))
    );
    assert_eq!(v1.annotation("keep"), Some("me"));
}

#[test]
fn behavior_and_status_travel_in_annotations() {
    let v1 = check_round_trip(
        r#"{"metadata":{"name":"a"},"spec":{"maxReplicas":3,"behavior":{"scaleDown":{"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}}},
        "status":{"currentReplicas":1,"desiredReplicas":2,
          "currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"250m","averageUtilization":25}}}],
          "conditions":[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"R"}]}}"#,
    );
    assert_eq!(
        v1.annotation("autoscaling.alpha.kubernetes.io/behavior"),
        Some(
            r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}"#
        )
    );
    assert_eq!(
        v1.annotation("autoscaling.alpha.kubernetes.io/current-metrics"),
        Some(
            r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":25,"currentAverageValue":"250m"}}]"#
        )
    );
    assert_eq!(v1.at(&["status", "currentCPUUtilizationPercentage"]), Some(&Node::Int(25)));
}

#[test]
fn an_autoscaler_without_metrics_looks_at_cpu() {
    let mut autoscaler = tree(r#"{"spec":{"maxReplicas":3,"behavior":{}}}"#);
    set_defaults(&mut autoscaler);
    let expected = tree(
        r#"{"spec":{"maxReplicas":3,"minReplicas":1,
        "metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}],
        "behavior":{"scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]},
          "scaleDown":{"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}}}}"#,
    );
    assert_eq!(autoscaler, expected);
}

#[test]
fn targets_show_what_is_and_what_should_be() {
    let check = |text: &str, expected: &str| assert_eq!(targets::cell(&tree(text), 0), Node::from(expected));
    check(r#"{"spec":{}}"#, "<none>");
    check(
        r#"{"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"averageUtilization":80}}}]}}"#,
        "cpu: <unknown>/80%",
    );
    check(
        r#"{"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"averageUtilization":80}}},
             {"type":"Pods","pods":{"target":{"averageValue":"10"}}},{"type":"Pods","pods":{"target":{"averageValue":"11"}}}]},
           "status":{"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":10}}}]}}"#,
        "cpu: 10%/80%, <unknown>/10 + 1 more...",
    );
}

#[test]
fn metrics_are_of_one_type_with_a_target() {
    let check = |metric: &str, expected: &[&str]| {
        let mut errors = FieldErrors::new();
        let path = SPEC.child("metrics");
        metrics::validate(&tree(metric), true, &path.index(0), &mut errors);
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    };
    check(
        r#"{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":1}}}"#,
        &[],
    );
    check(
        r#"{"type":"Resource"}"#,
        &["spec.metrics[0].resource: Required value: must populate information for the given metric source"],
    );
    check(
        r#"{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization"}}}"#,
        &[
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
        ],
    );
}
