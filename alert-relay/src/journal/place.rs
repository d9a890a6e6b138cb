//! Where the journal lies, and how it is opened: for the first time, after a crash, after a failure.
//!
//! A new file gets its name only when it is whole and synced, so that there is no half of one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_model::instrument::{Gauge, Histogram};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableHandle as _};

use super::disk::{Syncs, WatchedFile};
use super::reader::{Current, Reader};
use super::{Journal, JournalError, schema, sync_histogram};

/// The journal's file.
const FILE: &str = "journal.redb";

/// A journal that has no name yet.
const NEW: &str = "journal.redb.new";

/// Locked while a process has the journal.
const LOCK: &str = "journal.lock";

/// Is there while the journal may hold what never reached the disk.
const UNSYNCED: &str = "journal.unsynced";

/// A folder with a journal, or for one.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    pub(super) syncs: Syncs,
    current: Current,
}

impl Place {
    /// In this folder, which is made if it is not there. Nothing is opened yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let failed = Arc::new(AtomicBool::new(false));
        let syncs = Syncs { seconds: sync_histogram(), bytes: Gauge::default(), failed };
        Self { folder: folder.into(), syncs, current: Current::default() }
    }

    /// How long syncs took, in seconds.
    pub fn sync_seconds(&self) -> Histogram {
        self.syncs.seconds.clone()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> Gauge {
        self.syncs.bytes.clone()
    }

    /// Reads records, whichever journal is open here at the time.
    pub fn reader(&self) -> Reader {
        self.current.reader()
    }

    /// Whether there is no journal yet.
    pub fn is_empty(&self) -> bool {
        !self.folder.join(FILE).is_file()
    }

    /// Opens the journal; makes one if there is none, and mends one that was not closed.
    ///
    /// # Errors
    /// See [`JournalError`]. Unless it is permanent, it may be tried again.
    pub fn open(&self) -> Result<Journal, JournalError> {
        let file = self.folder.join(FILE);
        fs::create_dir_all(&self.folder).map_err(failed("make the folder", &self.folder))?;
        let lock = self.lock()?;
        let unsynced = self.folder.join(UNSYNCED);
        if self.syncs.failed.load(Ordering::Acquire) {
            // It fails where nothing can be written: then the next process does not know.
            let _ = create(&unsynced, false).and_then(|marker| marker.sync_all());
        }
        let is_there = file.try_exists().map_err(failed("look at", &file))?;
        let is_unsynced = self.syncs.failed.load(Ordering::Acquire)
            || unsynced.try_exists().map_err(failed("look at", &unsynced))?;
        if !is_there || is_unsynced {
            self.write_anew(is_there.then_some(&*file))?;
            match fs::remove_file(&unsynced) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &unsynced)(cause));
                }
                _ => self.syncs.failed.store(false, Ordering::Release),
            }
        }
        let opened = OpenOptions::new().read(true).write(true).open(&file);
        if fs::metadata(&file).map_err(failed("look at", &file))?.len() == 0 {
            return Err(JournalError::Empty { path: file });
        }
        let backend = WatchedFile::new(opened.map_err(failed("open", &file))?, self.syncs.clone())
            .map_err(|error| JournalError::storage("open")(error.into()))?;
        Journal::over(backend, &self.current, Some(lock))
    }

    fn lock(&self) -> Result<File, JournalError> {
        let path = self.folder.join(LOCK);
        let lock = create(&path, false).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path }),
            Err(TryLockError::Error(cause)) => Err(failed("lock", &path)(cause)),
        }
    }

    /// Writes a journal with all that `old` has, or an empty one, and gives it the name.
    fn write_anew(&self, old: Option<&Path>) -> Result<(), JournalError> {
        let (new, file) = (self.folder.join(NEW), self.folder.join(FILE));
        let written = create(&new, true).map_err(failed("make", &new))?;
        {
            let storage = JournalError::storage("write");
            let to = redb::Builder::new()
                .set_cache_size(super::CACHE_BYTES)
                .create(&new)
                .map_err(|error| storage(error.into()))?;
            match old {
                Some(old) => {
                    tracing::warn!(path = %old.display(), "a sync failed: writing the journal anew");
                    let from = redb::Builder::new()
                        .set_cache_size(super::CACHE_BYTES)
                        .open(old)
                        .map_err(|error| JournalError::storage("read")(error.into()))?;
                    copy(&from, &to).map_err(storage)?;
                }
                None => {
                    schema::prepare(&to).map_err(storage)?;
                }
            }
        }
        written.sync_all().map_err(failed("sync", &new))?;
        fs::rename(&new, &file).map_err(failed("rename", &new))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("sync the folder", &self.folder))
    }
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> JournalError + 'a {
    move |cause| JournalError::File { what, path: path.to_owned(), cause }
}

/// Only its owner may read what alerts say.
fn create(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(truncate).mode(0o600).open(path)
}

/// Rows per transaction of a copy: what is not committed is held in memory.
const COPIED_AT_ONCE: usize = 2_000;

/// Copies every table, those that this version does not know of too: they are named in an error.
pub(super) fn copy(from: &Database, to: &Database) -> Result<(), redb::Error> {
    let read = from.begin_read()?;
    for table in read.list_tables()? {
        let name = table.name();
        match name {
            "meta" => copy_table::<&str, u64>(&read, to, name)?,
            "times" => copy_table::<u64, u64>(&read, to, name)?,
            "records" => copy_table::<u64, &[u8]>(&read, to, name)?,
            _ => copy_table::<&[u8], &[u8]>(&read, to, name)?,
        }
    }
    Ok(())
}

fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    read: &redb::ReadTransaction,
    to: &Database,
    name: &str,
) -> Result<(), redb::Error> {
    let definition = redb::TableDefinition::<K, V>::new(name);
    let source = read.open_table(definition)?;
    let mut rows = source.iter()?.peekable();
    loop {
        let write = to.begin_write()?;
        {
            let mut target = write.open_table(definition)?;
            for row in rows.by_ref().take(COPIED_AT_ONCE) {
                let (key, value) = row?;
                target.insert(key.value(), value.value())?;
            }
        }
        write.commit()?;
        if rows.peek().is_none() {
            return Ok(());
        }
    }
}
