//! `kubernetes_sd_configs` with role `pod`: the containers of a node, as its API server tells them.
//!
//! What is known stays known while the server cannot be reached: a pod goes only when the server
//! says so.

pub mod cluster;

mod api;
mod base64;
mod kubeconfig;
mod objects;
mod pod_labels;
mod reflector;
mod scope;
mod store;

use std::sync::Arc;

use prometheus_model::instrument::Gauge;
use tokio_util::sync::CancellationToken;

use self::api::Api;
use self::cluster::{Cluster, ClusterError, Surroundings};
use self::objects::{Node, Pod};
use self::reflector::Reflector;
use self::scope::Scope;
use self::store::Store;
use super::target::Group;
use super::wake::Wake;
use crate::config::scrape_configs::{KubernetesRole, KubernetesSd};
use crate::http_client::{ConnectError, Requester};

/// Why a discovery cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubernetesError {
    /// Other objects have no log files.
    #[error(
        "kubernetes_sd_configs: role {role} is not supported: role pod is accepted, the only one \
         whose objects have log files"
    )]
    Role {
        /// As configured.
        role: KubernetesRole,
    },
    /// Labels of an object that this version does not look at.
    #[error("kubernetes_sd_configs: attach_metadata.{key} is not supported: node is accepted")]
    Metadata {
        /// The key.
        key: &'static str,
    },
    /// Where the API server is cannot be found out.
    #[error("kubernetes_sd_configs")]
    Cluster {
        /// What is missing.
        #[source]
        cause: ClusterError,
    },
    /// Credentials or TLS cannot be used.
    #[error("kubernetes_sd_configs")]
    Connect {
        /// The key.
        #[source]
        cause: ConnectError,
    },
}

/// The pods that an item of `kubernetes_sd_configs` found. A clone shows the same.
#[derive(Debug, Clone)]
pub struct PodTargets {
    /// One per namespace, or one for all.
    pods: Vec<Store<Pod>>,
    nodes: Option<Store<Node>>,
}

impl PodTargets {
    /// A group for each pod, in the order of their names.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        for store in &self.pods {
            store.for_each(|pod| {
                let mut group = pod.group.clone();
                if let Some(nodes) = &self.nodes {
                    nodes.with(&pod.node, |labels| {
                        for (name, value) in labels.iter() {
                            group.labels.set(name, value);
                        }
                    });
                }
                groups.push(group);
            });
        }
        groups
    }
}

/// The task that keeps [`PodTargets`] current.
#[derive(Debug)]
pub struct PodDiscovery {
    api: Arc<Api>,
    pods: Vec<(Scope, Store<Pod>)>,
    nodes: Option<(Scope, Store<Node>)>,
}

impl PodDiscovery {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// [`KubernetesError`]: what cannot work, whether the server is there or not.
    pub fn new(
        config: &KubernetesSd,
        surroundings: &Surroundings,
    ) -> Result<Self, KubernetesError> {
        if let Some(role) = config.role.filter(|role| *role != KubernetesRole::Pod) {
            return Err(KubernetesError::Role { role });
        }
        let attached = &config.attach_metadata;
        for (key, is_set) in [
            ("namespace", attached.namespace),
            ("deployment", attached.deployment),
            ("job", attached.job),
            ("cronjob", attached.cronjob),
        ] {
            if is_set {
                return Err(KubernetesError::Metadata { key });
            }
        }
        let cluster = Cluster::new(config, surroundings)
            .map_err(|cause| KubernetesError::Cluster { cause })?;
        let requester = Requester::new(&cluster.http, "API server", &cluster.server, None)
            .map_err(|cause| KubernetesError::Connect { cause })?;
        let scopes = scope::of_pods(config, cluster.namespace.as_deref(), &surroundings.node);
        let nodes =
            attached.node.then(|| (scope::of_nodes(config, &surroundings.node), Store::default()));
        Ok(Self {
            api: Arc::new(Api::new(requester, cluster.server)),
            pods: scopes.into_iter().map(|scope| (scope, Store::default())).collect(),
            nodes,
        })
    }

    /// What it finds, from now on.
    pub fn targets(&self) -> PodTargets {
        PodTargets {
            pods: self.pods.iter().map(|(_, store)| store.clone()).collect(),
            nodes: self.nodes.as_ref().map(|(_, store)| store.clone()),
        }
    }

    /// Keeps the targets current until `stop` is cancelled; every change rings `wake`. `failing`
    /// counts watches that do not work at the moment.
    pub async fn run(self, wake: Wake, failing: Gauge, stop: CancellationToken) {
        let mut watches = tokio::task::JoinSet::new();
        for (scope, store) in self.pods {
            let api = Arc::clone(&self.api);
            let reflector = Reflector::new(api, scope, store, wake.clone(), failing.clone());
            watches.spawn(reflector.run(stop.clone()));
        }
        if let Some((scope, store)) = self.nodes {
            let reflector = Reflector::new(self.api, scope, store, wake, failing);
            watches.spawn(reflector.run(stop));
        }
        watches.join_all().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item of `kubernetes_sd_configs`.
    pub(super) fn config(text: &str) -> KubernetesSd {
        let text = format!("scrape_configs: [{{job_name: a, kubernetes_sd_configs: [{text}]}}]");
        let mut config = crate::config::parse("test".as_ref(), &text, None).unwrap();
        config.scrape_configs.remove(0).kubernetes_sd_configs.remove(0)
    }

    fn discovery(text: &str) -> Result<PodDiscovery, String> {
        let surroundings = Surroundings { node: "n1".to_owned(), ..Surroundings::default() };
        PodDiscovery::new(&config(text), &surroundings)
            .map_err(|error| instrumentation::json_log::ErrorChain(&error).to_string())
    }

    #[test]
    fn what_is_not_followed_is_refused_by_name() {
        for (text, error) in [
            ("{role: node, api_server: 'http://k'}", "role node is not supported: role pod is"),
            (
                "{role: pod, api_server: 'http://k', attach_metadata: {job: true}}",
                "attach_metadata.job is not supported: node is accepted",
            ),
            ("{role: pod}", "not inside a cluster"),
            (
                "{role: pod, api_server: 'http://k', bearer_token_file: /no/such}",
                "bearer_token_file: cannot read the secret file /no/such",
            ),
        ] {
            let found = discovery(text).unwrap_err();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn nothing_is_found_before_the_server_was_asked() {
        assert!(
            discovery("{role: pod, api_server: 'http://k'}").unwrap().targets().groups().is_empty()
        );
    }
}
