//! Activity of units by GPM, on Hopper and later: of a GPU, or of one of its MIG instances.
//!
//! Each value is an average over the time between two rounds, so nothing between them is lost.
//! Drivers from 590 on also count cycles since the GPU was reset, which is exact over any time. An
//! older one may refuse a whole call for an id that it does not know, so they are asked for by
//! themselves once, and together with the others only when they were answered.

use super::catalogue::Reading;
use super::gauges::known;
use super::reader::Reader;
use super::readings::Readings;
use super::scale::Scale;
use crate::nvml::error::{NvmlError, ReturnCode};
use crate::nvml::gpm::Pair;

/// Calls of one reading: a sample, and the metrics between it and the one before.
pub const CALLS: u32 = 2;

const PERCENT: Scale = Scale::PERCENT;
const MIB: Scale = Scale::MIB;

/// GPM's number of each reading, and what one unit of it is.
const METRICS: [(Reading, u32, Scale); 17] = [
    (Reading::GraphicsEngineActive, 1, PERCENT),
    (Reading::SmActive, 2, PERCENT),
    (Reading::SmOccupancy, 3, PERCENT),
    (Reading::PipeIntActive, 4, PERCENT),
    (Reading::TensorActive, 5, PERCENT),
    (Reading::TensorDfmaActive, 6, PERCENT),
    (Reading::TensorHmmaActive, 7, PERCENT),
    (Reading::TensorDmmaActive, 8, PERCENT),
    (Reading::TensorImmaActive, 9, PERCENT),
    (Reading::DramActive, 10, PERCENT),
    (Reading::PipeFp64Active, 11, PERCENT),
    (Reading::PipeFp32Active, 12, PERCENT),
    (Reading::PipeFp16Active, 13, PERCENT),
    (Reading::PcieTransmitRate, 20, MIB),
    (Reading::PcieReceiveRate, 21, MIB),
    (Reading::NvlinkReceiveRate, 60, MIB),
    (Reading::NvlinkTransmitRate, 61, MIB),
];

/// GPM's number of each counter. Those of `PCIe` are left out: the header does not say their unit, and
/// fields count the same.
const COUNTERS: [(Reading, u32); 11] = [
    (Reading::SmCycles, 248),
    (Reading::SmActiveCycles, 249),
    (Reading::TensorActiveCycles, 250),
    (Reading::TensorDmmaCycles, 251),
    (Reading::TensorHmmaCycles, 252),
    (Reading::TensorImmaCycles, 253),
    (Reading::TensorDfmaCycles, 254),
    (Reading::PipeIntCycles, 257),
    (Reading::PipeFp64Cycles, 258),
    (Reading::PipeFp32Cycles, 259),
    (Reading::PipeFp16Cycles, 260),
];

/// What has no metrics of its own in a GPU instance: links belong to the GPU.
const OF_THE_GPU: [Reading; 4] = [
    Reading::PcieTransmitRate,
    Reading::PcieReceiveRate,
    Reading::NvlinkReceiveRate,
    Reading::NvlinkTransmitRate,
];

const FUNCTION: &str = "nvmlGpmMetricsGet";
/// Added to the number of a metric, among what may be unsupported, when it is an instance's.
const INSTANCE: u32 = 1_000;

/// GPM of a GPU or instance.
#[derive(Debug)]
pub struct Activity {
    instance: Option<u32>,
    pair: Option<Pair>,
    /// The counters that the driver has; `None` before it was asked.
    counters: Option<Vec<(Reading, u32)>>,
}

impl Activity {
    /// Of a GPU, or of one of its instances.
    pub fn new(instance: Option<u32>) -> Self {
        // those of instances are not known to be there
        Self { instance, pair: None, counters: instance.map(|_| Vec::new()) }
    }

    /// Whatever was sampled is of another configuration.
    pub fn restart(&mut self) {
        self.pair = None;
        self.counters = self.instance.map(|_| Vec::new());
    }

    /// Takes a sample, and sets what happened since the one before.
    pub fn read(&mut self, reader: &mut Reader, readings: &mut Readings) {
        let instance = self.instance;
        let offset = if instance.is_some() { INSTANCE } else { 0 };
        let whole = (FUNCTION, offset);
        let wanted: Vec<(Reading, u32, Scale)> = METRICS
            .into_iter()
            .filter(|(reading, ..)| instance.is_none() || !OF_THE_GPU.contains(reading))
            .chain(self.counters.iter().flatten().map(|(reading, id)| (*reading, *id, Scale::ONE)))
            .filter(|(_, id, _)| !reader.is_unsupported((FUNCTION, offset + id)))
            .collect();
        let ids: Vec<u32> = wanted.iter().map(|(_, id, _)| *id).collect();
        let now = reader.now();
        let pair = &mut self.pair;
        let answer = reader.ask_with(whole, CALLS, |library, gpu| {
            if pair.is_none() {
                if !library.calls().gpm_supported(gpu)? {
                    let function = "nvmlGpmQueryDeviceSupport";
                    return Err(NvmlError { function, code: ReturnCode::NotSupported });
                }
                *pair = Some(Pair::new(library, instance)?);
            }
            let Some(pair) = pair.as_mut() else { return Ok(None) };
            pair.advance(gpu, now, &ids)
        });
        let values = answer.flatten();
        let counters = COUNTERS.iter().map(|(reading, _)| *reading);
        for reading in METRICS.iter().map(|(reading, ..)| *reading).chain(counters) {
            readings.set(reading, None);
        }
        if values.is_some() && self.counters.is_none() {
            self.counters = Some(self.find_counters(reader));
        }
        for ((reading, id, scale), value) in wanted.iter().zip(values.into_iter().flatten()) {
            match value {
                // nothing is active less than never, and all bits set are no number
                Ok(value) => {
                    let value = known(value).filter(|value| *value >= 0.0);
                    readings.set(*reading, value.map(|value| scale.of(value)));
                }
                // it may have no data yet, for which no error has to be counted
                Err(ReturnCode::NoData | ReturnCode::NotReady) => {}
                Err(code) => {
                    reader.note((FUNCTION, offset + id), &NvmlError { function: FUNCTION, code });
                }
            }
        }
    }
}

impl Activity {
    /// The counters that the driver answers; they are shown from the next round on.
    fn find_counters(&self, reader: &mut Reader) -> Vec<(Reading, u32)> {
        let ids = COUNTERS.map(|(_, id)| id);
        let answers = self.pair.as_ref().and_then(|pair| {
            reader.ask_with(("gpmCounters", 0), 1, |_, _| match pair.again(&ids) {
                // an id that is too high for it
                Err(NvmlError { function, code: ReturnCode::InvalidArgument }) => {
                    Err(NvmlError { function, code: ReturnCode::NotSupported })
                }
                answer => answer,
            })
        });
        let known = COUNTERS.into_iter().zip(answers.into_iter().flatten());
        known.filter_map(|(counter, answer)| answer.is_ok().then_some(counter)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sample::catalogue::Cadence;

    #[test]
    fn every_reading_of_activity_has_a_metric_of_its_own() {
        let metrics = METRICS.into_iter().map(|(reading, id, _)| (reading, id));
        let (readings, numbers): (HashSet<_>, HashSet<_>) = metrics.chain(COUNTERS).unzip();
        assert_eq!(numbers.len(), METRICS.len() + COUNTERS.len());
        for reading in Reading::ALL.iter().filter(|one| one.cadence() == Cadence::Activity) {
            assert!(readings.contains(reading), "{reading:?}");
        }
    }
}
