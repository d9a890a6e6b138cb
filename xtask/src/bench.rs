//! `bench`: figures for docs/benchmarks.md. CPU seconds, not wall time: machines are shared.

mod footprint;
mod gpu_exporter;
mod log_shipper;
mod running;

use anyhow::{Result, bail};

/// `cargo xtask bench NAME`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first().map(|(name, rest)| (name.as_str(), rest)) {
        Some(("log-shipper", rest)) => log_shipper::run(rest),
        Some(("footprint", rest)) => footprint::run(rest),
        Some(("gpu-exporter", rest)) => gpu_exporter::run(rest),
        _ => bail!("usage: cargo xtask bench log-shipper|footprint|gpu-exporter [--help]"),
    }
}
