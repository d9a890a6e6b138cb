//! Which files of a target are being read, and which are done, by what they are rather than by
//! name: a rotated file that the pattern also matches is not read twice.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tail::file_identity::{Fingerprint, Inode};
use crate::tail::mailbox::Generation;

/// A finished file that no pattern matched for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_mins(10);

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It is open at a worker.
    Active,
    /// It was read up to here.
    Done(u64),
}

#[derive(Debug)]
struct Done {
    position: u64,
    fingerprint: Fingerprint,
    last_seen: Instant,
}

/// Files of one target.
#[derive(Debug, Default)]
pub(super) struct KnownFiles {
    active: HashMap<Inode, Arc<Generation>>,
    done: HashMap<Inode, Done>,
}

impl KnownFiles {
    /// A file was opened.
    pub(super) fn add(&mut self, generation: &Arc<Generation>) {
        self.active.insert(generation.inode, Arc::clone(generation));
        self.done.remove(&generation.inode);
    }

    /// What is known of the file that `path` names.
    pub(super) fn find(&mut self, inode: Inode, path: &Path) -> Known {
        if let Some(generation) = self.active.get(&inode) {
            if generation.closed.get().is_none() {
                return Known::Active;
            }
            self.collect_closed();
        }
        let Some(done) = self.done.get_mut(&inode) else { return Known::New };
        // The inode may have been given to another file since.
        let is_same = File::open(path).and_then(|file| done.fingerprint.is_of(&file));
        if is_same.unwrap_or(false) {
            done.last_seen = Instant::now();
            return Known::Done(done.position);
        }
        self.done.remove(&inode);
        Known::New
    }

    /// Forgets finished files that were not asked for lately.
    pub(super) fn tidy(&mut self) {
        self.collect_closed();
        self.done.retain(|_, done| done.last_seen.elapsed() < FORGET_AFTER);
    }

    fn collect_closed(&mut self) {
        let done = &mut self.done;
        self.active.retain(|inode, generation| {
            let Some((position, fingerprint)) = generation.closed.get() else { return true };
            let last_seen = Instant::now();
            done.insert(*inode, Done { position: *position, fingerprint: *fingerprint, last_seen });
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::OnceLock;

    use super::*;
    use crate::tail::progress::Progress;

    #[test]
    fn a_file_is_known_by_inode_and_beginning_until_its_inode_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "one\n").unwrap();
        let inode = Inode::of(&fs::metadata(&path).unwrap());
        let fingerprint = Fingerprint::read(&File::open(&path).unwrap()).unwrap();
        let mut known = KnownFiles::default();
        assert_eq!(known.find(inode, &path), Known::New);
        let generation =
            Arc::new(Generation { inode, progress: Progress::new(1, 0), closed: OnceLock::new() });
        known.add(&generation);
        assert_eq!(known.find(inode, &path), Known::Active);
        generation.closed.set((4, fingerprint)).unwrap();
        assert_eq!(known.find(inode, &path), Known::Done(4));
        fs::write(&path, "two\n").unwrap();
        assert_eq!(known.find(inode, &path), Known::New);
    }
}
