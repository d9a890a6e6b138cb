//! One GPU, read in rounds.
//!
//! A round never blocks but in the driver, takes the time as an argument, and leaves a snapshot
//! behind that is complete in itself. What was counted survives every trouble of the GPU: only its
//! readings end with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::activity::{self, Activity};
use super::catalogue::{Cadence, Reading};
use super::counters::{Counters, MAX_LINKS};
use super::gauges::{CLOCK_EVENTS, GAUGES, known};
use super::instances::{self, Instances};
use super::metrics::Metrics;
use super::points::{Points, Stream};
use super::processes::Processes;
use super::reader::{Reader, Trouble};
use super::schedule::{CALLS_PER_ROUND, Due, Rhythm, Schedule};
use super::snapshot::{DeviceSnapshot, Fan};
use super::window::WindowCount;
use crate::config::Sampling;
use crate::nvml::calls::{Calls, Engine};
use crate::nvml::device::{self, Found};
use crate::nvml::error::ReturnCode;
use crate::nvml::fields::{self, Field, Numbering};
use crate::nvml::identity::Identity;
use crate::nvml::library::Library;

/// Fans of a board at most.
const MAX_FANS: u32 = 16;

/// Pauses between two attempts to reach a GPU that does not answer.
const FIRST_PROBE: Duration = Duration::from_secs(1);
const LAST_PROBE: Duration = Duration::from_secs(30);

/// Something that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stream(Stream),
    Gauge(usize),
    Fields,
    Activity,
    Mig,
    Instance(u32),
    Links,
    Fans,
    Processes,
}

/// One GPU.
#[derive(Debug)]
pub struct Device {
    settings: Arc<Sampling>,
    uuid: String,
    metrics: Metrics,
    library: Arc<Library>,
    numbering: Numbering,
    reader: Option<Reader>,
    schedule: Schedule<Step>,
    points: Points,
    counters: Counters,
    activity: Activity,
    instances: Instances,
    processes: Processes,
    links_up: Vec<Option<bool>>,
    next_link: u32,
    fan_count: Option<u32>,
    next_fan: u32,
    clock_events: [WindowCount; 9],
    /// When fields of the cadences `Fields` and `Slow` were read.
    fields_read: [Option<Instant>; 2],
    wants_rescan: bool,
    shown: DeviceSnapshot,
    trouble: Option<Trouble>,
    attempts: u32,
    probe: Duration,
    probe_at: Instant,
}

impl Device {
    /// A GPU of a started library. Nothing is asked before the first round.
    pub fn new(
        library: Arc<Library>,
        numbering: Numbering,
        gpu: &Found,
        settings: Arc<Sampling>,
        metrics: Metrics,
        now: Instant,
    ) -> Self {
        let Found { uuid, index, .. } = gpu.clone();
        let identity = Identity { uuid: uuid.clone(), index, ..Identity::default() };
        Self {
            schedule: Schedule::new(settings.interval, steps(&settings)),
            points: Points::new(settings.window, now),
            clock_events: std::array::from_fn(|_| {
                WindowCount::new(settings.clock_event_window, now)
            }),
            counters: Counters::new(numbering),
            activity: Activity::new(None),
            instances: Instances::default(),
            processes: Processes::default(),
            links_up: Vec::new(),
            next_link: 0,
            fan_count: None,
            next_fan: 0,
            fields_read: [None; 2],
            wants_rescan: false,
            shown: DeviceSnapshot { identity: Arc::new(identity), ..DeviceSnapshot::default() },
            trouble: None,
            attempts: 0,
            probe: FIRST_PROBE,
            probe_at: now,
            reader: None,
            numbering,
            uuid,
            settings,
            metrics,
            library,
        }
    }

    /// Goes on with another start of NVML. What was counted is kept.
    pub fn continue_with(&mut self, library: Arc<Library>, numbering: Numbering) {
        self.library = library;
        self.numbering = numbering;
        self.disconnect();
        (self.trouble, self.attempts, self.probe) = (None, 0, FIRST_PROBE);
    }

    fn disconnect(&mut self) {
        self.reader = None;
        self.activity.restart();
        self.instances.clear();
        self.points.interrupt();
        self.counters.interrupt(self.numbering);
        self.processes.interrupt();
        self.links_up.clear();
        self.fan_count = None;
        self.fields_read = [None; 2];
        self.schedule.restart();
    }

    /// Looks for instances again, and at which index the GPU is, in the next round.
    pub fn rescan(&mut self) {
        self.wants_rescan = true;
    }

    /// Reads what is due, and returns what is wrong with the GPU, if anything.
    pub fn round(&mut self, now: Instant) -> Option<Trouble> {
        if self.trouble.is_some() && now < self.probe_at {
            if self.trouble == Some(Trouble::ResetRequired) {
                // what is to be done holds until the next probe
                self.shown.readings.taken(Cadence::Fields, now);
            }
            return self.trouble;
        }
        let is_first = self.reader.is_none();
        let Some(mut reader) = self.reader.take().or_else(|| self.connect(now)) else {
            return self.trouble;
        };
        reader.begin(now);
        if std::mem::take(&mut self.wants_rescan) {
            self.schedule.hasten(Step::Mig);
            let index = reader.ask(("index", 0), Calls::index);
            if let Some(index) = index.filter(|index| *index != self.shown.identity.index) {
                Arc::make_mut(&mut self.shown.identity).index = index;
            }
        }
        let mut others = 0;
        for Due { step, calls, is_always } in self.schedule.due(now) {
            if reader.is_over() {
                break;
            }
            let (calls, is_always) = match step {
                // once, so that its activity does not wait for its next turn
                Step::Instance(index) if self.instances.has_begun(index) => (0, true),
                Step::Instance(index) => (self.instances.calls(index), is_always),
                _ => (calls, is_always),
            };
            let is_too_much = reader.calls() + calls > CALLS_PER_ROUND;
            // Nothing cheaper overtakes what does not fit, or it would never come to pass; and one
            // thing comes to pass in every round, whatever the others take.
            if is_too_much && !is_always && !is_first && others > 0 {
                break;
            }
            others += u32::from(!is_always && calls > 0);
            self.step(step, &mut reader);
            self.schedule.done(step, now);
            if let Step::Instance(index) = step
                && self.instances.has_begun(index)
            {
                self.schedule.hasten(step);
            }
        }
        match reader.trouble() {
            Some(trouble) => self.down(trouble, now),
            None => self.up(now),
        }
        if self.trouble.is_none() {
            self.reader = Some(reader);
        }
        self.trouble
    }

    /// What the last round left.
    pub fn snapshot(&self) -> &DeviceSnapshot {
        &self.shown
    }

    /// Attempts in a row that ended in the same trouble.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Gives back what the library allocated, before NVML is shut down.
    pub fn suspend(&mut self) {
        self.disconnect();
    }

    /// Calls of the last round.
    pub fn calls(&self) -> u32 {
        self.reader.as_ref().map_or(0, Reader::calls)
    }

    /// Finds the GPU by its UUID and reads what it is.
    fn connect(&mut self, now: Instant) -> Option<Reader> {
        let calls = self.library.calls();
        let probed = calls.device_by_uuid(&self.uuid).and_then(|handle| {
            // a lost GPU may still have a handle
            calls.index(handle)?;
            match calls.performance_state(handle) {
                Err(error) if Trouble::of(error.code).is_some() => Err(error),
                _ => Ok(handle),
            }
        });
        match probed {
            Ok(handle) => {
                let identity = device::identity(&self.library, &self.uuid, handle);
                if calls.persistence_mode(handle) == Ok(0) {
                    tracing::warn!(
                        gpu = %self.uuid,
                        "persistence mode is off: without clients the driver starts the GPU anew"
                    );
                }
                self.shown.identity = Arc::new(identity);
                let library = Arc::clone(&self.library);
                Some(Reader::new(library, &self.uuid, handle, self.metrics.clone(), now))
            }
            Err(error) => {
                self.metrics.failed(&error);
                let trouble = Trouble::of(error.code).unwrap_or(match error.code {
                    ReturnCode::NotFound | ReturnCode::InvalidArgument => Trouble::Gone,
                    ReturnCode::Unknown => Trouble::Unknown,
                    _ => Trouble::Silent,
                });
                self.down(trouble, now);
                None
            }
        }
    }

    fn up(&mut self, now: Instant) {
        if self.trouble.take().is_some() {
            tracing::info!(gpu = %self.uuid, "GPU answers again");
        }
        (self.probe, self.attempts) = (FIRST_PROBE, 0);
        let shown = &mut self.shown;
        (shown.is_up, shown.down_reason) = (true, "");
        for cadence in Cadence::ALL {
            shown.readings.taken(cadence, now);
        }
        shown.distribution.clone_from(self.points.distribution());
        shown.mig = self.instances.snapshot();
        for (shown, count) in shown.clock_events_in_window.iter_mut().zip(&self.clock_events) {
            *shown = count.count(now);
        }
    }

    fn down(&mut self, trouble: Trouble, now: Instant) {
        if self.trouble != Some(trouble) {
            tracing::warn!(gpu = %self.uuid, reason = trouble.reason(), "GPU does not answer");
        }
        let before = self.trouble.replace(trouble);
        let is_new = before.is_none();
        self.attempts = if before == Some(trouble) { self.attempts.saturating_add(1) } else { 1 };
        self.probe = if is_new { FIRST_PROBE } else { (self.probe * 2).min(LAST_PROBE) };
        self.probe_at = now + self.probe;
        let action = self.shown.readings.last(Reading::RecoveryAction);
        self.disconnect();
        let shown = &mut self.shown;
        (shown.is_up, shown.down_reason) = (false, trouble.reason());
        shown.readings.clear();
        shown.mig.clear();
        shown.links.clear();
        shown.fans.clear();
        shown.processes.clear();
        shown.clock_events_in_window = [0; 9];
        if trouble == Trouble::ResetRequired {
            // more than a reset may be asked for; it is a reset where the driver does not tell
            let action = self.asked_for().or(action.filter(|action| *action > 0.0));
            let readings = &mut self.shown.readings;
            readings.set(Reading::RecoveryAction, Some(action.unwrap_or(1.0)));
            readings.taken(Cadence::Fields, now);
        }
    }

    /// The recovery action, which a GPU that has to be reset still tells.
    fn asked_for(&self) -> Option<f64> {
        let handle = self.library.calls().device_by_uuid(&self.uuid).ok()?;
        let field = Field::RECOVERY_ACTION;
        let answers = fields::read(&self.library, handle, self.numbering, &[field]).ok()?;
        let action = known(answers.get(&field)?.as_ref().ok()?.as_f64())?;
        (action > 0.0).then_some(action)
    }

    fn step(&mut self, step: Step, reader: &mut Reader) {
        let readings = &mut self.shown.readings;
        match step {
            Step::Stream(stream) => self.points.drain(stream, reader, readings),
            Step::Gauge(place) => self.gauge(place, reader),
            Step::Fields => self.fields(reader),
            Step::Activity => self.activity.read(reader, readings),
            Step::Mig => self.mig(reader),
            Step::Instance(index) => {
                if !self.instances.read(index, reader) {
                    self.instances.scan(reader);
                }
            }
            Step::Links => self.links(reader),
            Step::Fans => self.fans(reader),
            Step::Processes => self.shown.processes = self.processes.read(reader),
        }
    }

    fn gauge(&mut self, place: usize, reader: &mut Reader) {
        let gauge = &GAUGES[place];
        let readings = &mut self.shown.readings;
        for reading in gauge.readings {
            readings.set(*reading, None);
        }
        let variant = u32::try_from(place).unwrap_or_default();
        reader.ask(("gauge", variant), |calls, gpu| {
            (gauge.read)(calls, gpu, &mut |reading, value| readings.set(reading, Some(value)))
        });
        if gauge.readings.contains(&Reading::ClockEventBits) {
            let now = reader.now();
            for ((reading, _), count) in CLOCK_EVENTS.iter().zip(&mut self.clock_events) {
                if readings.last(*reading).is_some_and(|active| active > 0.0) {
                    count.add(now);
                }
            }
            self.counters.count_limits(now, readings);
        }
    }

    /// One call for the fields of all cadences that are due.
    fn fields(&mut self, reader: &mut Reader) {
        let now = reader.now();
        let interval = self.settings.interval;
        let mut cadences = vec![Cadence::Fast];
        for (cadence, read) in
            [Cadence::Fields, Cadence::Slow].into_iter().zip(&mut self.fields_read)
        {
            // half an interval of tolerance, as in the schedule
            let due = read.map(|read| read + cadence.period(interval));
            if due.is_none_or(|due| due <= now + interval / 2) {
                cadences.push(cadence);
                *read = Some(now);
            }
        }
        let links = self.settings.per_link.then_some(&mut self.shown.links);
        self.counters.read(&cadences, reader, &mut self.shown.readings, links);
    }

    fn mig(&mut self, reader: &mut Reader) {
        let item = ("migMode", 0);
        let is_mig = match reader.ask(item, Calls::mig_mode) {
            Some(is_mig) => is_mig,
            None if reader.is_unsupported(item) => false,
            // nobody knows: what was found stays
            None => return,
        };
        if self.shown.identity.is_mig != is_mig {
            Arc::make_mut(&mut self.shown.identity).is_mig = is_mig;
            reader.forget_unsupported();
            self.activity.restart();
            self.schedule.restart();
            self.schedule.done(Step::Mig, reader.now());
        }
        if is_mig {
            self.instances.scan(reader);
        } else {
            self.instances.clear();
        }
    }

    /// Reads the state of all links, or, once they are known, of the next one.
    fn links(&mut self, reader: &mut Reader) {
        let count = self.counters.link_count().min(MAX_LINKS);
        let is_known = self.links_up.len() == count as usize;
        self.links_up.resize(count as usize, None);
        if count == 0 {
            return;
        }
        let which =
            if is_known { self.next_link % count..self.next_link % count + 1 } else { 0..count };
        self.next_link = which.end;
        for link in which {
            let state = reader.ask(("link", link), |calls, gpu| calls.nvlink_state(gpu, link));
            self.links_up[link as usize] = state.map(|state| state == 1);
        }
        let known = self.links_up.iter().flatten();
        let is_told = self.links_up.iter().any(Option::is_some);
        let active = known.filter(|is_up| **is_up).count();
        let active = u32::try_from(active).unwrap_or_default();
        let readings = &mut self.shown.readings;
        readings.set(Reading::NvlinkActiveLinks, is_told.then(|| f64::from(active)));
        for (link, is_up) in self.shown.links.iter_mut().zip(&self.links_up) {
            link.is_active = *is_up;
        }
    }

    /// Reads all fans, or, once they are known, the next one.
    fn fans(&mut self, reader: &mut Reader) {
        let which = match self.fan_count {
            Some(0) => return,
            Some(count) => self.next_fan % count..self.next_fan % count + 1,
            None => {
                let count = reader.ask(("fans", 0), Calls::fan_count);
                let count = count.unwrap_or_default().min(MAX_FANS);
                self.fan_count = Some(count);
                self.shown.fans = vec![Fan::default(); count as usize];
                0..count
            }
        };
        self.next_fan = which.end;
        for (fan, shown) in (0..).zip(&mut self.shown.fans).filter(|(fan, _)| which.contains(fan)) {
            let percent = reader
                .ask(("fanSpeed", fan), |calls, gpu| calls.fan_speed_percent(gpu, fan))
                .and_then(|percent| known(f64::from(percent)));
            shown.speed_ratio = percent.map(|percent| percent / 100.0);
            let rpm = reader.ask(("fanRpm", fan), |calls, gpu| calls.fan_rpm(gpu, fan));
            shown.rpm = rpm.and_then(|rpm| known(f64::from(rpm)));
        }
    }
}

/// What is read, how often, and the calls that each takes at most. What is read in every round takes
/// eight together, so no other may take more than four. Only a look for instances takes more.
fn steps(settings: &Sampling) -> Vec<(Step, Rhythm, u32)> {
    let mut steps = vec![
        (Step::Fields, Rhythm::Always, 1),
        // what is unsupported depends on it
        (Step::Mig, Rhythm::Slow, 1),
    ];
    for (place, gauge) in GAUGES.iter().enumerate() {
        steps.push((Step::Gauge(place), gauge.rhythm, 1));
    }
    for stream in Stream::ALL {
        let rhythm = match stream {
            Stream::Gpu => Rhythm::Always,
            // the buffers hold 17 s at least, so nothing is lost by reading them seldom
            Stream::Memory | Stream::Power => Rhythm::Second,
            Stream::Engine(Engine::Encoder | Engine::Decoder) => Rhythm::Fifth,
            Stream::Engine(Engine::Jpeg | Engine::Ofa) => Rhythm::Tenth,
        };
        // one more where the buffer is empty
        steps.push((Step::Stream(stream), rhythm, if stream == Stream::Power { 1 } else { 2 }));
    }
    steps.push((Step::Activity, Rhythm::Always, activity::CALLS));
    for index in 0..instances::MAX_INSTANCES {
        steps.push((Step::Instance(index), Rhythm::Fifth, 0));
    }
    steps.push((Step::Links, Rhythm::Tenth, 1));
    steps.push((Step::Fans, Rhythm::Tenth, 2));
    if settings.processes {
        steps.push((Step::Processes, Rhythm::Second, 1));
    }
    steps
}

#[cfg(test)]
mod tests;
