//! What controllers need to know of the cluster and no API tells them.

/// Settings of the cluster that the controllers run for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// PEM of the authority that signed the API server's certificate. Nobody publishes it when it is empty.
    pub root_ca: String,
}
