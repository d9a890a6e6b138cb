//! What hands inputs to the ledger and waits for their sync. It never waits for a place in the
//! inbox: a sender that is refused at once tries again, one that is kept waiting gives up.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::{Core, Metrics};
use crate::config::Config;
use crate::incident::Input;
use crate::journal::RefusedBody;

/// What is stored together, and answered once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Submission {
    /// In their order.
    pub inputs: Vec<Input>,
    /// What could not be read.
    pub refused: Vec<RefusedBody>,
}

impl From<Input> for Submission {
    fn from(input: Input) -> Self {
        Self { inputs: vec![input], refused: Vec::new() }
    }
}

/// Why a submission was not stored. It may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// More is coming in than can be stored.
    #[error("too much is coming in")]
    Overloaded,
    /// The journal cannot be written.
    #[error("the journal cannot be written")]
    Journal,
    /// The daemon is stopping.
    #[error("stopping")]
    Stopping,
}

/// A submission with who waits for it.
pub(super) struct Waiting {
    pub(super) submission: Submission,
    reply: Option<Reply>,
}

impl Waiting {
    pub(super) fn nobody(input: Input) -> Self {
        Self { submission: input.into(), reply: None }
    }

    /// Waits for changes that no input made.
    pub(super) fn reply(reply: Reply) -> Self {
        Self { submission: Submission::default(), reply: Some(reply) }
    }

    pub(super) fn answer(self, answer: Result<(), Unavailable>) {
        if let Some(reply) = self.reply {
            // Whoever gave up waiting sends it again.
            let _ = reply.send(answer);
        }
    }
}

pub(super) enum Message {
    Submit(Waiting),
    Inspect(Inspection),
    Configure(Arc<Config>, String, Reply),
}

pub(super) type Inspection = Box<dyn FnOnce(&dyn Core) + Send>;
pub(super) type Reply = oneshot::Sender<Result<(), Unavailable>>;

/// Signs of life of the ledger's thread.
#[derive(Debug)]
pub(super) struct Progress {
    /// Milliseconds since the first look at the clock.
    beat: AtomicU64,
    /// It takes as long as the file is large.
    is_opening: AtomicBool,
    writable: watch::Sender<bool>,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn millis(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            beat: AtomicU64::new(millis(Instant::now())),
            is_opening: AtomicBool::new(false),
            writable: watch::Sender::new(false),
        }
    }
}

impl Progress {
    pub(super) fn beat(&self, now: Instant) {
        self.beat.store(millis(now), Ordering::Relaxed);
    }

    pub(super) fn set_opening(&self, opening: bool) {
        self.beat(Instant::now());
        self.is_opening.store(opening, Ordering::Relaxed);
    }

    pub(super) fn set_writable(&self, writable: bool) {
        self.writable.send_replace(writable);
    }
}

/// Hands inputs to the ledger. The ledger ends when all clones are gone.
#[derive(Clone)]
pub struct Handle {
    inbox: SyncSender<Message>,
    progress: Arc<Progress>,
    pub(super) metrics: Metrics,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    pub(super) fn new(
        inbox: SyncSender<Message>,
        progress: Arc<Progress>,
        metrics: Metrics,
    ) -> Self {
        Self { inbox, progress, metrics }
    }

    /// Stores a submission: when this returns, it is on the disk.
    ///
    /// # Errors
    /// It was not stored, or it is not known whether it was.
    pub async fn submit(&self, submission: impl Into<Submission>) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { submission: submission.into(), reply: Some(reply) };
        self.send(Message::Submit(waiting))?;
        answer.await.unwrap_or(Err(Unavailable::Stopping))
    }

    /// Looks at what decides, between two batches: what is seen is stored, unless the journal
    /// cannot be written. `look` runs on the ledger's thread and must be short.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); also if the core is no `C`, which is a mistake in the program.
    pub async fn inspect<C: Core, T: Send + 'static>(
        &self,
        look: impl FnOnce(&C) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let inspect = move |core: &dyn Core| {
            let core: &dyn Any = core;
            if let Some(core) = core.downcast_ref::<C>() {
                let _ = reply.send(look(core));
            } else {
                tracing::error!("the core is another one than was asked for");
            }
        };
        self.send(Message::Inspect(Box::new(inspect)))?;
        answer.await.map_err(|_| Unavailable::Stopping)
    }

    /// The same for threads that may wait: never from a task.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub fn inspect_blocking<C: Core, T: Send + 'static>(
        &self,
        look: impl FnOnce(&C) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let inspect = move |core: &dyn Core| {
            let core: &dyn Any = core;
            if let Some(core) = core.downcast_ref::<C>() {
                let _ = reply.send(look(core));
            }
        };
        self.send(Message::Inspect(Box::new(inspect)))?;
        answer.recv().map_err(|_| Unavailable::Stopping)
    }

    /// Decides by another configuration from now on, and writes that down.
    ///
    /// # Errors
    /// It was not written down, but it is in force unless the daemon is stopping or overloaded.
    pub async fn configure(&self, config: Arc<Config>, hash: String) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Configure(config, hash, reply))?;
        answer.await.unwrap_or(Err(Unavailable::Stopping))
    }

    fn send(&self, message: Message) -> Result<(), Unavailable> {
        // Before it can be taken out again, so that the gauge is never negative for long.
        self.metrics.inbox_length.inc();
        self.inbox.try_send(message).map_err(|error| {
            self.metrics.inbox_length.dec();
            match error {
                TrySendError::Full(_) => Unavailable::Overloaded,
                TrySendError::Disconnected(_) => Unavailable::Stopping,
            }
        })
    }

    /// Signs of life that do not keep the ledger running.
    pub fn pulse(&self) -> Pulse {
        Pulse(Arc::clone(&self.progress))
    }
}

/// Whether the ledger lives, and can store.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Progress>);

impl Pulse {
    /// How long the ledger's thread has been at one thing: a disk that hangs holds it up. Opening
    /// the journal does not count.
    pub fn silence(&self, now: Instant) -> Duration {
        if self.0.is_opening.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let beat = self.0.beat.load(Ordering::Relaxed);
        Duration::from_millis(millis(now).saturating_sub(beat))
    }

    /// Whether the journal can be written; it changes.
    pub fn writable(&self) -> watch::Receiver<bool> {
        self.0.writable.subscribe()
    }
}
