//! The state of every GPU at any time: nothing here knows the present, so a run can be repeated and
//! a counter asked for twice in the past is the same twice.

pub mod activity;
pub mod curve;
pub mod events;
pub mod fields;
pub mod gpu;
pub mod numbers;
pub mod samples;
pub mod steps;
pub mod view;

use std::collections::BTreeMap;

use crate::engine::events::Source;
use crate::engine::gpu::Gpu;
use crate::engine::steps::Steps;
use crate::engine::view::View;
use crate::scenario::fault::Fault;
use crate::scenario::timeline::{DriverChange, Happening, Hotplug, What};
use crate::scenario::{FieldNumbering, MAX_GPUS, Scenario};

/// The node.
#[derive(Debug, Clone)]
pub struct Engine {
    gpus: Vec<Gpu>,
    init_return: Steps<u32>,
    /// By time.
    driver_changes: Vec<(u64, usize, DriverChange)>,
    faults: BTreeMap<String, Fault>,
    numbering: FieldNumbering,
    has_counters: bool,
    boot: u64,
    seed: u64,
}

impl Engine {
    /// The node of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let mut engine = Self {
            gpus: Vec::new(),
            init_return: Steps::new(0),
            driver_changes: Vec::new(),
            faults: scenario.calls.clone(),
            numbering: scenario.field_numbering(),
            has_counters: scenario.gpm_counters,
            boot: scenario.uptime_s.saturating_mul(1_000_000),
            seed: scenario.seed,
        };
        for spec in &scenario.gpus {
            engine.gpus.push(Gpu::new(spec.clone(), engine.gpus.len(), engine.seed, None));
        }
        // Those that are added have to be there before what happens to them.
        let (additions, others): (Vec<_>, Vec<_>) =
            scenario.timeline.iter().partition(|happening| happening.added_gpu().is_some());
        for happening in additions.into_iter().chain(others) {
            engine.play(happening, 0);
        }
        engine
    }

    /// Takes up something that happens, at `now` if it does not say when.
    ///
    /// # Errors
    ///
    /// With the key and what is wrong with it.
    pub fn apply(&mut self, happening: &Happening, now: u64) -> Result<(), (&'static str, String)> {
        let mut specs: Vec<_> = self.gpus.iter().map(|gpu| &gpu.spec).collect();
        specs.extend(happening.added_gpu());
        if specs.len() > MAX_GPUS {
            return Err(("hotplug.add", format!("at most {MAX_GPUS} GPUs")));
        }
        happening.check(&specs)?;
        self.play(happening, now);
        Ok(())
    }

    fn play(&mut self, happening: &Happening, now: u64) {
        let at = happening.at_ms.map_or(now, |at| at.saturating_mul(1_000));
        match &happening.what {
            What::Xid { gpu, xid } => self.gpus[*gpu].sources.push(Source::xid(at, *xid)),
            What::Storm(storm) => self.gpus[storm.gpu].sources.push(Source::storm(at, storm)),
            What::State(gpu, health) => self.gpus[*gpu].health.set(at, *health),
            What::Ecc(gpu, errors) => self.gpus[*gpu].add_errors(at, *errors),
            What::Remap(gpu, remap) => self.gpus[*gpu].remaps.push((at, *remap)),
            What::ClockEvents(gpu, bits) => self.gpus[*gpu].clock_events.set(at, *bits),
            What::RecoveryAction(gpu, action) => self.gpus[*gpu].set_recovery(at, *action),
            What::Util(gpu, shape) => self.gpus[*gpu].set_load(at, shape),
            What::Calls(gpu, calls) => self.gpus[*gpu].set_faults(at, calls),
            What::MigReconfigure(change) => {
                self.gpus[change.gpu].set_instances(at, change.to.as_deref());
            }
            What::Hotplug(Hotplug::Remove(gpu)) => self.gpus[*gpu].present.set(at, false),
            What::Hotplug(Hotplug::Add(spec)) => {
                let gpu = Gpu::new((**spec).clone(), self.gpus.len(), self.seed, Some(at));
                self.gpus.push(gpu);
            }
            What::InitReturn(code) => self.init_return.set(at, *code),
            What::Driver(gpu, change) => {
                let index = self.driver_changes.partition_point(|(known, ..)| *known <= at);
                self.driver_changes.insert(index, (at, *gpu, *change));
            }
        }
    }

    /// Numbers of field values.
    pub fn numbering(&self) -> FieldNumbering {
        self.numbering
    }

    /// Whether activity has the counters since boot.
    pub fn has_counters(&self) -> bool {
        self.has_counters
    }

    /// Microseconds from boot to the start of the simulation.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// What opening NVML returns; 0 is success.
    pub fn init_return(&self, now: u64) -> u32 {
        *self.init_return.at(now)
    }

    /// The fault of a function that belongs to no device.
    pub fn fault(&self, function: &str) -> Option<&Fault> {
        self.faults.get(function)
    }

    /// The GPUs that there are, by NVML's index: their positions in the scenario.
    pub fn present(&self, now: u64) -> impl Iterator<Item = usize> {
        (0..self.gpus.len()).filter(move |gpu| *self.gpus[*gpu].present.at(now))
    }

    /// All GPUs that ever are.
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    /// A GPU at a time.
    pub fn view(&self, gpu: usize, now: u64) -> Option<View<'_>> {
        self.gpus.get(gpu).map(|gpu| View::new(gpu, now))
    }

    /// What happened to drivers, by time.
    pub fn driver_changes(&self) -> &[(u64, usize, DriverChange)] {
        &self.driver_changes
    }
}
