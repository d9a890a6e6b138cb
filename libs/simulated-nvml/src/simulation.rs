//! A simulation in this process: start it, take its table, move its time, break its GPUs.

use std::sync::Arc;
use std::time::Duration;

use nvml_wrapper_sys::bindings::NvmlLib;

use crate::driver::Driver;
use crate::functions::Function;
use crate::scenario::timeline::Happening;
use crate::scenario::{Scenario, ScenarioError, parse_json};
use crate::slots::Slot;
use crate::{abi, control};

/// A running simulation; clones are the same one. It ends, and everything that waits in it goes on,
/// when the last clone is dropped: keep one as long as a table is used, for a table of a simulation
/// that has ended answers `UNINITIALIZED`, or for another that was started since.
#[derive(Debug, Clone)]
pub struct Simulation(Arc<Running>);

#[derive(Debug)]
struct Running {
    driver: Arc<Driver>,
    slot: Slot,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.driver.clock.end();
    }
}

impl Simulation {
    /// Starts a scenario, at time 0. Waits while the process has 16 others; without the
    /// feature `many`, while it has one.
    ///
    /// # Errors
    ///
    /// When the scenario was changed after it was read, and its parts do not fit together.
    pub fn start(scenario: Scenario) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let driver = Arc::new(Driver::new(scenario));
        let slot = Slot::take(&driver);
        let running = Self(Arc::new(Running { driver, slot }));
        control::start(&running.0.driver).map_err(ScenarioError::Thread)?;
        Ok(running)
    }

    /// NVML's functions, playing this simulation.
    ///
    /// # Errors
    ///
    /// When the program's own symbols cannot be looked at.
    pub fn table(&self) -> Result<NvmlLib, libloading::Error> {
        abi::table(self.0.slot.number(), &self.0.driver)
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.0.driver.clock.now())
    }

    /// Moves a virtual clock on; a real one is not changed.
    pub fn advance(&self, by: Duration) {
        self.0.driver.clock.advance(by);
    }

    /// Takes up something that happens, as in a scenario's timeline; without `at_ms`, now.
    ///
    /// # Errors
    ///
    /// When it is none, or not for this node.
    pub fn happen(&self, json: &str) -> Result<(), ScenarioError> {
        self.apply(&parse_json(json)?)
    }

    /// The same, already read.
    ///
    /// # Errors
    ///
    /// When it is not for this node.
    pub fn apply(&self, happening: &Happening) -> Result<(), ScenarioError> {
        self.0
            .driver
            .apply(happening)
            .map_err(|(place, reason)| ScenarioError::Value { place: place.to_owned(), reason })
    }

    /// How often a function was called; 0 for a name that NVML does not have.
    pub fn calls(&self, function: &str) -> u64 {
        Function::by_name(function).map_or(0, |function| self.0.driver.calls(function))
    }

    /// How often any function was called.
    pub fn total_calls(&self) -> u64 {
        Function::ALL.iter().map(|function| self.0.driver.calls(*function)).sum()
    }
}
