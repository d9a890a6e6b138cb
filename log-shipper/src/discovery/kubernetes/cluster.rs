//! Where the API server is and how it is talked to: as configured, from a kubeconfig, or what the
//! cluster tells its pods.

use std::fs;
use std::io;
use std::path::PathBuf;

use url::Url;

use super::kubeconfig::{self, KubeconfigError};
use crate::config::http_client::{ClientTls, HttpClient};
use crate::config::scrape_configs::KubernetesSd;

/// Where a pod finds the credentials of its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Why there is no API server to talk to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No address.
    #[error(
        "not inside a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; \
         set api_server or kubeconfig_file"
    )]
    Outside,
    /// The cluster gave no usable address.
    #[error("KUBERNETES_SERVICE_HOST {host:?} and KUBERNETES_SERVICE_PORT {port:?} are no address")]
    Address {
        /// As set.
        host: String,
        /// As set.
        port: String,
    },
    /// `own_namespace` without one.
    #[error("namespaces.own_namespace: cannot read {}", path.display())]
    Namespace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A kubeconfig that cannot be used.
    #[error("kubeconfig_file {path}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        cause: KubeconfigError,
    },
}

/// What a process knows of where it runs.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Name of the node, or of the machine.
    pub node: String,
    /// `KUBERNETES_SERVICE_HOST`
    pub service_host: String,
    /// `KUBERNETES_SERVICE_PORT`
    pub service_port: String,
    /// The folder with the service account's credentials.
    pub service_account: PathBuf,
}

impl Surroundings {
    /// Those of this process, on the node of this name.
    pub fn of_process(node: String) -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self {
            node,
            service_host: variable("KUBERNETES_SERVICE_HOST"),
            service_port: variable("KUBERNETES_SERVICE_PORT"),
            service_account: SERVICE_ACCOUNT.into(),
        }
    }
}

/// An API server and how it is talked to.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) server: Url,
    pub(super) http: HttpClient,
    /// Of the process, where it is asked for.
    pub(super) namespace: Option<String>,
}

impl Cluster {
    pub(super) fn new(
        config: &KubernetesSd,
        surroundings: &Surroundings,
    ) -> Result<Self, ClusterError> {
        if let Some(server) = config.api_server.get() {
            return Ok(Self { server: server.clone(), http: config.http.clone(), namespace: None });
        }
        if !config.kubeconfig_file.is_empty() {
            let path = &config.kubeconfig_file;
            let (server, http) = kubeconfig::load(path)
                .map_err(|cause| ClusterError::Kubeconfig { path: path.clone(), cause })?;
            return Ok(Self { server, http, namespace: None });
        }
        let Surroundings { service_host: host, service_port: port, service_account, .. } =
            surroundings;
        if host.is_empty() || port.is_empty() {
            return Err(ClusterError::Outside);
        }
        let address =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let server = Url::parse(&format!("https://{address}"))
            .map_err(|_| ClusterError::Address { host: host.clone(), port: port.clone() })?;
        let file = |name: &str| service_account.join(name);
        let namespace = if config.namespaces.own_namespace {
            let path = file("namespace");
            let text = fs::read_to_string(&path)
                .map_err(|cause| ClusterError::Namespace { path, cause })?;
            Some(text.trim().to_owned())
        } else {
            None
        };
        let http = HttpClient {
            bearer_token_file: file("token").display().to_string(),
            tls_config: ClientTls {
                ca_file: file("ca.crt").display().to_string(),
                ..ClientTls::default()
            },
            ..HttpClient::default()
        };
        Ok(Self { server, http, namespace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scrape_configs::Namespaces;

    fn inside(folder: &std::path::Path, host: &str) -> Surroundings {
        Surroundings {
            node: "n1".to_owned(),
            service_host: host.to_owned(),
            service_port: "443".to_owned(),
            service_account: folder.to_path_buf(),
        }
    }

    #[test]
    fn inside_a_cluster_the_service_account_is_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("namespace"), "monitoring\n").unwrap();
        let config = KubernetesSd {
            namespaces: Namespaces { own_namespace: true, names: vec![] },
            ..KubernetesSd::default()
        };
        let cluster = Cluster::new(&config, &inside(folder.path(), "10.96.0.1")).unwrap();
        assert_eq!(cluster.server.as_str(), "https://10.96.0.1/");
        assert_eq!(cluster.namespace.as_deref(), Some("monitoring"));
        let at = |name: &str| folder.path().join(name).display().to_string();
        assert_eq!(cluster.http.bearer_token_file, at("token"));
        assert_eq!(cluster.http.tls_config.ca_file, at("ca.crt"));
        let cluster = Cluster::new(&KubernetesSd::default(), &inside(folder.path(), "fd00::1"));
        assert_eq!(cluster.unwrap().server.as_str(), "https://[fd00::1]/");
    }

    #[test]
    fn outside_a_cluster_the_error_says_what_to_set() {
        let error = Cluster::new(&KubernetesSd::default(), &Surroundings::default()).unwrap_err();
        assert!(error.to_string().contains("set api_server or kubeconfig_file"), "{error}");
    }
}
