//! The file below the store: it measures syncs, and remembers that one failed.
//!
//! After a failed sync the kernel may hold pages that look written and are not: what is read from
//! such a file may never have reached the disk, so that the whole file is written anew.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use prometheus_model::instrument::{Gauge, Histogram};
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// What is known of the syncs of a file; shared by all that open it.
#[derive(Debug, Clone)]
pub(super) struct Syncs {
    pub(super) seconds: Histogram,
    pub(super) bytes: Gauge,
    pub(super) failed: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) struct WatchedFile<B> {
    file: B,
    syncs: Syncs,
}

impl WatchedFile<FileBackend> {
    pub(super) fn new(file: std::fs::File, syncs: Syncs) -> Result<Self, redb::DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, syncs })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a file of 2^53 bytes is none of ours")]
fn as_gauge(bytes: u64) -> f64 {
    bytes as f64
}

impl<B: StorageBackend> StorageBackend for WatchedFile<B> {
    fn len(&self) -> io::Result<u64> {
        let length = self.file.len()?;
        self.syncs.bytes.set(as_gauge(length));
        Ok(length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.syncs.bytes.set(as_gauge(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let begun = Instant::now();
        let synced = self.file.sync_data();
        self.syncs.seconds.observe(begun.elapsed().as_secs_f64());
        if synced.is_err() {
            self.syncs.failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
