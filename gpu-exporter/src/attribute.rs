//! Says which container holds which device.

pub mod owner;
