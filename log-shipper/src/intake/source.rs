//! Which source a scrape config has, ready to run.

use tokio_util::sync::CancellationToken;

use super::gelf::Gelf;
use super::inlet::Inlet;
use super::syslog::Syslog;
use crate::config::scrape_configs::{LineSource, ScrapeConfig};

/// Any error that a source ends or cannot begin with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A source of messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// `syslog`
    Syslog(Box<Syslog>),
    /// `gelf`
    Gelf(Gelf),
}

impl Source {
    /// The source of a scrape config; `None` when it reads files.
    ///
    /// # Errors
    /// What cannot work, found before anything is started.
    pub fn new(config: &ScrapeConfig) -> Result<Option<Self>, SourceError> {
        let Some(source) = config.line_source() else { return Ok(None) };
        match source {
            LineSource::Syslog(config) => Ok(Some(Self::Syslog(Box::new(Syslog::new(config)?)))),
            LineSource::Gelf(config) => Ok(Some(Self::Gelf(Gelf::new(config)))),
            LineSource::Journal(_)
            | LineSource::GcpLog(_)
            | LineSource::PushApi(_)
            | LineSource::Docker(_)
            | LineSource::HerokuDrain(_) => {
                Err(format!("{} is not supported by this version", source.key()).into())
            }
        }
    }

    /// The key that it is configured by.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Syslog(_) => "syslog",
            Self::Gelf(_) => "gelf",
        }
    }

    /// Runs it until `stop` is cancelled.
    ///
    /// # Errors
    /// It cannot begin its work, or not go on.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        match self {
            Self::Syslog(source) => source.run(inlet, stop).await?,
            Self::Gelf(source) => source.run(inlet, stop).await?,
        }
        Ok(())
    }
}
