//! NVIDIA's management library (NVML), played from a scenario: GPUs under load, sick ones, MIG, hot
//! plugging, calls that hang.
//!
//! Flow: `code -> functions -> scenario -> engine -> clock -> driver -> slots -> abi -> control -> simulation`
//!
//! What a program calls are C functions with NVML's signatures and structures, in a table as the one
//! that is made of the real library, or in a shared library (`fake-nvml`). This crate exports no
//! symbol of NVML, so that a real library can be loaded beside it.

pub mod abi;
pub mod clock;
pub mod code;
pub mod control;
pub mod driver;
pub mod engine;
pub mod functions;
pub mod scenario;
pub mod simulation;
mod slots;

pub use scenario::{Scenario, ScenarioError};
pub use simulation::Simulation;
