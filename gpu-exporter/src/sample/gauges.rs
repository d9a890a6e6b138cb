//! Readings that are one call each: which, how often, and in which unit NVML answers.

use super::catalogue::Reading;
use super::scale::Scale;
use super::schedule::Rhythm;
use crate::nvml::calls::{Calls, DeviceHandle};
use crate::nvml::error::NvmlError;
use crate::nvml::fields::Field;

/// Gives a value to a reading, in the reading's unit.
pub type Set<'a> = &'a mut dyn FnMut(Reading, f64);

/// A call and what comes of it.
#[derive(Debug)]
pub struct Gauge {
    /// How often.
    pub rhythm: Rhythm,
    /// What it gives; all of it is absent when the call fails.
    pub readings: &'static [Reading],
    /// Makes the call.
    pub read: fn(&Calls, DeviceHandle, Set<'_>) -> Result<(), NvmlError>,
}

const ONE: Scale = Scale::ONE;
const MEGA: Scale = Scale::MEGA;
const MILLI: Scale = Scale::MILLI;

/// Bits of clock event reasons, by reading.
pub const CLOCK_EVENTS: [(Reading, u64); 11] = [
    (Reading::ClockEventIdle, 0x1),
    (Reading::ClockEventApplicationSetting, 0x2),
    (Reading::ClockEventSwPowerCap, 0x4),
    (Reading::ClockEventHwSlowdown, 0x8),
    (Reading::ClockEventSyncBoost, 0x10),
    (Reading::ClockEventSwThermal, 0x20),
    (Reading::ClockEventHwThermal, 0x40),
    (Reading::ClockEventHwPowerBrake, 0x80),
    (Reading::ClockEventDisplay, 0x100),
    (Reading::ClockEventBoardLimit, 0x200),
    (Reading::ClockEventReliability, 0x400),
];

/// NVML's performance state that is none.
const PERFORMANCE_UNKNOWN: u32 = 32;

/// What NVML writes in place of a number that it does not have, in 32 and in 64 bits.
const NONE: [f64; 2] = [4_294_967_295.0, 1.844_674_407_370_955_2e19];

/// A number as NVML means it: all bits set stand for none.
pub(super) fn known(number: f64) -> Option<f64> {
    (!NONE.iter().any(|none| (none - number).abs() < 0.5)).then_some(number)
}

fn give(set: Set<'_>, reading: Reading, number: f64, scale: Scale) {
    if let Some(number) = known(number) {
        set(reading, scale.of(number));
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes and bits below 2^53")]
fn exact(value: u64) -> f64 {
    value as f64
}

fn memory(calls: &Calls, device: DeviceHandle, set: Set<'_>) -> Result<(), NvmlError> {
    let memory = calls.memory(device)?;
    give(set, Reading::MemoryTotal, exact(memory.total), ONE);
    give(set, Reading::MemoryUsed, exact(memory.used), ONE);
    give(set, Reading::MemoryFree, exact(memory.free), ONE);
    if let Some(reserved) = memory.reserved {
        give(set, Reading::MemoryReserved, exact(reserved), ONE);
    }
    Ok(())
}

fn bar1(calls: &Calls, device: DeviceHandle, set: Set<'_>) -> Result<(), NvmlError> {
    let bar1 = calls.bar1(device)?;
    give(set, Reading::Bar1Total, exact(bar1.total), ONE);
    give(set, Reading::Bar1Used, exact(bar1.used), ONE);
    give(set, Reading::Bar1Free, exact(bar1.free), ONE);
    Ok(())
}

fn clock_events(calls: &Calls, device: DeviceHandle, set: Set<'_>) -> Result<(), NvmlError> {
    let bits = calls.clock_event_reasons(device)?;
    set(Reading::ClockEventBits, exact(bits));
    for (reading, bit) in CLOCK_EVENTS {
        set(reading, f64::from(u8::from(bits & bit != 0)));
    }
    Ok(())
}

fn power_limit_range(calls: &Calls, device: DeviceHandle, set: Set<'_>) -> Result<(), NvmlError> {
    let (low, high) = calls.power_limit_range_mw(device)?;
    give(set, Reading::PowerLimitMin, f64::from(low), MILLI);
    give(set, Reading::PowerLimitMax, f64::from(high), MILLI);
    Ok(())
}

fn remap_banks(calls: &Calls, device: DeviceHandle, set: Set<'_>) -> Result<(), NvmlError> {
    let banks = calls.remap_banks(device)?;
    give(set, Reading::RowRemapBanksMax, f64::from(banks.max), ONE);
    give(set, Reading::RowRemapBanksHigh, f64::from(banks.high), ONE);
    give(set, Reading::RowRemapBanksPartial, f64::from(banks.partial), ONE);
    give(set, Reading::RowRemapBanksLow, f64::from(banks.low), ONE);
    give(set, Reading::RowRemapBanksNone, f64::from(banks.none), ONE);
    Ok(())
}

macro_rules! gauge {
    ($rhythm:ident, $reading:ident = $call:ident($($argument:expr),*) * $scale:expr) => {
        Gauge {
            rhythm: Rhythm::$rhythm,
            readings: &[Reading::$reading],
            read: |calls, device, set| {
                let value = f64::from(calls.$call(device $(, $argument)*)?);
                give(set, Reading::$reading, value, $scale);
                Ok(())
            },
        }
    };
}

/// NVML's numbers of clocks.
const GRAPHICS: u32 = 0;
const SM: u32 = 1;
const MEM: u32 = 2;
const VIDEO: u32 = 3;

/// All of them.
pub const GAUGES: [Gauge; 30] = [
    Gauge {
        rhythm: Rhythm::Always,
        readings: &[
            Reading::MemoryTotal,
            Reading::MemoryUsed,
            Reading::MemoryFree,
            Reading::MemoryReserved,
        ],
        read: memory,
    },
    gauge!(Always, ClockSm = clock_mhz(SM) * MEGA),
    Gauge {
        rhythm: Rhythm::Always,
        readings: &[
            Reading::ClockEventBits,
            Reading::ClockEventIdle,
            Reading::ClockEventApplicationSetting,
            Reading::ClockEventSwPowerCap,
            Reading::ClockEventHwSlowdown,
            Reading::ClockEventSyncBoost,
            Reading::ClockEventSwThermal,
            Reading::ClockEventHwThermal,
            Reading::ClockEventHwPowerBrake,
            Reading::ClockEventDisplay,
            Reading::ClockEventBoardLimit,
            Reading::ClockEventReliability,
        ],
        read: clock_events,
    },
    gauge!(Second, TemperatureGpu = temperature(0) * ONE),
    gauge!(Fifth, ClockMemory = clock_mhz(MEM) * MEGA),
    gauge!(Fifth, ClockGraphics = clock_mhz(GRAPHICS) * MEGA),
    gauge!(Fifth, ClockVideo = clock_mhz(VIDEO) * MEGA),
    Gauge {
        rhythm: Rhythm::Fifth,
        readings: &[Reading::PerformanceState],
        read: |calls, device, set| {
            let state = calls.performance_state(device)?;
            if state < PERFORMANCE_UNKNOWN {
                set(Reading::PerformanceState, f64::from(state));
            }
            Ok(())
        },
    },
    Gauge {
        rhythm: Rhythm::Tenth,
        readings: &[Reading::Bar1Total, Reading::Bar1Used, Reading::Bar1Free],
        read: bar1,
    },
    gauge!(Fifth, TemperatureMargin = temperature_margin() * ONE),
    gauge!(Slow, ClockMaxSm = max_clock_mhz(SM) * MEGA),
    gauge!(Slow, ClockMaxMemory = max_clock_mhz(MEM) * MEGA),
    gauge!(Slow, ClockMaxGraphics = max_clock_mhz(GRAPHICS) * MEGA),
    gauge!(Slow, ClockMaxVideo = max_clock_mhz(VIDEO) * MEGA),
    gauge!(Slow, PowerLimitEnforced = enforced_power_limit_mw() * MILLI),
    gauge!(Slow, PowerLimitRequested = power_limit_mw() * MILLI),
    gauge!(Slow, PowerLimitDefault = default_power_limit_mw() * MILLI),
    Gauge {
        rhythm: Rhythm::Slow,
        readings: &[Reading::PowerLimitMin, Reading::PowerLimitMax],
        read: power_limit_range,
    },
    gauge!(Slow, ThresholdShutdown = temperature_threshold(0) * ONE),
    gauge!(Slow, ThresholdSlowdown = temperature_threshold(1) * ONE),
    gauge!(Slow, ThresholdMemoryMax = temperature_threshold(2) * ONE),
    gauge!(Slow, ThresholdGpuMax = temperature_threshold(3) * ONE),
    gauge!(Slow, PcieLinkGeneration = pcie_generation() * ONE),
    gauge!(Slow, PcieLinkGenerationMax = max_pcie_generation() * ONE),
    gauge!(Slow, PcieLinkWidth = pcie_width() * ONE),
    gauge!(Slow, PcieLinkWidthMax = max_pcie_width() * ONE),
    Gauge {
        rhythm: Rhythm::Slow,
        readings: &[
            Reading::RowRemapBanksMax,
            Reading::RowRemapBanksHigh,
            Reading::RowRemapBanksPartial,
            Reading::RowRemapBanksLow,
            Reading::RowRemapBanksNone,
        ],
        read: remap_banks,
    },
    Gauge {
        rhythm: Rhythm::Slow,
        readings: &[Reading::VgpuLicensed],
        read: |calls, device, set| {
            if let Some(is_licensed) = calls.vgpu_licensed(device)? {
                set(Reading::VgpuLicensed, f64::from(u8::from(is_licensed)));
            }
            Ok(())
        },
    },
    gauge!(Slow, FabricState = fabric_state() * ONE),
    gauge!(Slow, PersistenceMode = persistence_mode() * ONE),
];

/// Calls for what the driver does not tell as a field.
pub const FALLBACKS: [(Field, Gauge); 3] = [
    (Field::POWER_AVERAGE, gauge!(Always, Power = power_mw() * MILLI)),
    (
        Field::ENERGY,
        Gauge {
            rhythm: Rhythm::Fifth,
            readings: &[Reading::Energy],
            read: |calls, device, set| {
                give(set, Reading::Energy, exact(calls.energy_mj(device)?), MILLI);
                Ok(())
            },
        },
    ),
    (Field::PCIE_REPLAYS, gauge!(Fifth, PcieReplays = pcie_replays() * ONE)),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_bits_set_are_no_number() {
        let shown = |number: f64| {
            let mut shown = None;
            give(&mut |_, value| shown = Some(value), Reading::Power, number, MILLI);
            shown
        };
        assert_eq!(shown(700_000.0), Some(700.0));
        assert_eq!(shown(f64::from(u32::MAX)), None);
        assert_eq!(shown(exact(u64::MAX)), None);
        assert_eq!(shown(-1.0), Some(-0.001), "a margin may be below 0");
    }

    #[test]
    fn every_reading_has_one_call() {
        let mut seen = HashSet::new();
        for reading in GAUGES.iter().flat_map(|gauge| gauge.readings) {
            assert!(seen.insert(*reading), "{reading:?} has two");
        }
        assert!(CLOCK_EVENTS.iter().all(|(reading, _)| seen.contains(reading)));
    }
}
