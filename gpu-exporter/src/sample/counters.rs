//! Readings that NVML answers as fields: all that are due in one call, with a code per field.
//!
//! Counters are passed on as the driver has them. When one steps back, after a reset or a wrap, that
//! is what Prometheus expects of a counter; only rates made here leave such a step out.

use std::time::{Duration, Instant};

use super::catalogue::{Cadence, Reading};
use super::gauges::{FALLBACKS, known};
use super::reader::Reader;
use super::readings::Readings;
use super::scale::{Nanos, Scale};
use super::snapshot::Link;
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::fields::{self, Answers, Field, Numbering};

/// Most links of a GPU.
pub const MAX_LINKS: u32 = 36;

const ONE: Scale = Scale::ONE;
const KIB: Scale = Scale::KIB;
const MILLI: Scale = Scale::MILLI;
const NANO: Scale = Scale::NANO;

/// What each reading is read from, and what one unit of it is. Where a reading has two fields, the
/// first that is supported counts.
const FIELDS: [(Reading, Field, Scale); 40] = [
    (Reading::Power, Field::POWER_AVERAGE, MILLI),
    (Reading::PowerInstant, Field::POWER_INSTANT, MILLI),
    (Reading::TemperatureMemory, Field::MEMORY_TEMPERATURE, ONE),
    (Reading::Energy, Field::ENERGY, MILLI),
    (Reading::PcieTransmitBytes, Field::PCIE_TRANSMIT_BYTES, ONE),
    (Reading::PcieReceiveBytes, Field::PCIE_RECEIVE_BYTES, ONE),
    (Reading::PcieReplays, Field::PCIE_REPLAYS, ONE),
    (Reading::PcieReplayRollovers, Field::PCIE_REPLAY_ROLLOVERS, ONE),
    (Reading::PcieCorrectableErrors, Field::PCIE_CORRECTABLE_ERRORS, ONE),
    (Reading::PcieNonFatalErrors, Field::PCIE_NON_FATAL_ERRORS, ONE),
    (Reading::PcieFatalErrors, Field::PCIE_FATAL_ERRORS, ONE),
    (Reading::NvlinkTransmitBytes, Field::NVLINK_DATA_TRANSMIT, KIB),
    (Reading::NvlinkTransmitBytes, Field::NVLINK_TRANSMIT_BYTES, ONE),
    (Reading::NvlinkReceiveBytes, Field::NVLINK_DATA_RECEIVE, KIB),
    (Reading::NvlinkReceiveBytes, Field::NVLINK_RECEIVE_BYTES, ONE),
    (Reading::NvlinkCrcFlitErrors, Field::NVLINK_CRC_FLIT_ERRORS, ONE),
    (Reading::NvlinkCrcDataErrors, Field::NVLINK_CRC_DATA_ERRORS, ONE),
    (Reading::NvlinkReplayErrors, Field::NVLINK_REPLAY_ERRORS, ONE),
    (Reading::NvlinkRecoveryErrors, Field::NVLINK_RECOVERY_ERRORS, ONE),
    (Reading::EccCorrectedVolatile, Field::ECC_SBE_VOLATILE, ONE),
    (Reading::EccUncorrectedVolatile, Field::ECC_DBE_VOLATILE, ONE),
    (Reading::EccCorrectedAggregate, Field::ECC_SBE_AGGREGATE, ONE),
    (Reading::EccUncorrectedAggregate, Field::ECC_DBE_AGGREGATE, ONE),
    (Reading::RemappedRowsCorrectable, Field::REMAPPED_CORRECTABLE, ONE),
    (Reading::RemappedRowsUncorrectable, Field::REMAPPED_UNCORRECTABLE, ONE),
    (Reading::RowRemapPending, Field::REMAPPED_PENDING, ONE),
    (Reading::RowRemapFailure, Field::REMAPPED_FAILURE, ONE),
    (Reading::LimitedSwPowerCap, Field::LIMITED_POWER, NANO),
    (Reading::LimitedSwThermal, Field::LIMITED_SW_THERMAL, NANO),
    // older drivers count all thermal limits together
    (Reading::LimitedSwThermal, Field::LIMITED_THERMAL, NANO),
    (Reading::LimitedHwThermal, Field::LIMITED_HW_THERMAL, NANO),
    (Reading::LimitedHwPowerBrake, Field::LIMITED_HW_POWER_BRAKE, NANO),
    (Reading::LimitedSyncBoost, Field::LIMITED_SYNC_BOOST, NANO),
    (Reading::LimitedBoardLimit, Field::LIMITED_BOARD, NANO),
    (Reading::LimitedLowUtilization, Field::LIMITED_LOW_UTILIZATION, NANO),
    (Reading::LimitedReliability, Field::LIMITED_RELIABILITY, NANO),
    (Reading::RecoveryAction, Field::RECOVERY_ACTION, ONE),
    (Reading::RetiredPagesCorrected, Field::RETIRED_SBE, ONE),
    (Reading::RetiredPagesUncorrected, Field::RETIRED_DBE, ONE),
    (Reading::RetiredPagesPending, Field::RETIRED_PENDING, ONE),
];

/// Seconds of a limit by the clock event that says it holds, where no field counts them.
const LIMITS: [(Reading, Reading); 7] = [
    (Reading::LimitedSwPowerCap, Reading::ClockEventSwPowerCap),
    (Reading::LimitedSwThermal, Reading::ClockEventSwThermal),
    (Reading::LimitedHwThermal, Reading::ClockEventHwThermal),
    (Reading::LimitedHwPowerBrake, Reading::ClockEventHwPowerBrake),
    (Reading::LimitedSyncBoost, Reading::ClockEventSyncBoost),
    (Reading::LimitedBoardLimit, Reading::ClockEventBoardLimit),
    (Reading::LimitedReliability, Reading::ClockEventReliability),
];

/// Longest pause between two looks at a clock event over which it is taken to have held.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The fields of one GPU.
#[derive(Debug)]
pub struct Counters {
    numbering: Numbering,
    /// Limits that a field has ever counted: another count must not take its place.
    counted_by_field: [bool; LIMITS.len()],
    limited: [Nanos; LIMITS.len()],
    /// Fields that have had a value: no other takes their place when they have none for once.
    answered: [bool; FIELDS.len()],
    events_read: Option<Instant>,
    nvlink: Option<(Instant, f64)>,
    link_count: Option<u32>,
}

/// The item of a field among what may be unsupported.
fn item(field: Field) -> (&'static str, u32) {
    (fields::FUNCTION, field.number())
}

impl Counters {
    /// For a driver's numbering.
    pub fn new(numbering: Numbering) -> Self {
        Self {
            numbering,
            counted_by_field: [false; LIMITS.len()],
            limited: [Nanos::default(); LIMITS.len()],
            answered: [false; FIELDS.len()],
            events_read: None,
            nvlink: None,
            link_count: None,
        }
    }

    /// Links of the GPU, as far as it told.
    pub fn link_count(&self) -> u32 {
        self.link_count.unwrap_or_default()
    }

    /// The GPU did not answer: pauses are not counted.
    pub fn interrupt(&mut self, numbering: Numbering) {
        self.numbering = numbering;
        self.answered = [false; FIELDS.len()];
        (self.events_read, self.nvlink, self.link_count) = (None, None, None);
    }

    /// Reads the fields of these cadences, and, where `links` is given, those of each link.
    pub fn read(
        &mut self,
        cadences: &[Cadence],
        reader: &mut Reader,
        readings: &mut Readings,
        links: Option<&mut Vec<Link>>,
    ) {
        let wanted = |reading: Reading| cadences.contains(&reading.cadence());
        let mut asked: Vec<Field> = Vec::new();
        let mut ask = |field: Field, reader: &mut Reader| {
            if !asked.contains(&field) && !reader.is_unsupported(item(field)) {
                asked.push(field);
            }
        };
        for (_, field, _) in FIELDS.iter().filter(|(reading, ..)| wanted(*reading)) {
            ask(*field, reader);
        }
        let with_links = cadences.contains(&Cadence::Fields);
        if with_links {
            ask(Field::NVLINK_COUNT, reader);
            for link in links.iter().flat_map(|_| 0..self.link_count()) {
                for (field, _) in LINK_FIELDS {
                    ask(field.of_link(link), reader);
                }
            }
        }
        let answers = self.answers(&asked, reader);
        let value = |field: Field, scale: Scale| {
            let value = known(answers.get(&field)?.as_ref().ok()?.as_f64())?;
            value.is_finite().then_some(scale.of(value))
        };
        for (index, (reading, field, scale)) in FIELDS.iter().enumerate() {
            let is_first = FIELDS[..index].iter().all(|(other, ..)| other != reading);
            let may_stand_in = || readings.last(*reading).is_none() && self.may_stand_in(index);
            if wanted(*reading) && (is_first || may_stand_in()) {
                let value = value(*field, *scale);
                self.answered[index] |= value.is_some();
                readings.set(*reading, value);
            }
        }
        if with_links {
            self.link_count = value(Field::NVLINK_COUNT, ONE)
                .and_then(|count| (0..=MAX_LINKS).find(|links| f64::from(*links) >= count))
                .or(self.link_count);
            if let Some(links) = links {
                show_links(links, self.link_count(), value);
            }
            self.show_bandwidth(reader.now(), readings);
        }
        for (place, (limit, _)) in LIMITS.iter().enumerate() {
            self.counted_by_field[place] |= wanted(*limit) && readings.last(*limit).is_some();
        }
        Self::read_fallbacks(cadences, reader, readings);
    }

    /// Whether no field before this one has ever told the same reading: two counters that take turns
    /// would look like one that is reset again and again.
    fn may_stand_in(&self, index: usize) -> bool {
        let before = FIELDS[..index].iter().zip(&self.answered);
        before.filter(|((reading, ..), _)| *reading == FIELDS[index].0).all(|(_, told)| !told)
    }

    fn answers(&self, asked: &[Field], reader: &mut Reader) -> Answers {
        if asked.is_empty() {
            return Answers::new();
        }
        let numbering = self.numbering;
        let whole = (fields::FUNCTION, u32::MAX);
        let answers =
            reader.ask_with(whole, 1, |library, gpu| fields::read(library, gpu, numbering, asked));
        let answers = answers.unwrap_or_default();
        for (field, answer) in &answers {
            if let Err(code) = answer {
                // a field that the driver is too old for is not our mistake
                let code = match code {
                    ReturnCode::InvalidArgument => ReturnCode::NotSupported,
                    code => *code,
                };
                reader.note(item(*field), &NvmlError { function: fields::FUNCTION, code });
            }
        }
        answers
    }

    fn read_fallbacks(cadences: &[Cadence], reader: &mut Reader, readings: &mut Readings) {
        for (place, (field, gauge)) in FALLBACKS.iter().enumerate() {
            let is_due = gauge.readings.iter().all(|one| cadences.contains(&one.cadence()));
            if is_due && reader.is_unsupported(item(*field)) {
                let variant = u32::try_from(place).unwrap_or_default();
                reader.ask(("fallback", variant), |calls, gpu| {
                    (gauge.read)(calls, gpu, &mut |reading, value| {
                        readings.set(reading, Some(value));
                    })
                });
            }
        }
    }

    /// Both directions, per second since the last time; none over a step back.
    fn show_bandwidth(&mut self, now: Instant, readings: &mut Readings) {
        let bytes = readings.last(Reading::NvlinkTransmitBytes);
        let bytes = bytes.zip(readings.last(Reading::NvlinkReceiveBytes));
        let bytes = bytes.map(|(transmitted, received)| transmitted + received);
        let rate = self.nvlink.zip(bytes).and_then(|((before, old), new)| {
            let seconds = now.saturating_duration_since(before).as_secs_f64();
            (new >= old && seconds > 0.0).then(|| (new - old) / seconds)
        });
        readings.set(Reading::NvlinkBandwidth, rate);
        self.nvlink = bytes.map(|bytes| (now, bytes));
    }

    /// Counts the time that clock events have held since the last look, for limits that the driver
    /// does not count itself. To be called whenever the events were read.
    pub fn count_limits(&mut self, now: Instant, readings: &mut Readings) {
        let before = self.events_read.replace(now);
        let passed = before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let passed = if passed > LONGEST_PAUSE { Duration::ZERO } else { passed };
        for (place, (limit, event)) in LIMITS.iter().enumerate() {
            let Some(active) = readings.last(*event) else { continue };
            if !self.counted_by_field[place] {
                self.limited[place].add(active * passed.as_secs_f64());
                readings.set(*limit, Some(self.limited[place].total()));
            }
        }
    }
}

/// Bytes of one link.
const LINK_FIELDS: [(Field, Scale); 4] = [
    (Field::NVLINK_DATA_TRANSMIT, KIB),
    (Field::NVLINK_TRANSMIT_BYTES, ONE),
    (Field::NVLINK_DATA_RECEIVE, KIB),
    (Field::NVLINK_RECEIVE_BYTES, ONE),
];

fn show_links(links: &mut Vec<Link>, count: u32, value: impl Fn(Field, Scale) -> Option<f64>) {
    links.resize(count as usize, Link::default());
    for (number, link) in (0..count).zip(links) {
        let of = |(field, scale): (Field, Scale)| value(field.of_link(number), scale);
        let [transmit_kib, transmit, receive_kib, receive] = LINK_FIELDS;
        link.number = number;
        link.transmit_bytes = of(transmit_kib).or_else(|| of(transmit));
        link.receive_bytes = of(receive_kib).or_else(|| of(receive));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_counted_by_their_events_until_a_field_does() {
        let (start, mut readings) = (Instant::now(), Readings::default());
        let mut counters = Counters::new(Numbering::Thirteen);
        let at = |seconds| start + Duration::from_secs(seconds);
        let limited = |readings: &Readings| readings.last(Reading::LimitedHwThermal);
        counters.count_limits(at(0), &mut readings);
        assert_eq!(limited(&readings), None, "no event was ever read");
        readings.set(Reading::ClockEventHwThermal, Some(1.0));
        counters.count_limits(at(2), &mut readings);
        assert_eq!(limited(&readings), Some(2.0));
        readings.set(Reading::ClockEventHwThermal, Some(0.0));
        counters.count_limits(at(4), &mut readings);
        readings.set(Reading::ClockEventHwThermal, Some(1.0));
        counters.count_limits(at(100), &mut readings);
        assert_eq!(limited(&readings), Some(2.0), "nobody looked for too long");
        counters.counted_by_field = [true; LIMITS.len()];
        readings.set(Reading::LimitedHwThermal, Some(77.0));
        counters.count_limits(at(101), &mut readings);
        assert_eq!(limited(&readings), Some(77.0));
    }

    #[test]
    fn a_field_stands_in_only_for_one_that_never_had_a_value() {
        let place = |wanted: Field| FIELDS.iter().position(|(_, field, _)| *field == wanted);
        let own = place(Field::LIMITED_SW_THERMAL).unwrap();
        let other = place(Field::LIMITED_THERMAL).unwrap();
        let mut counters = Counters::new(Numbering::Thirteen);
        assert!(counters.may_stand_in(other), "an older driver");
        counters.answered[own] = true;
        assert!(!counters.may_stand_in(other), "it failed for once");
        counters.interrupt(Numbering::Twelve);
        assert!(counters.may_stand_in(other), "it may be another driver now");
    }

    #[test]
    fn bandwidth_is_a_difference_and_absent_over_a_step_back() {
        let (start, mut readings) = (Instant::now(), Readings::default());
        let mut counters = Counters::new(Numbering::Thirteen);
        let mut show = |seconds, transmitted, received| {
            readings.set(Reading::NvlinkTransmitBytes, Some(transmitted));
            readings.set(Reading::NvlinkReceiveBytes, Some(received));
            counters.show_bandwidth(start + Duration::from_secs(seconds), &mut readings);
            readings.last(Reading::NvlinkBandwidth)
        };
        assert_eq!(show(0, 1e9, 1e9), None);
        assert_eq!(show(5, 6e9, 1e9), Some(1e9));
        assert_eq!(show(10, 1e3, 1e3), None, "the counters began anew");
        assert_eq!(show(15, 1e3, 6e3), Some(1e3));
    }

    #[test]
    fn every_reading_of_a_field_is_one_of_its_cadences() {
        for (reading, ..) in FIELDS {
            let cadence = reading.cadence();
            assert!(
                matches!(cadence, Cadence::Fast | Cadence::Fields | Cadence::Slow),
                "{reading:?} is taken with {cadence:?}"
            );
        }
    }
}
