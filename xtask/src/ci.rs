//! `test`: the steps of CI in the order in which they fail fastest.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run as run_command};
use crate::{generate, say, tidy, tools};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 7] = [
    ("format", format),
    ("tidy", tidy::run),
    ("tools", tools::fetch_all),
    ("lints", lints),
    ("tests", tests),
    ("documentation", documentation),
    ("generated files", generated),
];

/// Runs all steps; stops at the first failure.
pub(crate) fn run_steps(steps: &[Step]) -> Result<()> {
    let mut times = Vec::new();
    for (index, (name, step)) in steps.iter().enumerate() {
        say(&format!("[{}/{}] {name}", index + 1, steps.len()));
        let started = Instant::now();
        step().with_context(|| format!("step `{name}`"))?;
        times.push(format!("{name} {:.0} s", started.elapsed().as_secs_f64()));
    }
    say(&format!("all steps passed: {}", times.join(", ")));
    Ok(())
}

/// `cargo xtask test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`test` takes no arguments; for single tests use `cargo test -p CRATE NAME`");
    }
    run_steps(&STEPS)
}

fn format() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    run_command(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn tests() -> Result<()> {
    // Tests start the real binaries.
    run_command(cargo().args(["build", "--workspace", "--bins", "--examples", "--locked"]))?;
    run_command(cargo().args(["test", "--workspace", "--locked"]))
}

fn documentation() -> Result<()> {
    run_command(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--workspace",
        "--no-deps",
        "--locked",
    ]))
}

fn generated() -> Result<()> {
    generate::run(&["--check".to_owned()])
}
