//! NVML's life: started, watched over, let go of, started again; and the workers that it has.
//!
//! State is kept by UUID across every start, so counters of this process never go down. Each step
//! takes the time as an argument and blocks at most for the ends of threads, which are bounded, and
//! in NVML's own start and count of GPUs: the board says since when.

mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::session::{LeftOpen, Session};
use super::board::{Absence, Board};
use super::control::{Control, Released};
use super::device::Device;
use super::metrics::Metrics;
use super::reader::Trouble;
use super::snapshot::DriverState;
use super::worker::{Now, Worker};
use crate::config::Sampling;
use crate::nvml::error::ReturnCode;
use crate::nvml::library::{Library, OpenError, Source};

/// Pauses between two attempts to start NVML.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// So long the mismatch of versions is shown before the process ends: two scrapes see it.
const MISMATCH_SHOWN: Duration = Duration::from_secs(30);

/// So many unknown errors in a row, of everything, end the process.
const MAX_UNKNOWN: u32 = 3;

/// Nobody resets a GPU for longer, but somebody may mistype a duration.
const LONGEST_RELEASE: Duration = Duration::from_hours(24);

/// Between two looks at which GPUs there are.
const RESCAN: Duration = Duration::from_secs(30);

/// Threads have so long to end, and NVML to shut down.
const PATIENCE: Duration = Duration::from_secs(2);

/// What NVML has of it at least, should threads take the rest.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(500);

/// Why sampling ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The driver was upgraded: this container still has the library of the old one.
    #[error(
        "the loaded NVML does not match the driver since {} s; a new container gets the new one",
        MISMATCH_SHOWN.as_secs()
    )]
    VersionMismatch,
    /// Everything is answered with an unknown error.
    #[error(
        "NVML answered {MAX_UNKNOWN} times in a row with an unknown error for all GPUs: the \
         container may have lost its devices, which only a new one gets again"
    )]
    AccessLost,
    /// A driver is required.
    #[error("there is no driver, and it is required")]
    NoDriver {
        /// Why it does not start.
        #[source]
        cause: OpenError,
    },
    /// A GPU is required.
    #[error("there is no GPU, and it is required")]
    NoGpu,
    /// A thread is needed.
    #[error("cannot start a thread")]
    Thread {
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

impl SampleError {
    /// Whether only a new container helps, so that the process should end with 70.
    pub fn needs_new_container(&self) -> bool {
        matches!(self, Self::VersionMismatch | Self::AccessLost)
    }
}

#[derive(Debug)]
enum Phase {
    /// NVML is to be started at this time.
    Down { retry_at: Instant },
    /// NVML is not to be started before this time.
    Released { until: Instant },
    /// NVML is started.
    Up(Box<Session>),
}

/// NVML and its workers.
pub struct Driver {
    source: Source,
    settings: Arc<Sampling>,
    require_gpu: bool,
    board: Arc<Board>,
    control: Arc<Control>,
    metrics: Metrics,
    now: Now,
    phase: Phase,
    pause: Duration,
    mismatch_since: Option<Instant>,
    unknown: u32,
    /// Of GPUs that are not read now.
    kept: HashMap<String, Device>,
    /// Threads that did not end in time.
    stuck: HashMap<String, Worker<Device>>,
    /// Starts of NVML that they keep open.
    left_open: Vec<LeftOpen>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Driver").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Driver {
    /// Nothing is opened before the first step.
    pub fn new(source: Source, settings: Sampling, require_gpu: bool, metrics: Metrics) -> Self {
        Self::with_clock(source, settings, require_gpu, metrics, Arc::new(Instant::now))
    }

    /// The same by another clock.
    pub fn with_clock(
        source: Source,
        settings: Sampling,
        require_gpu: bool,
        metrics: Metrics,
        now: Now,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            board: Arc::new(Board::new(Arc::clone(&settings))),
            control: Arc::default(),
            phase: Phase::Down { retry_at: now() },
            pause: FIRST_PAUSE,
            mismatch_since: None,
            unknown: 0,
            kept: HashMap::new(),
            stuck: HashMap::new(),
            left_open: Vec::new(),
            source,
            settings,
            require_gpu,
            metrics,
            now,
        }
    }

    /// Where what is read is found.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Where the driver is asked for something.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Runs until `stop`. To be called on a thread of its own; afterwards NVML is shut down, if it
    /// let itself be within 2.5 s.
    ///
    /// # Errors
    /// [`SampleError`].
    pub fn run(mut self, stop: &CancellationToken) -> Result<(), SampleError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|cause| SampleError::Thread { cause })?;
        let ended = loop {
            if stop.is_cancelled() {
                break Ok(());
            }
            let now = (self.now)();
            let pause = match self.step(now) {
                Ok(next) => next.saturating_duration_since(now),
                Err(error) => break Err(error),
            };
            runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.control.woken() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            });
        };
        self.close("stopped");
        ended
    }

    /// Does what is due at `now`; returns when the next step is.
    ///
    /// # Errors
    /// [`SampleError`]: the process should end.
    pub fn step(&mut self, now: Instant) -> Result<Instant, SampleError> {
        self.board.begin_step(now);
        let ended = self.make_step(now);
        self.board.end_step();
        let next = ended?;
        let look_again = now + FIRST_PAUSE;
        Ok(if self.left_open.is_empty() { next } else { next.min(look_again) })
    }

    fn make_step(&mut self, now: Instant) -> Result<Instant, SampleError> {
        self.close_left_open();
        let wishes = self.control.take();
        if let Some(time) = wishes.release {
            self.release(time.min(LONGEST_RELEASE), now);
        }
        match &self.phase {
            Phase::Released { until } if now < *until => return Ok(*until),
            Phase::Down { retry_at } if now < *retry_at => return Ok(*retry_at),
            Phase::Released { .. } | Phase::Down { .. } => self.open(now)?,
            Phase::Up(_) => self.watch_over(now, wishes.rescan)?,
        }
        Ok(match &self.phase {
            Phase::Released { until } => *until,
            Phase::Down { retry_at } => *retry_at,
            Phase::Up(session) => session.next_scan(),
        })
    }

    fn release(&mut self, time: Duration, now: Instant) {
        self.close("released");
        self.phase = Phase::Released { until: now + time };
        let seconds = time.as_secs();
        let outcome = if self.left_open.is_empty() {
            tracing::info!(seconds, "NVML released");
            Released::ShutDown
        } else {
            tracing::warn!(seconds, "nothing is read, but the driver is still open");
            Released::StillOpen
        };
        self.control.released(outcome);
    }

    /// Ends starts of NVML that a call kept open, once it has come back.
    fn close_left_open(&mut self) {
        if self.left_open.is_empty() {
            return;
        }
        for (uuid, worker) in std::mem::take(&mut self.stuck) {
            match worker.join(Instant::now()) {
                Ok(device) => self.kept.extend(device.map(|device| (uuid, device))),
                Err(worker) => {
                    self.stuck.insert(uuid, worker);
                }
            }
        }
        if !self.stuck.is_empty() {
            return;
        }
        let left = std::mem::take(&mut self.left_open);
        self.left_open = left.into_iter().filter_map(|one| one.close().err()).collect();
        if self.left_open.is_empty() {
            tracing::info!("a call of NVML came back at last, and its start is shut down");
        }
    }

    fn open(&mut self, now: Instant) -> Result<(), SampleError> {
        match Library::open(&self.source) {
            Ok(library) => {
                (self.mismatch_since, self.unknown) = (None, 0);
                let versions = library.versions();
                tracing::info!(driver = versions.driver, nvml = versions.nvml, "NVML started");
                self.board.set_driver(DriverState::Up(versions));
                let session = Session::new(library, self.context(), now);
                self.phase = Phase::Up(Box::new(session));
                self.scan(now)
            }
            Err(error) => self.not_opened(error, now),
        }
    }

    fn context(&self) -> session::Context {
        session::Context {
            settings: Arc::clone(&self.settings),
            board: Arc::clone(&self.board),
            control: Arc::clone(&self.control),
            metrics: self.metrics.clone(),
            now: Arc::clone(&self.now),
        }
    }

    fn not_opened(&mut self, error: OpenError, now: Instant) -> Result<(), SampleError> {
        let reason = error.reason();
        if self.board.driver() != DriverState::Down(reason.to_owned()) {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, reason, "NVML is down, trying again");
        }
        self.board.set_driver(DriverState::Down(reason.to_owned()));
        self.unknown = match error.code() {
            Some(ReturnCode::Unknown) => self.unknown + 1,
            _ => 0,
        };
        if self.unknown >= MAX_UNKNOWN {
            return Err(SampleError::AccessLost);
        }
        if error.code() == Some(ReturnCode::LibRmVersionMismatch) {
            let since = *self.mismatch_since.get_or_insert(now);
            let end = since + MISMATCH_SHOWN;
            if now >= end {
                return Err(SampleError::VersionMismatch);
            }
            self.phase = Phase::Down { retry_at: end.min(now + FIRST_PAUSE) };
            return Ok(());
        }
        self.mismatch_since = None;
        if self.require_gpu {
            return Err(SampleError::NoDriver { cause: error });
        }
        self.retry_later(now);
        Ok(())
    }

    fn retry_later(&mut self, now: Instant) {
        self.phase = Phase::Down { retry_at: now + self.pause };
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }

    /// Looks at what workers say, and now and then at which GPUs there are.
    fn watch_over(&mut self, now: Instant, wants_scan: bool) -> Result<(), SampleError> {
        let slots = self.board.slots();
        let present = slots.iter().filter(|slot| slot.absence().is_none());
        let troubles: Vec<_> = present.map(|slot| slot.trouble()).collect();
        if troubles.iter().flatten().any(|(trouble, _)| *trouble == Trouble::Restart) {
            self.restart(now);
            return Ok(());
        }
        let is_lost = |trouble: &Option<(Trouble, u32)>| {
            trouble.is_some_and(|(kind, times)| kind == Trouble::Unknown && times >= MAX_UNKNOWN)
        };
        if !troubles.is_empty() && troubles.iter().all(is_lost) {
            return Err(SampleError::AccessLost);
        }
        if troubles.iter().all(Option::is_none) {
            self.pause = FIRST_PAUSE;
        }
        let Phase::Up(session) = &mut self.phase else { return Ok(()) };
        session.note_recoveries(&slots);
        if wants_scan || now >= session.next_scan() {
            self.scan(now)?;
        }
        Ok(())
    }

    fn scan(&mut self, now: Instant) -> Result<(), SampleError> {
        let Phase::Up(session) = &mut self.phase else { return Ok(()) };
        let count = match session.scan(now, &mut self.kept, &mut self.stuck) {
            Ok(count) => count,
            Err(session::ScanError::Thread { cause }) => return Err(SampleError::Thread { cause }),
            Err(session::ScanError::Nvml { cause }) => {
                self.metrics.failed(&cause);
                if Trouble::of(cause.code) == Some(Trouble::Restart) {
                    self.restart(now);
                }
                return Ok(());
            }
        };
        if count == 0 && self.require_gpu {
            return Err(SampleError::NoGpu);
        }
        Ok(())
    }

    fn restart(&mut self, now: Instant) {
        tracing::warn!("NVML has to be started again");
        self.close("driver_restarting");
        self.retry_later(now);
    }

    /// Ends workers and NVML. What does not end within the limit is left alone.
    fn close(&mut self, reason: &str) {
        if let Phase::Up(session) =
            std::mem::replace(&mut self.phase, Phase::Down { retry_at: (self.now)() })
        {
            self.left_open.extend(session.close(&mut self.kept, &mut self.stuck).err());
        }
        for slot in self.board.slots() {
            slot.forget_trouble();
            if slot.absence().is_none() {
                slot.set_absent(Some(Absence::Driver));
            }
        }
        self.board.set_driver(DriverState::Down(reason.to_owned()));
    }
}

#[cfg(test)]
mod tests;
