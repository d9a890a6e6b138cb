//! Says which container holds which device.
//!
//! Asks the kubelet on a clock of its own: a page is written from [`board::Board`], and neither a
//! slow nor a missing kubelet holds it up.
//!
//! From left to right: `protobuf` and `grpc` carry, `pod_resources` and `pods_api` read,
//! `device_ids` and `dra` find the device, `holds` and `assembly` make [`owner::Allocations`],
//! `refresh` repeats it.

mod assembly;
pub mod board;
pub mod device_ids;
mod dra;
pub mod grpc;
mod holds;
mod hpc;
pub mod owner;
pub mod pod_integrals;
pub mod pod_labels;
mod pod_resources;
mod pods_api;
mod protobuf;
pub mod refresh;
