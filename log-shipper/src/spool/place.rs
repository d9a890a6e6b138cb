//! Up to where Loki has everything: a place in the segments, kept in a file of its own.
//!
//! Batches of several tenants are settled in any order; the place is before the first that is not.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Offset in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes in it.
    pub offset: u64,
}

/// Reads the saved place; none where there is no file or it is damaged: then everything that is on
/// disk is sent again.
///
/// # Errors
/// What the file system returned.
pub fn load(path: &Path) -> io::Result<Option<Place>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let Ok(bytes) = <[u8; 20]>::try_from(&*bytes) else { return Ok(None) };
    let (place, checksum) = bytes.split_at(16);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let is_whole = crc32fast::hash(place).to_le_bytes() == checksum;
    let place = Place { segment: number(&place[..8]), offset: number(&place[8..]) };
    Ok(is_whole.then_some(place))
}

#[derive(Debug)]
struct State {
    file: File,
    reached: Place,
    /// Begin of batches that are on their way, with their end, and whether they are settled.
    open: BTreeMap<Place, (Place, bool)>,
    /// The reader is here: nothing before is unknown.
    read: Place,
    /// Bytes of segments on disk.
    on_disk: u64,
}

/// Shared by the writer, the reader and the receipts of one client's spool.
#[derive(Debug)]
pub struct Reached {
    state: Mutex<State>,
    freed: Condvar,
}

impl Reached {
    /// Begins at `place`, with so many bytes on disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(path: &Path, place: Place, on_disk: u64) -> io::Result<Arc<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let state = State { file, reached: place, open: BTreeMap::new(), read: place, on_disk };
        Ok(Arc::new(Self { state: Mutex::new(state), freed: Condvar::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was read and is on its way now.
    pub fn enter(&self, begin: Place, end: Place) {
        let mut state = self.state();
        state.open.insert(begin, (end, false));
        state.read = end;
    }

    /// The reader passed over something that is no batch.
    pub fn skip(&self, to: Place) {
        let mut state = self.state();
        state.read = to;
        state.advance();
    }

    /// Loki has a batch, or it was given up.
    pub fn settle(&self, begin: Place) {
        let mut state = self.state();
        if let Some((_, is_settled)) = state.open.get_mut(&begin) {
            *is_settled = true;
        }
        state.advance();
    }

    /// Everything before is settled.
    pub fn place(&self) -> Place {
        self.state().reached
    }

    /// Bytes on disk.
    pub fn on_disk(&self) -> u64 {
        self.state().on_disk
    }

    /// Bytes were written.
    pub fn written(&self, bytes: u64) {
        self.state().on_disk += bytes;
    }

    /// Segments were deleted.
    pub fn freed(&self, bytes: u64) {
        let mut state = self.state();
        state.on_disk = state.on_disk.saturating_sub(bytes);
        self.freed.notify_all();
    }

    /// Waits until there is room below `limit`, or for this time; whether there is.
    pub fn wait_for_room(&self, limit: u64, time: std::time::Duration) -> bool {
        let state = self.state();
        let waited = self.freed.wait_timeout_while(state, time, |state| state.on_disk >= limit);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl State {
    fn advance(&mut self) {
        while let Some(first) = self.open.first_entry()
            && first.get().1
        {
            first.remove();
        }
        let reached = self.open.first_key_value().map_or(self.read, |(begin, _)| *begin);
        if reached == self.reached {
            return;
        }
        self.reached = reached;
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&reached.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&reached.offset.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        // Without it some batches are sent twice after a restart, that is all.
        if let Err(error) = self.file.write_all_at(&bytes, 0) {
            tracing::warn!(%error, "the place in the write-ahead log cannot be saved");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Place {
        Place { segment: 1, offset }
    }

    #[test]
    fn the_place_is_before_the_first_batch_that_is_not_settled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("place");
        assert_eq!(load(&path).unwrap(), None);
        let reached = Reached::new(&path, at(0), 0).unwrap();
        for offset in [0, 10, 20] {
            reached.enter(at(offset), at(offset + 10));
        }
        reached.settle(at(10));
        assert_eq!(load(&path).unwrap(), None, "nothing to save yet");
        reached.settle(at(0));
        assert_eq!(load(&path).unwrap(), Some(at(20)));
        reached.settle(at(20));
        assert_eq!(load(&path).unwrap(), Some(at(30)));
        std::fs::write(&path, [1; 20]).unwrap();
        assert_eq!(load(&path).unwrap(), None, "damaged");
    }
}
