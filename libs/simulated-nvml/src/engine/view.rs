//! A GPU at one time: gauges as they are then, counters as they have grown until then.

use crate::code::Code;
use crate::engine::curve::Curve;
use crate::engine::gpu::{Gpu, Instance};
use crate::engine::numbers::{real, seconds};
use crate::scenario::profile::Profile;
use crate::scenario::timeline::{EccErrors, Health, Remap};

/// NVML's bits for which clocks are held down by a limit.
const LIMITING: u64 = 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x200 | 0x400;

/// Averages of power and clocks.
const SECOND: u64 = 1_000_000;

/// How long a GPU takes to warm up.
const WARM_UP: u64 = 30 * SECOND;

/// A GPU at one time.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The GPU.
    pub gpu: &'a Gpu,
    /// Microseconds since the start.
    pub now: u64,
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// Of driver and firmware.
    pub reserved: u64,
    /// By processes.
    pub used: u64,
}

/// An engine whose utilization is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Kernels.
    Compute,
    /// The memory interface.
    Memory,
    /// Video encoders.
    Encoder,
    /// Video decoders.
    Decoder,
    /// JPEG and optical flow: always idle.
    Idle,
}

impl<'a> View<'a> {
    pub(crate) fn new(gpu: &'a Gpu, now: u64) -> Self {
        Self { gpu, now }
    }

    /// The product.
    pub fn profile(&self) -> &'static Profile {
        self.gpu.spec.profile
    }

    /// How it is; lost, too, when it was taken out.
    pub fn health(&self) -> Health {
        if *self.gpu.present.at(self.now) { *self.gpu.health.at(self.now) } else { Health::Lost }
    }

    /// Percent seconds of a unit between two times.
    pub fn area(&self, unit: Unit, from: u64, to: u64) -> f64 {
        let between = |curve: &Curve| curve.area(to) - curve.area(from);
        match (unit, &self.gpu.memory_load) {
            (Unit::Memory, Some(curve)) => between(curve),
            (Unit::Memory, None) => 0.6 * self.load_area(from, to),
            (Unit::Compute, _) => self.load_area(from, to),
            (Unit::Encoder, _) => between(&self.gpu.encoder),
            (Unit::Decoder, _) => between(&self.gpu.decoder),
            (Unit::Idle, _) => 0.0,
        }
    }

    fn load_area(&self, from: u64, to: u64) -> f64 {
        let spans = self.gpu.load.spans(from, to);
        spans.map(|(start, end, curve)| curve.area(end) - curve.area(start)).sum()
    }

    /// Percent of a unit, averaged over the time before now.
    pub fn average(&self, unit: Unit, window: u64) -> f64 {
        self.average_between(unit, self.now.saturating_sub(window), self.now)
    }

    /// Percent of a unit, averaged; at a single moment, the value then.
    pub fn average_between(&self, unit: Unit, from: u64, to: u64) -> f64 {
        if from >= to {
            let load = self.gpu.load.at(to).value(to);
            return match unit {
                Unit::Compute => load,
                Unit::Memory => {
                    self.gpu.memory_load.as_ref().map_or(0.6 * load, |curve| curve.value(to))
                }
                Unit::Encoder => self.gpu.encoder.value(to),
                Unit::Decoder => self.gpu.decoder.value(to),
                Unit::Idle => 0.0,
            };
        }
        (self.area(unit, from, to) / seconds(to - from)).clamp(0.0, 100.0)
    }

    /// Percent in the last whole period of the driver.
    pub fn latest(&self, unit: Unit) -> f64 {
        let period = self.period();
        let end = self.now / period * period;
        self.average_between(unit, end.saturating_sub(period), end)
    }

    /// Microseconds between two points of the driver's buffers.
    pub fn period(&self) -> u64 {
        self.gpu.spec.sample_ms * 1_000
    }

    /// Memory of the GPU.
    pub fn memory(&self) -> Memory {
        let total = self.gpu.spec.memory;
        let reserved = total / 160;
        self.share_of_memory(total, reserved)
    }

    /// Memory of an instance.
    pub fn instance_memory(&self, instance: &Instance) -> Memory {
        let whole = self.profile().mig_profiles.last().map_or(80, |name| gigabytes(name));
        let share = real(u64::from(instance.profile.gigabytes)) / real(whole.max(1));
        let total = crate::engine::numbers::whole(real(self.gpu.spec.memory) * share.min(1.0));
        self.share_of_memory(total, total / 160)
    }

    fn share_of_memory(&self, total: u64, reserved: u64) -> Memory {
        let percent = self.gpu.memory_used.value(self.now).clamp(0.0, 100.0);
        let used = crate::engine::numbers::whole(real(total - reserved) * percent / 100.0);
        Memory { total, reserved, used }
    }

    /// Watts at this moment.
    pub fn power(&self) -> f64 {
        self.average_power_between(self.now, self.now)
    }

    /// Watts, averaged over the last second.
    pub fn average_power(&self) -> f64 {
        self.average_power_between(self.now.saturating_sub(SECOND), self.now)
    }

    /// Watts, averaged.
    pub fn average_power_between(&self, from: u64, to: u64) -> f64 {
        match &self.gpu.power {
            Some(curve) if from >= to => curve.value(to),
            Some(curve) => (curve.area(to) - curve.area(from)) / seconds(to - from),
            None => {
                let (idle, span) = self.watts();
                idle + span * self.average_between(Unit::Compute, from, to) / 100.0
            }
        }
    }

    /// Joules since the start.
    pub fn energy(&self) -> f64 {
        if let Some(curve) = &self.gpu.power {
            return curve.area(self.now);
        }
        let (idle, span) = self.watts();
        idle * seconds(self.now) + span * self.area(Unit::Compute, 0, self.now) / 100.0
    }

    /// Watts without load, and what full load adds: 95 % of the limit is never passed.
    fn watts(&self) -> (f64, f64) {
        let idle = self.profile().idle_watts;
        (idle, (0.95 * self.gpu.spec.power_limit_watts - idle).max(0.0))
    }

    /// Celsius of the die.
    pub fn temperature(&self) -> f64 {
        match &self.gpu.temperature {
            Some(curve) => curve.value(self.now),
            None if self.clock_events() & (0x20 | 0x40) != 0 => self.profile().limits_celsius[1],
            None => 33.0 + 0.42 * self.average(Unit::Compute, WARM_UP),
        }
    }

    /// NVML's bits for which clocks are limited.
    pub fn clock_events(&self) -> u64 {
        match *self.gpu.clock_events.at(self.now) {
            0 if self.is_idle() => 1,
            bits => bits,
        }
    }

    /// Nothing ran in the last second.
    pub fn is_idle(&self) -> bool {
        self.average(Unit::Compute, SECOND) < 0.5
    }

    /// Seconds since the start during which clocks were limited for one of these bits.
    pub fn limited_seconds(&self, bits: u64) -> f64 {
        let spans = self.gpu.clock_events.spans(0, self.now);
        spans
            .filter(|(.., set)| **set & bits != 0)
            .map(|(start, end, _)| seconds(end - start))
            .sum()
    }

    /// Megahertz of SMs and graphics.
    pub fn sm_clock(&self) -> f64 {
        let profile = self.profile();
        match &self.gpu.sm_clock {
            Some(curve) => curve.value(self.now),
            None if self.clock_events() & LIMITING != 0 => 15.0 * (profile.sm_mhz / 25.0).round(),
            None if self.is_idle() => profile.idle_mhz,
            None => profile.sm_mhz,
        }
    }

    /// Errors of memory since the start.
    pub fn ecc(&self) -> EccErrors {
        let past = self.gpu.ecc.iter().filter(|(at, _)| *at <= self.now);
        past.fold(EccErrors::default(), |sum, (_, errors)| EccErrors {
            corrected: sum.corrected + errors.corrected,
            uncorrected: sum.uncorrected + errors.uncorrected,
        })
    }

    /// Remapped rows: counts of all, flags of the last.
    pub fn remap(&self) -> Remap {
        let past = self.gpu.remaps.iter().filter(|(at, _)| *at <= self.now);
        past.fold(Remap::default(), |sum, (_, remap)| Remap {
            correctable: sum.correctable + remap.correctable,
            uncorrectable: sum.uncorrectable + remap.uncorrectable,
            ..*remap
        })
    }

    /// What the driver wants done.
    pub fn recovery_action(&self) -> u32 {
        match *self.gpu.recovery.at(self.now) {
            0 if self.health() == Health::ResetRequired => 1,
            action => action,
        }
    }

    /// The instances; `None`: MIG is off.
    pub fn instances(&self) -> Option<&'a [Instance]> {
        self.gpu.instances.at(self.now).as_deref()
    }

    /// How often MIG has been configured; a handle of another time is of nothing.
    pub fn generation(&self) -> usize {
        self.gpu.instances.changes_until(self.now)
    }

    /// Bytes out of and into the GPU over `PCIe` since the start: a twentieth and an eighth of what
    /// the bus can do, at full load.
    pub fn pcie_bytes(&self, to: u64) -> (f64, f64) {
        let rate = 2e9 * f64::from(1 << (self.profile().pcie_generation - 1));
        let busy = self.area(Unit::Compute, 0, to) / 100.0;
        (rate / 20.0 * busy, rate / 8.0 * busy)
    }

    /// Bytes out of and into one `NVLink` since the start; none if it is down.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for a link that there is not.
    pub fn link_bytes(&self, link: u32, to: u64) -> Result<(f64, f64), Code> {
        if link >= self.profile().links {
            return Err(Code::INVALID_ARGUMENT);
        }
        if self.gpu.spec.links_down.contains(&link) {
            return Ok((0.0, 0.0));
        }
        let busy = self.area(Unit::Compute, 0, to) / 100.0;
        let rate = self.profile().link_rate;
        Ok((0.3 * rate * busy, 0.28 * rate * busy))
    }

    /// Bytes out of and into all `NVLink`s since the start.
    pub fn all_link_bytes(&self, to: u64) -> (f64, f64) {
        (0..self.profile().links)
            .filter_map(|link| self.link_bytes(link, to).ok())
            .fold((0.0, 0.0), |sum, bytes| (sum.0 + bytes.0, sum.1 + bytes.1))
    }
}

fn gigabytes(profile: &str) -> u64 {
    profile
        .split_once("g.")
        .and_then(|(_, memory)| memory.strip_suffix("gb")?.parse().ok())
        .unwrap_or(80)
}
