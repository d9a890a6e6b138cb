//! Asks one agent for its services, again and again: an agent has no blocking queries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prometheus_model::instrument::Gauge;
use reqwest::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::api::{Api, ApiError};
use super::catalog::{interval, is_wanted};
use super::objects::{Agent, AgentInstance, AgentServices};
use super::retry::Retry;
use super::service_labels::{self, Surroundings};
use super::store::Store;
use crate::config::scrape_configs::ConsulServer;
use crate::discovery::target::Group;
use crate::discovery::wake::Wake;

/// Follows the services of one item of `consulagent_sd_configs`.
#[derive(Debug)]
pub(super) struct AgentServicesOf {
    pub(super) api: Arc<Api>,
    pub(super) config: ConsulServer,
    pub(super) store: Store,
    pub(super) wake: Wake,
    pub(super) failing: Gauge,
}

impl AgentServicesOf {
    /// Follows for ever.
    pub(super) async fn run(self) {
        let mut retry = Retry::new("/v1/agent/services".to_owned(), self.failing.clone());
        loop {
            let next = Instant::now() + interval(&self.config);
            match self.look().await {
                Ok(groups) => {
                    retry.worked();
                    self.store.replace(groups, &self.wake);
                    sleep_until(next).await;
                }
                Err(error) => retry.failed(&error).await,
            }
        }
    }

    /// Everything there is now, or nothing at all: half an answer would end targets.
    async fn look(&self) -> Result<BTreeMap<String, Group>, ApiError> {
        let (_, agent): (_, Agent) = self.api.ask(self.api.url("v1/agent/self", ""), &[]).await?;
        let configured = &self.config.datacenter;
        let surroundings = Surroundings {
            datacenter: if configured.is_empty() { &agent.config.datacenter } else { configured }
                .clone(),
            tag_separator: self.config.tag_separator.clone(),
        };
        let mut groups = BTreeMap::new();
        for name in self.names().await? {
            let group = self.service(&name, &agent, &surroundings).await?;
            groups.insert(name, group);
        }
        Ok(groups)
    }

    /// The configured names, unless tags have to be looked at.
    async fn names(&self) -> Result<BTreeSet<String>, ApiError> {
        if !self.config.services.is_empty() && self.config.tags.is_empty() {
            return Ok(self.config.services.iter().cloned().collect());
        }
        let (_, services): (_, AgentServices) =
            self.api.ask(self.api.url("v1/agent/services", ""), &[]).await?;
        let mut names = BTreeSet::new();
        for service in services.into_values() {
            let tags = service.tags.unwrap_or_default();
            if is_wanted(&self.config, &service.name, &tags) {
                names.insert(service.name);
            }
        }
        Ok(names)
    }

    /// The status of the answer is the state of the service.
    async fn service(
        &self,
        name: &str,
        agent: &Agent,
        surroundings: &Surroundings,
    ) -> Result<Group, ApiError> {
        let url = self.api.url("v1/agent/health/service/name/", name);
        let also = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        let (status, instances): (_, Vec<AgentInstance>) = match self.api.ask(url, &also).await {
            Ok(answer) => answer,
            // It went in between, or never was.
            Err(ApiError::Refused { status: 404, .. }) => (StatusCode::NOT_FOUND, Vec::new()),
            Err(error) => return Err(error),
        };
        let state = match status {
            StatusCode::TOO_MANY_REQUESTS => "warning",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::NOT_FOUND => "critical",
            _ => "passing",
        };
        Ok(service_labels::of_agent(name, state, &instances, agent, surroundings))
    }
}
