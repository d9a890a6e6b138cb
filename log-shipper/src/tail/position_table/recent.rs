//! Positions between two saves: what an answer of Loki moved is put on disk before the next batch
//! goes out.
//!
//! It never gets in the way of lines: where it fails or hangs, a kill repeats more, that is all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_model::instrument::Counter;
use tokio::sync::Notify;

use super::{PositionTable, Saved, State, slowest};
use crate::tail::file_identity::Inode;
use crate::tail::file_records::{self, FileRecord, SideFile};
use crate::tail::positions_file::Positions;
use crate::tail::progress::Progress;
use crate::tail::recent_file::{self, Change, End, RecentFile};

/// How long the next batch waits for a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a failure is told.
const QUIET: Duration = Duration::from_mins(1);

impl Saved {
    /// `positions` is what the file at `path` says; what lies beside it makes that exact.
    pub fn load(path: &Path, mut positions: Positions) -> Self {
        let beside = file_records::path_beside(path);
        let SideFile { mut records, save } = file_records::load(&beside).unwrap_or_else(|error| {
            tracing::warn!(
                path = %beside.display(), %error,
                "ignoring the side file: files that were rotated since the last run are not recognised"
            );
            SideFile::default()
        });
        let beside = recent_file::path_beside(path);
        let recent = recent_file::load(&beside).unwrap_or_else(|error| {
            tracing::warn!(
                path = %beside.display(), %error,
                "ignoring the recent positions: lines that were sent just before may come again"
            );
            recent_file::Recent::default()
        });
        let digest = std::fs::read(path).map_or(0, |yaml| recent_file::digest(&yaml));
        let recent = recent.apply(save, digest, &mut positions, &mut records);
        Self { positions, records: records.into_iter().collect(), recent }
    }
}

#[derive(Debug)]
pub(super) struct Recorder {
    /// Locked before the state of the table, where both are.
    file: Mutex<RecentFile>,
    /// A write takes longer than it is waited for.
    hangs: AtomicBool,
    failures: Counter,
    told: Mutex<Option<Instant>>,
    /// It has become large.
    is_large: Notify,
}

impl Recorder {
    pub(super) fn new(path: PathBuf, end: Option<End>) -> Self {
        Self {
            file: Mutex::new(RecentFile::new(path, end)),
            hangs: AtomicBool::new(false),
            failures: Counter::default(),
            told: Mutex::new(None),
            is_large: Notify::new(),
        }
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, RecentFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure, and tells of one in a while.
    pub(super) fn report(&self, result: io::Result<()>) {
        let Err(error) = result else { return };
        self.failures.inc();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            tracing::warn!(
                %error,
                "recent positions cannot be written: a kill would repeat what Loki took since the \
                 positions file was saved"
            );
        }
    }
}

impl PositionTable {
    /// Counts there when recent positions could not be written.
    #[must_use]
    pub fn counting_failures(mut self, failures: Counter) -> Self {
        self.recorder.failures = failures;
        self
    }

    /// Puts on disk where these files and sources have come to; blocks on the disk.
    pub fn record(&self, moved: &[Arc<Progress>]) {
        let mut recent = self.recorder.recent();
        if !recent.is_begun() {
            return;
        }
        let changes = self.state().changes(moved);
        if changes.is_empty() {
            return;
        }
        let written = recent.append(changes.iter().map(|(_, _, change)| change));
        if written.is_ok() {
            for (progress, position, _) in changes {
                progress.recorded(position);
            }
        }
        if recent.is_large() {
            self.recorder.is_large.notify_one();
        }
        drop(recent);
        self.recorder.report(written);
    }

    /// The same from a task. A disk that hangs is waited for once, not again before it answers.
    pub async fn record_soon(self: &Arc<Self>, moved: Vec<Arc<Progress>>) {
        let hangs = |table: &Self| table.recorder.hangs.load(Ordering::Relaxed);
        if moved.is_empty() || hangs(self) {
            return;
        }
        let table = Arc::clone(self);
        let mut writing = tokio::task::spawn_blocking(move || {
            table.record(&moved);
            table.recorder.hangs.store(false, Ordering::Relaxed);
        });
        if tokio::time::timeout(PATIENCE, &mut writing).await.is_err() {
            self.recorder.hangs.store(true, Ordering::Relaxed);
            // It may have ended just now.
            self.recorder.hangs.fetch_and(!writing.is_finished(), Ordering::Relaxed);
            self.recorder.report(Err(io::ErrorKind::TimedOut.into()));
        }
    }

    /// Waits until it is time for a save before its time.
    pub async fn wants_save(&self) {
        self.recorder.is_large.notified().await;
    }

    /// Everything is saved and nothing more will come.
    pub fn close_recent(&self) {
        self.recorder.recent().remove();
    }
}

impl State {
    /// A file is followed under a path. One that no save knows under its paths must not be taken for
    /// done under all of them when one is.
    pub(super) fn find(&mut self, inode: Inode, path: &Arc<str>) {
        self.find_again(inode, Some(path));
    }

    pub(super) fn find_again(&mut self, inode: Inode, path: Option<&Arc<str>>) {
        let known = self.found.entry(inode).or_insert_with(|| path.cloned());
        if known.as_ref() != path {
            *known = None;
        }
    }

    fn changes<'a>(&self, moved: &'a [Arc<Progress>]) -> Vec<(&'a Progress, u64, Change)> {
        let moved = moved.iter().filter(|progress| progress.has_moved());
        moved
            .filter_map(|progress| {
                let key = progress.key()?;
                let position = progress.position();
                let change = match self.cursors.get(key) {
                    Some(followers) => Change::Cursor(key.to_owned(), slowest(followers)?),
                    None => Change::File(self.record_of(key, progress)?),
                };
                Some((&**progress, position, change))
            })
            .collect()
    }

    /// What a save would say of a file.
    fn record_of(&self, path: &str, progress: &Arc<Progress>) -> Option<FileRecord> {
        let (path, followers) = self.followed.get_key_value(path)?;
        let (follower, generation) = followers.iter().find_map(|follower| {
            let is_it = |generation: &&Arc<_>| is_of(generation, progress);
            Some((follower, follower.generations().find(is_it)?))
        })?;
        let inode = generation.inode;
        if self.found.get(&inode).is_some_and(|found| found.as_ref() != Some(path)) {
            return None;
        }
        let all = followers.iter().flat_map(super::Follower::generations);
        let positions = all
            .filter(|generation| generation.inode == inode)
            .map(|generation| generation.progress.position());
        let fingerprint = generation.beginning();
        let position = positions.min()?;
        // Of a file whose beginning is not known a position says nothing.
        (position == 0 || fingerprint.length > 0).then(|| FileRecord {
            path: Arc::clone(path),
            inode,
            fingerprint,
            position,
            is_current: Arc::ptr_eq(generation, &follower.current),
        })
    }
}

fn is_of(generation: &crate::tail::mailbox::Generation, progress: &Arc<Progress>) -> bool {
    Arc::ptr_eq(&generation.progress, progress)
}
