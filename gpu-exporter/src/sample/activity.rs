//! Activity of units by GPM, on Hopper and later: of a GPU, or of one of its MIG instances.
//!
//! Each value is an average over the time between two rounds, so nothing between them is lost.

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
}

impl Activity {
    /// Of a GPU, or of one of its instances.
    pub fn new(instance: Option<u32>) -> Self {
        Self { instance, pair: None }
    }

    /// Whatever was sampled is of another configuration.
    pub fn restart(&mut self) {
        self.pair = None;
    }

    /// Takes a sample, and sets what happened since the one before.
    pub fn read(&mut self, reader: &mut Reader, readings: &mut Readings) {
        let instance = self.instance;
        let offset = if instance.is_some() { INSTANCE } else { 0 };
        let whole = (FUNCTION, offset);
        let wanted: Vec<(Reading, u32, Scale)> = METRICS
            .into_iter()
            .filter(|(reading, ..)| instance.is_none() || !OF_THE_GPU.contains(reading))
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
        for (reading, ..) in METRICS {
            readings.set(reading, None);
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sample::catalogue::Cadence;

    #[test]
    fn every_reading_of_activity_has_a_metric_of_its_own() {
        let readings: HashSet<_> = METRICS.iter().map(|(reading, ..)| *reading).collect();
        let numbers: HashSet<_> = METRICS.iter().map(|(_, id, _)| *id).collect();
        assert_eq!(numbers.len(), METRICS.len());
        for reading in Reading::ALL.iter().filter(|one| one.cadence() == Cadence::Activity) {
            assert!(readings.contains(reading), "{reading:?}");
        }
    }
}
