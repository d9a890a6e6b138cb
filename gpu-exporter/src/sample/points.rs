//! Points that the driver buffers, and what is made of them: the latest value, busy time, trailing
//! windows, the distribution, and time held idle.
//!
//! Every point is looked at once, so nothing that happened between two rounds is missed.

use std::time::{Duration, Instant};

use super::catalogue::Reading;
use super::gauges::known;
use super::integral::{Counted, Integral};
use super::reader::Reader;
use super::readings::Readings;
use super::scale::{Micros, Nanos, Scale};
use super::snapshot::{DISTRIBUTION_BOUNDS, Distribution};
use super::window::TrailingWindow;
use crate::nvml::calls::Engine;
use crate::nvml::calls::buffers::{SampleBuffer, Value};

/// Below this share a GPU counts as idle.
const IDLE: f64 = 0.05;

/// From so many bytes on a GPU is held by somebody. A driver without clients keeps a few MiB, the
/// smallest CUDA context has some hundred.
const HELD_BYTES: f64 = 64.0 * 1_048_576.0;

/// Points of a buffer at least, should the driver tell less of its size than it has.
const MIN_CAPACITY: usize = 128;

/// Points of a buffer at most: 16 bytes each.
const MAX_CAPACITY: usize = 4_096;

/// A stream of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Kernels resident.
    Gpu,
    /// Memory read or written.
    Memory,
    /// Power of the board.
    Power,
    /// One of the engines.
    Engine(Engine),
}

impl Stream {
    /// All of them, in the order of [`Points`].
    pub const ALL: [Self; 7] = [
        Self::Gpu,
        Self::Power,
        Self::Memory,
        Self::Engine(Engine::Encoder),
        Self::Engine(Engine::Decoder),
        Self::Engine(Engine::Jpeg),
        Self::Engine(Engine::Ofa),
    ];

    /// NVML's number of the kind of samples.
    fn kind(self) -> u32 {
        match self {
            Self::Power => 0,
            Self::Gpu => 1,
            Self::Memory => 2,
            Self::Engine(Engine::Encoder) => 3,
            Self::Engine(Engine::Decoder) => 4,
            Self::Engine(Engine::Jpeg) => 8,
            Self::Engine(Engine::Ofa) => 9,
        }
    }

    /// Readings of the latest value and of its integral.
    fn readings(self) -> Option<(Reading, Reading)> {
        Some(match self {
            Self::Power => return None,
            Self::Gpu => (Reading::Utilization, Reading::BusySeconds),
            Self::Memory => {
                (Reading::MemoryControllerUtilization, Reading::MemoryControllerBusySeconds)
            }
            Self::Engine(Engine::Encoder) => {
                (Reading::EncoderUtilization, Reading::EncoderBusySeconds)
            }
            Self::Engine(Engine::Decoder) => {
                (Reading::DecoderUtilization, Reading::DecoderBusySeconds)
            }
            Self::Engine(Engine::Jpeg) => (Reading::JpegUtilization, Reading::JpegBusySeconds),
            Self::Engine(Engine::Ofa) => (Reading::OfaUtilization, Reading::OfaBusySeconds),
        })
    }

    /// From NVML's percent or milliwatts.
    fn scaled(self, value: Value) -> Option<f64> {
        let value = value.as_f64();
        if self != Self::Power {
            return share(value);
        }
        known(value)
            .filter(|value| value.is_finite() && *value >= 0.0)
            .map(|value| Scale::MILLI.of(value))
    }
}

/// From percent. A little above 100 is rounded, anything else out of range is no number.
pub(super) fn share(percent: f64) -> Option<f64> {
    (0.0..=110.0).contains(&percent).then(|| (percent / 100.0).min(1.0))
}

#[derive(Debug, Default)]
struct Tap {
    buffer: Option<SampleBuffer>,
    integral: Integral,
    has_counted: bool,
}

/// All streams of a GPU.
#[derive(Debug)]
pub struct Points {
    taps: [Tap; Stream::ALL.len()],
    utilization: TrailingWindow,
    power: TrailingWindow,
    distribution: Distribution,
    stalled: Nanos,
    /// Of the points in the distribution.
    spread: Micros,
    /// Percent of GPU and memory by the getter, of the current round.
    rates: Option<(Instant, Option<(f64, f64)>)>,
}

impl Points {
    /// Nothing yet.
    pub fn new(window: Duration, now: Instant) -> Self {
        Self {
            taps: Default::default(),
            utilization: TrailingWindow::new(window, now),
            power: TrailingWindow::new(window, now),
            distribution: Distribution::default(),
            stalled: Nanos::default(),
            spread: Micros::default(),
            rates: None,
        }
    }

    /// Points of utilization by their height.
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// The GPU did not answer: the time is not counted, and the driver's clock may begin anew.
    pub fn interrupt(&mut self) {
        for tap in &mut self.taps {
            tap.integral.interrupt();
            tap.buffer = None;
        }
    }

    /// Reads the new points of a stream.
    pub fn drain(&mut self, stream: Stream, reader: &mut Reader, readings: &mut Readings) {
        let place = Stream::ALL.iter().position(|one| *one == stream).unwrap_or_default();
        let points = self.read(place, stream, reader);
        let held = readings.last(Reading::MemoryUsed).is_some_and(|bytes| bytes >= HELD_BYTES);
        let now = reader.now();
        let newest = points.last().map(|(stamp, _)| *stamp);
        // of the first batch, all but the newest lie before the start
        let is_history = self.taps[place].integral.newest() == 0;
        for (stamp, value) in &points {
            let ago = Duration::from_micros(newest.unwrap_or_default().saturating_sub(*stamp));
            let at = now.checked_sub(ago).unwrap_or(now);
            let counted = self.taps[place].integral.point(now, *stamp, *value);
            if is_history && Some(*stamp) != newest {
                self.taps[place].integral.interrupt();
            }
            self.count(stream, reader, at, *value, counted, held);
            if stream == Stream::Gpu && !is_history {
                self.spread(*value);
            }
        }
        let mut latest = points.last().map(|(_, value)| *value);
        if latest.is_none() && self.taps[place].integral.is_overdue(now) {
            latest = self.read_otherwise(stream, reader);
            if let Some(value) = latest {
                let counted = self.taps[place].integral.stand_in(now, value);
                self.count(stream, reader, now, value, counted, held);
                if stream == Stream::Gpu {
                    self.spread(value);
                }
            } else if stream != Stream::Power {
                // nobody knows what happened in this time
                self.taps[place].integral.interrupt();
            }
        } else if latest.is_none() {
            latest = stream.readings().and_then(|(latest, _)| readings.last(latest));
        }
        self.show(stream, place, latest, now, readings);
    }

    fn read(&mut self, place: usize, stream: Stream, reader: &mut Reader) -> Vec<(u64, f64)> {
        let item = ("nvmlDeviceGetSamples", stream.kind());
        let tap = &mut self.taps[place];
        if tap.buffer.is_none() {
            let told = reader.ask(item, |calls, gpu| calls.sample_capacity(gpu, stream.kind()));
            let Some(told) = told else { return Vec::new() };
            tap.buffer = Some(SampleBuffer::new(told.clamp(MIN_CAPACITY, MAX_CAPACITY)));
        }
        let Some(buffer) = tap.buffer.as_mut() else { return Vec::new() };
        let after = tap.integral.newest();
        let mut points = Vec::new();
        let answer = reader.ask(item, |calls, gpu| {
            calls.samples(gpu, stream.kind(), after, buffer, |stamp, value| {
                points.extend(stream.scaled(value).map(|value| (stamp, value)));
            })
        });
        if answer.is_none() {
            points.clear();
        }
        // a ring may be handed out from its middle
        points.sort_by_key(|(stamp, _)| *stamp);
        points
    }

    /// The value of the driver's last period by a getter.
    fn read_otherwise(&mut self, stream: Stream, reader: &mut Reader) -> Option<f64> {
        match stream {
            Stream::Power => None,
            Stream::Engine(engine) => reader
                .ask(("nvmlDeviceGetEngineUtilization", engine as u32), |calls, gpu| {
                    calls.engine_percent(gpu, engine)
                })
                .and_then(|percent| share(f64::from(percent))),
            Stream::Gpu | Stream::Memory => {
                let now = reader.now();
                if self.rates.is_none_or(|(at, _)| at != now) {
                    let rates = reader.ask(("nvmlDeviceGetUtilizationRates", 0), |calls, gpu| {
                        calls.utilization_percent(gpu)
                    });
                    let rates = rates.map(|(gpu, memory)| (f64::from(gpu), f64::from(memory)));
                    self.rates = Some((now, rates));
                }
                let (_, rates) = self.rates?;
                let (gpu, memory) = rates?;
                share(if stream == Stream::Gpu { gpu } else { memory })
            }
        }
    }

    fn count(
        &mut self,
        stream: Stream,
        reader: &Reader,
        at: Instant,
        value: f64,
        counted: Counted,
        is_held: bool,
    ) {
        if counted.is_gap && stream != Stream::Power {
            reader.metrics().sample_gaps.inc();
        }
        match stream {
            Stream::Gpu => {
                self.utilization.add(at, value, counted.seconds);
                if is_held && value < IDLE {
                    self.stalled.add(counted.seconds);
                }
            }
            Stream::Power => self.power.add(at, value, counted.seconds),
            Stream::Memory | Stream::Engine(_) => {}
        }
    }

    fn spread(&mut self, value: f64) {
        let bucket = DISTRIBUTION_BOUNDS.iter().position(|bound| value <= *bound);
        self.distribution.counts[bucket.unwrap_or(DISTRIBUTION_BOUNDS.len())] += 1;
        self.spread.add(value);
        self.distribution.sum = self.spread.total();
    }

    fn show(
        &mut self,
        stream: Stream,
        place: usize,
        latest: Option<f64>,
        now: Instant,
        readings: &mut Readings,
    ) {
        if let Some((value, busy)) = stream.readings() {
            let tap = &mut self.taps[place];
            // once known, a counter stays, also while MIG hides what it counts
            tap.has_counted |= latest.is_some();
            readings.set(value, latest);
            readings.set(busy, tap.has_counted.then(|| tap.integral.total()));
        }
        match stream {
            Stream::Gpu => {
                readings.set(Reading::UtilizationWindowMax, self.utilization.max(now));
                // points are whole percents: more digits are none of the driver's
                let average = self.utilization.average(now);
                let average = average.map(|average| (average * 1e6).round() / 1e6);
                readings.set(Reading::UtilizationWindowAverage, average);
                let has_counted = self.taps[place].has_counted;
                readings.set(Reading::StallSeconds, has_counted.then(|| self.stalled.total()));
            }
            Stream::Power => readings.set(Reading::PowerWindowMax, self.power.max(now)),
            Stream::Memory | Stream::Engine(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_absent_rather_than_all_busy() {
        let shown = |value| Stream::Gpu.scaled(value);
        assert_eq!(shown(Value::Unsigned(101)), Some(1.0), "rounded");
        assert_eq!(shown(Value::Unsigned(u64::from(u32::MAX))), None);
        assert_eq!(shown(Value::Double(f64::NAN)), None);
        assert_eq!(shown(Value::Signed(-1)), None);
        assert_eq!(Stream::Power.scaled(Value::Unsigned(700_000)), Some(700.0));
        assert_eq!(Stream::Power.scaled(Value::Unsigned(u64::from(u32::MAX))), None);
        assert_eq!(Stream::Power.scaled(Value::Double(f64::INFINITY)), None);
    }
}
