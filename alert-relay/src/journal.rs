//! What must outlive a crash: one file, in which a batch of changes is stored whole or not at all.
//!
//! What [`Journal::commit`] said is stored is on the disk. After an error of it nothing in memory can
//! be trusted: the journal is dropped, and opened again by its [`Place`].

mod bodies;
mod check;
mod disk;
mod expiry;
#[cfg(test)]
pub(crate) mod faulty_disk;
mod place;
mod reader;
mod schema;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use prometheus_model::instrument::Histogram;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _};
use serde::Serialize;

pub use self::bodies::RefusedBody;
pub use self::check::{DumpError, Verified};
pub use self::expiry::RETENTION;
pub use self::place::Place;
pub use self::reader::Reader;

use self::bodies::BodyIndex;
use self::reader::Current;
use crate::incident::{Changes, Event, Table};
use crate::time::Moment;

/// Memory for pages of the file, read and to be written. What is read again and again is in memory
/// in another form anyway.
const CACHE_BYTES: usize = 8 << 20;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused something beside the journal's own reads and writes.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It cannot be read or written, or it is damaged.
    #[error("cannot {what} the journal")]
    Storage {
        /// What was to be done.
        what: &'static str,
        /// What the store said.
        #[source]
        cause: Box<redb::Error>,
    },
    /// It lost everything, and not here: a new journal is never empty.
    #[error("{} is empty, so that it was cut: move it away to begin a new one", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// It was written by a later version.
    #[error("the journal has schema {found}, this version knows {}", schema::VERSION)]
    Schema {
        /// What the file says.
        found: u64,
    },
    /// A record that was read is not what was written.
    #[error("record {number} of the journal cannot be read")]
    Record {
        /// Which.
        number: u64,
        /// Where it is wrong.
        #[source]
        cause: serde_json::Error,
    },
    /// It is being opened again after a failure.
    #[error("the journal is not open")]
    Closed,
}

impl JournalError {
    fn storage(what: &'static str) -> impl Fn(redb::Error) -> Self {
        move |cause| Self::Storage { what, cause: Box::new(cause) }
    }

    /// Trying again is of no use: the file must be moved away, or another version be run.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Schema { .. } | Self::Empty { .. } => true,
            Self::Storage { cause, .. } => match &**cause {
                redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => true,
                redb::Error::Io(cause) => cause.kind() == io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }
}

/// What is stored in one go.
#[derive(Debug, Default)]
pub struct Batch {
    /// What inputs changed, in their order.
    pub changes: Vec<(Moment, Changes)>,
    /// Bodies that could not be read.
    pub bodies: Vec<RefusedBody>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.bodies.is_empty()
            && self
                .changes
                .iter()
                .all(|(_, changes)| changes.rows.is_empty() && changes.events.is_empty())
    }
}

/// All rows, as they were stored last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    tables: [Vec<(Vec<u8>, Vec<u8>)>; Table::ALL.len()],
}

impl Stored {
    fn slot(table: Table) -> usize {
        Table::ALL.iter().position(|known| *known == table).unwrap_or_default()
    }

    /// Keys and JSON of a table, sorted by key.
    pub fn rows(&self, table: Table) -> &[(Vec<u8>, Vec<u8>)] {
        &self.tables[Self::slot(table)]
    }

    /// The same, to keep.
    pub fn take(&mut self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        std::mem::take(&mut self.tables[Self::slot(table)])
    }

    /// Adds a row behind those of its table.
    pub fn push(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.tables[Self::slot(table)].push((key, value));
    }
}

/// A record as it is written, without a copy of its event.
#[derive(Serialize)]
struct NewRecord<'a> {
    at: Moment,
    #[serde(flatten)]
    event: &'a Event,
}

/// The open journal. One process has it at a time.
pub struct Journal {
    database: Arc<Database>,
    current: Current,
    next_record: u64,
    /// The newest entry of the index by time that is known to be there.
    bucket: Option<u64>,
    bodies: BodyIndex,
    /// Held as long as the journal is: nobody else may replace the file.
    _lock: Option<std::fs::File>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("next_record", &self.next_record).finish_non_exhaustive()
    }
}

impl Journal {
    /// Over any backend: files are opened by [`Place`].
    fn over(
        backend: impl redb::StorageBackend,
        current: &Current,
        lock: Option<std::fs::File>,
    ) -> Result<Self, JournalError> {
        let open = JournalError::storage("open");
        let database = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            // What changed behind our back is refused now, not when it is read some day.
            .set_check_integrity_on_open(true)
            .create_with_backend(backend)
            .map_err(|error| open(error.into()))?;
        let found = schema::prepare(&database).map_err(&open)?;
        if found != schema::VERSION {
            return Err(JournalError::Schema { found });
        }
        let (next_record, bodies) = schema::beginnings(&database).map_err(&open)?;
        let database = Arc::new(database);
        current.set(&database);
        let current = current.clone();
        Ok(Self { database, current, next_record, bucket: None, bodies, _lock: lock })
    }

    /// Stores a batch: when this returns, it is on the disk.
    ///
    /// # Errors
    /// It is not known what the file holds, but what was stored before is in it. The journal can
    /// only be dropped then.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (next_record, bucket) = self.write(batch).map_err(JournalError::storage("write to"))?;
        self.next_record = next_record;
        self.bucket = bucket;
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(u64, Option<u64>), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        for table in Table::ALL {
            let rows = batch.changes.iter().flat_map(|(_, changes)| &changes.rows);
            let mut rows = rows.filter(|row| row.table == table).peekable();
            if rows.peek().is_none() {
                continue;
            }
            let mut open = write.open_table(schema::table(table))?;
            for row in rows {
                match &row.value {
                    Some(value) => drop(open.insert(&*row.key, &**value)?),
                    None => drop(open.remove(&*row.key)?),
                }
            }
        }
        let (mut next, mut bucket) = (self.next_record, self.bucket);
        if batch.changes.iter().any(|(_, changes)| !changes.events.is_empty()) {
            let mut records = write.open_table(schema::RECORDS)?;
            let mut times = write.open_table(schema::TIMES)?;
            let mut json = Vec::new();
            for (at, changes) in &batch.changes {
                let own = schema::bucket(*at);
                if !changes.events.is_empty() && bucket != Some(own) {
                    // A clock that was set back finds its entry there already.
                    if times.get(own)?.is_none() {
                        times.insert(own, next)?;
                    }
                    bucket = Some(own);
                }
                for event in &changes.events {
                    json.clear();
                    serde_json::to_writer(&mut json, &NewRecord { at: *at, event })
                        .map_err(|error| redb::Error::Io(error.into()))?;
                    records.insert(next, &*json)?;
                    next += 1;
                }
            }
        }
        for body in &batch.bodies {
            self.bodies.store(&write, body)?;
        }
        write.commit()?;
        Ok((next, bucket))
    }

    /// All rows. They are as large together as what was stored in them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(&self) -> Result<Stored, JournalError> {
        let load = || -> Result<Stored, redb::Error> {
            let read = self.database.begin_read()?;
            let mut stored = Stored::default();
            for table in Table::ALL {
                for row in read.open_table(schema::table(table))?.iter()? {
                    let (key, value) = row?;
                    stored.push(table, key.value().to_vec(), value.value().to_vec());
                }
            }
            Ok(stored)
        };
        load().map_err(JournalError::storage("read"))
    }

    /// The number that the next record gets; numbers begin with 1 and grow by one.
    pub fn next_record(&self) -> u64 {
        self.next_record
    }

    /// How many bodies that could not be read are kept.
    pub fn bodies(&self) -> usize {
        self.bodies.len()
    }
}

/// Bounds of the time that a sync takes, in seconds.
const SYNC_BOUNDS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// An empty histogram for the times of syncs, in seconds.
pub fn sync_histogram() -> Histogram {
    Histogram::new(&SYNC_BOUNDS)
}
