//! Which positions are to be saved: those of followed files, and what the file said about others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon_runtime::atomic_file;

use super::cursor::Cursor;
use super::mailbox::SourceId;
use super::positions_file::{self, Positions};
use super::progress::Progress;

/// Only its owner needs to read it; paths can tell names of customers.
const MODE: u32 = 0o600;

#[derive(Debug, Default)]
struct State {
    /// From the file, or of paths that are not followed any more.
    known: Positions,
    /// Path to its followers: several scrape configs may read one file.
    followed: BTreeMap<String, Vec<(SourceId, Arc<Progress>)>>,
    /// Sources that are no files, by their key.
    cursors: BTreeMap<String, Arc<Cursor>>,
    saved: Option<Positions>,
}

/// Shared by the watcher, which enters files, and the task that saves.
#[derive(Debug)]
pub struct PositionTable {
    path: PathBuf,
    state: Mutex<State>,
}

impl PositionTable {
    /// A table that is saved to `path` and begins with these positions.
    pub fn new(path: PathBuf, known: Positions) -> Self {
        Self { path, state: Mutex::new(State { known, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset to begin a path at.
    ///
    /// # Errors
    /// The value when it is no number.
    pub fn start_of(&self, path: &str) -> Result<Option<u64>, String> {
        let state = self.state();
        let Some(text) = state.known.get(path) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| text.clone())
    }

    /// A source reads a path; of an earlier generation of it nothing is saved any more.
    pub fn follow(&self, path: &str, source: SourceId, progress: Arc<Progress>) {
        let mut state = self.state();
        let followers = state.followed.entry(path.to_owned()).or_default();
        match followers.iter_mut().find(|(known, _)| *known == source) {
            Some((_, current)) => *current = progress,
            None => followers.push((source, progress)),
        }
    }

    /// A source is done with a path; its last position is kept while the file is there.
    pub fn unfollow(&self, path: &str, source: SourceId) {
        let mut state = self.state();
        let Some(followers) = state.followed.get_mut(path) else { return };
        let Some(index) = followers.iter().position(|(known, _)| *known == source) else { return };
        let (_, progress) = followers.remove(index);
        if followers.is_empty() {
            state.followed.remove(path);
            state.known.insert(path.to_owned(), progress.position().to_string());
        }
    }

    /// The position of a path that nobody follows, because its content is known from another name.
    pub fn set(&self, path: &str, position: u64) {
        self.state().known.insert(path.to_owned(), position.to_string());
    }

    /// The saved text under a key of a source that is no file.
    pub fn cursor(&self, key: &str) -> Option<String> {
        self.state().known.get(key).cloned()
    }

    /// A source that is no file is saved under its key from now on.
    pub fn follow_cursor(&self, cursor: Arc<Cursor>) {
        self.state().cursors.insert(cursor.key().to_owned(), cursor);
    }

    /// A source is gone for good: nothing is saved of it any more.
    pub fn forget_cursor(&self, key: &str) {
        let mut state = self.state();
        state.cursors.remove(key);
        state.known.remove(key);
    }

    /// What is to be saved now. Paths that nobody follows and that do not exist are left out.
    pub fn snapshot(&self) -> Positions {
        let mut state = self.state();
        let followed = std::mem::take(&mut state.followed);
        state.known.retain(|key, _| {
            positions_file::is_cursor(key)
                || followed.contains_key(key)
                || Path::new(key).try_exists().unwrap_or(true)
        });
        let mut positions = state.known.clone();
        for (path, followers) in &followed {
            let position = followers.iter().map(|(_, progress)| progress.position()).min();
            if let Some(position) = position {
                positions.insert(path.clone(), position.to_string());
            }
        }
        state.followed = followed;
        for (key, cursor) in &state.cursors {
            if let Some(text) = cursor.reached() {
                positions.insert(key.clone(), text);
            }
        }
        positions
    }

    /// Saves the positions if they changed since the last time.
    ///
    /// # Errors
    /// Which step failed on which file; the old file is untouched then.
    pub fn save(&self) -> Result<(), atomic_file::ReplaceError> {
        let positions = self.snapshot();
        if self.state().saved.as_ref() == Some(&positions) {
            return Ok(());
        }
        atomic_file::replace(&self.path, positions_file::to_yaml(&positions).as_bytes(), MODE)?;
        self.state().saved = Some(positions);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(dir: &Path, known: &[(&str, &str)]) -> PositionTable {
        let known = known.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        PositionTable::new(dir.join("positions.yaml"), known.collect())
    }

    #[test]
    fn vanished_paths_go_and_cursors_stay() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there.log");
        std::fs::write(&there, "").unwrap();
        let there = there.to_str().unwrap();
        let table = table(dir.path(), &[("/gone.log", "1"), (there, "2"), ("cursor-x", "c")]);
        let keys: Vec<String> = table.snapshot().into_keys().collect();
        assert_eq!(keys, [there, "cursor-x"]);
    }

    #[test]
    fn a_path_that_two_jobs_read_is_as_far_as_the_slower_one() {
        let dir = tempfile::tempdir().unwrap();
        let table = table(dir.path(), &[("/a.log", "7")]);
        assert_eq!(table.start_of("/a.log"), Ok(Some(7)));
        table.follow("/a.log", 1, Progress::new(1, 70));
        table.follow("/a.log", 2, Progress::new(2, 50));
        assert_eq!(table.snapshot()["/a.log"], "50");
        table.unfollow("/a.log", 2);
        assert_eq!(table.snapshot()["/a.log"], "70");
    }

    #[test]
    fn the_file_is_written_only_when_something_changed() {
        let dir = tempfile::tempdir().unwrap();
        let table = table(dir.path(), &[("cursor-x", "1")]);
        table.save().unwrap();
        std::fs::remove_file(dir.path().join("positions.yaml")).unwrap();
        table.save().unwrap();
        assert!(!dir.path().join("positions.yaml").try_exists().unwrap());
        table.follow("/a.log", 1, Progress::new(1, 0));
        table.save().unwrap();
        assert!(dir.path().join("positions.yaml").try_exists().unwrap());
    }

    #[test]
    fn a_value_that_is_no_offset_is_an_error_of_that_file() {
        let dir = tempfile::tempdir().unwrap();
        let table = table(dir.path(), &[("/a.log", "twelve")]);
        assert_eq!(table.start_of("/a.log"), Err("twelve".to_owned()));
        assert_eq!(table.start_of("/b.log"), Ok(None));
    }
}
