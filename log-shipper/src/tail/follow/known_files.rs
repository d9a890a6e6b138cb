//! Which files of a target are being read, and which are done, by what they are rather than by
//! name: a rotated file that the pattern also matches is not read twice.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::tail::file_identity::{Fingerprint, Inode};
use crate::tail::mailbox::Generation;

/// Finished files that are remembered, those longest unseen going first. Rotation renames them for
/// months, and a forgotten one would be read again under its next name.
const MAX_DONE: usize = 1024;

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It is open at a worker.
    Active,
    /// It could not be looked at: nothing is to be done now.
    Unclear,
    /// It was read up to here.
    Done {
        /// Where.
        position: u64,
        /// How it begins.
        beginning: Fingerprint,
    },
}

#[derive(Debug)]
struct Done {
    position: u64,
    fingerprint: Fingerprint,
    closed_at: SystemTime,
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

    /// Takes what another target knew.
    pub(super) fn absorb(&mut self, other: Self) {
        self.active.extend(other.active);
        self.done.extend(other.done);
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
        // The inode may have been given to another file since, be it one that begins alike.
        let looked_at = File::open(path).and_then(|file| {
            let was_born_later = file.metadata()?.created().is_ok_and(|born| born > done.closed_at);
            Ok(!was_born_later && done.fingerprint.is_of(&file)?)
        });
        match looked_at {
            Ok(true) => {
                done.last_seen = Instant::now();
                Known::Done { position: done.position, beginning: done.fingerprint }
            }
            Ok(false) => {
                self.done.remove(&inode);
                Known::New
            }
            Err(_) => Known::Unclear,
        }
    }

    /// Forgets finished files where there are too many.
    pub(super) fn tidy(&mut self) {
        self.collect_closed();
        if self.done.len() > MAX_DONE {
            let mut seen: Vec<Instant> = self.done.values().map(|done| done.last_seen).collect();
            seen.sort_unstable();
            let oldest_kept = seen[seen.len() - MAX_DONE];
            self.done.retain(|_, done| done.last_seen >= oldest_kept);
        }
    }

    fn collect_closed(&mut self) {
        let done = &mut self.done;
        self.active.retain(|inode, generation| {
            let Some(closed) = generation.closed.get() else { return true };
            if closed.has_name {
                let entry = Done {
                    position: closed.position,
                    fingerprint: closed.beginning,
                    closed_at: closed.at,
                    last_seen: Instant::now(),
                };
                done.insert(*inode, entry);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::mailbox::Closed;
    use crate::tail::progress::Progress;
    use std::fs;

    #[test]
    fn a_file_is_known_by_inode_and_beginning_until_its_inode_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "one\n").unwrap();
        let inode = Inode::of(&fs::metadata(&path).unwrap());
        let fingerprint = Fingerprint::read(&File::open(&path).unwrap()).unwrap();
        let mut known = KnownFiles::default();
        assert_eq!(known.find(inode, &path), Known::New);
        let generation = Generation::new(inode, Progress::new(1, 0), fingerprint);
        known.add(&generation);
        assert_eq!(known.find(inode, &path), Known::Active);
        let closed =
            Closed { position: 4, beginning: fingerprint, at: SystemTime::now(), has_name: true };
        generation.closed.set(Box::new(closed)).unwrap();
        let done = Known::Done { position: 4, beginning: fingerprint };
        assert_eq!(known.find(inode, &path), done);
        fs::write(&path, "two\n").unwrap();
        assert_eq!(known.find(inode, &path), Known::New);
    }
}
