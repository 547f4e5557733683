//! What a pod asks of its simulated kubelet, by annotations. Durations are seconds, with a fraction if need be.

use std::time::Duration;

use serde_json::Value;

/// How long the pod takes to start.
pub const START_AFTER: &str = "kubelets.test/start-after";
/// How long its containers take to end once it is deleted; the grace period limits it.
pub const TERMINATE_AFTER: &str = "kubelets.test/terminate-after";
/// `false` lets its readiness probes fail.
pub const READY: &str = "kubelets.test/ready";
/// Its containers end by themselves so long after they started.
pub const EXIT_AFTER: &str = "kubelets.test/exit-after";
/// The exit code of containers that end by themselves; 0 without it.
pub const EXIT_CODE: &str = "kubelets.test/exit-code";

/// Without a period of its own a deleted pod has this long.
const GRACE_DEFAULT: Duration = Duration::from_secs(30);

pub(super) fn start_after(pod: &Value) -> Option<Duration> {
    seconds(pod, START_AFTER)
}

/// Whether its readiness probes succeed.
pub(super) fn probes_succeed(pod: &Value) -> bool {
    annotation(pod, READY) != Some("false")
}

/// When its containers end by themselves, and with which code.
pub(super) fn exit(pod: &Value) -> Option<(Duration, i64)> {
    let code = annotation(pod, EXIT_CODE).and_then(|code| code.parse().ok()).unwrap_or(0);
    seconds(pod, EXIT_AFTER).map(|after| (after, code))
}

/// How long a deleted pod's containers take to end.
pub(super) fn terminate_after(pod: &Value, otherwise: Duration) -> Duration {
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
    let grace = grace.map_or(GRACE_DEFAULT, Duration::from_secs);
    seconds(pod, TERMINATE_AFTER).unwrap_or(otherwise).min(grace)
}

fn seconds(pod: &Value, name: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(annotation(pod, name)?.parse().ok()?).ok()
}

fn annotation<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    pod["metadata"]["annotations"][name].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_grace_period_limits_how_long_a_pod_takes_to_end() {
        let pod = |grace: u64, asked: &str| {
            json!({ "metadata": {
                "deletionGracePeriodSeconds": grace,
                "annotations": { TERMINATE_AFTER: asked },
            } })
        };
        let otherwise = Duration::from_secs(1);
        assert_eq!(terminate_after(&pod(5, "0.5"), otherwise), Duration::from_millis(500));
        assert_eq!(terminate_after(&pod(5, "60"), otherwise), Duration::from_secs(5));
        assert_eq!(terminate_after(&pod(0, "60"), otherwise), Duration::ZERO);
        assert_eq!(terminate_after(&pod(5, "soon"), otherwise), otherwise);
        assert_eq!(terminate_after(&json!({}), Duration::MAX), GRACE_DEFAULT);
    }
}
