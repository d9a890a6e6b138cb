//! Bodies of requests that could not be read: somebody has to see what a sender does wrong.
//!
//! A sender repeats itself every few seconds: equal bodies are kept once. What is kept is bounded,
//! the one that was last seen longest ago goes first.

use std::collections::HashMap;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::time::Moment;

/// Digests of bodies to a line of JSON and the body behind it.
pub(super) const BODIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bodies");

/// Bodies that are kept.
const MAX_BODIES: usize = 256;

/// Bytes of all bodies that are kept.
const MAX_TOTAL: usize = 32 << 20;

/// Bytes of a body that are kept.
const MAX_BODY: usize = 1 << 20;

/// A body that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBody {
    /// When it came.
    pub at: Moment,
    /// Whose path it came by: `alertmanager`, `prometheus`.
    pub source: String,
    /// Why it could not be read, and what is accepted.
    pub problem: String,
    /// The body; what is over a mebibyte is not kept.
    pub body: Vec<u8>,
}

/// What is kept beside a body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Heading {
    pub(super) first_at: Moment,
    pub(super) at: Moment,
    pub(super) times: u64,
    pub(super) source: String,
    pub(super) problem: String,
}

/// Splits a value; `None` if it is none that was written here.
pub(super) fn parse(value: &[u8]) -> Option<(Heading, &[u8])> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&value[..end]).ok()?, &value[end + 1..]))
}

type Digest = [u8; 32];

/// What is kept, without the bodies.
#[derive(Debug, Default)]
pub(super) struct BodyIndex {
    /// When each was last seen, and how large it is.
    kept: HashMap<Digest, (Moment, usize)>,
}

impl BodyIndex {
    pub(super) fn load(
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    ) -> Result<Self, redb::Error> {
        let mut kept = HashMap::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            let at = parse(value.value()).map_or(Moment::EPOCH, |(heading, _)| heading.at);
            if let Ok(digest) = Digest::try_from(key.value()) {
                kept.insert(digest, (at, value.value().len()));
            }
        }
        Ok(Self { kept })
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps a body. After an error this index says what the file does not.
    pub(super) fn store(
        &mut self,
        write: &WriteTransaction,
        refused: &RefusedBody,
    ) -> Result<(), redb::Error> {
        let digest: Digest = Sha256::digest(&refused.body).into();
        let mut table = write.open_table(BODIES)?;
        let known = table.get(&digest[..])?.and_then(|value| {
            parse(value.value()).map(|(heading, _)| (heading.first_at, heading.times))
        });
        let (first_at, times) = known.unwrap_or((refused.at, 0));
        let heading = Heading {
            first_at,
            at: refused.at,
            times: times + 1,
            source: refused.source.clone(),
            problem: refused.problem.clone(),
        };
        let mut value =
            serde_json::to_vec(&heading).map_err(|error| redb::Error::Io(error.into()))?;
        value.push(b'\n');
        value.extend_from_slice(&refused.body[..refused.body.len().min(MAX_BODY)]);
        self.kept.remove(&digest);
        while self.kept.len() >= MAX_BODIES || self.total() + value.len() > MAX_TOTAL {
            let oldest = self.kept.iter().min_by_key(|(digest, (at, _))| (*at, **digest));
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else { break };
            self.kept.remove(&oldest);
            table.remove(&oldest[..])?;
        }
        table.insert(&digest[..], &*value)?;
        self.kept.insert(digest, (refused.at, value.len()));
        Ok(())
    }

    fn total(&self) -> usize {
        self.kept.values().map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty_disk::FaultyDisk;
    use super::super::{Batch, Journal};
    use super::*;

    fn refused(at: i64, body: Vec<u8>) -> RefusedBody {
        let (source, problem) = ("alertmanager".to_owned(), "no JSON".to_owned());
        RefusedBody { at: Moment::from_millis(at), source, problem, body }
    }

    fn kept(journal: &Journal) -> Vec<(i64, u64, usize)> {
        let mut kept: Vec<_> = journal
            .refused_bodies()
            .unwrap()
            .into_iter()
            .map(|(heading, body)| (heading.at.as_millis(), heading.times, body.len()))
            .collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn a_sender_that_repeats_itself_takes_one_place() {
        let disk = FaultyDisk::default();
        let mut journal = disk.open().unwrap();
        for at in 1..=3 {
            let bodies = vec![refused(at, b"x".to_vec())];
            journal.commit(&Batch { bodies, ..Batch::default() }).unwrap();
        }
        assert_eq!(kept(&journal), [(3, 3, 1)]);
    }

    #[test]
    fn the_number_and_the_bytes_are_bounded_over_restarts() {
        let disk = FaultyDisk::default();
        let mut journal = disk.open().unwrap();
        let many = (0..300).map(|at| refused(at, format!("{at}").into_bytes()));
        journal.commit(&Batch { bodies: many.collect(), ..Batch::default() }).unwrap();
        assert_eq!(kept(&journal).len(), MAX_BODIES);
        assert_eq!(kept(&journal)[0].0, 300 - 256, "those seen longest ago are gone");
        drop(journal);
        let mut journal = disk.open().unwrap();
        assert_eq!(journal.bodies(), MAX_BODIES);
        for at in 0..40_u8 {
            let bodies = vec![refused(1000 + i64::from(at), vec![at; MAX_BODY + 7])];
            journal.commit(&Batch { bodies, ..Batch::default() }).unwrap();
        }
        let kept = kept(&journal);
        assert!(kept.iter().map(|(_, _, bytes)| bytes).sum::<usize>() <= MAX_TOTAL);
        assert_eq!(kept.last().unwrap().2, MAX_BODY, "a larger one is cut");
    }
}
