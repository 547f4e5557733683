//! What controllers need to know of the cluster and no API tells them.

/// Settings of the cluster that the controllers run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// PEM of the authority that signed the API server's certificate. Nobody publishes it when it is empty.
    pub root_ca: String,
    /// Terminated pods that are kept, whatever they are kept for; 0 for all of them.
    pub terminated_pods_max: usize,
}

impl Settings {
    /// As many terminated pods as upstream keeps.
    pub const TERMINATED_PODS_MAX: usize = 12_500;
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { root_ca: String::new(), terminated_pods_max: Settings::TERMINATED_PODS_MAX }
    }
}
