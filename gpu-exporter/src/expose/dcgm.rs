//! Writes the families of a file of counters, as dcgm-exporter names them.
//!
//! With MIG, series are those of the instances. What the board has only once (power, temperature,
//! errors) is on each of them, as DCGM has it; memory and utilization are the instance's or absent.

pub mod counters_file;
pub(super) mod labels;
pub(super) mod names;
pub(super) mod xid_texts;

use std::sync::Arc;

use prometheus_model::exposition::{Number, Writer};

use self::counters_file::{Counters, Metric};
use self::labels::SeriesLabels;
use self::names::{Field, Form, Source};
use super::health;
use super::topology::Topology;
use crate::sample::catalogue::{Cadence, Reading};
use crate::sample::readings::Readings;
use crate::sample::snapshot::{DeviceSnapshot, MigSnapshot, Snapshot};

/// Lengths of the windows of `DCGM_EXP_*`, in milliseconds, as labels.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    pub(super) xids: String,
    pub(super) clock_events: String,
}

/// Names of NVML's clock event reasons, in the order of their bits from 1 to 0x100.
const CLOCK_EVENTS: [&str; 9] = [
    "gpu_idle",
    "clocks_setting",
    "power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal",
    "hw_thermal",
    "hw_power_brake",
    "display_clocks",
];

/// A GPU or an instance, with the labels of its series.
#[derive(Clone, Copy)]
struct Entity<'a> {
    device: &'a DeviceSnapshot,
    instance: Option<&'a MigSnapshot>,
    series: &'a [SeriesLabels],
}

/// Writes everything but what other counters have written on the same page.
pub(super) fn write(
    writer: &mut Writer,
    counters: &Counters,
    written: &[Arc<Counters>],
    windows: &Windows,
    snapshot: &Snapshot,
    topology: &Topology,
) {
    let mut entities = Vec::new();
    for (device, labels) in snapshot.devices.iter().zip(&topology.devices) {
        entities.push(Entity { device, instance: None, series: &labels.dcgm });
        for (instance, labels) in device.mig.iter().zip(&labels.instances) {
            entities.push(Entity { device, instance: Some(instance), series: &labels.dcgm });
        }
    }
    for metric in &counters.metrics {
        if written.iter().any(|other| other.has(&metric.name)) {
            continue;
        }
        writer.family(&metric.name, metric.kind, &metric.help);
        for entity in &entities {
            entity.write(writer, metric, windows);
        }
    }
}

impl Entity<'_> {
    fn write(&self, writer: &mut Writer, metric: &Metric, windows: &Windows) {
        match metric.field.source {
            Source::LastXid => self.last_xid(writer),
            Source::XidCounts => self.xid_counts(writer, &windows.xids),
            Source::ClockEventCounts => self.clock_events(writer, &windows.clock_events),
            Source::Health => self.health(writer),
            _ => {
                let Some(value) = self.value(metric.field) else { return };
                for series in self.series {
                    writer.prepared_sample(&series.plain, &[], value);
                }
            }
        }
    }

    fn value(&self, field: Field) -> Option<Number> {
        if !self.device.is_up {
            return None;
        }
        let value = match field.source {
            Source::Reading(reading) => self.reading(reading)?,
            Source::MemoryUsedShare => used_share(self.own())?,
            Source::FanSpeed => self.device.fans.first()?.speed_ratio?,
            Source::LinkBytes(number) => {
                let link = self.device.links.iter().find(|link| link.number == number)?;
                link.transmit_bytes? + link.receive_bytes?
            }
            _ => return None,
        };
        formatted(value * field.scale, field.form)
    }

    fn own(&self) -> &Readings {
        self.instance.map_or(&self.device.readings, |instance| &instance.readings)
    }

    fn reading(&self, reading: Reading) -> Option<f64> {
        let own = self.own().last(reading);
        if self.instance.is_some() && is_of_board(reading) {
            return own.or_else(|| self.device.readings.last(reading));
        }
        own
    }

    /// A board that does not answer has its last Xid still, and no "No Error".
    fn last_xid(&self, writer: &mut Writer) {
        let number = match self.device.last_xid {
            Some(number) => number,
            None if self.device.is_up => 0,
            None => return,
        };
        let (code, text) = (number.to_string(), xid_texts::xid_text(number));
        for series in self.series {
            let labels = series.with(&[], &[("err_code", &code), ("err_msg", text)]);
            writer.prepared_sample(&labels, &[], number);
        }
    }

    fn xid_counts(&self, writer: &mut Writer, window: &str) {
        for xid in &self.device.xids {
            let number = xid.number.map_or_else(|| "other".to_owned(), |number| number.to_string());
            for series in self.series {
                let labels = series.with(&[("window_size_in_ms", window), ("xid", &number)], &[]);
                writer.prepared_sample(&labels, &[], xid.count_in_window);
            }
        }
    }

    fn clock_events(&self, writer: &mut Writer, window: &str) {
        if !self.device.is_up {
            return;
        }
        for (event, count) in CLOCK_EVENTS.iter().zip(self.device.clock_events_in_window) {
            for series in self.series {
                let labels =
                    series.with(&[("clock_event", event), ("window_size_in_ms", window)], &[]);
                writer.prepared_sample(&labels, &[], count);
            }
        }
    }

    fn health(&self, writer: &mut Writer) {
        for found in health::findings(&self.device.readings).filter(|_| self.device.is_up) {
            let more = [("health_error_code", found.error), ("health_watch", found.dcgm_watch)];
            for series in self.series {
                writer.prepared_sample(&series.with(&more, &[]), &[], found.health as u32);
            }
        }
    }
}

/// Whether an instance has the reading of its board.
fn is_of_board(reading: Reading) -> bool {
    use Reading as R;
    match reading.cadence() {
        Cadence::Samples => reading == R::PowerWindowMax,
        Cadence::Activity => false,
        Cadence::Fast => !matches!(
            reading,
            R::MemoryTotal
                | R::MemoryUsed
                | R::MemoryFree
                | R::MemoryReserved
                | R::Bar1Total
                | R::Bar1Used
                | R::Bar1Free
        ),
        Cadence::Fields | Cadence::Slow => true,
    }
}

fn used_share(readings: &Readings) -> Option<f64> {
    let total = readings.last(Reading::MemoryTotal)?;
    let usable = total - readings.last(Reading::MemoryReserved).unwrap_or_default();
    (usable > 0.0).then_some(readings.last(Reading::MemoryUsed)? / usable)
}

/// As C's `%d` or `%f`; what is no number is nothing.
fn formatted(value: f64, form: Form) -> Option<Number> {
    // the sum turns a -0 into 0
    let number = match form {
        Form::Integer => Number::Fixed(value.round() + 0.0, 0),
        Form::Floor => Number::Fixed(value.floor() + 0.0, 0),
        Form::Float => Number::Fixed(value + 0.0, 6),
    };
    value.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, form: Form) -> Option<String> {
        formatted(value, form).map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_whole_or_have_six_decimals() {
        assert_eq!(shown(1_980.000_000_000_000_2, Form::Integer).as_deref(), Some("1980"));
        assert_eq!(shown(-0.2, Form::Integer).as_deref(), Some("0"));
        assert_eq!(shown(-7.0, Form::Integer).as_deref(), Some("-7"));
        assert_eq!(shown(1023.9, Form::Floor).as_deref(), Some("1023"));
        assert_eq!(shown(0.25, Form::Float).as_deref(), Some("0.250000"));
        assert_eq!(shown(1e15, Form::Integer).as_deref(), Some("1000000000000000"));
        assert_eq!(shown(f64::NAN, Form::Float), None);
        assert_eq!(shown(f64::INFINITY, Form::Integer), None);
    }

    #[test]
    fn used_memory_is_a_share_of_what_is_not_reserved() {
        let mut readings = Readings::default();
        assert_eq!(used_share(&readings), None);
        readings.set(Reading::MemoryTotal, Some(100.0));
        readings.set(Reading::MemoryUsed, Some(40.0));
        assert_eq!(used_share(&readings), Some(0.4));
        readings.set(Reading::MemoryReserved, Some(20.0));
        assert_eq!(used_share(&readings), Some(0.5));
        readings.set(Reading::MemoryReserved, Some(100.0));
        assert_eq!(used_share(&readings), None);
    }

    #[test]
    fn an_instance_never_has_memory_or_activity_of_its_board() {
        for reading in [Reading::MemoryUsed, Reading::Utilization, Reading::SmActive] {
            assert!(!is_of_board(reading), "{reading:?}");
        }
        for reading in [Reading::Power, Reading::TemperatureGpu, Reading::Energy] {
            assert!(is_of_board(reading), "{reading:?}");
        }
    }
}
