//! The watcher: finds files, notices rotation, and hands every generation of a path to its worker
//! before it can vanish. It reads no lines, so a slow Loki never keeps it from opening a file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use self::known_files::{Known, KnownFiles};
use self::names::Listeners;
use self::search::Agenda;
use super::descriptors::Descriptors;
use super::file_identity::Inode;
use super::file_records::FileRecord;
use super::mailbox::{Generation, Mailbox, Message, Opened, Source, SourceId};
use super::notify_watch::{Change, NotifyWatch, wait_readable};
use super::position_table::PositionTable;
use super::progress::Numbers;
use crate::discovery::target::Target;
use crate::discovery::wake::Wake;

mod changes;
mod known_files;
mod names;
mod search;
mod starts;

/// Events are gathered this long before they are looked at: a busy writer makes one event a line.
const GATHER: Duration = Duration::from_millis(5);

/// The label with the path.
const FILENAME_LABEL: &str = "filename";

/// How often the watcher looks without being told.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Patterns are searched again (`target_config.sync_period`).
    pub search: Duration,
    /// Where events are not to be had, files are looked at this often at first ...
    pub poll_min: Duration,
    /// ... and this often while nothing changes.
    pub poll_max: Duration,
}

/// What the watcher needs from the rest.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// One per worker.
    pub mailboxes: Vec<Arc<Mailbox>>,
    /// Where files begin, and what is saved.
    pub positions: Arc<PositionTable>,
    /// Numbers sources and files.
    pub numbers: Arc<Numbers>,
    /// How many files may be open.
    pub descriptors: Arc<Descriptors>,
    /// By scrape config: whether positions are lines of compressed files, not bytes.
    pub counts_lines: Vec<bool>,
}

/// Index of the scrape config, and of the target in it. A target that goes leaves its place empty.
type TargetKey = (usize, usize);

/// Asked at every search: the targets of each scrape config where they changed.
pub type Discover = Box<dyn FnMut() -> Option<Vec<Vec<Target>>> + Send>;

#[derive(Debug)]
struct Followed {
    target: TargetKey,
    /// Patterns match no names but UTF-8. One text for all who need the path: there may be 50,000.
    path: Arc<str>,
    worker: usize,
    /// The file that the path named last, while it did.
    current: Option<Inode>,
    generations: Vec<Arc<Generation>>,
    /// Names that rotation gave to its files, the newest last.
    aliases: VecDeque<PathBuf>,
    /// Earlier files that could not be opened, with the place to begin at.
    waiting: Vec<(PathBuf, u64)>,
    /// Size and time of the last look, to notice changes without events.
    seen: (u64, i64),
    /// The path was a link at the last look.
    is_link: bool,
    /// No events come for it.
    is_polled: bool,
    /// Its target is gone.
    is_left: bool,
}

/// Follows the files of all targets.
pub struct Follower {
    wiring: Wiring,
    rhythm: Rhythm,
    discover: Discover,
    /// Per scrape config.
    targets: Vec<Vec<Option<Target>>>,
    watch: Option<NotifyWatch>,
    sources: HashMap<SourceId, Followed>,
    by_path: HashMap<TargetKey, HashMap<Arc<str>, SourceId, RandomState>>,
    /// Directory and name to the sources that want to know.
    names: HashMap<PathBuf, HashMap<OsString, Listeners>>,
    known: HashMap<TargetKey, KnownFiles>,
    /// Paths that could not be opened: logged once.
    unreadable: HashMap<PathBuf, io::ErrorKind>,
    /// Directories that could not be watched: logged once.
    unwatched: HashSet<PathBuf>,
    /// It has been said that there are not enough.
    is_short_of_descriptors: bool,
    agenda: Agenda,
    next_poll: Instant,
    poll_interval: Duration,
}

impl Follower {
    /// A watcher that has not looked yet; `discover` yields the targets.
    pub fn new(wiring: Wiring, rhythm: Rhythm, discover: Discover) -> Self {
        let watch = match NotifyWatch::new() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "no inotify, polling files instead");
                None
            }
        };
        let now = Instant::now();
        Self {
            wiring,
            rhythm,
            discover,
            targets: Vec::new(),
            watch,
            sources: HashMap::new(),
            by_path: HashMap::new(),
            names: HashMap::new(),
            known: HashMap::new(),
            unreadable: HashMap::new(),
            unwatched: HashSet::new(),
            is_short_of_descriptors: false,
            agenda: Agenda::new(now),
            next_poll: now,
            poll_interval: rhythm.poll_min,
        }
    }

    /// Follows until `wake` is rung and `stopped` says so. A ring without a stop says that the targets
    /// may have changed.
    ///
    /// # Errors
    /// Only what poll(2) or the event queue return; errors of files are logged.
    pub fn run(mut self, wake: &Wake, stopped: &dyn Fn() -> bool) -> io::Result<()> {
        while !stopped() {
            let now = Instant::now();
            self.search_due(now);
            if now >= self.next_poll {
                self.poll(now);
            }
            let next = self.agenda.due().min(self.next_poll);
            let timeout = next.saturating_duration_since(Instant::now());
            match &self.watch {
                Some(watch) => {
                    watch.wait(wake.as_fd(), timeout)?;
                    // Waits for the ring alone: more events gather meanwhile.
                    wait_readable(&[wake.as_fd()], GATHER)?;
                }
                None => wait_readable(&[wake.as_fd()], timeout)?,
            }
            if wake.take() {
                self.agenda.targets_changed();
            }
            self.read_events()?;
        }
        Ok(())
    }

    fn source_of(&self, target: TargetKey, path: &Path) -> Option<SourceId> {
        self.by_path.get(&target)?.get(path.to_str()?).copied()
    }

    /// A path of a target exists: follows it, or notices that it names another file now.
    fn look_at(&mut self, target: TargetKey, path: &Path) {
        let (metadata, is_link) = match follow_link(path) {
            Ok((metadata, is_link)) if metadata.is_file() => (metadata, is_link),
            Ok(_) => return,
            Err(error) => return self.report_unreadable(path, &error),
        };
        let inode = Inode::of(&metadata);
        let source = self.source_of(target, path);
        if let Some(followed) = source.and_then(|id| self.sources.get_mut(&id))
            && followed.current == Some(inode)
        {
            followed.is_link = is_link;
            let seen = look(&metadata);
            if std::mem::replace(&mut followed.seen, seen) != seen {
                self.wiring.mailboxes[followed.worker].changed(source.expect("it was found"));
            }
            return;
        }
        let start = match self.known.entry(target).or_default().find(inode, path) {
            Known::Active => {
                // Another name of a file that is being read: a rotated one.
                self.end_current(source);
                return;
            }
            Known::Unclear => return,
            Known::Done { position, beginning }
                if position >= metadata.len() || self.counts_lines(target.0) =>
            {
                self.wiring.positions.set(FileRecord {
                    path: path.to_string_lossy().into(),
                    inode,
                    fingerprint: beginning,
                    position,
                    is_current: true,
                });
                self.end_current(source);
                return;
            }
            Known::Done { position, .. } => Some(position),
            // A path that was followed names another file: that one is new.
            Known::New if source.is_some() => Some(0),
            Known::New => None,
        };
        match self.open(target.0, path, start) {
            Ok(opened) => {
                let seen = look(&metadata);
                let id = if let Some(id) = source {
                    self.rotate(id, opened, seen);
                    id
                } else {
                    let Some(id) = self.follow(target, path, opened, seen) else { return };
                    self.resume(id);
                    id
                };
                if let Some(followed) = self.sources.get_mut(&id) {
                    followed.is_link = is_link;
                }
            }
            Err(error) => self.report_unreadable(path, &error),
        }
    }

    fn follow(
        &mut self,
        target: TargetKey,
        path: &Path,
        opened: Opened,
        seen: (u64, i64),
    ) -> Option<SourceId> {
        let id = self.wiring.numbers.next();
        let text: Arc<str> = Arc::from(path.to_str()?);
        // A path always has the same worker, so its lines keep their order.
        let hash = foldhash::fast::FixedState::default().hash_one(path);
        let worker =
            usize::try_from(hash % self.wiring.mailboxes.len() as u64).expect("few workers");
        let generation = Arc::clone(&opened.generation);
        self.unreadable.remove(path);
        self.known.entry(target).or_default().add(&generation);
        self.wiring.positions.follow(&text, id, &generation);
        self.by_path.entry(target).or_default().insert(Arc::clone(&text), id);
        self.listen_to(path, id);
        self.sources.insert(
            id,
            Followed {
                target,
                path: Arc::clone(&text),
                worker,
                current: Some(generation.inode),
                generations: vec![generation],
                aliases: VecDeque::new(),
                waiting: Vec::new(),
                seen,
                is_link: false,
                is_polled: true,
                is_left: false,
            },
        );
        let labels = self.labels_of(target, &text);
        tracing::info!(path = &*text, position = opened.start, "reading file");
        let source = Source { id, job: target.0, path: text, labels, opened };
        self.wiring.mailboxes[worker].send(Message::Open(Box::new(source)));
        Some(id)
    }

    /// Whether positions of a job are lines of compressed files, not bytes.
    fn counts_lines(&self, job: usize) -> bool {
        self.wiring.counts_lines.get(job).is_some_and(|counts| *counts)
    }

    fn rotate(&mut self, id: SourceId, opened: Opened, seen: (u64, i64)) {
        let Some(followed) = self.sources.get_mut(&id) else { return };
        let generation = Arc::clone(&opened.generation);
        tracing::info!(path = &*followed.path, position = opened.start, "file was rotated");
        self.known.entry(followed.target).or_default().add(&generation);
        followed.current = Some(generation.inode);
        followed.seen = seen;
        self.wiring.positions.follow(&followed.path, id, &generation);
        followed.generations.retain(|generation| generation.closed.get().is_none());
        followed.generations.push(generation);
        self.wiring.mailboxes[followed.worker].send(Message::Rotated(id, opened));
        // A link leads to another name now.
        let path = Arc::clone(&followed.path);
        self.listen_to(Path::new(&*path), id);
    }

    /// The file of a source has lost its name.
    fn end_current(&mut self, source: Option<SourceId>) {
        if let Some(followed) = source.and_then(|id| self.sources.get_mut(&id))
            && followed.current.take().is_some()
        {
            self.wiring.mailboxes[followed.worker]
                .send(Message::Ended(source.expect("it was found")));
        }
    }

    /// Looks at files for which no events come.
    fn poll(&mut self, now: Instant) {
        let is_idle =
            self.watch.is_some() && !self.sources.values().any(|followed| followed.is_polled);
        if is_idle {
            self.next_poll = now + self.rhythm.search;
            return;
        }
        let polled: Vec<_> = self
            .sources
            .values()
            .filter(|followed| followed.is_polled || self.watch.is_none())
            .map(|followed| (followed.target, Arc::clone(&followed.path), followed.seen))
            .collect();
        let mut changed = false;
        for (target, path, seen) in polled {
            let path = Path::new(&*path);
            self.look_at(target, path);
            let id = self.source_of(target, path);
            changed |= id.is_none_or(|id| self.sources[&id].seen != seen);
        }
        let doubled = (self.poll_interval * 2).min(self.rhythm.poll_max);
        self.poll_interval = if changed { self.rhythm.poll_min } else { doubled };
        self.next_poll = now + self.poll_interval;
    }

    fn read_events(&mut self) -> io::Result<()> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let mut appeared = Vec::new();
        let names = &self.names;
        let (sources, mailboxes) = (&self.sources, &self.wiring.mailboxes);
        let drained = watch.drain(|event| {
            if event.change != Change::Appeared {
                // A vanished file may have unread lines; whether it has a successor is seen when
                // that appears.
                let interested =
                    names.get(event.directory).and_then(|names| names.get(event.name.as_os_str()));
                for id in interested.into_iter().flat_map(Listeners::iter) {
                    if let Some(followed) = sources.get(&id) {
                        mailboxes[followed.worker].changed(id);
                    }
                }
                return;
            }
            let path = event.directory.join(event.name);
            if appeared.last().is_none_or(|(last, _)| *last != path) {
                appeared.push((path, event.renamed_from));
            }
        })?;
        for (path, renamed_from) in appeared {
            self.appeared(&path, renamed_from.as_deref());
        }
        if drained.overflowed {
            tracing::warn!("events were lost, looking at all files");
            for (id, followed) in &self.sources {
                self.wiring.mailboxes[followed.worker].changed(*id);
            }
        }
        if drained.overflowed || drained.lost_directory {
            self.agenda.all_soon();
        }
        Ok(())
    }

    fn report_unreadable(&mut self, path: &Path, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::NotFound => {}
            io::ErrorKind::QuotaExceeded => {
                if !std::mem::replace(&mut self.is_short_of_descriptors, true) {
                    tracing::warn!(
                        limit = self.wiring.descriptors.limit(),
                        "as many log files are open as the limit of open files (ulimit -n) allows: \
                         files are closed and opened again, which costs time"
                    );
                }
                self.agenda.all_soon();
            }
            kind => {
                if self.unreadable.insert(path.to_path_buf(), kind) != Some(kind) {
                    let path = path.display();
                    tracing::error!(%path, %error, "file cannot be read, trying again later");
                }
            }
        }
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

/// What a path leads to, and whether it is a link. One question for most paths, which are none.
fn follow_link(path: &Path) -> io::Result<(fs::Metadata, bool)> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() { Ok((fs::metadata(path)?, true)) } else { Ok((metadata, false)) }
}

/// Size and modification time: what changes when a file is written to.
fn look(metadata: &fs::Metadata) -> (u64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.len(), metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec())
}
