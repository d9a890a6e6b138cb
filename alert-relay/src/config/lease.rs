//! How two replicas agree on who delivers.

use std::path::PathBuf;

use serde::Deserialize;

/// `lease`: a Lease of `coordination.k8s.io/v1`. In a pod every default fits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseKeys {
    /// Of the Lease.
    pub name: String,
    /// Of the Lease; else that of the service account.
    pub namespace: Option<String>,
    /// Of this replica, unlike every other one's; else the host's name, which is the pod's.
    pub identity: Option<String>,
    /// URL of the API server; else from the environment that every pod has.
    pub server: Option<String>,
    /// Token of the service account.
    pub token_file: PathBuf,
    /// The only authority that is believed.
    pub ca_file: PathBuf,
    /// The namespace of the service account.
    pub namespace_file: PathBuf,
}

impl Default for LeaseKeys {
    fn default() -> Self {
        let file = |name: &str| {
            PathBuf::from(format!("/var/run/secrets/kubernetes.io/serviceaccount/{name}"))
        };
        Self {
            name: "alert-relay".to_owned(),
            namespace: None,
            identity: None,
            server: None,
            token_file: file("token"),
            ca_file: file("ca.crt"),
            namespace_file: file("namespace"),
        }
    }
}
