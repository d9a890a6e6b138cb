//! inotify on directories: one descriptor, one watch per directory, whatever the number of files.
//!
//! Where it is not to be had (limits, network file systems) the directory is polled instead; the
//! caller learns which.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Bytes of events read at once: some 2,000 events with short names.
const BUFFER: usize = 64 * 1024;

/// File systems that change without the kernel of this machine knowing: no events come for what
/// another machine writes. Magic numbers of statfs(2): NFS, SMB, SMB2, CIFS, FUSE, 9P, Ceph, Lustre.
const REMOTE: [u64; 8] =
    [0x6969, 0x517B, 0xFE53_4D42, 0xFF53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x0BD0_0BD0];

/// What happened to a name in a watched directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its content.
    Content,
    /// It came to be, or another file took the name.
    Appeared,
    /// It is gone, or names another file now.
    Vanished,
}

/// One event.
#[derive(Debug)]
pub struct Event<'a> {
    /// The watched directory.
    pub directory: &'a Path,
    /// The name in it.
    pub name: &'a Path,
    /// What happened to the name.
    pub change: Change,
    /// The path that the file had before, where a rename gave it this name.
    pub renamed_from: Option<PathBuf>,
}

/// Events of watched directories.
#[derive(Debug)]
pub struct NotifyWatch {
    inotify: OwnedFd,
    /// Cookie and old path, by each name of its directory, of the last rename whose second half has not come yet.
    moving: Option<(u32, Vec<PathBuf>)>,
    /// A directory that is watched under two names, one of them through a link, has one watch.
    by_watch: HashMap<i32, Vec<PathBuf>>,
    by_path: HashMap<PathBuf, i32>,
}

/// What a drain of the queue found besides single events.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// The kernel dropped events: look at everything again.
    pub overflowed: bool,
    /// A watched directory is gone or was moved.
    pub lost_directory: bool,
}

impl NotifyWatch {
    /// Opens the event queue.
    ///
    /// # Errors
    /// `EMFILE` when the user's inotify instances are used up; the caller polls then.
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { inotify, moving: None, by_watch: HashMap::new(), by_path: HashMap::new() })
    }

    /// Watches a directory; once is enough.
    ///
    /// # Errors
    /// `Unsupported` on a network file system, `ENOSPC` when the user's watches are used up.
    pub fn watch(&mut self, directory: &Path) -> io::Result<()> {
        if self.by_path.contains_key(directory) {
            return Ok(());
        }
        let kind = rustix::fs::statfs(directory)?.f_type.cast_unsigned();
        if REMOTE.contains(&(kind & 0xFFFF_FFFF)) {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.inotify, directory, flags)?;
        self.by_watch.entry(watch).or_default().push(directory.to_path_buf());
        self.by_path.insert(directory.to_path_buf(), watch);
        Ok(())
    }

    /// Whether a directory is watched.
    pub fn is_watched(&self, directory: &Path) -> bool {
        self.by_path.contains_key(directory)
    }

    /// Gives up the watches of all directories but these.
    pub fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let inotify = &self.inotify;
        let by_watch = &mut self.by_watch;
        self.by_path.retain(|path, watch| {
            let kept = keep(path);
            if kept {
                return true;
            }
            let Some(names) = by_watch.get_mut(watch) else { return false };
            names.retain(|name| name != path);
            if names.is_empty() {
                // It fails when the directory is gone, and the watch with it.
                let _ = inotify::remove_watch(inotify, *watch);
                by_watch.remove(watch);
            }
            false
        });
    }

    /// Waits until there are events, `wake` is readable, or the time is over.
    ///
    /// # Errors
    /// What poll(2) returned.
    pub fn wait(&self, wake: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
        wait_readable(&[self.inotify.as_fd(), wake], timeout)
    }

    /// Hands out the events in the queue.
    ///
    /// # Errors
    /// What read(2) returned.
    pub fn drain(&mut self, mut on_event: impl FnMut(Event<'_>)) -> io::Result<Drained> {
        let mut drained = Drained::default();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(drained),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                drained.overflowed = true;
                continue;
            }
            if what.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                drained.lost_directory = true;
                for path in self.by_watch.remove(&event.wd()).unwrap_or_default() {
                    self.by_path.remove(&path);
                }
                continue;
            }
            let (Some(directories), Some(name)) =
                (self.by_watch.get(&event.wd()), event.file_name())
            else {
                continue;
            };
            let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let change = if what.contains(ReadFlags::MODIFY) {
                Change::Content
            } else if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                Change::Appeared
            } else {
                Change::Vanished
            };
            let mut renamed_from = Vec::new();
            if what.contains(ReadFlags::MOVED_FROM) {
                let paths = directories.iter().map(|directory| directory.join(name)).collect();
                self.moving = Some((event.cookie(), paths));
            } else if what.contains(ReadFlags::MOVED_TO) {
                let moving = self.moving.take_if(|(cookie, _)| *cookie == event.cookie());
                renamed_from = moving.map(|(_, paths)| paths).unwrap_or_default();
            }
            for (index, directory) in directories.iter().enumerate() {
                // The names of both directories stand in the same order; between two directories
                // any of them will do.
                let renamed_from = renamed_from.get(index).or(renamed_from.first()).cloned();
                on_event(Event { directory, name, change, renamed_from });
            }
        }
    }
}

/// Waits until one of the descriptors is readable or the time is over.
///
/// # Errors
/// What poll(2) returned; an interrupted wait ends without an error.
pub fn wait_readable(descriptors: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<()> {
    let mut descriptors: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
    match rustix::event::poll(&mut descriptors, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn drain(watch: &mut NotifyWatch) -> (Vec<(String, Change)>, Drained) {
        let wake = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        watch.wait(wake.as_fd(), Duration::from_secs(10)).unwrap();
        let mut seen = Vec::new();
        let drained = watch
            .drain(|event| {
                let from = event.renamed_from.map(|from| from.file_name().unwrap().to_owned());
                assert_eq!(
                    from.is_some(),
                    event.name == Path::new("b") && event.change == Change::Appeared
                );
                seen.push((event.name.to_str().unwrap().to_owned(), event.change));
            })
            .unwrap();
        (seen, drained)
    }

    #[test]
    fn files_that_come_grow_and_go_are_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = NotifyWatch::new().unwrap();
        watch.watch(dir.path()).unwrap();
        watch.watch(dir.path()).unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        fs::remove_file(dir.path().join("b")).unwrap();
        let (seen, _) = drain(&mut watch);
        let expected = [
            ("a", Change::Appeared),
            ("a", Change::Content),
            ("a", Change::Vanished),
            ("b", Change::Appeared),
            ("b", Change::Vanished),
        ];
        assert_eq!(seen, expected.map(|(name, change)| (name.to_owned(), change)));
    }

    #[test]
    fn a_directory_that_goes_can_be_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut watch = NotifyWatch::new().unwrap();
        watch.watch(&inner).unwrap();
        fs::remove_dir(&inner).unwrap();
        assert!(drain(&mut watch).1.lost_directory);
        assert!(!watch.is_watched(&inner));
        fs::create_dir(&inner).unwrap();
        watch.watch(&inner).unwrap();
        assert!(watch.is_watched(&inner));
    }
}
