//! `cargo xtask`: everything a person does with this repository more than once.
//!
//! Its dependencies are few, because it is built before anything else.

mod bench;
mod ci;
mod fuzz;
mod generate;
mod http;
mod process;
mod tidy;
mod tools;
mod up;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  up          build the daemons and run the stack's main job on this machine; Ctrl-C stops it
                --log-lines N   lines a second of the example service (default 20)
  test        everything that CI runs: format, house rules, lints, tests, documentation
  ci          the same
  tidy        the house rules alone: flow, file length, names, dependencies, licences
  generate    write the generated files; --check says whether they are current
  tools       find the real servers that tests need, or fetch them into target/tools
  bench log-shipper
              measure lines per CPU second and memory; --help lists its options
  bench footprint
              measure memory and CPU at rest, with many files, and under hostile input
  bench gpu-exporter
              measure scrapes, memory and CPU with simulated GPUs
  fuzz        random input for the parsers, --seconds N for each; --help lists options and targets
  help        this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) =
        arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    let result = match command {
        "up" => up::run(rest),
        "test" | "ci" => ci::run(rest),
        "tidy" => tidy::run(),
        "generate" => generate::run(rest),
        "tools" => tools::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "help" | "-h" | "--help" => {
            say(HELP.trim_end());
            Ok(())
        }
        other => Err(anyhow::anyhow!("unknown command `{other}`\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints for the person at the terminal.
#[expect(clippy::print_stdout, reason = "a command-line tool talks on standard output")]
fn say(text: &str) {
    println!("{text}");
}

/// Prints what went wrong, or what is going on.
#[expect(clippy::print_stderr, reason = "a command-line tool complains on standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
