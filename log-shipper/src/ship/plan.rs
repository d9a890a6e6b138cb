//! From a configuration to everything that a start needs, without starting anything: what can be
//! refused is refused here, so that a reload that fails changes nothing.

#![allow(clippy::result_large_err, reason = "errors of a start are made once")]

use std::sync::{Arc, Mutex};

use prometheus_model::label_set::LabelSet;
use prometheus_model::relabel::RelabelRule;

use super::line_shipper::ReadlineLimit;
use super::run::host_name;
use super::status::JobStatus;
use super::worker::source::ReaderOptions;
use crate::batch::accumulator::Shape;
use crate::config::clients::Client as ClientConfig;
use crate::config::scrape_configs::{Compression, ScrapeConfig};
use crate::config::{Config, StartError};
use crate::discovery::consul::{ConsulDiscovery, ConsulError, ConsulTargets};
use crate::discovery::file_targets::FileTargets;
use crate::discovery::kubernetes::cluster::Surroundings;
use crate::discovery::kubernetes::{KubernetesError, PodDiscovery, PodTargets};
use crate::discovery::static_targets;
use crate::discovery::target::{self, ADDRESS_LABEL, Group, Resolved};
use crate::intake::http_server::{HttpServer, HttpServerError};
use crate::intake::source::{Source, SourceError};
use crate::metrics::Metrics;
use crate::pipeline::build::{BuildContext, build};
use crate::pipeline::observe::Observer;
use crate::pipeline::run::Pipeline;
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::error::StageError;
use crate::pipeline::stages::geoip::database::GeoDatabases;
use crate::pipeline::stages::limit::token_bucket::TokenBucket;
use crate::pipeline::stages::metrics::registry::CustomMetrics;
use crate::push::client::{Client, RetryPolicy};
use crate::push::connect::{self, ConnectError};
use crate::tail::compressed_reader::Format;
use crate::tail::line_reader::DEFAULT_LINE_LIMIT;

/// Why a configuration cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Clients or sources.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A discovery of pods.
    #[error("scrape config {job:?}")]
    Kubernetes {
        /// `job_name`
        job: String,
        /// What cannot work.
        #[source]
        cause: KubernetesError,
    },
    /// A discovery of services.
    #[error("scrape config {job:?}")]
    Consul {
        /// `job_name`
        job: String,
        /// What cannot work.
        #[source]
        cause: ConsulError,
    },
    /// The server for operators.
    #[error(transparent)]
    Server(#[from] HttpServerError),
    /// A source of messages.
    #[error("scrape config {job:?}")]
    Source {
        /// `job_name`
        job: String,
        /// What cannot work.
        #[source]
        cause: SourceError,
    },
    /// A stage of a job.
    #[error("scrape config {job:?}")]
    Stage {
        /// `job_name`
        job: String,
        /// Place, stage, key, and what is accepted.
        #[source]
        cause: StageError,
    },
    /// A client.
    #[error("clients")]
    Client(#[from] ConnectError),
}

/// One scrape config, ready to run.
#[derive(Debug)]
pub struct Job {
    /// `job_name`
    pub name: String,
    /// Forked for every worker.
    pub pipeline: Pipeline,
    /// How its files are read.
    pub reader: ReaderOptions,
    /// What brings messages, where it reads no files. Taken out when it is started.
    pub source: Option<Source>,
    /// What finds pods. Taken out when it is started.
    pub discoveries: Vec<PodDiscovery>,
    /// What finds services. Taken out when it is started.
    pub consul_discoveries: Vec<ConsulDiscovery>,
    /// The key of what it reads.
    kind: &'static str,
    statics: Vec<Group>,
    files: FileTargets,
    pods: Vec<PodTargets>,
    services: Vec<ConsulTargets>,
    rules: Arc<[RelabelRule]>,
}

/// Everything that a start needs.
#[derive(Debug)]
pub struct Plan {
    /// By index.
    pub jobs: Vec<Job>,
    /// With how their batches are shaped.
    pub clients: Vec<(Client, Shape)>,
    /// Shared by all workers.
    pub limit: Option<ReadlineLimit>,
    /// Values of `metrics` stages; they begin at 0 with every configuration.
    pub custom_metrics: CustomMetrics,
    /// Databases of `geoip` stages.
    pub geo_databases: GeoDatabases,
    /// What was accepted but hardly meant.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Builds every stage and every client.
    ///
    /// # Errors
    /// The first thing that cannot work, with its place.
    pub fn new(
        config: &Config,
        metrics: &Metrics,
        stage_metrics: &StageMetrics,
    ) -> Result<Self, PlanError> {
        Self::observed(config, metrics, stage_metrics, None)
    }

    /// The same, with pipelines that tell `observer` what each stage does.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn observed(
        config: &Config,
        metrics: &Metrics,
        stage_metrics: &StageMetrics,
        observer: Option<&Observer>,
    ) -> Result<Self, PlanError> {
        config.validate_for_start()?;
        if !config.server.disable {
            // a process keeps its server over reloads, but a block that is wrong is told
            HttpServer::new("server", &config.server)?;
        }
        let custom_metrics = CustomMetrics::new();
        let geo_databases = GeoDatabases::default();
        let mut warnings = config.warnings().to_vec();
        let mut jobs = Vec::new();
        // Standard input goes through the first pipeline only, but all are checked.
        for scrape_config in &config.scrape_configs {
            let mut context = BuildContext::new(
                &scrape_config.job_name,
                stage_metrics,
                &custom_metrics,
                fastrand::u64(..),
            );
            context.geo_databases = geo_databases.clone();
            context.observer = observer.cloned();
            jobs.push(Job::new(scrape_config, config, &mut context)?);
            warnings.extend(context.warnings.iter().map(ToString::to_string));
        }
        let configs = config.effective_clients();
        let is_only_one = configs.len() == 1;
        let clients = configs
            .iter()
            .map(|client| Ok((self::client(client, is_only_one, metrics)?, shape(client, config))))
            .collect::<Result<_, PlanError>>()?;
        let limit = limit(config, stage_metrics);
        Ok(Self { jobs, clients, limit, custom_metrics, geo_databases, warnings })
    }
}

impl Job {
    fn new(
        config: &ScrapeConfig,
        whole: &Config,
        context: &mut BuildContext,
    ) -> Result<Self, PlanError> {
        let name = config.job_name.clone();
        let stdin = whole.target_config.stdin;
        let discoveries = if stdin { Vec::new() } else { discoveries(config)? };
        let consul_discoveries = if stdin { Vec::new() } else { consul_discoveries(config)? };
        let max_line_size = max_line_size(whole);
        let source = if stdin { None } else { self::source(config, max_line_size)? };
        let pipeline = build(&config.pipeline_stages, context)
            .map_err(|cause| PlanError::Stage { job: name.clone(), cause })?;
        let delay = config.decompression.initial_delay.as_duration();
        let compression = config.decompression.enabled.then(|| config.decompression.compression());
        let reader = ReaderOptions {
            encoding: config.reader_encoding().unwrap_or_default(),
            decompression: compression.flatten().map(|compression| (format(compression), delay)),
            line_limit: DEFAULT_LINE_LIMIT,
        };
        Ok(Self {
            pipeline,
            reader,
            kind: source.as_ref().map_or("files", Source::key),
            source,
            statics: static_targets::groups(&config.static_configs),
            files: FileTargets::new(&config.file_sd_configs),
            pods: discoveries.iter().map(PodDiscovery::targets).collect(),
            discoveries,
            services: consul_discoveries.iter().map(ConsulDiscovery::targets).collect(),
            consul_discoveries,
            rules: config.relabel_rules().expect("rules are compiled when they are loaded").into(),
            name,
        })
    }

    /// Looks for targets: files, pods and services may have changed since the last
    /// time.
    pub fn discover(&mut self, host: &str) -> Resolved {
        let mut groups = self.statics.clone();
        groups.extend(self.files.groups());
        groups.extend(self.pods.iter().flat_map(PodTargets::groups));
        groups.extend(self.services.iter().flat_map(ConsulTargets::groups));
        target::resolve(&groups, &self.rules, host)
    }

    /// What the pages show of it.
    pub fn status(&self, resolved: &Resolved) -> JobStatus {
        JobStatus::new(&self.name, self.kind, resolved)
    }

    /// Its relabelling rules.
    pub fn rules(&self) -> Arc<[RelabelRule]> {
        Arc::clone(&self.rules)
    }

    /// Labels of lines from standard input: those of all static configs, a later one's winning.
    /// Promtail does not relabel here, nor hide what begins with two underscores.
    pub fn stdin_labels(&self) -> LabelSet {
        let mut labels = LabelSet::new();
        for group in &self.statics {
            for (name, value) in group.labels.iter().filter(|(name, _)| *name != ADDRESS_LABEL) {
                labels.set(name, value);
            }
        }
        labels
    }
}

fn discoveries(config: &ScrapeConfig) -> Result<Vec<PodDiscovery>, PlanError> {
    let surroundings = Surroundings::of_process(host_name());
    let failed = |cause| PlanError::Kubernetes { job: config.job_name.clone(), cause };
    let discoveries = config.kubernetes_sd_configs.iter();
    discoveries.map(|config| PodDiscovery::new(config, &surroundings).map_err(failed)).collect()
}

fn consul_discoveries(config: &ScrapeConfig) -> Result<Vec<ConsulDiscovery>, PlanError> {
    let failed = |cause| PlanError::Consul { job: config.job_name.clone(), cause };
    let clusters = config.consul_sd_configs.iter().map(ConsulDiscovery::of_cluster);
    let agents = config.consulagent_sd_configs.iter().map(ConsulDiscovery::of_agent);
    clusters.chain(agents).map(|discovery| discovery.map_err(failed)).collect()
}

fn max_line_size(config: &Config) -> usize {
    usize::try_from(config.limits_config.max_line_size.0).unwrap_or(usize::MAX)
}

fn source(config: &ScrapeConfig, max_line_size: usize) -> Result<Option<Source>, PlanError> {
    let failed = |cause| PlanError::Source { job: config.job_name.clone(), cause };
    Source::new(config, max_line_size).map_err(failed)
}

fn format(compression: Compression) -> Format {
    match compression {
        Compression::Gzip => Format::Gzip,
        Compression::Zlib => Format::Zlib,
        Compression::Bzip2 => Format::Bzip2,
    }
}

fn client(
    config: &ClientConfig,
    is_only_one: bool,
    metrics: &Metrics,
) -> Result<Client, ConnectError> {
    let endpoint = connect::endpoint(config)?;
    let retry = RetryPolicy {
        min_period: config.backoff_config.min_period.as_duration(),
        max_period: config.backoff_config.max_period.as_duration(),
        max_attempts: config.backoff_config.max_attempts(is_only_one),
        drop_rate_limited: config.drop_rate_limited_batches,
    };
    let metrics = metrics.client(endpoint.host());
    let (name, optional) = (config.effective_name(), config.optional);
    Ok(Client { endpoint, retry, metrics, name, optional })
}

fn shape(client: &ClientConfig, config: &Config) -> Shape {
    let limits = &config.limits_config;
    Shape {
        batch_size: client.batchsize,
        batch_wait: client.batchwait.as_duration(),
        tenant: client.tenant_id.clone(),
        external_labels: Arc::new(client.external_labels.iter().collect()),
        max_line_size: max_line_size(config),
        truncate: limits.max_line_size_truncate,
        max_streams: usize::try_from(limits.max_streams).unwrap_or_default(),
    }
}

fn limit(config: &Config, metrics: &StageMetrics) -> Option<ReadlineLimit> {
    let limits = &config.limits_config;
    limits.readline_rate_enabled.then(|| ReadlineLimit {
        bucket: Arc::new(Mutex::new(TokenBucket::new(
            limits.readline_rate,
            u32::try_from(limits.readline_burst.max(0)).unwrap_or(u32::MAX),
        ))),
        drop: limits.readline_rate_drop.then(|| metrics.drop_counter("global_rate_limiter_drop")),
    })
}
