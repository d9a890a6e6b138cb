//! When patterns are searched, and for which targets.
//!
//! Most news concerns few targets: a new pod, a new directory. Only those are searched then, because
//! a search for a thousand targets takes a while, in which no rotated file would be opened.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::{Followed, Follower, TargetKey};
use crate::tail::mailbox::SourceId;

/// A burst of new directories or targets is one search.
const SEARCH_DELAY: Duration = Duration::from_millis(50);

/// So many times as long as a search took, the next one waits: what comes and goes must not keep the
/// watcher searching.
const REST: u32 = 10;

/// More targets than this are looked at a second time with all others, so that news of one is not
/// kept waiting for them.
const FEW: usize = 16;

/// What is to be searched, and when.
#[derive(Debug)]
pub(super) struct Agenda {
    /// All targets, and what is gone.
    next: Instant,
    took: Duration,
    /// Some targets.
    soon: Option<Instant>,
    /// What one of them cost last.
    cost: Duration,
    stale: BTreeSet<TargetKey>,
    /// Whether discovery has something new.
    targets_changed: bool,
}

impl Agenda {
    /// Everything, at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            took: Duration::ZERO,
            soon: None,
            cost: Duration::ZERO,
            stale: BTreeSet::new(),
            targets_changed: false,
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        self.soon.map_or(self.next, |soon| soon.min(self.next))
    }

    /// Everything has to be looked at.
    pub(super) fn all_soon(&mut self) {
        self.next = self.next.min(Instant::now() + SEARCH_DELAY.max(self.took * REST));
    }

    /// Discovery has news.
    pub(super) fn targets_changed(&mut self) {
        self.targets_changed = true;
        self.some_soon([]);
    }

    fn some_soon(&mut self, targets: impl IntoIterator<Item = TargetKey>) {
        self.stale.extend(targets);
        if self.stale.is_empty() && !self.targets_changed {
            return;
        }
        let count = u32::try_from(self.stale.len()).unwrap_or(u32::MAX);
        let cost = self.cost.saturating_mul(count).saturating_mul(REST);
        let at = Instant::now() + SEARCH_DELAY.max(cost);
        self.soon = Some(self.soon.map_or(at, |soon| soon.min(at)));
    }
}

impl Follower {
    /// Searches for what is due.
    pub(super) fn search_due(&mut self, now: Instant) {
        if now >= self.agenda.next {
            self.agenda.next = now + self.rhythm.search;
            self.search_all();
            self.agenda.took = now.elapsed();
        } else if self.agenda.soon.is_some_and(|soon| now >= soon) {
            self.agenda.soon = None;
            let count = self.search_some();
            self.agenda.cost = now.elapsed() / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        }
    }

    /// A directory came to be; files may be in it already.
    pub(super) fn directory_appeared(&mut self, path: &Path) {
        let leads = |target: &Option<crate::discovery::target::Target>| {
            target.as_ref().is_some_and(|target| target.pattern.leads_through(path))
        };
        let mut stale = Vec::new();
        for (job, targets) in self.targets.iter().enumerate() {
            let through = targets.iter().enumerate().filter(|(_, target)| leads(target));
            stale.extend(through.map(|(index, _)| (job, index)));
        }
        self.agenda.some_soon(stale);
    }

    fn ask_discovery(&mut self) -> Vec<TargetKey> {
        self.agenda.targets_changed = false;
        match (self.discover)() {
            Some(targets) => self.update_targets(targets),
            None => Vec::new(),
        }
    }

    /// Finds files by their patterns, and forgets what is gone.
    fn search_all(&mut self) {
        self.ask_discovery();
        self.agenda.stale.clear();
        self.agenda.soon = None;
        let mut directories = BTreeSet::new();
        let mut seen: HashSet<SourceId, RandomState> = HashSet::default();
        for job in 0..self.targets.len() {
            for index in 0..self.targets[job].len() {
                seen.extend(self.search((job, index), &mut directories));
            }
        }
        self.forget_vanished(&seen);
        self.open_waiting();
        let mut places = Places::default();
        for followed in self.sources.values() {
            places.of(followed, |directory| {
                if !directories.contains(directory) {
                    directories.insert(directory.to_path_buf());
                }
            });
        }
        if let Some(watch) = &mut self.watch {
            watch.retain(|directory| directories.contains(directory));
        }
        self.unwatched.retain(|directory| directories.contains(directory));
        let was_new = self.watch_directories(&directories);
        let sources: Vec<SourceId> = self.sources.keys().copied().collect();
        self.note_polled(&sources, places);
        if was_new {
            // What came between the search and the watch has no event.
            self.agenda.all_soon();
        }
    }

    /// The same for the targets that have news: how many. What is gone stays for the next search of
    /// all.
    fn search_some(&mut self) -> usize {
        let mut stale = std::mem::take(&mut self.agenda.stale);
        if self.agenda.targets_changed {
            stale.extend(self.ask_discovery());
        }
        let mut directories = BTreeSet::new();
        let mut sources = Vec::new();
        for key in &stale {
            sources.extend(self.search(*key, &mut directories));
        }
        let mut places = Places::default();
        for id in &sources {
            if let Some(followed) = self.sources.get(id) {
                places.of(followed, |directory| {
                    directories.insert(directory.to_path_buf());
                });
            }
        }
        let was_new = self.watch_directories(&directories);
        self.note_polled(&sources, places);
        let count = stale.len();
        if was_new && count > FEW {
            self.agenda.all_soon();
        } else if was_new {
            self.agenda.some_soon(stale);
        }
        count
    }

    /// Finds the files of one target and the directories in which more may come.
    fn search(&mut self, key: TargetKey, directories: &mut BTreeSet<PathBuf>) -> Vec<SourceId> {
        let target = self.targets.get(key.0).and_then(|targets| targets.get(key.1)?.as_ref());
        let Some(target) = target else { return Vec::new() };
        let mut found = target.pattern.find();
        found.files.retain(|path| !target.is_excluded(path));
        directories.append(&mut found.directories);
        let mut sources = Vec::new();
        for path in found.files {
            self.look_at(key, &path);
            sources.extend(self.source_of(key, &path));
        }
        sources
    }

    /// Watches directories; whether one was not watched before.
    fn watch_directories(&mut self, directories: &BTreeSet<PathBuf>) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        let mut was_new = false;
        for directory in directories {
            if watch.is_watched(directory) {
                continue;
            }
            match watch.watch(directory) {
                Ok(()) => was_new = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    if self.unwatched.insert(directory.clone()) {
                        tracing::warn!(
                            directory = %directory.display(), %error,
                            "directory cannot be watched, polling its files"
                        );
                    }
                }
            }
        }
        was_new
    }

    /// Which of the sources get no events.
    fn note_polled(&mut self, sources: &[SourceId], mut places: Places) {
        let Some(watch) = &self.watch else { return };
        for id in sources {
            let Some(followed) = self.sources.get_mut(id) else { continue };
            let mut is_polled = false;
            places.of(followed, |directory| is_polled |= !watch.is_watched(directory));
            followed.is_polled = is_polled;
            if is_polled {
                self.next_poll = self.next_poll.min(Instant::now() + self.rhythm.poll_min);
            }
        }
    }
}

/// Where events about paths come from: the directory of each, and that of the file it leads to.
///
/// The real name of a directory is asked for once for all files in it; a name costs a question per
/// part of the path.
#[derive(Debug, Default)]
struct Places {
    real_names: HashMap<OsString, Option<PathBuf>, RandomState>,
}

impl Places {
    /// Shows the directories of a source.
    fn of(&mut self, followed: &Followed, mut show: impl FnMut(&Path)) {
        let path = Path::new(&*followed.path);
        let Some(parent) = path.parent() else { return };
        show(parent);
        if followed.is_link {
            if let Some(directory) = path.canonicalize().ok().as_deref().and_then(Path::parent) {
                show(directory);
            }
            return;
        }
        if !self.real_names.contains_key(parent.as_os_str()) {
            let real = parent.canonicalize().ok().filter(|real| real != parent);
            self.real_names.insert(parent.as_os_str().to_owned(), real);
        }
        if let Some(Some(real)) = self.real_names.get(parent.as_os_str()) {
            show(real);
        }
    }
}
