//! The files of a journal as one sequence of entries.
//!
//! A file keeps its place while it is renamed, and is read to its end when it is deleted. One that
//! cannot be read holds up no other.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::cursor::{EntryKey, Start};
use super::folders::{Folders, Listed, files_in};
use super::journal_file::{Entry, JournalFile};
use super::layout::ReadError;

/// Rounds after which an entry, or the rest of a file, is given up that cannot be read.
const ATTEMPTS: u32 = 3;

/// A rename can hide a file from a listing. After so many listings without it, it is gone.
const MISSED: u32 = 8;

/// A file, or a part of it, cannot be read.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) path: PathBuf,
    pub(super) error: ReadError,
    /// Entries that are given up.
    pub(super) lost: u64,
}

/// What reading came to.
#[derive(Debug)]
pub(super) enum Step {
    Entry(PathBuf, Entry),
    Trouble(Trouble),
    /// Nothing new.
    Idle,
}

#[derive(Debug)]
struct Tracked {
    listed: Listed,
    journal: JournalFile,
    head: Option<EntryKey>,
    failures: u32,
    /// It has stayed too short for its content for all attempts.
    is_cut_off: bool,
    /// Nothing is to be had before the next look at it.
    rests: bool,
    is_listed: bool,
}

impl Tracked {
    fn trouble(&mut self, error: ReadError) -> Step {
        let mut lost = 0;
        let is_final = match error {
            ReadError::Damaged { .. } => true,
            ReadError::Short(_) => self.is_cut_off,
            _ => false,
        };
        if is_final {
            self.journal.skip();
            lost = 1;
        } else {
            self.failures += 1;
            self.rests = true;
            if self.failures >= ATTEMPTS {
                self.failures = 0;
                self.is_cut_off = matches!(error, ReadError::Short(_));
                lost = if matches!(error, ReadError::Unreachable { .. }) {
                    self.journal.give_up()
                } else {
                    self.journal.skip();
                    1
                };
            }
        }
        Step::Trouble(Trouble { path: self.listed.path.clone(), error, lost })
    }

    fn is_done(&self) -> bool {
        self.head.is_none()
            && self.rests
            && self.failures == 0
            && (self.journal.is_done() || !self.is_listed)
    }
}

/// A file that was read to its end.
#[derive(Debug)]
struct Closed {
    version: (u64, i64, i64),
    file_id: u128,
    position: u64,
    missed: u32,
}

/// All files of some folders.
#[derive(Debug)]
pub(super) struct Merged {
    folders: Folders,
    start: Start,
    files: Vec<Tracked>,
    closed: HashMap<(u64, u64), Closed>,
    /// Files that are no journals; looked at again when they change.
    refused: HashMap<(u64, u64), (u64, i64, i64)>,
    /// The last listing found a file whose header is not written yet.
    awaits_header: bool,
}

impl Merged {
    pub(super) fn new(folders: Folders, start: Start) -> Self {
        Self {
            folders,
            start,
            files: Vec::new(),
            closed: HashMap::new(),
            refused: HashMap::new(),
            awaits_header: false,
        }
    }

    /// Whether another [`scan`](Self::scan) is worth while soon, without an event.
    pub(super) fn awaits_header(&self) -> bool {
        self.awaits_header
    }

    /// Looks for new files, and tells which folders there are.
    ///
    /// # Errors
    /// The folders cannot be listed.
    pub(super) fn scan(&mut self, troubles: &mut Vec<Trouble>) -> io::Result<Vec<PathBuf>> {
        let folders = self.folders.list()?;
        self.awaits_header = false;
        let mut listed = HashSet::new();
        let mut is_complete = true;
        for folder in &folders {
            match files_in(folder) {
                Ok(files) => {
                    for file in files {
                        if listed.insert(file.id) {
                            troubles.extend(self.enter(file));
                        }
                    }
                }
                Err(error) => {
                    is_complete = false;
                    troubles.push(trouble(folder, error.into()));
                }
            }
        }
        if is_complete {
            for file in &mut self.files {
                file.is_listed = listed.contains(&file.listed.id);
            }
            self.refused.retain(|id, _| listed.contains(id));
            self.closed.retain(|id, closed| {
                closed.missed = if listed.contains(id) { 0 } else { closed.missed + 1 };
                closed.missed < MISSED
            });
        }
        Ok(folders)
    }

    fn enter(&mut self, listed: Listed) -> Option<Trouble> {
        if let Some(known) = self.files.iter_mut().find(|file| file.listed.id == listed.id) {
            known.listed = listed;
            return None;
        }
        let is_closed =
            self.closed.get(&listed.id).is_some_and(|closed| closed.version == listed.version);
        if is_closed || self.refused.get(&listed.id) == Some(&listed.version) {
            return None;
        }
        let opened = File::open(&listed.path).map_err(ReadError::from);
        match opened.and_then(|file| JournalFile::new(file, self.start)) {
            Ok(mut journal) => {
                let file_id = journal.file_id();
                if self.files.iter().any(|file| file.journal.file_id() == file_id) {
                    tracing::debug!(path = %listed.path.display(), "copy of a journal file is ignored");
                    return None;
                }
                if let Some(closed) = self.closed.values().find(|closed| closed.file_id == file_id)
                {
                    journal.set_position(closed.position);
                }
                self.closed.remove(&listed.id);
                self.refused.remove(&listed.id);
                self.files.push(Tracked {
                    listed,
                    journal,
                    head: None,
                    failures: 0,
                    is_cut_off: false,
                    rests: false,
                    is_listed: true,
                });
                None
            }
            // journald is about to write it.
            Err(ReadError::Incomplete) => {
                self.awaits_header = true;
                None
            }
            // It was renamed since it was listed.
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                if !matches!(error, ReadError::Io(_)) {
                    self.refused.insert(listed.id, listed.version);
                }
                Some(trouble(&listed.path, error))
            }
        }
    }

    /// Looks at the open files for what was appended.
    pub(super) fn refresh(&mut self, troubles: &mut Vec<Trouble>) {
        self.files.retain_mut(|file| match file.journal.refresh() {
            Ok(has_grown) => {
                file.rests = false;
                if has_grown {
                    file.failures = 0;
                    file.is_cut_off = false;
                }
                true
            }
            Err(error) => {
                let stays = matches!(error, ReadError::Io(_));
                troubles.push(trouble(&file.listed.path, error));
                stays
            }
        });
    }

    /// The next entry in order.
    pub(super) fn next(&mut self) -> Step {
        for file in &mut self.files {
            if file.head.is_some() || file.rests {
                continue;
            }
            match file.journal.peek() {
                Ok(None) => {
                    file.rests = true;
                    file.failures = 0;
                }
                Ok(head) => file.head = head,
                Err(error) => return file.trouble(error),
            }
        }
        let with_head = self.files.iter_mut().filter_map(|file| Some((file.head?, file)));
        let Some((_, file)) = with_head.min_by(|a, b| a.0.order(&b.0)) else {
            self.close();
            return Step::Idle;
        };
        file.head = None;
        match file.journal.take(file.is_cut_off) {
            Ok(entry) => {
                file.failures = 0;
                Step::Entry(file.listed.path.clone(), entry)
            }
            Err(error) => file.trouble(error),
        }
    }

    /// Closes what is read to its end.
    fn close(&mut self) {
        let closed = &mut self.closed;
        self.files.retain(|file| {
            if !file.is_done() {
                return true;
            }
            let Listed { id, version, .. } = file.listed;
            let (file_id, position) = (file.journal.file_id(), file.journal.position());
            closed.insert(id, Closed { version, file_id, position, missed: 0 });
            false
        });
    }
}

fn trouble(path: &Path, error: ReadError) -> Trouble {
    Trouble { path: path.to_path_buf(), error, lost: 0 }
}

#[cfg(test)]
mod tests;
