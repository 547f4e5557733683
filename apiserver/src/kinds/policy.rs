//! The policy group. Limits on disruptions.

pub(super) mod pod_disruption_budget;
