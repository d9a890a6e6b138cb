//! Where workers leave what they read, and from where pages take it.
//!
//! Every lock here is held for a copy and never during a call of the driver: a scrape takes as long
//! with a GPU that hangs as without.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use super::reader::Trouble;
use super::schedule::Rhythm;
use super::snapshot::{DeviceSnapshot, DriverState, Snapshot};
use super::xids::Xids;
use crate::config::Sampling;
use crate::nvml::identity::Identity;

/// A call that takes longer hangs.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// A start of NVML that takes longer hangs for good. Without persistence mode the driver may take
/// some 3 s for each GPU, and a node has up to 16.
const START_STUCK_AFTER: Duration = Duration::from_mins(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a GPU is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// NVML is down, or was released.
    Driver,
    /// It is not among the GPUs of the node any more.
    Gone,
}

impl Absence {
    fn reason(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Gone => "gone",
        }
    }
}

#[derive(Debug, Default)]
struct Latest {
    snapshot: Arc<DeviceSnapshot>,
    /// When the last complete round began.
    at: Option<Instant>,
    trouble: Option<Trouble>,
    /// Attempts in a row with the same trouble.
    attempts: u32,
    absence: Option<Absence>,
    /// NVML's index as the last look at all GPUs had it.
    index: u32,
}

/// The place of one GPU.
#[derive(Debug)]
pub struct Slot {
    uuid: String,
    latest: Mutex<Latest>,
    busy_since: Mutex<Option<Instant>>,
    xids: Mutex<Xids>,
    wants_rescan: AtomicBool,
}

impl Slot {
    fn new(uuid: String, index: u32, settings: &Sampling) -> Self {
        let identity = Identity { uuid: uuid.clone(), index, ..Identity::default() };
        let snapshot = DeviceSnapshot { identity: Arc::new(identity), ..DeviceSnapshot::default() };
        Self {
            uuid,
            latest: Mutex::new(Latest { snapshot: Arc::new(snapshot), index, ..Latest::default() }),
            busy_since: Mutex::default(),
            xids: Mutex::new(Xids::new(settings.xid_window)),
            wants_rescan: AtomicBool::new(false),
        }
    }

    /// Its UUID.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Calls are being made from now on.
    pub fn begin(&self, now: Instant) {
        *lock(&self.busy_since) = Some(now);
    }

    /// The calls that began at `began` came back, with this.
    pub fn publish(
        &self,
        snapshot: &DeviceSnapshot,
        trouble: Option<Trouble>,
        attempts: u32,
        began: Instant,
    ) {
        let snapshot = Arc::new(snapshot.clone());
        let mut latest = lock(&self.latest);
        latest.snapshot = snapshot;
        (latest.trouble, latest.attempts) = (trouble, attempts);
        if trouble.is_none() {
            latest.at = Some(began);
        }
        drop(latest);
        *lock(&self.busy_since) = None;
    }

    /// Nobody calls any more: the worker ended.
    pub fn end(&self) {
        *lock(&self.busy_since) = None;
    }

    /// Whether, and why, it is not read at all.
    pub fn set_absent(&self, absence: Option<Absence>) {
        lock(&self.latest).absence = absence;
    }

    /// Why it is not read, if so.
    pub fn absence(&self) -> Option<Absence> {
        lock(&self.latest).absence
    }

    /// What was wrong in the last round, and how often in a row.
    pub fn trouble(&self) -> Option<(Trouble, u32)> {
        let latest = lock(&self.latest);
        latest.trouble.map(|trouble| (trouble, latest.attempts))
    }

    /// The index that the worker knows.
    pub fn index_read(&self) -> u32 {
        lock(&self.latest).snapshot.identity.index
    }

    /// Whatever was wrong is of an earlier start of NVML.
    pub fn forget_trouble(&self) {
        let mut latest = lock(&self.latest);
        (latest.trouble, latest.attempts) = (None, 0);
    }

    /// Whether a round has ever ended, well or not.
    pub fn was_read(&self) -> bool {
        let latest = lock(&self.latest);
        latest.at.is_some() || latest.trouble.is_some()
    }

    /// How long the calls in progress have been taking, if too long.
    pub fn stuck_for(&self, now: Instant) -> Option<Duration> {
        let busy = (*lock(&self.busy_since))?;
        Some(now.saturating_duration_since(busy)).filter(|busy| *busy > STUCK_AFTER)
    }

    /// Counts an Xid. Returns how many of that number were not logged, if this one is to be.
    pub fn record_xid(&self, number: u32, now: Instant, wall: SystemTime) -> Option<u64> {
        lock(&self.xids).record(number, now, wall)
    }

    /// Asks the worker to look for instances and the index again.
    pub fn request_rescan(&self) {
        self.wants_rescan.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked for, since this was last called.
    pub fn take_rescan(&self) -> bool {
        self.wants_rescan.swap(false, Ordering::Relaxed)
    }

    fn shown(&self, now: Instant, sampling: Duration) -> DeviceSnapshot {
        let latest = lock(&self.latest);
        let snapshot = Arc::clone(&latest.snapshot);
        let (at, absence, index) = (latest.at, latest.absence, latest.index);
        drop(latest);
        let mut shown = (*snapshot).clone();
        if shown.identity.index != index {
            // workers learn of a shift one after the other: two GPUs would have one index meanwhile
            Arc::make_mut(&mut shown.identity).index = index;
        }
        let xids = lock(&self.xids);
        shown.xids = xids.snapshot(now);
        shown.last_xid = xids.last();
        drop(xids);
        shown.age_seconds = at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        let stuck = self.stuck_for(now);
        shown.stuck_seconds = stuck.map(|stuck| stuck.as_secs_f64());
        let down_reason = absence.map(Absence::reason).or(stuck.map(|_| "hung"));
        if let Some(reason) = down_reason {
            (shown.is_up, shown.down_reason) = (false, reason);
            shown.readings.clear();
            shown.mig.clear();
            shown.links.clear();
            shown.fans.clear();
            shown.processes.clear();
            return shown;
        }
        if shown.is_up {
            let limit = super::catalogue::Cadence::Fast.max_age(sampling);
            if shown.age_seconds > limit.as_secs_f64() {
                // rounds have ended, but none well, or none was begun
                (shown.is_up, shown.down_reason) = (false, "stale");
            }
        } else if shown.down_reason.is_empty() {
            shown.down_reason = "starting";
        }
        shown.readings = shown.readings.without_stale(now, sampling);
        // instances take turns, so that none is read in every round
        for instance in &mut shown.mig {
            let readings = instance.readings.clone();
            instance.readings = readings.without_stale(now, Rhythm::Fifth.period(sampling));
        }
        shown
    }
}

/// All GPUs that were seen since the start.
#[derive(Debug)]
pub struct Board {
    settings: Arc<Sampling>,
    driver: Mutex<DriverState>,
    /// Since when the thread that starts NVML and looks for GPUs has been at it.
    step_since: Mutex<Option<Instant>>,
    slots: RwLock<Vec<Arc<Slot>>>,
}

impl Board {
    /// An empty one.
    pub fn new(settings: Arc<Sampling>) -> Self {
        let (driver, step_since, slots) = <_>::default();
        Self { settings, driver, step_since, slots }
    }

    /// NVML is being started, or GPUs be looked for, from now on.
    pub fn begin_step(&self, now: Instant) {
        *lock(&self.step_since) = Some(now);
    }

    /// That came to its end.
    pub fn end_step(&self) {
        *lock(&self.step_since) = None;
    }

    fn is_step_longer(&self, limit: Duration, now: Instant) -> bool {
        let since = *lock(&self.step_since);
        since.is_some_and(|since| now.saturating_duration_since(since) > limit)
    }

    /// Whether NVML works, as it is to be shown at `now`: a start that hangs is told as such.
    fn driver_at(&self, now: Instant) -> DriverState {
        match self.driver() {
            DriverState::Down(_) if self.is_step_longer(STUCK_AFTER, now) => {
                DriverState::Down("hung".to_owned())
            }
            state => state,
        }
    }

    /// Whether NVML works.
    pub fn set_driver(&self, state: DriverState) {
        *lock(&self.driver) = state;
    }

    /// Whether NVML works.
    pub fn driver(&self) -> DriverState {
        lock(&self.driver).clone()
    }

    /// The places, in the order in which GPUs were first seen.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The place of a GPU.
    pub fn slot(&self, uuid: &str) -> Option<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().find(|slot| slot.uuid == uuid).map(Arc::clone)
    }

    /// The place of a GPU, made if there is none yet, at an index.
    pub fn place(&self, uuid: &str, index: u32) -> Arc<Slot> {
        if let Some(slot) = self.slot(uuid) {
            return slot;
        }
        let slot = Arc::new(Slot::new(uuid.to_owned(), index, &self.settings));
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.push(Arc::clone(&slot));
        slot
    }

    /// Says at which indices GPUs are, of all at once: no page has two at the same.
    pub fn set_indices<'a>(&self, indices: impl IntoIterator<Item = (&'a str, u32)>) {
        let slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (uuid, index) in indices {
            if let Some(slot) = slots.iter().find(|slot| slot.uuid == uuid) {
                lock(&slot.latest).index = index;
            }
        }
    }

    /// Everything, as it is to be shown at `now`. Makes no call of the driver.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let shown = |slot: &Arc<Slot>| Arc::new(slot.shown(now, self.settings.interval));
        // held throughout, or indices could change between two GPUs
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let mut devices: Vec<Arc<DeviceSnapshot>> = slots.iter().map(shown).collect();
        drop(slots);
        devices.sort_by(|one, other| {
            let key = |device: &DeviceSnapshot| {
                (device.identity.index, !device.is_up, device.identity.uuid.clone())
            };
            key(one).cmp(&key(other))
        });
        Snapshot { driver: self.driver_at(now), devices }
    }

    /// Whether every GPU has been read once, so that a page is complete. True without GPUs.
    pub fn is_complete(&self, now: Instant) -> bool {
        let is_known = |slot: &Arc<Slot>| {
            slot.was_read() || slot.absence().is_some() || slot.stuck_for(now).is_some()
        };
        self.slots().iter().all(is_known)
    }

    /// Whether a page says something: NVML was tried, and every GPU it has was read. A node whose
    /// driver does not work is ready, too: Prometheus has to see that.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.driver_at(now) != DriverState::default() && self.is_complete(now)
    }

    /// Whether nothing is read any more, so that only a restart may help: all GPUs that are there
    /// hang at once, or none is read and NVML's start has been hanging for a minute.
    pub fn is_stuck(&self, now: Instant) -> bool {
        let mut slots = self.slots();
        slots.retain(|slot| slot.absence() != Some(Absence::Gone));
        let hangs = |slot: &Arc<Slot>| slot.stuck_for(now).is_some();
        if !slots.is_empty() && slots.iter().all(hangs) {
            return true;
        }
        let is_idle = |slot: &Arc<Slot>| slot.absence().is_some() || hangs(slot);
        self.is_step_longer(START_STUCK_AFTER, now) && slots.iter().all(is_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::catalogue::{Cadence, Reading};
    use crate::sample::readings::Readings;
    use crate::sample::snapshot::MigSnapshot;

    fn read_at(now: Instant, uuid: &str, index: u32) -> DeviceSnapshot {
        let identity = Identity { uuid: uuid.to_owned(), index, ..Identity::default() };
        let mut snapshot =
            DeviceSnapshot { identity: Arc::new(identity), is_up: true, ..Default::default() };
        snapshot.readings.set(Reading::Power, Some(300.0));
        snapshot.readings.taken(Cadence::Fast, now);
        snapshot
    }

    fn board() -> Board {
        Board::new(Arc::new(Sampling::default()))
    }

    #[test]
    fn a_call_that_does_not_come_back_takes_the_gpu_down_and_no_other() {
        let (board, start) = (board(), Instant::now());
        for (index, uuid) in (0..).zip(["GPU-a", "GPU-b"]) {
            let slot = board.place(uuid, index);
            slot.begin(start);
            slot.publish(&read_at(start, uuid, index), None, 0, start);
        }
        board.place("GPU-a", 0).begin(start + Duration::from_secs(1));
        let after = |seconds| board.snapshot(start + Duration::from_secs(seconds));
        assert!(after(6).devices[0].is_up, "5 s are not too long");
        let shown = after(7);
        assert_eq!((shown.devices[0].is_up, shown.devices[0].down_reason), (false, "hung"));
        assert_eq!(shown.devices[0].stuck_seconds, Some(6.0));
        assert_eq!(shown.devices[0].readings.last(Reading::Power), None);
        assert!(shown.devices[1].is_up);
        assert_eq!(shown.devices[1].readings.last(Reading::Power), Some(300.0));
        assert!(!board.is_stuck(start + Duration::from_secs(7)));
        let now = start + Duration::from_secs(7);
        board.place("GPU-a", 0).publish(&read_at(now, "GPU-a", 0), None, 0, now);
        assert!(after(8).devices[0].is_up, "it came back");
    }

    #[test]
    fn a_gpu_that_nobody_reads_any_more_is_not_shown_as_it_was() {
        let (board, start) = (board(), Instant::now());
        board.place("GPU-a", 0).publish(&read_at(start, "GPU-a", 0), None, 0, start);
        let shown = board.snapshot(start + Duration::from_secs(11));
        assert_eq!((shown.devices[0].is_up, shown.devices[0].down_reason), (false, "stale"));
        assert_eq!(shown.devices[0].readings.last(Reading::Power), None);
        board.place("GPU-a", 0).set_absent(Some(Absence::Gone));
        let shown = board.snapshot(start);
        assert_eq!((shown.devices[0].is_up, shown.devices[0].down_reason), (false, "gone"));
    }

    #[test]
    fn a_start_of_nvml_that_hangs_is_shown_after_5_s_and_unhealthy_after_a_minute() {
        let (board, start) = (board(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        board.begin_step(start);
        assert!(!board.is_ready(at(5)));
        assert_eq!(board.snapshot(at(5)).driver, DriverState::default());
        let hung = DriverState::Down("hung".to_owned());
        assert_eq!(board.snapshot(at(6)).driver, hung);
        assert!(board.is_ready(at(6)), "Prometheus has to see it");
        assert!(!board.is_stuck(at(60)));
        assert!(board.is_stuck(at(61)));
        // a GPU that is read is worth more than a look for others
        board.place("GPU-a", 0).publish(&read_at(at(61), "GPU-a", 0), None, 0, at(61));
        assert!(!board.is_stuck(at(61)));
        board.place("GPU-a", 0).set_absent(Some(Absence::Driver));
        assert!(board.is_stuck(at(61)));
        board.end_step();
        assert!(!board.is_stuck(at(99)));
        assert_eq!(board.snapshot(at(99)).driver, DriverState::default());
    }

    #[test]
    fn two_gpus_never_share_an_index_although_workers_learn_of_a_shift_one_by_one() {
        let (board, now) = (board(), Instant::now());
        for (index, uuid) in (0..).zip(["GPU-a", "GPU-b"]) {
            board.place(uuid, index).publish(&read_at(now, uuid, index), None, 0, now);
        }
        let shown = || -> Vec<(String, u32)> {
            let devices = board.snapshot(now).devices;
            let named = |one: &Arc<DeviceSnapshot>| (one.identity.uuid.clone(), one.identity.index);
            devices.iter().map(named).collect()
        };
        let named = |uuids: [&str; 2]| -> Vec<(String, u32)> {
            uuids.map(str::to_owned).into_iter().zip(0..).collect()
        };
        // one worker knows already
        board.place("GPU-b", 0).publish(&read_at(now, "GPU-b", 0), None, 0, now);
        assert_eq!(shown(), named(["GPU-a", "GPU-b"]));
        board.set_indices([("GPU-b", 0), ("GPU-a", 1)]);
        assert_eq!(shown(), named(["GPU-b", "GPU-a"]), "the other one does not know yet");
    }

    #[test]
    fn a_gpu_that_is_gone_does_not_hide_that_all_others_hang() {
        let (board, start) = (board(), Instant::now());
        board.place("GPU-a", 0).set_absent(Some(Absence::Gone));
        let later = start + Duration::from_secs(6);
        assert!(!board.is_stuck(later), "there is none");
        board.place("GPU-b", 1).begin(start);
        assert!(board.is_stuck(later));
    }

    #[test]
    fn an_instance_is_shown_until_three_of_its_turns_were_missed() {
        let (board, start) = (board(), Instant::now());
        let mut snapshot = read_at(start, "GPU-a", 0);
        let mut readings = Readings::default();
        readings.set(Reading::MemoryUsed, Some(5.0));
        readings.taken(Cadence::Fast, start);
        snapshot.mig.push(MigSnapshot { identity: Arc::default(), readings });
        let shown = |seconds| {
            let now = start + Duration::from_secs(seconds);
            board.place("GPU-a", 0).publish(&snapshot, None, 0, now);
            board.snapshot(now).devices[0].mig[0].readings.last(Reading::MemoryUsed)
        };
        assert_eq!(shown(15), Some(5.0), "seven instances take longer than 10 s now and then");
        assert_eq!(shown(16), None);
    }

    #[test]
    fn xids_are_shown_at_once_and_also_of_a_gpu_that_is_down() {
        let (board, now) = (board(), Instant::now());
        let slot = board.place("GPU-a", 0);
        slot.publish(&read_at(now, "GPU-a", 0), None, 0, now);
        slot.begin(now);
        slot.record_xid(79, now, SystemTime::UNIX_EPOCH);
        let shown = board.snapshot(now + Duration::from_secs(6));
        assert!(!shown.devices[0].is_up);
        assert_eq!(shown.devices[0].last_xid, Some(79));
        assert_eq!(shown.devices[0].xids[0].count, 1);
    }
}
