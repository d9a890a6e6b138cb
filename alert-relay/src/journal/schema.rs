//! The tables of the file.
//!
//! A change of what a key or a value means gets a new version, and code that reads the old one.

use redb::{Database, ReadableTable as _, TableDefinition};

use super::bodies::{self, BodyIndex};
use crate::incident::Table;
use crate::time::Moment;

/// The schema that this version writes.
pub(super) const VERSION: u64 = 1;

/// Names to numbers: `schema`.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Numbers to records as JSON.
pub(super) const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");

/// Ten minutes, counted from 1970, to the number of the first record in them. Clocks are set back:
/// a later record may be older, so that these numbers need not grow.
pub(super) const TIMES: TableDefinition<u64, u64> = TableDefinition::new("times");

const BUCKET_MILLIS: i64 = 10 * 60 * 1000;

/// The ten minutes that a moment is in; what is before 1970 is in the first ones.
pub(super) fn bucket(at: Moment) -> u64 {
    u64::try_from(at.as_millis().div_euclid(BUCKET_MILLIS)).unwrap_or(0)
}

/// Keys to rows as JSON.
pub(super) fn table(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// Makes what is missing in a new file; the version of the file.
pub(super) fn prepare(database: &Database) -> Result<u64, redb::Error> {
    let write = database.begin_write()?;
    let found = write.open_table(META)?.get("schema")?.map(|version| version.value());
    if let Some(found) = found {
        write.abort()?;
        return Ok(found);
    }
    write.open_table(META)?.insert("schema", VERSION)?;
    for each in Table::ALL {
        write.open_table(table(each))?;
    }
    write.open_table(RECORDS)?;
    write.open_table(TIMES)?;
    write.open_table(bodies::BODIES)?;
    write.commit()?;
    Ok(VERSION)
}

/// The number of the next record, and what is known of the bodies.
pub(super) fn beginnings(database: &Database) -> Result<(u64, BodyIndex), redb::Error> {
    use redb::ReadableDatabase as _;

    let read = database.begin_read()?;
    // The last record is never forgotten, so that no number is given twice.
    let last = read.open_table(RECORDS)?.last()?.map(|(number, _)| number.value());
    Ok((last.map_or(1, |last| last + 1), BodyIndex::load(&read.open_table(bodies::BODIES)?)?))
}
