//! `consul_sd_configs` and `consulagent_sd_configs`: instances of services, as Consul tells them.
//!
//! What is known stays known while Consul cannot be reached: an instance goes only when Consul says
//! so.

mod agent;
mod api;
mod catalog;
mod objects;
mod retry;
mod service_labels;
mod store;

use std::sync::Arc;

use prometheus_model::instrument::Gauge;
use tokio_util::sync::CancellationToken;

use self::agent::AgentServicesOf;
use self::api::Api;
use self::catalog::Catalog;
use self::store::Store;
use super::target::Group;
use super::wake::Wake;
use crate::config::http_client::HttpClient;
use crate::config::scrape_configs::{ConsulAgentSd, ConsulSd, ConsulServer};
use crate::http_client::{ConnectError, Requester};

/// Why a discovery cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsulError {
    /// Not an address.
    #[error("{key}: {problem}")]
    Server {
        /// The key of the discovery.
        key: &'static str,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// Credentials or TLS cannot be used.
    #[error("{key}")]
    Connect {
        /// The key of the discovery.
        key: &'static str,
        /// Which key of it.
        #[source]
        cause: Box<ConnectError>,
    },
}

/// The instances that an item of the configuration found. A clone shows the same.
#[derive(Debug, Clone)]
pub struct ConsulTargets(Store);

impl ConsulTargets {
    /// A group for each service, in the order of their names.
    pub fn groups(&self) -> Vec<Group> {
        self.0.all()
    }
}

#[derive(Debug)]
enum Asked {
    Cluster(Box<ConsulSd>),
    Agent(Box<ConsulServer>),
}

/// The task that keeps [`ConsulTargets`] current.
#[derive(Debug)]
pub struct ConsulDiscovery {
    asked: Asked,
    api: Arc<Api>,
    store: Store,
}

impl ConsulDiscovery {
    /// Prepares an item of `consul_sd_configs`; nothing is asked yet.
    ///
    /// # Errors
    /// [`ConsulError`]: what cannot work, whether Consul is there or not.
    pub fn of_cluster(config: &ConsulSd) -> Result<Self, ConsulError> {
        let everywhere = vec![
            ("dc", config.server.datacenter.clone()),
            ("ns", config.namespace.clone()),
            ("partition", config.partition.clone()),
        ];
        let prefix = &config.path_prefix;
        let http = config.effective_http();
        let api = api("consul_sd_configs", &config.server, prefix, &http, everywhere)?;
        Ok(Self { asked: Asked::Cluster(Box::new(config.clone())), api, store: Store::default() })
    }

    /// Prepares an item of `consulagent_sd_configs`; nothing is asked yet.
    ///
    /// # Errors
    /// As [`of_cluster`](Self::of_cluster).
    pub fn of_agent(config: &ConsulAgentSd) -> Result<Self, ConsulError> {
        let everywhere = vec![("dc", config.server.datacenter.clone())];
        let http = config.effective_http();
        let api = api("consulagent_sd_configs", &config.server, "", &http, everywhere)?;
        Ok(Self {
            asked: Asked::Agent(Box::new(config.server.clone())),
            api,
            store: Store::default(),
        })
    }

    /// The key of the configuration.
    pub fn key(&self) -> &'static str {
        match self.asked {
            Asked::Cluster(_) => "consul_sd_configs",
            Asked::Agent(_) => "consulagent_sd_configs",
        }
    }

    /// What it finds, from now on.
    pub fn targets(&self) -> ConsulTargets {
        ConsulTargets(self.store.clone())
    }

    /// Keeps the targets current until `stop` is cancelled; every change rings `wake`. `failing`
    /// counts queries that do not work at the moment.
    pub async fn run(self, wake: Wake, failing: Gauge, stop: CancellationToken) {
        let Self { asked, api, store } = self;
        match asked {
            Asked::Cluster(config) => {
                let catalog = Catalog { api, config: *config, store, wake, failing };
                stop.run_until_cancelled_owned(Box::pin(catalog.run())).await;
            }
            Asked::Agent(config) => {
                let agent = AgentServicesOf { api, config: *config, store, wake, failing };
                stop.run_until_cancelled_owned(Box::pin(agent.run())).await;
            }
        }
    }
}

fn api(
    key: &'static str,
    config: &ConsulServer,
    path_prefix: &str,
    http: &HttpClient,
    everywhere: Vec<(&'static str, String)>,
) -> Result<Arc<Api>, ConsulError> {
    let server = config.url(path_prefix).map_err(|problem| ConsulError::Server { key, problem })?;
    let requester = Requester::new(http, "Consul", &server, None)
        .map_err(|cause| ConsulError::Connect { key, cause: Box::new(cause) })?;
    Ok(Arc::new(Api::new(requester, server, config.token.clone(), everywhere)))
}

#[cfg(test)]
mod tests;
