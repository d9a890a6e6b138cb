//! The one thread that decides and stores: whatever changes an incident goes through it, in order.
//!
//! A submitter gets its answer after the sync, and deliveries are seen by nobody before it. While
//! the journal cannot be written nothing is acknowledged, but what would page is handed to
//! [`Emergency`], which needs no disk.

mod commit;
mod crash;
mod emergency;
mod handle;
mod metrics;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use daemon_runtime::supervise::BoxError;
use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;

pub use self::crash::{CrashPointError, CrashPoints};
pub use self::emergency::{Emergency, EmergencyPage};
pub use self::handle::{Handle, Pulse, Submission, Unavailable};
pub use self::metrics::Metrics;

use self::handle::{Message, Progress, Waiting};
use crate::config::Config;
use crate::incident::{Changes, Event, Input};
use crate::journal::{Batch, Journal, JournalError, Place, Stored};
use crate::time::Moment;

/// Inputs that are stored by one sync. A batch of them takes some milliseconds.
const BATCH: usize = 256;

/// How long a batch is waited for, when the one before was large: those that it answered send their
/// next ones now.
const GATHER: Duration = Duration::from_millis(2);

/// From this size on a batch is large.
const LARGE: usize = 8;

/// Submissions that wait. Their bytes are bounded by those who receive; a submission without its
/// alerts has some hundred bytes.
const INBOX: usize = 2_048;

/// The longest sleep: the clock may be set, and there are chores.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Before a journal that failed twice is opened again; doubles with every failure, for opening reads
/// the whole file.
const REOPEN: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const REOPEN_AT_MOST: Duration = Duration::from_secs(16);

/// Between two looks at whether records are old enough to be forgotten; sooner while there are some.
const EXPIRE: Duration = Duration::from_mins(1);

/// What decides. It sees every input once, in the order in which they are stored.
pub trait Core: Any + Send {
    /// What an input changes. Rows are as they are to be stored, deliveries that are planned among
    /// them. Must not block.
    fn apply(&mut self, input: &Input, at: Moment) -> Changes;

    /// Decides by this configuration from now on; also before the first input.
    fn configure(&mut self, config: &Arc<Config>, hash: &str, at: Moment) -> Changes {
        let _ = (config, at);
        let events = vec![Event::Configured { hash: hash.to_owned() }];
        Changes { events, ..Changes::default() }
    }

    /// When [`Input::Tick`] is due next.
    fn next_wake(&self) -> Option<Moment>;

    /// Forgets everything and goes on from these rows.
    ///
    /// # Errors
    /// A row is not what it should be: the daemon must not go on as if it had never been there.
    fn restore(&mut self, stored: Stored) -> Result<(), BoxError>;
}

/// Who has to know what was stored: what sends messages. Called on the ledger's thread, so that it
/// must not block.
pub trait Subscriber: Send {
    /// These changes are on the disk.
    fn committed(&mut self, changes: &[(Moment, Changes)]);

    /// What was told before may be out of date: this is what the journal has.
    fn restored(&mut self, core: &dyn Core);
}

/// What the ledger works with.
pub struct Ledger {
    place: Box<dyn Open>,
    journal: Option<Journal>,
    core: Box<dyn Core>,
    subscriber: Box<dyn Subscriber>,
    emergency: Box<dyn Emergency>,
    clock: Box<dyn Fn() -> Moment + Send>,
    crash: CrashPoints,
    metrics: Metrics,
    inbox: Receiver<Message>,
    progress: Arc<Progress>,
    reopen_at: Instant,
    /// Goes back to the first one when something was stored.
    reopen_pause: Duration,
    expire_at: Instant,
    /// A tick that panicked is not tried again at once.
    tick_from: Instant,
    /// How many inputs the last batch had.
    last_batch: usize,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// Opens the journal, again and again if it must be.
pub trait Open: Send {
    /// Opens it.
    ///
    /// # Errors
    /// As [`Place::open`].
    fn open(&self) -> Result<Journal, JournalError>;
}

impl Open for Place {
    fn open(&self) -> Result<Journal, JournalError> {
        Self::open(self)
    }
}

/// Why the ledger ended although its inbox was open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be used by this version, or is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The file can be read, but not understood.
    #[error("the rows of the journal cannot be used")]
    Restore(#[source] BoxError),
}

/// What a ledger is made of.
pub struct Parts {
    /// Where the journal is.
    pub place: Box<dyn Open>,
    /// What decides.
    pub core: Box<dyn Core>,
    /// Who is told of what was stored.
    pub subscriber: Box<dyn Subscriber>,
    /// Who pages while nothing can be stored.
    pub emergency: Box<dyn Emergency>,
    /// Tells the time: [`Moment::now`], but in tests.
    pub clock: Box<dyn Fn() -> Moment + Send>,
    /// None, but in tests.
    pub crash: CrashPoints,
    /// Of the ledger.
    pub metrics: Metrics,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

static UNWRITABLE: Repeated = Repeated::every(Duration::from_secs(10));

impl Ledger {
    /// A ledger and what hands it its inputs. Nothing is opened before [`run`](Self::run).
    pub fn new(parts: Parts) -> (Self, Handle) {
        let (sender, inbox) = mpsc::sync_channel(INBOX);
        let progress = Arc::new(Progress::default());
        let handle = Handle::new(sender, Arc::clone(&progress), parts.metrics.clone());
        let now = Instant::now();
        let ledger = Self {
            place: parts.place,
            journal: None,
            core: parts.core,
            subscriber: parts.subscriber,
            emergency: parts.emergency,
            clock: parts.clock,
            crash: parts.crash,
            metrics: parts.metrics,
            inbox,
            progress,
            reopen_at: now,
            reopen_pause: REOPEN,
            expire_at: now + EXPIRE,
            tick_from: now,
            last_batch: 0,
        };
        (ledger, handle)
    }

    /// Runs until all handles are gone and what they sent is stored. Blocks.
    ///
    /// # Errors
    /// The journal is damaged or of a later version. One that cannot be written, for the disk is
    /// full or gone, is no error: it is opened again until it can.
    pub fn run(mut self) -> Result<(), LedgerError> {
        self.open()?;
        loop {
            self.progress.beat(Instant::now());
            match self.inbox.recv_timeout(self.sleep()) {
                Ok(first) => self.take_batch(first)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.chores()?;
        }
    }

    fn sleep(&self) -> Duration {
        let due = self.core.next_wake().map(|wake| wake.since((self.clock)()));
        let from = self.tick_from.saturating_duration_since(Instant::now());
        due.unwrap_or(LONGEST_SLEEP).max(from).min(LONGEST_SLEEP)
    }

    /// Takes what has come, at most a batch, and stores it; then answers who only looks.
    fn take_batch(&mut self, first: Message) -> Result<(), LedgerError> {
        let (mut waiting, mut inspections, mut inputs) = (Vec::new(), Vec::new(), 0);
        let mut configurations = Vec::new();
        let mut next = Some(first);
        let mut end = None;
        while let Some(message) = next.take() {
            self.metrics.inbox_length.dec();
            match message {
                Message::Submit(submission) => {
                    inputs += submission.submission.inputs.len().max(1);
                    waiting.push(submission);
                }
                Message::Inspect(inspect) => inspections.push(inspect),
                Message::Configure(config, hash, reply) => {
                    configurations.push((config, hash, reply));
                }
            }
            if inputs >= BATCH || inspections.len() >= BATCH || !configurations.is_empty() {
                break;
            }
            next = self.inbox.try_recv().ok();
            if next.is_none() && inputs > 0 && self.last_batch >= LARGE && inputs < self.last_batch
            {
                let end = *end.get_or_insert_with(|| Instant::now() + GATHER);
                let left = end.saturating_duration_since(Instant::now());
                next = self.inbox.recv_timeout(left).ok();
            }
        }
        if !waiting.is_empty() {
            self.last_batch = inputs;
            self.process(waiting)?;
        }
        for (config, hash, reply) in configurations {
            let at = (self.clock)();
            let changes = vec![(at, self.core.configure(&config, &hash, at))];
            let batch = Batch { changes, bodies: Vec::new() };
            self.store(&batch, vec![Waiting::reply(reply)], &commit::Reached::default())?;
        }
        for inspect in inspections {
            inspect(&*self.core);
        }
        Ok(())
    }

    /// What is due by the clock.
    fn chores(&mut self) -> Result<(), LedgerError> {
        let now = Instant::now();
        if self.journal.is_none() && now >= self.reopen_at {
            self.open()?;
        }
        let at = (self.clock)();
        if now >= self.tick_from && self.core.next_wake().is_some_and(|wake| wake <= at) {
            self.process(vec![Waiting::nobody(Input::Tick)])?;
        }
        if now >= self.expire_at
            && let Some(journal) = &mut self.journal
        {
            let expired = journal.expire(at);
            self.expire_at = now + if matches!(expired, Ok(1..)) { LONGEST_SLEEP } else { EXPIRE };
            if let Err(error) = expired {
                self.recover(&error)?;
            }
        }
        Ok(())
    }

    /// Opens the journal and goes on from what it has.
    fn open(&mut self) -> Result<(), LedgerError> {
        // Whatever is left of an earlier one must be gone before the file is opened.
        self.journal = None;
        self.progress.set_opening(true);
        let opened = self.place.open().and_then(|journal| Ok((journal.load()?, journal)));
        self.progress.set_opening(false);
        match opened {
            Ok((stored, journal)) => {
                self.core.restore(stored).map_err(LedgerError::Restore)?;
                self.metrics.refused_bodies.set(metrics::count(journal.bodies()));
                self.journal = Some(journal);
                self.metrics.writable.set(1.0);
                self.progress.set_writable(true);
                self.subscriber.restored(&*self.core);
                tracing::info!("journal opened");
                Ok(())
            }
            Err(error) if error.is_permanent() => Err(error.into()),
            Err(error) => {
                self.fail(&error);
                Ok(())
            }
        }
    }

    /// A failed commit: memory is not what the journal has. It is opened again at once, unless that
    /// was of no use.
    fn recover(&mut self, error: &JournalError) -> Result<(), LedgerError> {
        let is_first = self.reopen_pause == REOPEN;
        self.fail(error);
        if is_first { self.open() } else { Ok(()) }
    }

    /// The journal is of no use any more. What is in memory goes on without it: what pages must
    /// page, and is not told twice while the same alert is sent again and again.
    fn fail(&mut self, error: &JournalError) {
        self.journal = None;
        self.reopen_at = Instant::now() + self.reopen_pause;
        self.reopen_pause = (self.reopen_pause * 2).min(REOPEN_AT_MOST);
        self.metrics.failures.inc();
        self.metrics.writable.set(0.0);
        self.progress.set_writable(false);
        if let Some(suppressed) = UNWRITABLE.admit(Instant::now()) {
            tracing::error!(
                error = %ErrorChain(error), suppressed,
                "journal failed: nothing is accepted until it can be written, critical alerts page without it"
            );
        }
    }
}
