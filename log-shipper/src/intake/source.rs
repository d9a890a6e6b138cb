//! Which source a scrape config has, ready to run.

use tokio_util::sync::CancellationToken;

use super::inlet::Inlet;
use super::journal::Journal;
use crate::config::scrape_configs::{LineSource, ScrapeConfig};

/// Any error that a source ends or cannot begin with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A source of messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// Entries of systemd's journal.
    Journal(Journal),
}

impl Source {
    /// The source of a scrape config; `None` when it reads files.
    ///
    /// # Errors
    /// What cannot work, found before anything is started.
    pub fn new(config: &ScrapeConfig) -> Result<Option<Self>, SourceError> {
        let Some(source) = config.line_source() else { return Ok(None) };
        match source {
            LineSource::Journal(config) => Ok(Some(Self::Journal(Journal::new(config)?))),
            LineSource::Syslog(_)
            | LineSource::GcpLog(_)
            | LineSource::PushApi(_)
            | LineSource::Gelf(_)
            | LineSource::Docker(_)
            | LineSource::HerokuDrain(_) => {
                Err(format!("{} is not supported by this version", source.key()).into())
            }
        }
    }

    /// The key that it is configured by.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Journal(_) => "journal",
        }
    }

    /// Runs it until `stop` is cancelled.
    ///
    /// # Errors
    /// It cannot begin its work, or not go on.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        match self {
            Self::Journal(journal) => journal.run(inlet, stop).await,
        }
    }
}
