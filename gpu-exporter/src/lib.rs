//! Every GPU of a node for Prometheus, with the pod that holds it: dcgm-exporter's names, without
//! DCGM.
//!
//! Flow: `config -> nvml -> sample -> attribute -> expose -> run`

pub mod attribute;
pub mod cli;
pub mod config;
pub mod expose;
pub mod nvml;
pub mod run;
pub mod sample;
