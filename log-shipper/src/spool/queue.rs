//! The two ends of one client's spool: a thread that appends what workers send, and the client's
//! task, which reads.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use instrumentation::json_log::ErrorChain;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::place::{self, Place, Reached};
use super::segments::{self, Next, Reader, Writer};
use crate::batch::accumulator::{Batch, Receipt};
use crate::metrics::spool::SpoolMetrics;
use crate::tail::position_table::PositionTable;

/// Batches that one sync covers.
const GROUP: usize = 16;

/// After an error of the disk.
const PAUSE: Duration = Duration::from_secs(1);

/// How often segments that are done are looked for while nothing else happens.
const CLEAN: Duration = Duration::from_millis(500);

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The folder or a file in it.
    #[error("write-ahead log in {folder}")]
    Disk {
        /// The folder of the client.
        folder: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process.
    #[error("write-ahead log in {folder} is used by another process")]
    InUse {
        /// The folder of the client.
        folder: String,
    },
}

/// What both ends share.
#[derive(Debug)]
struct Shared {
    /// Everything before is on disk; nothing more will come once it is closed.
    committed: Mutex<(Place, bool)>,
    news: Notify,
    reached: Arc<Reached>,
    metrics: SpoolMetrics,
    /// Held while the spool is in use.
    _lock: File,
}

impl Shared {
    fn committed(&self) -> (Place, bool) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, end: Place, closed: bool) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = (end, closed);
        self.news.notify_one();
    }
}

/// Opens the spool of one client: the end that appends, and the end that reads what is there from an
/// earlier run first.
///
/// # Errors
/// [`SpoolError`] names the folder.
pub fn open(
    folder: &Path,
    limit: u64,
    metrics: SpoolMetrics,
) -> Result<(Appender, Outlet), SpoolError> {
    let name = || folder.display().to_string();
    let disk = |cause| SpoolError::Disk { folder: name(), cause };
    segments::make_folder(folder).map_err(disk)?;
    let lock = File::create(folder.join("lock")).map_err(disk)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse { folder: name() }),
        Err(TryLockError::Error(cause)) => return Err(disk(cause)),
    }
    let known = segments::list(folder).map_err(disk)?;
    let next = known.last().map_or(1, |(last, _)| last + 1);
    let first = Place { segment: known.first().map_or(next, |(first, _)| *first), offset: 0 };
    let path = folder.join("place");
    let saved = place::load(&path).map_err(disk)?.filter(|place| place.segment < next);
    let at = saved.unwrap_or(first).max(first);
    let on_disk = known.iter().map(|(_, size)| size).sum();
    let reached = Reached::new(&path, at, on_disk).map_err(disk)?;
    let writer = Writer::new(folder.to_path_buf(), next).map_err(disk)?;
    let shared = Arc::new(Shared {
        committed: Mutex::new((writer.end(), false)),
        news: Notify::new(),
        reached,
        metrics,
        _lock: lock,
    });
    let reader = Reader::new(folder.to_path_buf(), at);
    let outlet = Outlet { folder: folder.to_path_buf(), reader, shared: Arc::clone(&shared) };
    Ok((Appender { writer, limit, shared }, outlet))
}

/// Takes batches to disk.
#[derive(Debug)]
pub struct Appender {
    writer: Writer,
    limit: u64,
    shared: Arc<Shared>,
}

impl Appender {
    /// Works until nobody sends any more; gives up on a disk that fails, or is full, when `deadline`
    /// is cancelled. What is not on disk by then stays unsettled, and comes from its files again.
    pub fn run(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        positions: &PositionTable,
        deadline: &CancellationToken,
    ) {
        let mut group = Vec::new();
        while let Some(first) = batches.blocking_recv() {
            group.push(first);
            while group.len() < GROUP
                && let Ok(next) = batches.try_recv()
            {
                group.push(next);
            }
            if !self.append(&group, deadline) {
                break;
            }
            let mut moved = Vec::new();
            for batch in group.drain(..) {
                batch.settle();
                moved.extend(batch.files);
            }
            // A file may be in every batch of the group.
            moved.sort_unstable_by_key(|file| file.file());
            moved.dedup_by_key(|file| file.file());
            positions.record(&moved);
        }
        self.shared.commit(self.writer.end(), true);
    }

    fn has_room(&self, is_reported: &mut bool) -> bool {
        let reached = &self.shared.reached;
        if reached.on_disk() < self.limit || reached.wait_for_room(self.limit, PAUSE) {
            return true;
        }
        if !std::mem::replace(is_reported, true) {
            tracing::warn!(limit = self.limit, "write-ahead log is full, waiting for Loki");
        }
        false
    }

    fn append(&mut self, group: &[Batch], deadline: &CancellationToken) -> bool {
        let mut is_reported = false;
        while !deadline.is_cancelled() {
            let result = if self.has_room(&mut is_reported) {
                self.writer.append(group)
            } else {
                // Space comes back by whole segments: the last one must be able to go as well.
                match self.writer.close_segment() {
                    Ok(()) => {
                        self.shared.commit(self.writer.end(), false);
                        continue;
                    }
                    Err(error) => Err(error),
                }
            };
            match result {
                Ok(bytes) => {
                    self.shared.reached.written(bytes);
                    self.shared.metrics.on_disk(self.shared.reached.on_disk());
                    self.shared.commit(self.writer.end(), false);
                    return true;
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        tracing::error!(error = %ErrorChain(&error), "write-ahead log cannot be written, trying again");
                    }
                    // Waits without ever finding room: only the time passes.
                    self.shared.reached.wait_for_room(0, PAUSE);
                }
            }
        }
        false
    }
}

/// Gives batches to the client.
#[derive(Debug)]
pub struct Outlet {
    folder: std::path::PathBuf,
    reader: Reader,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Spooled {
    begin: Place,
    reached: Arc<Reached>,
}

impl Receipt for Spooled {
    fn settle(&self) {
        self.reached.settle(self.begin);
    }
}

impl Outlet {
    /// The next batch; waits for one. `None` when all were read and no more will come.
    pub async fn next(&mut self) -> Option<Batch> {
        loop {
            self.clean();
            let (limit, closed) = self.shared.committed();
            match tokio::task::block_in_place(|| self.reader.next(limit)) {
                Ok(Next::Record(begin, end, record)) => {
                    self.shared.reached.enter(begin, end);
                    self.shared.metrics.read(end.segment);
                    let reached = Arc::clone(&self.shared.reached);
                    return Some(Batch {
                        id: 0,
                        tenant: record.tenant,
                        body: record.body,
                        entries: record.entries,
                        bytes: record.bytes,
                        files: Vec::new(),
                        receipt: Some(Box::new(Spooled { begin, reached })),
                    });
                }
                Ok(Next::Damaged(to, error)) => {
                    self.shared.metrics.damaged.inc();
                    tracing::warn!(
                        segment = to.segment - 1, %error,
                        "rest of a segment of the write-ahead log is passed over"
                    );
                    self.shared.reached.skip(to);
                }
                Ok(Next::Nothing) => {
                    self.shared.reached.skip(self.reader.place());
                    if closed {
                        self.clean();
                        return None;
                    }
                    let _ = tokio::time::timeout(CLEAN, self.shared.news.notified()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "write-ahead log cannot be read, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Deletes segments in which everything is settled.
    fn clean(&self) {
        let reached = self.shared.reached.place();
        let Ok(known) = segments::list(&self.folder) else { return };
        for (segment, size) in known.into_iter().take_while(|(number, _)| *number < reached.segment)
        {
            match std::fs::remove_file(segments::path_of(&self.folder, segment)) {
                Ok(()) => {
                    self.shared.reached.freed(size);
                    self.shared.metrics.reclaimed.inc_by(size);
                    self.shared.metrics.on_disk(self.shared.reached.on_disk());
                }
                Err(error) => tracing::warn!(segment, %error, "segment cannot be deleted"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::batch;
    use super::*;
    use crate::tail::position_table::Saved;

    fn opened(
        folder: &Path,
        limit: u64,
    ) -> (mpsc::Sender<Batch>, std::thread::JoinHandle<()>, Outlet) {
        let (appender, outlet) = open(folder, limit, SpoolMetrics::for_tests()).unwrap();
        let (sender, batches) = mpsc::channel(4);
        let deadline = CancellationToken::new();
        let positions = PositionTable::new("/nonexistent/positions.yaml".into(), Saved::default());
        let thread = std::thread::spawn(move || appender.run(batches, &positions, &deadline));
        (sender, thread, outlet)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_not_settled_comes_again_after_a_restart_and_what_was_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, thread, mut outlet) = opened(dir.path(), u64::MAX);
        for body in ["one", "two", "three"] {
            sender.send(batch("t", body.as_bytes())).await.unwrap();
        }
        let first = outlet.next().await.unwrap();
        let second = outlet.next().await.unwrap();
        assert_eq!((&*first.body, &*second.body), (&b"one"[..], &b"two"[..]));
        first.settle();
        drop(sender);
        thread.join().unwrap();
        drop((second, outlet));
        let (sender, thread, mut outlet) = opened(dir.path(), u64::MAX);
        drop(sender);
        thread.join().unwrap();
        let again = outlet.next().await.unwrap();
        assert_eq!(&*again.body, b"two");
        again.settle();
        outlet.next().await.unwrap().settle();
        assert!(outlet.next().await.is_none());
        assert_eq!(segments::list(dir.path()).unwrap().len(), 1, "old segments are deleted");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_processes_cannot_use_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let _used = open(dir.path(), u64::MAX, SpoolMetrics::for_tests()).unwrap();
        let again = open(dir.path(), u64::MAX, SpoolMetrics::for_tests());
        assert!(matches!(again, Err(SpoolError::InUse { .. })));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_spool_waits_for_room_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, thread, mut outlet) = opened(dir.path(), 20 * 1024 * 1024);
        let body = vec![1; 9 * 1024 * 1024];
        let sending = tokio::spawn(async move {
            for _ in 0..8 {
                sender.send(batch("t", &body)).await.unwrap();
            }
        });
        let mut seen = 0;
        while let Some(batch) = outlet.next().await {
            seen += 1;
            batch.settle();
        }
        sending.await.unwrap();
        thread.join().unwrap();
        assert_eq!(seen, 8);
    }
}
