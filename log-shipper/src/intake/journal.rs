//! `journal`: entries of systemd's journal, read from its files.
//!
//! The place that is saved is systemd's cursor of the last entry that was accepted, so that going
//! back to Promtail works.

mod compose;
pub mod cursor;
mod decompress;
mod filter;
#[cfg(test)]
mod fixture;
mod folders;
pub mod journal_file;
pub mod layout;
mod merge;
mod paged_file;
mod reader;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{EventfdFlags, eventfd};
use tokio_util::sync::CancellationToken;

use self::cursor::{EntryKey, Start};
use self::filter::Filter;
use self::folders::Folders;
use self::merge::Merged;
use self::reader::Reader;
use super::inlet::Inlet;
use crate::config::scrape_configs as config;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A journal that can be followed.
#[derive(Debug)]
pub struct Journal {
    folders: Folders,
    filter: Filter,
    json: bool,
    labels: Vec<(String, String)>,
    max_age: Duration,
}

impl Journal {
    /// The journal of this block. Folders are looked at later: they may come to be.
    ///
    /// # Errors
    /// A word of `matches` is not `FIELD=value`.
    pub fn new(config: &config::Journal) -> Result<Self, Error> {
        let folders = if config.path.as_os_str().is_empty() {
            Folders::System { root: PathBuf::from("/") }
        } else {
            Folders::Below(config.path.clone())
        };
        let labels = config.labels.iter();
        Ok(Self {
            folders,
            filter: Filter::parse(&config.matches)?,
            json: config.json,
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            max_age: config.max_age.as_duration(),
        })
    }

    /// Follows it until `stop` is cancelled.
    ///
    /// # Errors
    /// The system has no descriptors left to begin with.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        let ring = wake.try_clone()?;
        let reader = self.reader(inlet, stop.clone(), wake);
        let mut reading = tokio::task::spawn_blocking(|| reader.run());
        tokio::select! {
            ended = &mut reading => return Ok(ended?),
            () = stop.cancelled() => {}
        }
        rustix::io::write(&ring, &1_u64.to_ne_bytes())?;
        Ok(reading.await?)
    }

    fn reader(self, inlet: Inlet, stop: CancellationToken, wake: std::os::fd::OwnedFd) -> Reader {
        let job = inlet.job_name();
        let cursor = inlet.cursor(&format!("cursor-{job}"));
        // Promtail's earlier key.
        let saved = cursor.reached().or_else(|| inlet.positions.cursor(&format!("journal-{job}")));
        let place = saved.as_deref().and_then(EntryKey::parse);
        if place.is_none() && saved.is_some() {
            tracing::warn!(job, "saved place in the journal is no cursor, reading by age");
        }
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // Before 1970 there is no journal.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = Start::new(place, micros(now), micros(self.max_age));
        Reader {
            name: self.folders.name(),
            merged: Merged::new(self.folders, start),
            filter: self.filter,
            json: self.json,
            labels: self.labels,
            inlet,
            cursor,
            stop,
            runtime: tokio::runtime::Handle::current(),
            wake,
        }
    }
}
