//! Which positions are to be saved: those of followed files, and what the files said about others.
//!
//! The positions file is written before the side file. Between the two a crash leaves a position
//! whose file is not the one recorded, and then the file is read from its start: twice, not never.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::hash::{BuildHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon_runtime::atomic_file;
use foldhash::fast::FixedState;

use self::recent::Recorder;
use super::cursor::{self, Cursor, EXACT, exact_key, for_promtail};
use super::file_identity::Inode;
use super::file_records::{self, FileRecord, FileRecords};
use super::mailbox::{Generation, SourceId};
use super::positions_file::{self, Positions};
use super::recent_file;

mod recent;

/// Only its owner needs to read it; paths can tell names of customers.
const MODE: u32 = 0o600;

/// What an earlier run, or an earlier configuration, left behind.
#[derive(Debug, Default)]
pub struct Saved {
    /// By path.
    pub positions: Positions,
    /// By file.
    pub records: FileRecords,
    /// Where the file of recent positions goes on, if that belongs to these.
    pub recent: Option<recent_file::End>,
}

#[derive(Debug)]
struct Follower {
    source: SourceId,
    /// The file that the path names now, or named last.
    current: Arc<Generation>,
    /// Files that it named before and that are not done, oldest first.
    earlier: Vec<Arc<Generation>>,
}

impl Follower {
    fn forget_done(&mut self) {
        self.earlier.retain(|generation| !generation.is_done());
    }

    fn generations(&self) -> impl Iterator<Item = &Arc<Generation>> {
        self.earlier.iter().chain([&self.current])
    }

    fn records(&self, path: &Arc<str>) -> impl Iterator<Item = FileRecord> {
        self.generations().map(move |generation| FileRecord {
            path: Arc::clone(path),
            inode: generation.inode,
            fingerprint: generation.beginning(),
            position: generation.progress.position(),
            is_current: Arc::ptr_eq(generation, &self.current),
        })
    }
}

#[derive(Debug, Default)]
struct State {
    /// From the file, or of paths that are not followed any more.
    known: Positions,
    /// Path to its followers: several scrape configs may read one file.
    followed: BTreeMap<Arc<str>, Vec<Follower>>,
    /// Files that this run is done with under a path that may still name them.
    finished: BTreeMap<Inode, FileRecord>,
    /// Their paths.
    finished_paths: BTreeSet<Arc<str>>,
    /// Files of the earlier run that were looked for.
    resumed: BTreeSet<Inode>,
    /// The others, once it is known which of them still exist.
    left_over: Option<Vec<FileRecord>>,
    /// Sources that are no files, by their key: several scrape configs may read one source.
    cursors: BTreeMap<String, Vec<Arc<Cursor>>>,
    /// Files that were found since the last save, with their path; none where several have one.
    found: HashMap<Inode, Option<Arc<str>>>,
    /// Hash of what was saved last.
    saved: Option<u64>,
}

/// Shared by the watcher, which enters files, and the task that saves.
#[derive(Debug)]
pub struct PositionTable {
    path: PathBuf,
    earlier: FileRecords,
    recorder: Recorder,
    state: Mutex<State>,
}

impl PositionTable {
    /// A table that is saved to `path` and begins with what was saved.
    pub fn new(path: PathBuf, saved: Saved) -> Self {
        let state = Mutex::new(State { known: saved.positions, ..State::default() });
        let recorder = Recorder::new(recent_file::path_beside(&path), saved.recent);
        Self { path, earlier: saved.records, recorder, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset to begin a file at that is now found under `path`: that of the same file, by
    /// whatever name it was read before; 0 where the path named another file.
    ///
    /// # Errors
    /// The value of the positions file when it is no number.
    pub fn start_of(&self, path: &str, inode: Inode, file: &File) -> Result<Option<u64>, String> {
        let state = self.state();
        let followers = state.followed.get(path).into_iter().flatten();
        let of_others = followers
            .flat_map(Follower::generations)
            .filter(|generation| generation.inode == inode)
            .map(|generation| generation.progress.position())
            .min();
        if of_others.is_some() {
            return Ok(of_others);
        }
        let finished = state.finished.get(&inode);
        if let Some(record) = finished
            && record.fingerprint.is_of(file).unwrap_or(false)
        {
            return Ok(Some(record.position));
        }
        if state.finished_paths.contains(path) {
            return Ok(Some(0));
        }
        let saved = match state.known.get(path) {
            Some(text) => Some(text.parse().map_err(|_| text.clone())?),
            None => None,
        };
        if let Some(record) = self.earlier.of_file(inode, file) {
            let is_its_own = *record.path == *path && record.is_current;
            return Ok(saved.filter(|_| is_its_own).or(Some(record.position)));
        }
        if self.earlier.of_path(path).any(|record| record.is_current) {
            return Ok(Some(0));
        }
        Ok(saved)
    }

    /// Files that were followed under `path` in the earlier run and are not the one it names now.
    /// Each is returned once.
    pub fn take_unfinished(&self, path: &str, now: Inode) -> Vec<FileRecord> {
        let mut state = self.state();
        let records: Vec<_> = self
            .earlier
            .of_path(path)
            .filter(|record| !state.resumed.contains(&record.inode))
            .cloned()
            .collect();
        state.resumed.extend(records.iter().map(|record| record.inode));
        state.resumed.insert(now);
        records
    }

    /// A source reads a file, which its path names now.
    pub fn follow(&self, path: &Arc<str>, source: SourceId, generation: &Arc<Generation>) {
        generation.progress.save_under(path);
        let mut state = self.state();
        state.find(generation.inode, path);
        let followers = state.followed.entry(Arc::clone(path)).or_default();
        let current = Arc::clone(generation);
        let known = followers.iter_mut().find(|follower| follower.source == source);
        if let Some(follower) = known {
            let before = std::mem::replace(&mut follower.current, current);
            follower.earlier.push(before);
            follower.forget_done();
        } else {
            followers.reserve_exact(1);
            followers.push(Follower { source, current, earlier: Vec::new() });
        }
    }

    /// A source reads a file that its path named before the one it names now.
    pub fn follow_earlier(&self, path: &str, source: SourceId, generation: &Arc<Generation>) {
        let mut state = self.state();
        let Some((path, _)) = state.followed.get_key_value(path) else { return };
        let path = Arc::clone(path);
        generation.progress.save_under(&path);
        state.find(generation.inode, &path);
        let followers = state.followed.get_mut(&path).into_iter().flatten();
        for follower in followers.filter(|follower| follower.source == source) {
            follower.earlier.push(Arc::clone(generation));
        }
    }

    /// A source is done with a path; its last position is kept while the file is there.
    pub fn unfollow(&self, path: &str, source: SourceId) {
        let mut state = self.state();
        let Some((path, mut followers)) = state.followed.remove_entry(path) else { return };
        let index = followers.iter().position(|known| known.source == source);
        let gone = index.map(|index| followers.remove(index));
        if !followers.is_empty() {
            state.followed.insert(path, followers);
        } else if let Some(record) = gone.and_then(|follower| follower.records(&path).last()) {
            state.known.insert(path.to_string(), record.position.to_string());
            state.finish(record);
        }
    }

    /// The position of a path that nobody follows, because its file was read under another name.
    pub fn set(&self, record: FileRecord) {
        let mut state = self.state();
        state.known.insert(record.path.to_string(), record.position.to_string());
        state.finish(record);
    }

    /// The saved text under a key of a source that is no file.
    pub fn cursor(&self, key: &str) -> Option<String> {
        let state = self.state();
        let text = state.known.get(key)?;
        // Promtail may have gone on since: then only its own text is true.
        let exact = state.known.get(&exact_key(key));
        Some(exact.filter(|exact| for_promtail(exact) == text).unwrap_or(text).clone())
    }

    /// Saved texts of sources that are no files, by key.
    pub fn saved_cursors(&self) -> Positions {
        let is_cursor = |key: &str| positions_file::is_cursor(key) && !key.ends_with(EXACT);
        let state = self.state();
        let cursors = state.known.iter().filter(|(key, _)| is_cursor(key));
        cursors.map(|(key, text)| (key.clone(), text.clone())).collect()
    }

    /// A source that is no file is saved under its key from now on.
    pub fn follow_cursor(&self, cursor: Arc<Cursor>) {
        cursor.progress().save_under(&Arc::from(cursor.key()));
        let mut state = self.state();
        let followers = state.cursors.entry(cursor.key().to_owned()).or_default();
        // Those that nobody else holds are done.
        followers.retain(|follower| Arc::strong_count(follower) > 1);
        followers.push(cursor);
    }

    /// A source is gone for good: nothing is saved of it any more.
    pub fn forget_cursor(&self, key: &str) {
        let mut state = self.state();
        state.cursors.remove(key);
        state.known.remove(key);
        state.known.remove(&exact_key(key));
    }

    /// What is to be saved now, by path. Paths that nobody follows and that do not exist are left
    /// out.
    pub fn snapshot(&self) -> Positions {
        let mut state = self.state();
        state.tidy_positions();
        state.positions()
    }

    /// All of it, for the next configuration.
    pub fn saved(&self) -> Saved {
        let mut state = self.state();
        state.tidy_positions();
        state.tidy_records(&self.earlier);
        Saved { positions: state.positions(), records: state.each_record().collect(), recent: None }
    }

    /// Saves what changed since the last time.
    ///
    /// # Errors
    /// Which step failed on which file; the old file is untouched then.
    pub fn save(&self) -> Result<(), atomic_file::ReplaceError> {
        let save = fastrand::u64(1..);
        let (yaml, records, found, state) = {
            // Nothing may be recorded between the snapshot and the section that follows it.
            let mut recent = self.recorder.recent();
            let mut state = self.state();
            // The texts of 50,000 files are megabytes: they are not made for nothing.
            state.tidy_positions();
            state.tidy_records(&self.earlier);
            let now = state.hash();
            if state.saved == Some(now) {
                return Ok(());
            }
            let (yaml, records) = (state.positions(), state.records());
            let found = std::mem::take(&mut state.found);
            drop(state);
            let yaml = positions_file::to_yaml(&yaml);
            let digest = recent_file::digest(yaml.as_bytes());
            let begun = recent.begin(save, digest);
            (yaml, records, found, (now, digest, begun))
        };
        let (now, digest, begun) = state;
        let written = self.write(yaml, records, save);
        let mut recent = self.recorder.recent();
        let mut state = self.state();
        if written.is_ok() {
            state.saved = Some(now);
            let kept = if begun.is_ok() {
                recent.drop_earlier()
            } else {
                recent.remove();
                recent.begin(save, digest)
            };
            self.recorder.report(kept);
        } else {
            self.recorder.report(begun);
            for (inode, path) in found {
                state.find_again(inode, path.as_ref());
            }
        }
        written
    }

    fn write(
        &self,
        yaml: String,
        records: Vec<FileRecord>,
        save: u64,
    ) -> Result<(), atomic_file::ReplaceError> {
        atomic_file::replace(&self.path, yaml.as_bytes(), MODE)?;
        drop(yaml);
        let json = file_records::to_json(&records, save);
        drop(records);
        let path = file_records::path_beside(&self.path);
        atomic_file::replace(&path, json.as_bytes(), MODE)
    }
}

impl State {
    fn finish(&mut self, record: FileRecord) {
        self.finished_paths.insert(Arc::clone(&record.path));
        self.finished.insert(record.inode, record);
    }

    /// Forgets positions of what is not there any more.
    fn tidy_positions(&mut self) {
        let Self { known, followed, .. } = self;
        known.retain(|key, _| {
            positions_file::is_cursor(key)
                || followed.contains_key(&**key)
                || Path::new(key).try_exists().unwrap_or(true)
        });
    }

    /// The same for files, and for what is done.
    fn tidy_records(&mut self, earlier: &FileRecords) {
        for follower in self.followed.values_mut().flatten() {
            follower.forget_done();
        }
        let still_names = |record: &FileRecord| {
            std::fs::metadata(&*record.path)
                .is_ok_and(|metadata| Inode::of(&metadata) == record.inode)
        };
        self.finished.retain(|_, record| still_names(record));
        let paths = self.finished.values().map(|record| Arc::clone(&record.path));
        self.finished_paths = paths.collect();
        let left_over = self.left_over.get_or_insert_with(|| {
            earlier.iter().filter(|record| find(record, None).is_some()).cloned().collect()
        });
        left_over.retain(|record| !self.resumed.contains(&record.inode));
    }

    /// Of everything that [`Self::positions`] and [`Self::records`] return.
    fn hash(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        self.known.hash(&mut hasher);
        for cursor in self.cursors.values().flatten() {
            (cursor.key(), cursor.reached()).hash(&mut hasher);
        }
        self.each_record().for_each(|record| record.hash(&mut hasher));
        hasher.finish()
    }

    fn positions(&self) -> Positions {
        let mut positions = self.known.clone();
        for (path, followers) in &self.followed {
            let current = followers.iter().map(|follower| &follower.current);
            let position = current.map(|generation| generation.progress.position()).min();
            if let Some(position) = position {
                positions.insert(path.to_string(), position.to_string());
            }
        }
        for (key, followers) in &self.cursors {
            if let Some(text) = slowest(followers) {
                cursor::save_text(&mut positions, key, text);
            }
        }
        positions
    }

    fn records(&self) -> Vec<FileRecord> {
        self.each_record().collect()
    }

    fn each_record(&self) -> impl Iterator<Item = FileRecord> {
        let followed = self.followed.iter().flat_map(|(path, followers)| {
            followers.iter().flat_map(move |follower| follower.records(path))
        });
        let others = self.finished.values().chain(self.left_over.iter().flatten());
        followed.chain(others.cloned())
    }
}

/// The text to save where several scrape configs read one source: that of the one that is least
/// far, by the number that it begins with; none while one of them has no place yet.
fn slowest(followers: &[Arc<Cursor>]) -> Option<String> {
    let texts: Option<Vec<String>> = followers.iter().map(|cursor| cursor.reached()).collect();
    let number = |text: &String| for_promtail(text).parse::<u64>().unwrap_or_default();
    texts?.into_iter().min_by_key(number)
}

/// Looks for a recorded file in the directory of its path: by inode, or, where `now` is the inode
/// that the path has now, also a copy that was made before the file was truncated.
pub fn find(record: &FileRecord, now: Option<Inode>) -> Option<(PathBuf, File)> {
    let path = Path::new(&*record.path);
    let is_it = |path: &Path| {
        let file = File::open(path).ok()?;
        record.fingerprint.is_of(&file).ok()?.then_some(file)
    };
    if now.is_none() && Inode::of(&std::fs::metadata(path).ok()?) == record.inode {
        return is_it(path).map(|file| (path.to_owned(), file));
    }
    let entries = std::fs::read_dir(path.parent()?).ok()?.flatten();
    let files: Vec<_> = entries
        .filter_map(|entry| Some((std::fs::metadata(entry.path()).ok()?, entry.path())))
        .filter(|(metadata, _)| metadata.is_file())
        .collect();
    let by_inode = files
        .iter()
        .filter(|(metadata, _)| Inode::of(metadata) == record.inode)
        .find_map(|(_, path)| Some((path.clone(), is_it(path)?)));
    if by_inode.is_some() || now != Some(record.inode) || record.fingerprint.length < MIN_BEGINNING
    {
        return by_inode;
    }
    let name = path.file_name()?.as_encoded_bytes();
    files
        .iter()
        .filter(|(metadata, _)| metadata.len() > record.position)
        .filter(|(_, path)| {
            path.file_name().is_some_and(|own| own.as_encoded_bytes().starts_with(name))
        })
        .find_map(|(_, path)| Some((path.clone(), is_it(path)?)))
}

/// Opens a file by its inode, under its path or another name in the same directory.
///
/// # Errors
/// It is not there any more, or cannot be opened.
pub fn open_inode(path: &Path, inode: Inode) -> io::Result<File> {
    let is_it = |file: &File| file.metadata().is_ok_and(|metadata| Inode::of(&metadata) == inode);
    if let Ok(file) = File::open(path)
        && is_it(&file)
    {
        return Ok(file);
    }
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let is_named =
            std::fs::metadata(entry.path()).is_ok_and(|found| Inode::of(&found) == inode);
        if is_named {
            return File::open(entry.path());
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the file has no name in its directory any more"))
}

/// A copy is known by its beginning alone, so that must be long enough to be one file's only.
const MIN_BEGINNING: u16 = 32;

#[cfg(test)]
mod tests;
