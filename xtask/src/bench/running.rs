//! Processes under measurement: how they are started, waited for, and what the kernel says of them.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a bench have three digits that count"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run};

/// Longest run.
const PATIENCE: Duration = Duration::from_mins(5);

/// Clock ticks per second in /proc/PID/stat; fixed at 100 for user space on Linux.
const TICKS: f64 = 100.0;

/// The release binaries of log-shipper and of the receiver.
pub(super) fn build() -> Result<()> {
    run(cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "log-shipper",
        "--package",
        "stack-tests",
        "--bins",
    ]))
}

pub(super) fn wait(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} for {what}");
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

/// The sum of all series of a counter on a metrics page.
pub(super) fn sum_of(page: &str, name: &str) -> u64 {
    page.lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum::<f64>() as u64
}

pub(super) fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("cannot start {command:?}"))?))
    }

    /// CPU seconds so far (user and system, all threads) and peak RSS in KiB.
    pub(super) fn usage(&self) -> Result<(f64, f64)> {
        let folder = PathBuf::from(format!("/proc/{}", self.0.id()));
        let stat = fs::read_to_string(folder.join("stat")).context("the shipper has ended")?;
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("/proc/PID/stat")?.1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        let status = fs::read_to_string(folder.join("status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok((ticks / TICKS, peak.trim().trim_end_matches(" kB").parse()?))
    }

    /// RSS now, in KiB.
    pub(super) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let now = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(now.trim().trim_end_matches(" kB").parse()?)
    }

    pub(super) fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
