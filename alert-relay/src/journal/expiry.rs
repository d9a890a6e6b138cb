//! Forgetting old records, a few at a time: intake waits for nobody.

use std::time::Duration;

use redb::ReadableTable as _;

use super::{Journal, JournalError, schema};
use crate::incident::Record;
use crate::time::Moment;

/// How long records are kept: the report looks back 28 days.
pub const RETENTION: Duration = Duration::from_hours(35 * 24);

/// Records that are looked at in one go.
const AT_ONCE: usize = 1_000;

impl Journal {
    /// Forgets at most a thousand records that are older than [`RETENTION`]; how many.
    ///
    /// Numbers decide what is older, so that records that a wrong clock stamped with a later time
    /// go with their neighbours.
    ///
    /// # Errors
    /// As [`commit`](Journal::commit).
    pub fn expire(&mut self, now: Moment) -> Result<usize, JournalError> {
        let before = now.before(RETENTION);
        let numbers = self.old_numbers(before).map_err(JournalError::storage("read"))?;
        if numbers.is_empty() {
            return Ok(0);
        }
        self.remove(&numbers, before).map_err(JournalError::storage("write to"))?;
        Ok(numbers.len())
    }

    fn old_numbers(&self, before: Moment) -> Result<Vec<u64>, redb::Error> {
        use redb::ReadableDatabase as _;

        let records = self.database.begin_read()?.open_table(schema::RECORDS)?;
        let (mut numbers, mut old) = (Vec::new(), 0);
        for record in records.iter()?.take(AT_ONCE) {
            let (number, json) = record?;
            numbers.push(number.value());
            // What cannot be read goes with those around it.
            let record = serde_json::from_slice::<Record>(json.value());
            if record.is_ok_and(|record| record.at < before) {
                old = numbers.len();
            }
        }
        numbers.truncate(old);
        // The numbers of later records go on from the last one.
        if numbers.last().is_some_and(|last| last + 1 == self.next_record) {
            numbers.pop();
        }
        Ok(numbers)
    }

    fn remove(&mut self, numbers: &[u64], before: Moment) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut records = write.open_table(schema::RECORDS)?;
            for number in numbers {
                records.remove(number)?;
            }
            // An entry that began before is still needed for what is left of it.
            let mut times = write.open_table(schema::TIMES)?;
            let gone = times.range(..schema::bucket(before))?.take(AT_ONCE);
            let gone: Vec<u64> =
                gone.map(|entry| entry.map(|(at, _)| at.value())).collect::<Result<_, _>>()?;
            for bucket in gone {
                times.remove(bucket)?;
            }
        }
        write.commit()?;
        Ok(())
    }
}
