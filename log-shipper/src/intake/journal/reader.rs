//! The thread that follows a journal.
//!
//! It ends when it is told to, and for no other reason: what cannot be read is logged, counted, and
//! tried again or left out.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::compose;
use super::filter::Filter;
use super::journal_file::Entry;
use super::merge::{Merged, Step, Trouble};
use crate::intake::inlet::Inlet;
use crate::intake::message::Message;
use crate::tail::cursor::Cursor;
use crate::tail::notify_watch::{Change, NotifyWatch, wait_readable};

/// Between two looks for files when no event tells of them.
const SCAN: Duration = Duration::from_secs(10);

/// Between two looks into open files when events come; journald sends one some 250 ms after it wrote.
const WATCHED: Duration = Duration::from_secs(5);

/// The same when no events come.
const POLLED: Duration = Duration::from_millis(500);

/// Entries between two looks at events while there is much to read.
const TURN: usize = 1024;

static TROUBLES: Repeated = Repeated::every(Duration::from_secs(10));
static FOLDERS: Repeated = Repeated::every(Duration::from_mins(1));

/// What is made of the entries, and where it goes.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) merged: Merged,
    /// What the folders are called.
    pub(super) name: String,
    pub(super) filter: Filter,
    pub(super) json: bool,
    /// Names and values.
    pub(super) labels: Vec<(String, String)>,
    pub(super) inlet: Inlet,
    pub(super) cursor: Arc<Cursor>,
    pub(super) stop: CancellationToken,
    pub(super) runtime: Handle,
    /// Readable once `stop` is cancelled.
    pub(super) wake: OwnedFd,
}

/// How the folders are watched.
#[derive(Debug)]
struct Attention {
    watch: Option<NotifyWatch>,
    /// Events come from every folder.
    is_complete: bool,
    scan_due: Instant,
}

impl Reader {
    /// Reads until it is told to stop.
    pub(super) fn run(mut self) {
        let mut attention = Attention {
            watch: NotifyWatch::new().ok(),
            is_complete: false,
            scan_due: Instant::now(),
        };
        while !self.stop.is_cancelled() {
            self.look(&mut attention);
            if self.read(&mut attention).is_break() {
                return;
            }
            self.wait(&attention);
        }
    }

    /// Reads what there is.
    fn read(&mut self, attention: &mut Attention) -> ControlFlow<()> {
        for step in 1_usize.. {
            match self.merged.next() {
                Step::Idle => break,
                Step::Trouble(trouble) => self.report(&trouble),
                Step::Entry(path, entry) => self.pass_on(&path, &entry)?,
            }
            if step.is_multiple_of(TURN) {
                if self.stop.is_cancelled() {
                    return ControlFlow::Break(());
                }
                // A file must be open before it can be vacuumed.
                if attention.has_new_names() {
                    self.scan(attention);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn look(&mut self, attention: &mut Attention) {
        if attention.has_new_names() {
            self.scan(attention);
        }
        let mut troubles = Vec::new();
        self.merged.refresh(&mut troubles);
        for trouble in troubles {
            self.report(&trouble);
        }
    }

    fn scan(&mut self, attention: &mut Attention) {
        attention.scan_due = Instant::now() + SCAN;
        let mut troubles = Vec::new();
        // Watched before they are listed: nothing appears unseen in between. New folders are listed
        // a second time for that.
        for _ in 0..2 {
            match self.merged.scan(&mut troubles) {
                Ok(folders) => {
                    if !attention.watch(&folders) {
                        break;
                    }
                }
                Err(error) => {
                    attention.is_complete = false;
                    if let Some(suppressed) = FOLDERS.admit(Instant::now()) {
                        let (job, folder) = (self.inlet.job_name(), &self.name);
                        tracing::error!(job, folder, %error, suppressed, "journal cannot be listed, trying again");
                    }
                    break;
                }
            }
        }
        if self.merged.awaits_header() {
            attention.scan_due = Instant::now() + POLLED;
        }
        for trouble in troubles {
            self.report(&trouble);
        }
    }

    fn wait(&self, attention: &Attention) {
        let period = if attention.is_complete { WATCHED } else { POLLED };
        let period = period.min(attention.scan_due.saturating_duration_since(Instant::now()));
        let waited = match &attention.watch {
            Some(watch) => watch.wait(self.wake.as_fd(), period),
            None => wait_readable(&[self.wake.as_fd()], period),
        };
        if let Err(error) = waited {
            tracing::error!(%error, "cannot wait for the journal");
            // Never in a tight loop.
            std::thread::park_timeout(POLLED);
        }
    }

    fn report(&self, trouble: &Trouble) {
        let metrics = self.inlet.metrics();
        let (part, count) = if trouble.lost > 0 { ("entry", trouble.lost) } else { ("file", 1) };
        metrics.journal_damage.get(&[part]).inc_by(count);
        self.log(&trouble.path, &trouble.error, trouble.lost);
    }

    fn log(&self, path: &Path, error: &super::layout::ReadError, lost_entries: u64) {
        if let Some(suppressed) = TROUBLES.admit(Instant::now()) {
            let (job, path, error) = (self.inlet.job_name(), path.display(), ErrorChain(error));
            tracing::error!(job, %path, %error, lost_entries, suppressed, "journal file cannot be read as it should");
        }
    }

    /// Makes a message of an entry and passes it on, unless it is to be left out.
    fn pass_on(&self, path: &Path, entry: &Entry) -> ControlFlow<()> {
        let metrics = self.inlet.metrics();
        for error in &entry.damage {
            metrics.journal_damage.get(&["field"]).inc();
            self.log(path, error, 0);
        }
        if !self.filter.admits(&entry.fields) {
            return ControlFlow::Continue(());
        }
        let line = if self.json { Some(compose::json(entry)) } else { compose::message(entry) };
        let Some(line) = line else {
            metrics.journal_errors.get(&["no_message"]).inc();
            return ControlFlow::Continue(());
        };
        let mut labels = compose::labels(entry);
        for (name, value) in &self.labels {
            labels.set(name, value);
        }
        let Some(labels) = self.inlet.relabel(labels) else { return ControlFlow::Continue(()) };
        if labels.is_empty() {
            metrics.journal_errors.get(&["empty_labels"]).inc();
            return ControlFlow::Continue(());
        }
        let number = self.cursor.mark(&entry.key.to_string());
        let message = Message {
            labels: Arc::new(labels),
            line,
            timestamp_ns: i64::try_from(entry.key.realtime_us.saturating_mul(1_000)).ok(),
            metadata: Vec::new(),
            mark: Some((Arc::clone(&self.cursor), number)),
        };
        let sent = self.runtime.block_on(async {
            tokio::select! {
                biased;
                sent = self.inlet.send(message) => sent.is_ok(),
                () = self.stop.cancelled() => false,
            }
        });
        if !sent {
            return ControlFlow::Break(());
        }
        metrics.journal_lines.inc();
        ControlFlow::Continue(())
    }
}

impl Attention {
    /// Watches these folders and no others; whether one of them was not watched before.
    fn watch(&mut self, folders: &[PathBuf]) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        watch.retain(|known| folders.iter().any(|folder| folder == known));
        let (mut is_new, mut is_complete) = (false, true);
        for folder in folders.iter().filter(|folder| !folder.as_os_str().is_empty()) {
            if watch.is_watched(folder) {
                continue;
            }
            match watch.watch(folder) {
                Ok(()) => is_new = true,
                Err(error) => {
                    is_complete = false;
                    tracing::debug!(folder = %folder.display(), %error, "journal is polled");
                }
            }
        }
        self.is_complete = is_complete;
        is_new
    }

    /// Whether it is time to list the folders. Takes the events.
    fn has_new_names(&mut self) -> bool {
        let mut is_due = Instant::now() >= self.scan_due;
        if let Some(watch) = &mut self.watch {
            let drained = watch.drain(|event| is_due |= event.change != Change::Content);
            match drained {
                Ok(drained) => is_due |= drained.overflowed || drained.lost_directory,
                Err(_) => is_due = true,
            }
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
