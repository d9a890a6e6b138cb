//! A disk in memory that fails when it is told to, and loses what was not synced.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::reader::Current;
use super::{Journal, JournalError};

/// Disks lose and keep whole sectors.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every write and growth fails from then on, syncs succeed: full, or read-only.
    Write,
    /// Every sync fails from then on.
    Sync,
}

#[derive(Debug, Default)]
struct State {
    /// What is seen by reads.
    seen: Vec<u8>,
    /// What a power failure leaves for sure.
    durable: Vec<u8>,
    /// Lengths that the file was given since the last sync.
    lengths: Vec<usize>,
    /// Sectors that were written since the last sync.
    pending: BTreeSet<usize>,
    /// Counts writes, growths and syncs.
    calls: u64,
    fails_from: Option<(u64, Fault)>,
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) -> Result<Journal, JournalError> {
        Journal::over(self.clone(), &Current::default(), None)
    }

    /// Fails from the n-th call from now on.
    pub(crate) fn fail_after(&self, calls: u64, fault: Fault) {
        let mut state = self.state();
        state.fails_from = Some((state.calls + calls, fault));
    }

    pub(crate) fn mend(&self) {
        self.state().fails_from = None;
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The disk after the power went: of the sectors not synced those that `keeps` chooses are there.
    /// The length is one that the file had since the sync: file systems set it as a whole.
    pub(crate) fn after_power_failure(&self, mut keeps: impl FnMut() -> bool) -> Self {
        let state = self.state();
        let mut left = state.durable.clone();
        for length in &state.lengths {
            if keeps() {
                left.resize(*length, 0);
            }
        }
        for sector in &state.pending {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(state.seen.len()).min(left.len());
            if start >= end || !keeps() {
                continue;
            }
            left[start..end].copy_from_slice(&state.seen[start..end]);
        }
        let state = State { seen: left.clone(), durable: left, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk with its bytes changed.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut seen = self.state().seen.clone();
        change(&mut seen);
        let state = State { durable: seen.clone(), seen, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn call(&mut self, kind: Fault) -> io::Result<()> {
        self.calls += 1;
        match self.fails_from {
            Some((from, fault)) if self.calls > from && fault == kind => Err(match kind {
                Fault::Write => io::ErrorKind::StorageFull.into(),
                Fault::Sync => io::Error::other("the disk does not answer"),
            }),
            _ => Ok(()),
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a disk of a test fits into memory")
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = index(offset);
        let bytes = state.seen.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call(Fault::Write)?;
        let (old, new) = (state.seen.len(), index(len));
        state.seen.resize(new, 0);
        state.lengths.push(new);
        for sector in old.min(new) / SECTOR..old.max(new).div_ceil(SECTOR) {
            state.pending.insert(sector);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call(Fault::Sync)?;
        state.durable = state.seen.clone();
        state.pending.clear();
        state.lengths.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.call(Fault::Write)?;
        let start = index(offset);
        let end = start + data.len();
        if end > state.seen.len() {
            state.seen.resize(end, 0);
        }
        state.seen[start..end].copy_from_slice(data);
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            state.pending.insert(sector);
        }
        Ok(())
    }
}
