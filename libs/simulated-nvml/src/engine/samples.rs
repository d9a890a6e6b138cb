//! The driver's buffers: one point for each of its periods, the newest 120.

use crate::engine::numbers::short;
use crate::engine::view::{Unit, View};

/// Points that a buffer holds.
pub const CAPACITY: u64 = 120;

/// What is buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffered {
    /// Milliwatts.
    Power,
    /// Percent.
    Utilization(Unit),
    /// Megahertz.
    SmClock,
    /// Megahertz.
    MemoryClock,
}

/// The points that are newer than a stamp, oldest first: microseconds since boot, and the value.
pub fn newer_than(view: &View<'_>, what: Buffered, boot: u64, last_seen: u64) -> Vec<(u64, u32)> {
    let period = view.period();
    let newest = view.now / period;
    let oldest = (newest + 1).saturating_sub(CAPACITY).max(1);
    let is_dry = |from, to| {
        view.gpu.spec.dry_when_idle && view.average_between(Unit::Compute, from, to) < 0.5
    };
    (oldest..=newest)
        .map(|number| ((number - 1) * period, number * period))
        .filter(|(from, to)| boot + to > last_seen && !is_dry(*from, *to))
        .map(|(from, to)| (boot + to, value(view, what, from, to)))
        .collect()
}

fn value(view: &View<'_>, what: Buffered, from: u64, to: u64) -> u32 {
    let then = View { now: to, ..*view };
    match what {
        Buffered::Power => short(view.average_power_between(from, to) * 1e3),
        Buffered::Utilization(unit) => short(view.average_between(unit, from, to)),
        Buffered::SmClock => short(then.sm_clock()),
        Buffered::MemoryClock => short(view.profile().memory_mhz),
    }
}
