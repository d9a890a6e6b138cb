//! The command line.

use clap::Parser;

/// GPU metrics for Prometheus with the pod that holds each GPU, without DCGM.
#[derive(Debug, Clone, Parser)]
#[command(name = "gpu-exporter", version)]
pub struct Flags {}
