//! `docker_sd_configs`: logs of a Docker engine's containers, asked for through its API.
//!
//! A container is read by one reader at a time, from the place of the last line that Loki accepted.
//! That place is saved in Promtail's form, so that going back to Promtail works, and more exactly
//! beside it.

mod api;
mod container_labels;
mod engine;
mod events;
pub mod frames;
mod host;
pub mod lines;
mod objects;
mod place;
mod reader;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::api::Api;
use self::container_labels::AddressKeys;
use self::engine::{Claims, Engine, Settings};
use self::host::Host;
use super::inlet::Inlet;
use crate::config::scrape_configs::DockerSd;

pub use self::host::HostError;

/// Bytes of a line where `limits_config.max_line_size` has no limit, as in Promtail.
const DEFAULT_LINE_LIMIT: usize = 256 << 10;

/// The engines of one job.
#[derive(Debug)]
pub struct Docker {
    engines: Vec<Settings>,
    /// Hosts at which HTTP client keys stand without effect.
    ignoring_keys: Vec<String>,
    line_limit: usize,
}

impl Docker {
    /// The engines of these blocks; nobody is asked yet. `max_line_size` is the limit of
    /// `limits_config` in bytes, 0 for none.
    ///
    /// # Errors
    /// A host that is no address, or HTTP client keys that cannot work.
    pub fn new(configs: &[DockerSd], max_line_size: usize) -> Result<Self, HostError> {
        let engines = configs.iter().enumerate().map(|(index, config)| {
            let owner = format!("docker_sd_configs[{index}]");
            let host = Host::new(config, &owner)?;
            let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for filter in &config.filters {
                filters.entry(filter.name.clone()).or_default().extend(filter.values.clone());
            }
            Ok::<_, HostError>(Settings {
                name: config.host.clone(),
                api: Api::new(host, filters),
                keys: AddressKeys::new(config),
                refresh: config.refresh_interval.as_duration(),
            })
        });
        // A byte more than the limit, so that a line over it is known as such later on.
        let line_limit = match max_line_size {
            0 => DEFAULT_LINE_LIMIT,
            limit => limit.saturating_add(1),
        };
        let ignoring = configs.iter().filter(|config| Host::ignores_keys(config));
        Ok(Self {
            engines: engines.collect::<Result<_, _>>()?,
            ignoring_keys: ignoring.map(|config| config.host.clone()).collect(),
            line_limit,
        })
    }

    /// Follows the containers until `stop` is cancelled.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) {
        for host in self.ignoring_keys {
            let job = inlet.job_name();
            tracing::warn!(job, host, "HTTP client keys have no effect on this kind of host");
        }
        let mut engines = JoinSet::new();
        let claims = Claims::default();
        for (index, settings) in self.engines.into_iter().enumerate() {
            let place = (index, claims.clone());
            let engine = Engine::new(settings, place, inlet.clone(), self.line_limit);
            engines.spawn(engine.run(stop.clone()));
        }
        drop(inlet);
        // A panic of an engine is one of the source; the others end with it.
        while let Some(ended) = engines.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
