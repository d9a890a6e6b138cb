//! The file of counters: read at the start, and again when it changes or SIGHUP comes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::secret::Fingerprint;
use daemon_runtime::shutdown::Reloads;
use instrumentation::json_log::ErrorChain;
use tokio_util::sync::CancellationToken;

use crate::expose::dcgm::counters_file::{self, Counters, CountersError};
use crate::expose::page::Pages;

/// How often the file is looked at; a `ConfigMap` takes a minute to arrive anyway.
const LOOK: Duration = Duration::from_secs(5);

/// The file, if there is one, and which content of it was read.
#[derive(Debug)]
pub(super) struct CountersFile {
    path: Option<PathBuf>,
    seen: Option<Fingerprint>,
}

impl CountersFile {
    /// Reads it for the first time.
    pub(super) fn load(path: Option<PathBuf>) -> Result<(Self, Counters), CountersError> {
        let mut file = Self { path, seen: None };
        file.seen = file.fingerprint();
        let counters = match &file.path {
            Some(path) => counters_file::load(path)?,
            None => Counters::built_in(),
        };
        Ok((file, counters))
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        let metadata = std::fs::metadata(self.path.as_ref()?).ok()?;
        Some(Fingerprint::of(&metadata))
    }

    /// Puts its changes in force until the stop. A file that cannot be used changes nothing.
    pub(super) async fn follow(
        mut self,
        pages: Arc<Pages>,
        reloads: Reloads,
        stop: CancellationToken,
    ) -> Result<(), io::Error> {
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = reloads.requested() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let Some(path) = self.path.clone() else { continue };
            let now = self.fingerprint();
            if !is_asked && (now == self.seen || now.is_none()) {
                continue;
            }
            self.seen = now;
            match counters_file::load(&path) {
                Ok(counters) => {
                    pages.replace_counters(counters);
                    tracing::info!(path = %path.display(), "file of counters read again");
                }
                Err(error) => tracing::error!(
                    error = %ErrorChain(&error),
                    "file of counters cannot be used: the counters before stay in force"
                ),
            }
        }
    }
}
