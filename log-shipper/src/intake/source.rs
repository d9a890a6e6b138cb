//! Which source a scrape config has, ready to run.

use tokio_util::sync::CancellationToken;

use super::inlet::Inlet;
use crate::config::scrape_configs::{LineSource, ScrapeConfig};

/// Any error that a source ends or cannot begin with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A source of messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {}

impl Source {
    /// The source of a scrape config; `None` when it reads files.
    ///
    /// # Errors
    /// What cannot work, found before anything is started.
    pub fn new(config: &ScrapeConfig) -> Result<Option<Self>, SourceError> {
        let Some(source) = config.line_source() else { return Ok(None) };
        match source {
            LineSource::Journal(_)
            | LineSource::Syslog(_)
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
        match *self {}
    }

    /// Runs it until `stop` is cancelled.
    ///
    /// # Errors
    /// It cannot begin its work, or not go on.
    #[expect(clippy::unused_async, reason = "sources are tasks")]
    pub async fn run(self, _inlet: Inlet, _stop: CancellationToken) -> Result<(), SourceError> {
        match self {}
    }
}
