//! What gpu-exporter costs: time of a scrape, memory, CPU at rest, size, time to the first page.

#![allow(clippy::cast_precision_loss, reason = "figures of a bench have three digits that count")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::running::{Running, free_address, wait};
use crate::process::{binary, cargo, root, run as run_command};
use crate::{http, say};

const HELP: &str = "\
cargo xtask bench gpu-exporter [--seconds N] [--scrapes N]

  Simulated GPUs, both namings: 8 (training.json) and 16 with 7 MIG instances each (bench.json).
  --seconds N     how long CPU is watched while it is scraped every 15 s (default 60)
  --scrapes N     scrapes that are timed, one after the other (default 500)";

/// Prometheus' usual interval.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);

/// Runs it and prints figures.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut seconds, mut scrapes) = (60_u64, 500_usize);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" => {
                say(HELP);
                return Ok(());
            }
            "--seconds" => seconds = value()?.parse().context("--seconds: a number")?,
            "--scrapes" => scrapes = value()?.parse().context("--scrapes: a number")?,
            other => bail!("unknown option {other}\n\n{HELP}"),
        }
    }
    run_command(cargo().args(["build", "--release", "--locked", "--package", "gpu-exporter"]))?;
    let size = fs::metadata(binary("release", "gpu-exporter"))?.len();
    say(&format!("binary       {:.2} MiB", size as f64 / 1_048_576.0));
    for (name, scenario) in [("8 GPUs", "training.json"), ("16 x 7 MIG", "bench.json")] {
        say(&format!("{name:<12} {}", measure(scenario, seconds, scrapes)?));
    }
    Ok(())
}

fn measure(scenario: &str, seconds: u64, scrapes: usize) -> Result<String> {
    let address = free_address()?;
    let scenario = root().join("gpu-exporter/scenarios").join(scenario);
    let started = Instant::now();
    let exporter = Running::start(
        Command::new(binary("release", "gpu-exporter"))
            .args(["--web.listen-address", &address, "--simulate"])
            .arg(scenario),
    )?;
    wait("the first page", || http::get(&address, "/-/ready").is_ok())?;
    let page = http::get(&address, "/metrics")?;
    let first_page = started.elapsed();
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();

    let mut times = Vec::with_capacity(scrapes);
    for _ in 0..scrapes {
        let started = Instant::now();
        http::get(&address, "/metrics")?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let quantile = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];

    let (before, _) = exporter.usage()?;
    let watched = Instant::now();
    let time = Duration::from_secs(seconds);
    while watched.elapsed() < time {
        std::thread::park_timeout(SCRAPE_INTERVAL.min(time.saturating_sub(watched.elapsed())));
        http::get(&address, "/metrics")?;
    }
    let (after, peak) = exporter.usage()?;
    Ok(format!(
        "{samples} samples, {} KiB; scrape p50 {:.2} ms, p99 {:.2} ms; CPU {:.2} % of a core at 1 s \
         sampling; RSS {:.1} MiB (peak {:.1}); first page after {:.2} s",
        page.len() / 1024,
        quantile(50),
        quantile(99),
        (after - before) / watched.elapsed().as_secs_f64() * 100.0,
        exporter.memory()? / 1024.0,
        peak / 1024.0,
        first_page.as_secs_f64(),
    ))
}
