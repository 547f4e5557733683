//! The autoscaling group. Scaling by metrics.

pub(super) mod horizontal_pod_autoscaler;
