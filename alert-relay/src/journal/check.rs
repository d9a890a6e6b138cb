//! Looking at a journal from outside: whether it is whole, and what it says.

use std::io::{self, Write};
use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};
use serde_json::json;
use serde_json::value::RawValue;

use super::bodies::{self, BODIES, Heading};
use super::{Journal, JournalError, schema};
use crate::incident::{Record, Table};

/// Keys and values.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Problems that are told one by one.
const TOLD: usize = 100;

/// What [`Journal::verify`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows of all tables.
    pub rows: u64,
    /// Records.
    pub records: u64,
    /// Bodies that could not be read.
    pub bodies: u64,
    /// How many rows and records are not what they should be.
    pub damaged: u64,
    /// Which, the first hundred.
    pub problems: Vec<String>,
}

impl Verified {
    fn problem(&mut self, problem: String) {
        self.damaged += 1;
        if self.problems.len() < TOLD {
            self.problems.push(problem);
        }
    }
}

/// Why a journal was not written out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// It cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The output takes no more.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

impl Journal {
    /// Reads everything: checksums of all pages, and every row and record.
    ///
    /// # Errors
    /// The file cannot be read, somebody reads it, or its pages are damaged.
    pub fn verify(&mut self) -> Result<Verified, JournalError> {
        let storage = JournalError::storage("verify");
        let mut found = Verified::default();
        self.current.clear();
        let database = Arc::get_mut(&mut self.database).ok_or(JournalError::Closed)?;
        let is_whole = database.check_integrity().map_err(|error| storage(error.into()));
        self.current.set(&self.database);
        if !is_whole? {
            found.problem("pages had to be mended".to_owned());
        }
        verify_all(&self.database, &mut found).map_err(storage)?;
        Ok(found)
    }

    /// Writes everything as lines of JSON: rows, records, and bodies that could not be read.
    ///
    /// # Errors
    /// The journal cannot be read, or the output not be written.
    pub fn dump(&self, out: &mut impl Write) -> Result<(), DumpError> {
        let read = JournalError::storage("read");
        for table in Table::ALL {
            let rows = self.rows_of(table).map_err(&read)?;
            for (key, value) in rows {
                // A damaged row must not hide the others.
                let value = match serde_json::from_slice::<&RawValue>(&value) {
                    Ok(value) => json!({"table": table.name(), "key": shown(&key), "value": value}),
                    Err(_) => json!({
                        "table": table.name(), "key": shown(&key),
                        "damaged": String::from_utf8_lossy(&value),
                    }),
                };
                writeln!(out, "{value}")?;
            }
        }
        let mut next = 0;
        loop {
            let chunk = self.raw_records(next).map_err(&read)?;
            let Some((last, _)) = chunk.last() else { break };
            next = last + 1;
            for (number, json) in &chunk {
                let json = String::from_utf8_lossy(json);
                // The number goes first into the object of the record.
                let fields = json.strip_prefix('{').unwrap_or(&json);
                writeln!(out, "{{\"record\":{number},{fields}")?;
            }
        }
        for (heading, body) in self.refused_bodies()? {
            let text = String::from_utf8_lossy(&body);
            writeln!(out, "{}", json!({"refused": heading, "body": text}))?;
        }
        Ok(())
    }

    fn rows_of(&self, table: Table) -> Result<Rows, redb::Error> {
        let rows = self.database.begin_read()?.open_table(schema::table(table))?;
        let mut all = Vec::new();
        for row in rows.iter()? {
            let (key, value) = row?;
            all.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(all)
    }

    fn raw_records(&self, from: u64) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
        let records = self.database.begin_read()?.open_table(schema::RECORDS)?;
        let mut chunk = Vec::new();
        for record in records.range(from..)?.take(1_000) {
            let (number, json) = record?;
            chunk.push((number.value(), json.value().to_vec()));
        }
        Ok(chunk)
    }

    /// Bodies that could not be read, with what is known of them.
    pub(super) fn refused_bodies(&self) -> Result<Vec<(Heading, Vec<u8>)>, JournalError> {
        let read = || -> Result<Vec<_>, redb::Error> {
            let table = self.database.begin_read()?.open_table(BODIES)?;
            let mut all = Vec::new();
            for entry in table.iter()? {
                let (_, value) = entry?;
                let parsed = bodies::parse(value.value());
                all.extend(parsed.map(|(heading, body)| (heading, body.to_vec())));
            }
            Ok(all)
        };
        read().map_err(JournalError::storage("read"))
    }
}

fn verify_all(database: &Database, found: &mut Verified) -> Result<(), redb::Error> {
    let read = database.begin_read()?;
    for table in Table::ALL {
        for row in read.open_table(schema::table(table))?.iter()? {
            let (key, value) = row?;
            found.rows += 1;
            if let Err(error) = serde_json::from_slice::<&RawValue>(value.value()) {
                found.problem(format!("{} {}: {error}", table.name(), shown(key.value())));
            }
        }
    }
    let mut expected = None;
    for record in read.open_table(schema::RECORDS)?.iter()? {
        let (number, json) = record?;
        found.records += 1;
        let number = number.value();
        if expected.is_some_and(|expected| expected != number) {
            found.problem(format!("record {number}: those before it are missing"));
        }
        expected = number.checked_add(1);
        if let Err(error) = serde_json::from_slice::<Record>(json.value()) {
            found.problem(format!("record {number}: {error}"));
        }
    }
    for entry in read.open_table(BODIES)?.iter()? {
        found.bodies += 1;
        if bodies::parse(entry?.1.value()).is_none() {
            found.problem("a refused body: its heading cannot be read".to_owned());
        }
    }
    Ok(())
}

/// A key as text if it is printable, else as hexadecimal digits behind `0x`.
fn shown(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(text) if !text.is_empty() && text.chars().all(|char| !char.is_control()) => {
            text.to_owned()
        }
        _ => key.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}
