//! Reading records while the journal is being written.
//!
//! A reader holds the file for a few records at a time: a journal that failed can only be opened
//! again when nobody has it, and old pages are kept for as long as somebody reads them.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use redb::{Database, ReadableDatabase as _};

use super::{JournalError, schema};
use crate::incident::Record;
use crate::time::Moment;

/// Records that are read at a time.
const CHUNK: usize = 256;

/// The journal that is open now.
#[derive(Debug, Clone, Default)]
pub(super) struct Current(Arc<RwLock<Weak<Database>>>);

impl Current {
    pub(super) fn set(&self, database: &Arc<Database>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(database);
    }

    /// Nobody reads until the next [`set`](Self::set), but for those that are at it.
    pub(super) fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    }

    pub(super) fn reader(&self) -> Reader {
        Reader { current: self.clone() }
    }
}

/// Reads records. Every call blocks on the disk.
#[derive(Debug, Clone)]
pub struct Reader {
    current: Current,
}

impl Reader {
    fn database(&self) -> Result<Arc<Database>, JournalError> {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().ok_or(JournalError::Closed)
    }

    /// The first number from which on all records of `since` and later are. Some that are older may
    /// be behind it.
    ///
    /// # Errors
    /// The journal cannot be read, or is not open.
    pub fn first_since(&self, since: Moment) -> Result<u64, JournalError> {
        let find = |database: &Database| -> Result<u64, redb::Error> {
            let times = database.begin_read()?.open_table(schema::TIMES)?;
            let mut first = u64::MAX;
            for entry in times.range(schema::bucket(since)..)? {
                first = first.min(entry?.1.value());
            }
            Ok(first)
        };
        let database = self.database()?;
        find(&database).map_err(JournalError::storage("read"))
    }

    /// Records from `number` on, at most `limit`, with their numbers.
    ///
    /// # Errors
    /// As [`first_since`](Self::first_since); or a record is damaged.
    pub fn chunk(&self, number: u64, limit: usize) -> Result<Vec<(u64, Record)>, JournalError> {
        let read = |database: &Database| -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
            let records = database.begin_read()?.open_table(schema::RECORDS)?;
            let mut found = Vec::new();
            for record in records.range(number..)?.take(limit) {
                let (number, json) = record?;
                found.push((number.value(), json.value().to_vec()));
            }
            Ok(found)
        };
        let database = self.database()?;
        let found = read(&database).map_err(JournalError::storage("read"))?;
        let parse = |(number, json): (u64, Vec<u8>)| match serde_json::from_slice(&json) {
            Ok(record) => Ok((number, record)),
            Err(cause) => Err(JournalError::Record { number, cause }),
        };
        found.into_iter().map(parse).collect()
    }

    /// All records from `number` on, with their numbers.
    pub fn from_number(&self, number: u64) -> Records {
        Records { reader: self.clone(), next: Some(number), ready: VecDeque::new() }
    }

    /// All records whose time is in `[since, until)`.
    ///
    /// # Errors
    /// As [`first_since`](Self::first_since).
    pub fn between(
        &self,
        since: Moment,
        until: Moment,
    ) -> Result<impl Iterator<Item = Result<(u64, Record), JournalError>> + use<>, JournalError>
    {
        let records = self.from_number(self.first_since(since)?);
        Ok(records.filter(move |record| match record {
            Ok((_, record)) => record.at >= since && record.at < until,
            Err(_) => true,
        }))
    }
}

/// Records in the order of their numbers. It ends after an error, but not after a damaged record.
#[derive(Debug)]
pub struct Records {
    reader: Reader,
    next: Option<u64>,
    ready: VecDeque<(u64, Record)>,
}

impl Iterator for Records {
    type Item = Result<(u64, Record), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            match self.reader.chunk(self.next?, CHUNK) {
                Ok(chunk) => self.ready = chunk.into(),
                Err(error) => {
                    // The records before the damaged one come one by one.
                    let JournalError::Record { number, .. } = error else {
                        self.next = None;
                        return Some(Err(error));
                    };
                    let before = self.next.map_or(0, |next| number.saturating_sub(next));
                    let before = usize::try_from(before).unwrap_or(CHUNK);
                    match self.reader.chunk(self.next?, before) {
                        Ok(chunk) if !chunk.is_empty() => self.ready = chunk.into(),
                        _ => {
                            self.next = number.checked_add(1);
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
        let record = self.ready.pop_front();
        self.next = record.as_ref().and_then(|(number, _)| number.checked_add(1));
        record.map(Ok)
    }
}
