//! Which source a scrape config has, ready to run.

use tokio_util::sync::CancellationToken;

use super::docker::Docker;
use super::gcp_push::GcpPush;
use super::gelf::Gelf;
use super::heroku_drain::HerokuDrain;
use super::inlet::Inlet;
use super::journal::Journal;
use super::push_api::PushApi;
use super::syslog::Syslog;
use crate::config::scrape_configs::{LineSource, ScrapeConfig};

/// Any error that a source ends or cannot begin with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A source of messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// `gcplog` with push subscriptions
    GcpPush(GcpPush),
    /// `heroku_drain`
    HerokuDrain(HerokuDrain),
    /// `loki_push_api`
    PushApi(PushApi),
    /// `syslog`
    Syslog(Box<Syslog>),
    /// `gelf`
    Gelf(Gelf),
    /// Entries of systemd's journal.
    Journal(Journal),
    /// `docker_sd_configs`
    Docker(Docker),
}

impl Source {
    /// The source of a scrape config; `None` when it reads files. `max_line_size` is that of
    /// `limits_config` in bytes, 0 for none.
    ///
    /// # Errors
    /// What cannot work, found before anything is started.
    pub fn new(config: &ScrapeConfig, max_line_size: usize) -> Result<Option<Self>, SourceError> {
        let Some(source) = config.line_source() else { return Ok(None) };
        match source {
            LineSource::GcpLog(config) => GcpPush::new(config).map(Self::GcpPush).map(Some),
            LineSource::PushApi(config) => PushApi::new(config).map(Self::PushApi).map(Some),
            LineSource::HerokuDrain(config) => {
                HerokuDrain::new(config).map(Self::HerokuDrain).map(Some)
            }
            LineSource::Syslog(config) => Ok(Some(Self::Syslog(Box::new(Syslog::new(config)?)))),
            LineSource::Gelf(config) => Ok(Some(Self::Gelf(Gelf::new(config)))),
            LineSource::Journal(config) => Ok(Some(Self::Journal(Journal::new(config)?))),
            LineSource::Docker(configs) => {
                Ok(Some(Self::Docker(Docker::new(configs, max_line_size)?)))
            }
        }
    }

    /// The key that it is configured by.
    pub fn key(&self) -> &'static str {
        match self {
            Self::GcpPush(_) => "gcplog",
            Self::HerokuDrain(_) => "heroku_drain",
            Self::PushApi(_) => "loki_push_api",
            Self::Syslog(_) => "syslog",
            Self::Gelf(_) => "gelf",
            Self::Journal(_) => "journal",
            Self::Docker(_) => "docker_sd_configs",
        }
    }

    /// Runs it until `stop` is cancelled.
    ///
    /// # Errors
    /// It cannot begin its work, or not go on.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        match self {
            Self::GcpPush(source) => source.run(inlet, stop).await,
            Self::HerokuDrain(source) => source.run(inlet, stop).await,
            Self::PushApi(source) => source.run(inlet, stop).await,
            Self::Syslog(source) => Ok(source.run(inlet, stop).await?),
            Self::Gelf(source) => Ok(source.run(inlet, stop).await?),
            Self::Journal(journal) => journal.run(inlet, stop).await,
            Self::Docker(source) => {
                source.run(inlet, stop).await;
                Ok(())
            }
        }
    }
}
