//! Runs each target in a process of its own: one that ends without a word is a finding too.

use std::error::Error;
use std::process::Command;

use crate::finding;
use crate::options::Options;
use crate::targets;

/// Runs the targets one after the other; whether none of them has a finding.
///
/// # Errors
/// A process cannot be started, or a finding not be kept.
pub(crate) fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let mut is_clean = true;
    for target in targets::ALL {
        if options.target.as_deref().is_some_and(|name| name != target.name) {
            continue;
        }
        let status = Command::new(std::env::current_exe()?)
            .args(["--worker", "--target", target.name])
            .args(["--seconds", &options.seconds.to_string()])
            .args(["--seed", &options.seed.to_string()])
            .status()?;
        // With a code it has spoken for itself; without one a signal ended it.
        if status.code().is_none() {
            let input = std::fs::read(finding::current_path(target.name))?;
            finding::keep(target.name, &input, &format!("the process ended: {status}"))?;
        }
        is_clean &= status.success();
        let _ = std::fs::remove_file(finding::current_path(target.name));
    }
    Ok(is_clean)
}
