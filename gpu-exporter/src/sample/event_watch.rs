//! Waits for events of all GPUs and counts Xids, on a thread of its own.
//!
//! An event that comes while nobody waits is lost: NVML keeps none. So the time since which there
//! was somebody is a metric, and begins anew with every set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use instrumentation::rate_limit::Repeated;

use super::board::Board;
use super::control::Control;
use super::metrics::Metrics;
use super::worker::{Bell, Now, Worker};
use crate::nvml::calls::buffers::Event;
use crate::nvml::error::NvmlError;
use crate::nvml::events::{self, Watch};
use crate::nvml::library::Library;

/// How long one call waits.
const WAIT_MS: u32 = 1_000;

/// Pauses after errors that follow each other.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// A set that lasted so long worked: what comes after it is no repetition of an error.
const WORKED: Duration = Duration::from_secs(1);

/// Pause after a wait that ended at once without an event, or a driver that does not wait would take
/// a whole core. Short: what comes meanwhile may be lost.
const EARLY_PAUSE: Duration = Duration::from_millis(20);

/// Whether a wait without an event was none.
fn is_early(waited: Duration) -> bool {
    waited < Duration::from_millis(u64::from(WAIT_MS) / 10)
}

/// How long to wait after an error. Nothing after the first one: what happens while there is no set
/// is lost.
#[derive(Debug, Default)]
struct Pauses {
    next: Duration,
}

impl Pauses {
    /// The pause after a set that lasted so long.
    fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= WORKED {
            self.next = Duration::ZERO;
        }
        let pause = self.next;
        self.next = (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        pause
    }
}

static FAILED: Repeated = Repeated::every(Duration::from_mins(1));

/// What the thread needs.
#[derive(Clone)]
pub struct EventWatch {
    /// NVML.
    pub library: Arc<Library>,
    /// Where Xids are counted.
    pub board: Arc<Board>,
    /// Who is told when GPUs have to be looked at.
    pub control: Arc<Control>,
    /// Moves when the set of GPUs that answer has changed.
    pub generation: Arc<AtomicU64>,
    /// Own metrics.
    pub metrics: Metrics,
    /// The time.
    pub now: Now,
}

/// What a set was good for, when no error ended it.
enum Watched {
    /// It had GPUs, until they changed.
    ForSomeTime,
    /// No GPU let itself be registered.
    Nothing,
}

impl std::fmt::Debug for EventWatch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("EventWatch")
    }
}

impl EventWatch {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system starts none.
    pub fn start(self) -> std::io::Result<Worker<()>> {
        Worker::start("gpu-events".to_owned(), move |bell| self.run(bell))
    }

    fn run(&self, bell: &Bell) {
        let mut pauses = Pauses::default();
        while !bell.is_rung() {
            let seen = self.generation.load(Ordering::Acquire);
            let began = (self.now)();
            let ended = self.watch(seen, bell);
            let lasted = (self.now)().saturating_duration_since(began);
            match ended {
                Ok(Watched::ForSomeTime) => {}
                Ok(Watched::Nothing) => {
                    bell.wait(pauses.after(lasted));
                }
                Err(error) if error.code.is_permanent() => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(error, "Xids cannot be watched");
                    return;
                }
                Err(error) => {
                    self.metrics.failed(&error);
                    if let Some(suppressed) = FAILED.admit(Instant::now()) {
                        let error: &(dyn std::error::Error + 'static) = &error;
                        tracing::warn!(error, suppressed, "waiting for events of GPUs failed");
                    }
                    bell.wait(pauses.after(lasted));
                }
            }
        }
        self.metrics.event_watch_start.remove(&[]);
    }

    /// Watches with one set, until the GPUs change.
    fn watch(&self, seen: u64, bell: &Bell) -> Result<Watched, NvmlError> {
        let slots = self.board.slots();
        let present = slots.iter().filter(|slot| slot.absence().is_none());
        let uuids: Vec<String> = present.map(|slot| slot.uuid().to_owned()).collect();
        let watch = Watch::new(&self.library, &uuids)?;
        if watch.is_empty() {
            return Ok(Watched::Nothing);
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.event_watch_start.get(&[]).set(wall.as_secs_f64());
        while !bell.is_rung() && self.generation.load(Ordering::Acquire) == seen {
            let asked = (self.now)();
            match watch.next(WAIT_MS)? {
                Some((uuid, event)) => self.happened(uuid, event),
                None if is_early((self.now)().saturating_duration_since(asked)) => {
                    bell.wait(EARLY_PAUSE);
                }
                None => {}
            }
        }
        Ok(Watched::ForSomeTime)
    }

    fn happened(&self, uuid: &str, event: Event) {
        let Some(slot) = self.board.slot(uuid) else { return };
        if event.kind & events::XID != 0 {
            let number = u32::try_from(event.data).unwrap_or(u32::MAX);
            let logged = slot.record_xid(number, (self.now)(), SystemTime::now());
            if let Some(suppressed) = logged {
                tracing::warn!(gpu = uuid, xid = number, suppressed, "Xid");
            }
        }
        if event.kind & events::MIG_CHANGED != 0 {
            slot.request_rescan();
        }
        if event.kind & (events::UNAVAILABLE | events::RECOVERY_ACTION) != 0 {
            self.control.rescan();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_followed_by_another_set_at_once_and_errors_in_a_row_by_pauses() {
        let (mut pauses, second) = (Pauses::default(), Duration::from_secs(1));
        let in_a_row = |pauses: &mut Pauses| -> Vec<u64> {
            (0..8).map(|_| pauses.after(Duration::ZERO).as_secs()).collect()
        };
        assert_eq!(in_a_row(&mut pauses), [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses.after(second), Duration::ZERO, "a set that worked for a while");
        assert_eq!(pauses.after(Duration::ZERO), second);
    }

    #[test]
    fn a_wait_that_ends_at_once_is_none() {
        assert!(is_early(Duration::ZERO));
        assert!(!is_early(Duration::from_millis(u64::from(WAIT_MS))));
    }
}
