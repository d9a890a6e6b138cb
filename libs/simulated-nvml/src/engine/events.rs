//! What is reported as events: errors one by one or in storms, and changes.

use crate::engine::Engine;
use crate::scenario::timeline::Storm;

/// An uncorrected error of memory.
pub const DOUBLE_BIT_ERROR: u64 = 0x2;
/// An Xid.
pub const XID: u64 = 0x8;
/// MIG was configured anew.
pub const MIG_CHANGE: u64 = 0x100;
/// The driver wants something done.
pub const RECOVERY_ACTION: u64 = 0x8000;

/// Equal events at equal distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    first: u64,
    interval: u64,
    count: u64,
    kind: u64,
    data: u64,
}

impl Source {
    pub(crate) fn xid(at: u64, number: u64) -> Self {
        Self { first: at, interval: 1, count: 1, kind: XID, data: number }
    }

    pub(crate) fn storm(at: u64, storm: &Storm) -> Self {
        let count = storm.per_s.saturating_mul(storm.for_ms) / 1_000;
        Self { first: at, interval: 1_000_000 / storm.per_s, count, kind: XID, data: storm.xid }
    }

    pub(crate) fn uncorrected_error(at: u64) -> Self {
        Self { first: at, interval: 1, count: 1, kind: DOUBLE_BIT_ERROR, data: 0 }
    }

    pub(crate) fn mig_change(at: u64) -> Self {
        Self { first: at, interval: 1, count: 1, kind: MIG_CHANGE, data: 0 }
    }

    pub(crate) fn recovery_action(at: u64, action: u32) -> Self {
        Self { first: at, interval: 1, count: 1, kind: RECOVERY_ACTION, data: action.into() }
    }

    /// How many there are until a time, that moment included.
    fn count_until(&self, time: u64) -> u64 {
        match time.checked_sub(self.first) {
            Some(passed) => self.count.min(passed / self.interval + 1),
            None => 0,
        }
    }
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The GPU's position in the scenario.
    pub gpu: usize,
    /// NVML's bit.
    pub kind: u64,
    /// The number of an Xid.
    pub data: u64,
}

/// A GPU whose events somebody waits for. Events from before are not delivered.
#[derive(Debug, Clone)]
pub struct Watch {
    gpu: usize,
    kinds: u64,
    /// Events delivered or missed, of each source.
    seen: Vec<u64>,
}

impl Watch {
    /// Watches a GPU from now on.
    pub fn new(engine: &Engine, gpu: usize, kinds: u64, now: u64) -> Self {
        let sources = &engine.gpus()[gpu].sources;
        Self { gpu, kinds, seen: sources.iter().map(|source| source.count_until(now)).collect() }
    }

    /// The GPU's position in the scenario.
    pub fn gpu(&self) -> usize {
        self.gpu
    }
}

/// Takes the earliest event until now that has not been delivered.
pub fn take(engine: &Engine, watches: &mut [Watch], now: u64) -> Option<Event> {
    let (_, watch, source) = earliest(engine, watches).filter(|(at, ..)| *at <= now)?;
    let watch = &mut watches[watch];
    let sources = &engine.gpus()[watch.gpu].sources;
    watch.seen.resize(sources.len(), 0);
    watch.seen[source] += 1;
    let source = &sources[source];
    Some(Event { gpu: watch.gpu, kind: source.kind, data: source.data })
}

/// When the next event is.
pub fn next_at(engine: &Engine, watches: &[Watch]) -> Option<u64> {
    earliest(engine, watches).map(|(at, ..)| at)
}

fn earliest(engine: &Engine, watches: &[Watch]) -> Option<(u64, usize, usize)> {
    let all = watches.iter().enumerate().flat_map(|(index, watch)| {
        let sources = engine.gpus()[watch.gpu].sources.iter().enumerate();
        sources.filter(|(_, source)| source.kind & watch.kinds != 0).filter_map(
            move |(number, source)| {
                let seen = watch.seen.get(number).copied().unwrap_or(0);
                let at = source.first + seen * source.interval;
                (seen < source.count).then_some((at, index, number))
            },
        )
    });
    all.min()
}
