//! One start of NVML: the GPUs that it has, a worker for each, and the thread that waits for events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{FIRST_PAUSE, PATIENCE, RESCAN, SHUTDOWN_PATIENCE};
use crate::config::Sampling;
use crate::nvml::device::{self, Found, Scan};
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::fields::Numbering;
use crate::nvml::library::Library;
use crate::sample::board::{Absence, Board, Slot};
use crate::sample::control::Control;
use crate::sample::device::Device;
use crate::sample::event_watch::EventWatch;
use crate::sample::metrics::Metrics;
use crate::sample::worker::{self, Now, Worker};

/// What a session needs besides the library.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) settings: Arc<Sampling>,
    pub(super) board: Arc<Board>,
    pub(super) control: Arc<Control>,
    pub(super) metrics: Metrics,
    pub(super) now: Now,
}

/// Why there was no scan.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// NVML does not say how many GPUs there are.
    #[error("GPUs cannot be counted")]
    Nvml {
        #[source]
        cause: NvmlError,
    },
    /// A worker has no thread.
    #[error("cannot start a thread")]
    Thread {
        #[source]
        cause: std::io::Error,
    },
}

/// One start of NVML.
pub(super) struct Session {
    context: Context,
    library: Arc<Library>,
    numbering: Numbering,
    workers: HashMap<String, Worker<Device>>,
    /// Started with the first scan, so that the first set has all GPUs.
    events: Option<Worker<()>>,
    /// Moves when GPUs came, or answer again.
    generation: Arc<AtomicU64>,
    in_trouble: HashSet<String>,
    nameless: usize,
    next_scan: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

impl Session {
    /// Without threads yet.
    pub(super) fn new(library: Arc<Library>, context: Context, now: Instant) -> Self {
        Self {
            numbering: Numbering::of_driver(&library.versions().driver),
            workers: HashMap::new(),
            in_trouble: HashSet::new(),
            nameless: 0,
            next_scan: now,
            events: None,
            generation: Arc::default(),
            context,
            library,
        }
    }

    fn start_events(&self) -> std::io::Result<Worker<()>> {
        let events = EventWatch {
            library: Arc::clone(&self.library),
            board: Arc::clone(&self.context.board),
            control: Arc::clone(&self.context.control),
            generation: Arc::clone(&self.generation),
            metrics: self.context.metrics.clone(),
            now: Arc::clone(&self.context.now),
        };
        events.start()
    }

    pub(super) fn next_scan(&self) -> Instant {
        self.next_scan
    }

    /// Events of a GPU that answers again have to be registered again.
    pub(super) fn note_recoveries(&mut self, slots: &[Arc<Slot>]) {
        for slot in slots {
            if slot.trouble().is_some() {
                self.in_trouble.insert(slot.uuid().to_owned());
            } else if self.in_trouble.remove(slot.uuid()) {
                self.generation.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Looks which GPUs there are, and sees to it that each has a worker. Returns how many.
    pub(super) fn scan(
        &mut self,
        now: Instant,
        kept: &mut HashMap<String, Device>,
        stuck: &mut HashMap<String, Worker<Device>>,
    ) -> Result<usize, ScanError> {
        self.next_scan = now + RESCAN;
        let scanned = device::scan(&self.library);
        if scanned.is_err() && self.workers.is_empty() {
            // there is nothing to show until it works
            self.next_scan = now + FIRST_PAUSE;
        }
        let Scan { mut found, nameless } = scanned.map_err(|cause| ScanError::Nvml { cause })?;
        for (_, error) in &nameless {
            self.context.metrics.failed(error);
        }
        if nameless.len() != self.nameless {
            self.nameless = nameless.len();
            for (index, error) in &nameless {
                let error: &(dyn std::error::Error + 'static) = error;
                tracing::warn!(index, error, "GPU without a name is left out");
            }
        }
        found.retain(|gpu| self.is_wanted(gpu));
        self.let_go(&found, kept, stuck);
        self.context.board.set_indices(found.iter().map(|gpu| (gpu.uuid.as_str(), gpu.index)));
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
        for (place, gpu) in (0..).zip(&found) {
            let delay = self.context.settings.interval / count * place;
            let slot = self.context.board.place(&gpu.uuid, gpu.index);
            if slot.absence().is_some() {
                slot.set_absent(None);
            }
            if self.is_running(&gpu.uuid) {
                if slot.was_read() && slot.index_read() != gpu.index {
                    slot.request_rescan();
                }
                continue;
            }
            if let Some(old) = stuck.remove(&gpu.uuid) {
                match old.join(Instant::now()) {
                    Ok(device) => kept.extend(device.map(|device| (gpu.uuid.clone(), device))),
                    Err(old) => {
                        stuck.insert(gpu.uuid.clone(), old);
                        continue;
                    }
                }
            }
            let device = kept.remove(&gpu.uuid);
            self.start(gpu, device, slot, delay, now)
                .map_err(|cause| ScanError::Thread { cause })?;
        }
        if self.events.is_none() {
            let started = self.start_events().map_err(|cause| ScanError::Thread { cause })?;
            self.events = Some(started);
        }
        Ok(found.len())
    }

    fn is_wanted(&self, gpu: &Found) -> bool {
        let wanted = &self.context.settings.devices;
        wanted.is_empty()
            || wanted.iter().any(|one| *one == gpu.uuid || *one == gpu.index.to_string())
    }

    /// Whether a worker runs; one that panicked is forgotten.
    fn is_running(&mut self, uuid: &str) -> bool {
        let Some(worker) = self.workers.remove(uuid) else { return false };
        if let Err(worker) = worker.join(Instant::now()) {
            self.workers.insert(uuid.to_owned(), worker);
            return true;
        }
        tracing::error!(gpu = uuid, "worker of a GPU ended, starting another");
        false
    }

    fn start(
        &mut self,
        gpu: &Found,
        device: Option<Device>,
        slot: Arc<Slot>,
        delay: Duration,
        now: Instant,
    ) -> std::io::Result<()> {
        let library = Arc::clone(&self.library);
        let Context { settings, control, metrics, .. } = &self.context;
        let device = match device {
            Some(mut device) => {
                device.continue_with(library, self.numbering);
                device
            }
            None => Device::new(
                library,
                self.numbering,
                gpu,
                Arc::clone(settings),
                metrics.clone(),
                now,
            ),
        };
        let (interval, clock) = (settings.interval, Arc::clone(&self.context.now));
        let control = Arc::clone(control);
        let on_change = move || control.wake();
        let worker =
            worker::start(device, slot, metrics.clone(), interval, delay, clock, on_change)?;
        self.workers.insert(gpu.uuid.clone(), worker);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Ends the workers of GPUs that are not there any more. One that is only lost stays: its
    /// worker is the one that sees it come back.
    fn let_go(
        &mut self,
        found: &[Found],
        kept: &mut HashMap<String, Device>,
        stuck: &mut HashMap<String, Worker<Device>>,
    ) {
        let missing: Vec<String> = self
            .workers
            .keys()
            .filter(|uuid| found.iter().all(|gpu| gpu.uuid != **uuid))
            .cloned()
            .collect();
        for uuid in missing {
            let answer = self.library.calls().device_by_uuid(&uuid);
            let is_gone = matches!(
                answer,
                Err(NvmlError {
                    code: ReturnCode::NotFound
                        | ReturnCode::GpuNotFound
                        | ReturnCode::InvalidArgument,
                    ..
                })
            );
            if !is_gone {
                continue;
            }
            if let Some(worker) = self.workers.remove(&uuid) {
                worker.stop();
                keep(uuid.clone(), worker.join(Instant::now() + PATIENCE), kept, stuck);
            }
            if let Some(slot) = self.context.board.slot(&uuid) {
                slot.set_absent(Some(Absence::Gone));
            }
            tracing::warn!(gpu = %uuid, "GPU is gone");
        }
    }

    /// Ends all threads and NVML, within [`PATIENCE`]. What hangs keeps NVML open.
    pub(super) fn close(
        self,
        kept: &mut HashMap<String, Device>,
        stuck: &mut HashMap<String, Worker<Device>>,
    ) -> Result<(), LeftOpen> {
        self.events.iter().for_each(Worker::stop);
        for worker in self.workers.values() {
            worker.stop();
        }
        let deadline = Instant::now() + PATIENCE;
        let before = stuck.len();
        for (uuid, worker) in self.workers {
            keep(uuid, worker.join(deadline), kept, stuck);
        }
        let events = self.events.and_then(|events| events.join(deadline).err());
        if events.is_some() || stuck.len() > before {
            tracing::warn!("a call of NVML does not come back, so it is not shut down");
            return Err(LeftOpen::Started { library: self.library, events });
        }
        shut_down(self.library, deadline)
    }
}

/// A start of NVML that could not be ended, because a call hangs.
pub(super) enum LeftOpen {
    /// A GPU's worker hung, or this thread of events.
    Started { library: Arc<Library>, events: Option<Worker<()>> },
    /// The shutdown itself hangs.
    Ending(Worker<Result<(), NvmlError>>),
}

impl LeftOpen {
    /// Ends it now that no GPU's worker hangs any more, if nothing else of it does.
    pub(super) fn close(self) -> Result<(), Self> {
        match self {
            Self::Started { library, events } => {
                match events.and_then(|events| events.join(Instant::now()).err()) {
                    Some(events) => Err(Self::Started { library, events: Some(events) }),
                    None => shut_down(library, Instant::now()),
                }
            }
            Self::Ending(worker) => worker.join(Instant::now()).map(|_| ()).map_err(Self::Ending),
        }
    }
}

/// On a thread, for it may hang as well. NVML counts its starts: each has an end of its own.
fn shut_down(library: Arc<Library>, deadline: Instant) -> Result<(), LeftOpen> {
    let own = Arc::clone(&library);
    let started = Worker::start("nvml-shutdown".to_owned(), move |_| own.calls().shutdown());
    let Ok(worker) = started else {
        tracing::warn!("NVML is not shut down: there is no thread for it");
        return Err(LeftOpen::Started { library, events: None });
    };
    // the workers may have taken all of the time
    let deadline = deadline.max(Instant::now() + SHUTDOWN_PATIENCE);
    match worker.join(deadline) {
        Ok(Some(Err(error))) if error.code != ReturnCode::Uninitialized => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "NVML did not shut down");
            Err(LeftOpen::Started { library, events: None })
        }
        // also when it has forgotten that it was started: there is nothing to end
        Ok(_) => Ok(()),
        Err(worker) => {
            tracing::warn!("NVML did not shut down in time");
            Err(LeftOpen::Ending(worker))
        }
    }
}

fn keep(
    uuid: String,
    ended: Result<Option<Device>, Worker<Device>>,
    kept: &mut HashMap<String, Device>,
    stuck: &mut HashMap<String, Worker<Device>>,
) {
    match ended {
        Ok(Some(device)) => {
            kept.insert(uuid, device);
        }
        Ok(None) => {}
        Err(worker) => {
            stuck.insert(uuid, worker);
        }
    }
}
