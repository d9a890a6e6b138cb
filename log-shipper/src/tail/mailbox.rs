//! What the watcher tells a worker: files to read, and that there is something to read.
//!
//! It never blocks the watcher, which has to open rotated files in time, and stays bounded: news of
//! one source is kept once, however often it comes.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use prometheus_model::label_set::LabelSet;

use super::descriptors::Permit;
use super::file_identity::{Fingerprint, Inode};
use super::progress::Progress;

/// Names one followed path of one target for the life of the process.
pub type SourceId = u64;

/// A file that was opened to be read.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its place among the open ones.
    pub permit: Permit,
    /// Offset in bytes (lines in compressed files) to begin at.
    pub start: u64,
    /// What watcher and worker both know of it.
    pub generation: Arc<Generation>,
}

/// One file under a path: rotation gives the path another.
#[derive(Debug)]
pub struct Generation {
    /// Which file it is.
    pub inode: Inode,
    /// How far it is done.
    pub progress: Arc<Progress>,
    /// Set when the worker has read it to its end and closed it.
    pub closed: OnceLock<Box<Closed>>,
    /// How it begins, as far as it was read.
    beginning: Mutex<Fingerprint>,
}

/// A file as it was when its worker closed it.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    /// It was read up to here.
    pub position: u64,
    /// How it begins.
    pub beginning: Fingerprint,
    /// When that was.
    pub at: SystemTime,
    /// It still had a name; otherwise its inode is free for another file.
    pub has_name: bool,
}

impl Generation {
    /// A file that is read from where `progress` is.
    pub fn new(inode: Inode, progress: Arc<Progress>, beginning: Fingerprint) -> Arc<Self> {
        let beginning = Mutex::new(beginning);
        Arc::new(Self { inode, progress, closed: OnceLock::new(), beginning })
    }

    /// How it begins, as far as it was read.
    pub fn beginning(&self) -> Fingerprint {
        *self.beginning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More of its beginning was read, or it was rewritten.
    pub fn set_beginning(&self, beginning: Fingerprint) {
        *self.beginning.lock().unwrap_or_else(PoisonError::into_inner) = beginning;
    }

    /// Whether it is read to its end and everything of it is done.
    pub fn is_done(&self) -> bool {
        self.closed.get().is_some() && self.progress.is_settled()
    }
}

/// A path that is followed.
#[derive(Debug)]
pub struct Source {
    /// Names it.
    pub id: SourceId,
    /// Index of the scrape config.
    pub job: usize,
    /// As matched by the pattern.
    pub path: Arc<str>,
    /// Labels of its lines, `filename` included.
    pub labels: Arc<LabelSet>,
    /// The first generation.
    pub opened: Opened,
}

/// One piece of news.
#[derive(Debug)]
pub enum Message {
    /// Follow this path.
    Open(Box<Source>),
    /// The path now names another file; the one before is finished after it.
    Rotated(SourceId, Opened),
    /// A file that the path named for a moment, before the one it names now: finish it.
    Missed(SourceId, Opened),
    /// The path is gone: finish what is open.
    Ended(SourceId),
    /// The target is gone: read up to this offset, and leave the file as it is; somebody may go on
    /// writing to it.
    Left(SourceId, u64),
    /// Lines have these labels from now on.
    Relabelled(SourceId, Arc<LabelSet>),
    /// Everything of the path is finished, and it will not come back under this number.
    Forgotten(SourceId),
}

/// What a worker finds in its mailbox.
#[derive(Debug, Default)]
pub struct Mail {
    /// In the order of sending.
    pub messages: VecDeque<Message>,
    /// Sources whose file changed.
    pub changed: HashSet<SourceId>,
    /// No more mail will come: finish.
    pub stop: bool,
}

/// The way from the watcher to one worker.
#[derive(Debug, Default)]
pub struct Mailbox {
    mail: Mutex<Mail>,
    bell: Condvar,
}

impl Mailbox {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message.
    pub fn send(&self, message: Message) {
        self.mail().messages.push_back(message);
        self.bell.notify_one();
    }

    /// Says that the file of a source changed.
    pub fn changed(&self, source: SourceId) {
        if self.mail().changed.insert(source) {
            self.bell.notify_one();
        }
    }

    /// Ends the worker.
    pub fn stop(&self) {
        self.mail().stop = true;
        self.bell.notify_one();
    }

    /// Whether the worker has been told to end.
    pub fn is_stopped(&self) -> bool {
        self.mail().stop
    }

    /// Takes what is there; waits until `deadline` when nothing is, for ever without one.
    pub fn take(&self, deadline: Option<Instant>) -> Mail {
        let mut mail = self.mail();
        while mail.messages.is_empty() && mail.changed.is_empty() && !mail.stop {
            match deadline {
                None => mail = self.bell.wait(mail).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.bell.wait_timeout(mail, left);
                    mail = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        let stop = mail.stop;
        let taken = std::mem::take(&mut *mail);
        mail.stop = stop;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_of_one_source_is_kept_once_and_the_stop_stays() {
        let mailbox = Mailbox::default();
        for _ in 0..3 {
            mailbox.changed(7);
        }
        mailbox.send(Message::Ended(1));
        mailbox.send(Message::Ended(2));
        let mut mail = mailbox.take(None);
        assert_eq!(mail.changed.len(), 1);
        assert!(matches!(mail.messages.make_contiguous(), [Message::Ended(1), Message::Ended(2)]));
        mailbox.stop();
        assert!(mailbox.take(None).stop);
        assert!(mailbox.take(None).stop, "a worker that looks again sees it again");
    }

    #[test]
    fn a_worker_that_waits_is_woken() {
        let mailbox = Arc::new(Mailbox::default());
        let worker = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || mailbox.take(None).changed.len())
        };
        mailbox.changed(1);
        assert_eq!(worker.join().unwrap(), 1);
    }
}
