//! `fuzz`: random input for the parsers of outside bytes; see `fuzz/README.md`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, root, run as run_command};

/// Builds the fuzz targets, tests their driver, and runs them with these arguments, which they
/// understand themselves.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let folder = root().join("fuzz");
    let target = root().join("target/fuzz-build");
    // The versions that ship; what only the targets need is in there as well.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("cannot copy Cargo.lock")?;
    // Tests of the same profile: what the targets stand on is built once for both. They are part of
    // no other command, because all of that would be built for them alone.
    let is_run = !arguments.iter().any(|argument| matches!(&**argument, "--help" | "--input"));
    let commands = if is_run { &["build", "test"][..] } else { &["build"] };
    for command in commands {
        run_command(
            cargo()
                .current_dir(&folder)
                .args([command, "--release", "--quiet", "--target-dir"])
                .arg(&target),
        )?;
    }
    let mut fuzz = Command::new(target.join("release/fuzz"));
    let status = fuzz
        .current_dir(root())
        .args(arguments)
        .status()
        .context("cannot start the fuzz targets")?;
    if !status.success() {
        bail!("fuzz failed with {status}");
    }
    Ok(())
}
