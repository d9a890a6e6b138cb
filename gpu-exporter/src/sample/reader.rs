//! Asks one GPU, and keeps track of how it answers.
//!
//! After an answer that concerns the whole GPU or all of NVML nothing more is asked in that round:
//! every further call would be answered the same, or hang.

use std::sync::Arc;
use std::time::{Duration, Instant};

use instrumentation::rate_limit::Repeated;

use super::metrics::Metrics;
use super::unsupported::{Item, Unsupported};
use crate::nvml::calls::{Calls, DeviceHandle};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::library::Library;

/// What an answer says about more than the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The GPU is off the bus.
    Lost,
    /// The GPU has to be reset.
    ResetRequired,
    /// There is no such GPU any more.
    Gone,
    /// NVML has to be started again.
    Restart,
    /// Nothing was answered but "unknown": often the device cgroup was revoked.
    Unknown,
    /// Nothing was answered at all.
    Silent,
}

impl Trouble {
    /// The value of `down_reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::ResetRequired => "reset_required",
            Self::Gone => "gone",
            Self::Restart => "driver_restarting",
            Self::Unknown => "unknown",
            Self::Silent => "failing",
        }
    }

    /// What a code means for the GPU.
    pub fn of(code: ReturnCode) -> Option<Self> {
        Some(match code {
            ReturnCode::GpuIsLost => Self::Lost,
            ReturnCode::ResetRequired => Self::ResetRequired,
            ReturnCode::GpuNotFound => Self::Gone,
            ReturnCode::Uninitialized
            | ReturnCode::DriverNotLoaded
            | ReturnCode::LibRmVersionMismatch => Self::Restart,
            _ => return None,
        })
    }
}

/// One GPU, to be asked.
#[derive(Debug)]
pub struct Reader {
    library: Arc<Library>,
    uuid: String,
    device: DeviceHandle,
    unsupported: Unsupported,
    metrics: Metrics,
    log: Arc<Repeated>,
    now: Instant,
    calls: u32,
    answers: u32,
    failures: u32,
    unknowns: u32,
    trouble: Option<Trouble>,
}

impl Reader {
    /// For a GPU of a started library.
    pub fn new(
        library: Arc<Library>,
        uuid: &str,
        device: DeviceHandle,
        metrics: Metrics,
        now: Instant,
    ) -> Self {
        Self {
            library,
            uuid: uuid.to_owned(),
            device,
            unsupported: Unsupported::new(metrics.clone()),
            metrics,
            log: Arc::new(Repeated::every(Duration::from_mins(1))),
            now,
            calls: 0,
            answers: 0,
            failures: 0,
            unknowns: 0,
            trouble: None,
        }
    }

    /// Begins a round.
    pub fn begin(&mut self, now: Instant) {
        self.now = now;
        (self.calls, self.answers, self.failures, self.unknowns) = (0, 0, 0, 0);
        self.trouble = None;
    }

    /// When the round began.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The library.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The GPU.
    pub fn device(&self) -> DeviceHandle {
        self.device
    }

    /// Own metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Calls of this round.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// What this round has shown of the GPU so far.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.or_else(|| {
            let is_silent = self.answers == 0 && self.failures > 0;
            match is_silent {
                true if self.unknowns == self.failures => Some(Trouble::Unknown),
                true => Some(Trouble::Silent),
                false => None,
            }
        })
    }

    /// Whether the rest of the round is useless.
    pub fn is_over(&self) -> bool {
        self.trouble.is_some()
    }

    /// Forgets what is unsupported: MIG was switched.
    pub fn forget_unsupported(&mut self) {
        self.unsupported.clear();
    }

    /// Whether an item is known to be unsupported.
    pub fn is_unsupported(&mut self, item: Item) -> bool {
        self.unsupported.knows(item, self.now)
    }

    /// Makes a call, unless it is known to be unsupported or the round is over.
    pub fn ask<T>(
        &mut self,
        item: Item,
        call: impl FnOnce(&Calls, DeviceHandle) -> Result<T, NvmlError>,
    ) -> Option<T> {
        self.ask_with(item, 1, |library, device| call(library.calls(), device))
    }

    /// The same for what takes several calls.
    pub fn ask_with<T>(
        &mut self,
        item: Item,
        calls: u32,
        call: impl FnOnce(&Arc<Library>, DeviceHandle) -> Result<T, NvmlError>,
    ) -> Option<T> {
        if self.is_over() || self.is_unsupported(item) {
            return None;
        }
        self.calls += calls;
        match call(&self.library, self.device) {
            Ok(value) => {
                self.answers += 1;
                Some(value)
            }
            Err(error) => {
                self.note(item, &error);
                None
            }
        }
    }

    /// Takes note of an answer, also of a part of a call such as one field.
    pub fn note(&mut self, item: Item, error: &NvmlError) {
        if error.code.is_permanent() {
            // an answer as well: the GPU is there
            self.answers += 1;
            if self.unsupported.note(item, error, self.now) {
                let (function, code) = (error.function, error.code.name());
                tracing::debug!(gpu = %self.uuid, function, variant = item.1, code, "reading is not supported");
            }
            return;
        }
        self.metrics.failed(error);
        self.failures += 1;
        self.unknowns += u32::from(error.code == ReturnCode::Unknown);
        self.trouble = self.trouble.or_else(|| Trouble::of(error.code));
        if let Some(suppressed) = self.log.admit(self.now) {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(gpu = %self.uuid, error, suppressed, "reading of a GPU failed");
        }
    }
}
