//! Writes the native families of a snapshot.
//!
//! A value that is not known has no series. What is told of a GPU that does not answer is that it
//! does not, what it is, who holds it, and the errors that it had.

use std::time::UNIX_EPOCH;

use prometheus_model::exposition::{Number, PreparedLabels, Writer};

use super::health;
use super::native_names::special::{self, Special};
use super::native_names::{self, DETAIL, FAMILIES};
use super::topology::{DeviceLabels, InstanceLabels, Topology};
use crate::sample::catalogue::Reading;
use crate::sample::snapshot::{
    DISTRIBUTION_BOUNDS, DeviceSnapshot, DriverState, Fan, Link, MigSnapshot, Process, Snapshot,
    Xid,
};

/// What [`Reading::RecoveryAction`] stands for, by its number.
const RECOVERY_ACTIONS: [&str; 8] = [
    "none",
    "gpu_reset",
    "node_reboot",
    "drain_p2p",
    "drain_and_reset",
    "recover_imex",
    "bus_reset",
    "system_reboot",
];

/// A number as it is read best: whole ones in full, others as short as they can be.
pub(super) fn number(value: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if (0.0..EXACT).contains(&value) && value.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 2^53"
        )]
        return Number::Integer(value as u64);
    }
    Number::Float(value)
}

/// Writes everything; what is in [`DETAIL`] only with `has_detail`.
pub(super) fn write(
    writer: &mut Writer,
    snapshot: &Snapshot,
    topology: &Topology,
    has_detail: bool,
) {
    let page = Page { snapshot, topology };
    page.count(writer);
    page.identities(writer);
    page.readings(writer, has_detail);
    page.utilization(writer);
    page.xids(writer);
    page.states(writer);
    page.fans(writer);
    page.links(writer);
    page.processes(writer);
    write_exporter(writer, snapshot, topology);
}

/// Writes how reading devices goes: `gpu_exporter_*`, a part of [`write`].
pub(super) fn write_exporter(writer: &mut Writer, snapshot: &Snapshot, topology: &Topology) {
    let page = Page { snapshot, topology };
    page.driver(writer);
    page.sampling(writer);
}

/// A family of what a GPU has several of.
type Part<T> = (Special, fn(&T) -> Option<f64>);

struct Page<'a> {
    snapshot: &'a Snapshot,
    topology: &'a Topology,
}

fn begin(writer: &mut Writer, family: Special) {
    writer.family(family.name, family.kind, family.help);
}

impl<'a> Page<'a> {
    fn devices(&self) -> impl Iterator<Item = (&'a DeviceSnapshot, &'a DeviceLabels)> {
        let devices = self.snapshot.devices.iter().map(|device| &**device);
        devices.zip(&self.topology.devices)
    }

    /// Those with readings.
    fn answering(&self) -> impl Iterator<Item = (&'a DeviceSnapshot, &'a DeviceLabels)> {
        self.devices().filter(|(device, _)| device.is_up)
    }

    fn instances(&self) -> impl Iterator<Item = (&'a MigSnapshot, &'a InstanceLabels)> {
        self.answering().flat_map(|(device, labels)| device.mig.iter().zip(&labels.instances))
    }

    fn driver(&self, writer: &mut Writer) {
        begin(writer, special::NVML_UP);
        match &self.snapshot.driver {
            DriverState::Up(_) => writer.sample(&[], 1_u64),
            DriverState::Down(reason) => writer.sample(&[("reason", reason)], 0_u64),
        }
    }

    fn count(&self, writer: &mut Writer) {
        if matches!(self.snapshot.driver, DriverState::Up(_)) {
            begin(writer, special::COUNT);
            let count = self.devices().filter(|(device, _)| device.down_reason != "gone").count();
            writer.sample(&[], count as u64);
        }
    }

    fn identities(&self, writer: &mut Writer) {
        begin(writer, special::UP);
        for (device, labels) in self.devices() {
            writer.prepared_sample(&labels.native.device, &[], u32::from(device.is_up));
        }
        begin(writer, special::DOWN_REASON);
        for (device, labels) in self.devices() {
            if !device.is_up && !device.down_reason.is_empty() {
                let reason = [("reason", device.down_reason)];
                writer.prepared_sample(&labels.native.device, &reason, 1_u64);
            }
        }
        begin(writer, special::INFO);
        for (_, labels) in self.devices() {
            writer.prepared_sample(&labels.native.info, &[], 1_u64);
        }
        begin(writer, special::MIG_INFO);
        for (_, labels) in self.instances() {
            writer.prepared_sample(&labels.native.info, &[], 1_u64);
        }
        begin(writer, special::POD_INFO);
        for (_, labels) in self.devices() {
            for pod in &labels.native.pods {
                writer.prepared_sample(pod, &[], 1_u64);
            }
        }
        begin(writer, special::ALLOCATED);
        for (_, labels) in self.devices() {
            if let Some(is_allocated) = labels.native.is_allocated {
                writer.prepared_sample(&labels.native.device, &[], u32::from(is_allocated));
            }
        }
        begin(writer, special::MIG_ALLOCATED);
        for (_, labels) in self.instances() {
            if let Some(is_allocated) = labels.native.is_allocated {
                writer.prepared_sample(&labels.native.device, &[], u32::from(is_allocated));
            }
        }
    }

    fn readings(&self, writer: &mut Writer, has_detail: bool) {
        let is_shown = |reading: Reading| has_detail || !DETAIL.contains(&reading);
        let has_instances = self.instances().next().is_some();
        for family in FAMILIES {
            writer.family(family.name, family.kind, family.help);
            for (device, labels) in self.answering() {
                for (reading, fixed) in family.series.iter().filter(|(one, _)| is_shown(*one)) {
                    sample(writer, &labels.native.device, fixed, device.readings.last(*reading));
                }
            }
            if !has_instances {
                continue;
            }
            writer.family(&native_names::instance_name(family.name), family.kind, family.help);
            for (instance, labels) in self.instances() {
                for (reading, fixed) in family.series.iter().filter(|(one, _)| is_shown(*one)) {
                    sample(writer, &labels.native.device, fixed, instance.readings.last(*reading));
                }
            }
        }
    }

    fn utilization(&self, writer: &mut Writer) {
        begin(writer, special::UTILIZATION_PERCENT);
        for (device, labels) in self.answering() {
            let percent = device.readings.last(Reading::Utilization).map(|ratio| ratio * 100.0);
            // 0.07 * 100 is 7.000000000000001
            let percent = percent.map(|percent| (percent * 1e6).round() / 1e6);
            sample(writer, &labels.native.index, &[], percent);
        }
        begin(writer, special::DISTRIBUTION);
        for (device, labels) in self.devices() {
            let points = &device.distribution;
            if points.counts.iter().any(|count| *count > 0) {
                let (labels, sum) = (&labels.native.device, points.sum);
                writer.prepared_histogram(labels, &DISTRIBUTION_BOUNDS, &points.counts, sum);
            }
        }
    }

    fn xids(&self, writer: &mut Writer) {
        let number = |xid: &Xid| xid.number.map_or_else(|| "other".to_owned(), |it| it.to_string());
        begin(writer, special::XID_ERRORS);
        for (device, labels) in self.devices() {
            for xid in &device.xids {
                let label = [("xid", &*number(xid))];
                writer.prepared_sample(&labels.native.device, &label, xid.count);
            }
        }
        begin(writer, special::XID_LAST_TIMESTAMP);
        for (device, labels) in self.devices() {
            for xid in &device.xids {
                if let Ok(since) = xid.last.duration_since(UNIX_EPOCH) {
                    let seconds = Number::Fixed(since.as_secs_f64(), 3);
                    let label = [("xid", &*number(xid))];
                    writer.prepared_sample(&labels.native.device, &label, seconds);
                }
            }
        }
        begin(writer, special::LAST_XID);
        for (device, labels) in self.devices() {
            if let Some(last) = device.last_xid {
                writer.prepared_sample(&labels.native.device, &[], last);
            }
        }
    }

    fn states(&self, writer: &mut Writer) {
        begin(writer, special::RECOVERY_ACTION);
        for (device, labels) in self.devices() {
            let Some(action) = recovery_action(device) else { continue };
            for name in RECOVERY_ACTIONS.into_iter().chain(["unknown"]) {
                let is_asked_for = u32::from(name == action);
                writer.prepared_sample(&labels.native.device, &[("action", name)], is_asked_for);
            }
        }
        begin(writer, special::HEALTH);
        for (device, labels) in self.answering() {
            for found in health::findings(&device.readings) {
                let watch = [("watch", found.watch)];
                writer.prepared_sample(&labels.native.device, &watch, found.health as u32);
            }
        }
    }

    fn fans(&self, writer: &mut Writer) {
        let families: [Part<Fan>; 2] =
            [(special::FAN_SPEED, |fan| fan.speed_ratio), (special::FAN_RPM, |fan| fan.rpm)];
        for (family, value) in families {
            begin(writer, family);
            for (device, labels) in self.answering() {
                for (index, fan) in device.fans.iter().enumerate() {
                    let label = [("fan", &*index.to_string())];
                    sample(writer, &labels.native.device, &label, value(fan));
                }
            }
        }
    }

    fn links(&self, writer: &mut Writer) {
        let families: [Part<Link>; 3] = [
            (special::LINK_TRANSMIT, |link| link.transmit_bytes),
            (special::LINK_RECEIVE, |link| link.receive_bytes),
            (special::LINK_ACTIVE, |link| link.is_active.map(f64::from)),
        ];
        for (family, value) in families {
            begin(writer, family);
            for (device, labels) in self.answering() {
                for link in &device.links {
                    let label = [("link", &*link.number.to_string())];
                    sample(writer, &labels.native.device, &label, value(link));
                }
            }
        }
    }

    fn processes(&self, writer: &mut Writer) {
        let families: [Part<Process>; 2] = [
            (special::PROCESS_MEMORY, |process| process.memory_bytes),
            (special::PROCESS_SM, |process| process.sm_utilization),
        ];
        for (family, value) in families {
            begin(writer, family);
            for (device, labels) in self.answering() {
                for process in &device.processes {
                    let pid = process.pid.to_string();
                    let mig = process.mig.map(|(gi, ci)| (gi.to_string(), ci.to_string()));
                    let mut more = vec![("pid", pid.as_str())];
                    if let Some((gi, ci)) = &mig {
                        more.extend([("gi_id", gi.as_str()), ("ci_id", ci.as_str())]);
                    }
                    sample(writer, &labels.native.device, &more, value(process));
                }
            }
        }
    }

    fn sampling(&self, writer: &mut Writer) {
        begin(writer, special::SAMPLE_AGE);
        for (device, labels) in self.answering() {
            sample(writer, &labels.native.index, &[], Some(device.age_seconds));
        }
        begin(writer, special::CALL_STUCK);
        for (device, labels) in self.devices() {
            sample(writer, &labels.native.index, &[], device.stuck_seconds);
        }
    }
}

/// A sample, if there is a value: what is no number is none.
fn sample(writer: &mut Writer, labels: &PreparedLabels, more: &[(&str, &str)], value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        writer.prepared_sample(labels, more, number(value));
    }
}

/// Of a GPU that has to be reset it is the one reading.
fn recovery_action(device: &DeviceSnapshot) -> Option<&'static str> {
    let has_it = device.is_up || device.down_reason == "reset_required";
    let value = device.readings.last(Reading::RecoveryAction).filter(|_| has_it)?;
    let is_it = |number: u32| (f64::from(number) - value).abs() < f64::EPSILON;
    let named = (0_u32..).zip(RECOVERY_ACTIONS).find(|(number, _)| is_it(*number));
    Some(named.map_or("unknown", |(_, name)| name))
}
