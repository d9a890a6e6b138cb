//! The thread of one GPU.
//!
//! A thread that hangs in the driver cannot be stopped. It is left alone, and no second one is
//! started for the same GPU until it has ended: each would hang as well.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::board::Slot;
use super::device::Device;
use super::metrics::Metrics;

/// Rounds call the driver and format nothing.
const STACK_BYTES: usize = 256 * 1024;

/// The time, which tests move.
pub type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Tells a thread to end, and wakes it.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Ends the thread.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it was rung.
    pub fn is_rung(&self) -> bool {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until it is rung; whether it was.
    pub fn wait(&self, limit: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, limit, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A thread that ends when it is told to, or when its call comes back.
#[derive(Debug)]
pub struct Worker<T> {
    bell: Arc<Bell>,
    ended: Receiver<T>,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts it. What `work` returns is kept for [`Worker::join`].
    ///
    /// # Errors
    /// The operating system starts no thread.
    pub fn start(
        name: String,
        work: impl FnOnce(&Bell) -> T + Send + 'static,
    ) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::default());
        let (report, ended): (Sender<T>, Receiver<T>) = mpsc::channel();
        let own = Arc::clone(&bell);
        thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
            // the sender is dropped with the thread, also by a panic
            let _ = report.send(work(&own));
        })?;
        Ok(Self { bell, ended })
    }

    /// Tells it to end, and does not wait.
    pub fn stop(&self) {
        self.bell.ring();
    }

    /// Waits until `deadline` for its end. `Ok(None)` after a panic.
    ///
    /// # Errors
    /// It has not ended; the worker is handed back.
    pub fn join(self, deadline: Instant) -> Result<Option<T>, Self> {
        match self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(result) => Ok(Some(result)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(self),
        }
    }
}

/// Starts the thread of a GPU: one round at once, then one every `interval`, `delay` after the
/// others, so that GPUs take turns. `on_change` is called when what is wrong with it changes.
///
/// # Errors
/// The operating system starts no thread.
pub fn start(
    device: Device,
    slot: Arc<Slot>,
    metrics: Metrics,
    interval: Duration,
    delay: Duration,
    now: Now,
    on_change: impl Fn() + Send + 'static,
) -> std::io::Result<Worker<Device>> {
    // the kernel shows 15 bytes
    let name: String = slot.uuid().chars().take(12).collect();
    Worker::start(name, move |bell| {
        let turns = Turns { interval, delay, now };
        run(device, &slot, &metrics, &turns, &on_change, bell)
    })
}

struct Turns {
    interval: Duration,
    delay: Duration,
    now: Now,
}

fn run(
    mut device: Device,
    slot: &Slot,
    metrics: &Metrics,
    turns: &Turns,
    on_change: &dyn Fn(),
    bell: &Bell,
) -> Device {
    let now = &turns.now;
    // at the very first, nobody waits: the page is to be complete soon
    let mut pause = Duration::ZERO;
    let mut next = now() + turns.delay;
    let mut before = None;
    while !bell.wait(pause) {
        if slot.take_rescan() {
            device.rescan();
        }
        let began = now();
        slot.begin(began);
        let trouble = device.round(began);
        if bell.is_rung() {
            // what a call says that came back too late is of another start of NVML
            break;
        }
        slot.publish(device.snapshot(), trouble, device.attempts(), began);
        let state = (trouble, device.attempts());
        if before.replace(state).is_none_or(|before| before != state) {
            on_change();
        }
        let took = now().saturating_duration_since(began);
        let gpu = device.snapshot().identity.index.to_string();
        metrics.collect_duration.get(&[&gpu]).observe(took.as_secs_f64());
        next = after(next, turns.interval, now());
        pause = next.saturating_duration_since(now());
    }
    device.suspend();
    slot.end();
    device
}

/// The next turn after `now`: turns that were missed are not made up for.
fn after(turn: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(turn).as_nanos() / interval.as_nanos().max(1);
    let turns = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
    if turn > now { turn } else { turn + interval.saturating_mul(turns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_turns_are_left_out_and_the_rhythm_kept() {
        let (start, interval) = (Instant::now(), Duration::from_secs(1));
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(after(at(300), interval, at(0)), at(300), "the first one");
        assert_eq!(after(at(300), interval, at(310)), at(1_300));
        assert_eq!(after(at(300), interval, at(9_000)), at(9_300));
    }

    #[test]
    fn a_thread_ends_when_told_and_gives_back_what_it_had() {
        let worker = Worker::start("worker".to_owned(), |bell| {
            while !bell.wait(Duration::from_hours(1)) {}
            7
        })
        .unwrap();
        let worker = worker.join(Instant::now()).unwrap_err();
        worker.stop();
        let patience = Instant::now() + Duration::from_mins(1);
        assert_eq!(worker.join(patience).unwrap(), Some(7));
    }

    #[test]
    fn a_panic_is_an_end_without_a_result() {
        let work = |_: &Bell| -> u8 { std::panic::resume_unwind(Box::new("on purpose")) };
        let worker = Worker::start("worker".to_owned(), work).unwrap();
        let patience = Instant::now() + Duration::from_mins(1);
        assert_eq!(worker.join(patience).unwrap(), None);
    }
}
