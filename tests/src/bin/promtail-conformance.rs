//! Runs a log shipper on the recorded cases of Promtail and prints one line per case.
//!
//! Exit code 1 if a case failed or none was chosen.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use regex::Regex;
use stack_tests::conformance::case::Case;
use stack_tests::conformance::suite::{Suite, Verdict};

/// Compares a log shipper with recorded Promtail behaviour.
#[derive(Debug, Parser)]
struct Flags {
    /// Binary to run.
    #[arg(long)]
    shipper: PathBuf,
    /// Folder with the cases.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/promtail"))]
    cases: PathBuf,
    /// Only cases whose name matches; may be repeated.
    #[arg(long)]
    only: Vec<Regex>,
    /// Cases that run at the same time.
    #[arg(long, default_value_t = 14)]
    jobs: usize,
    /// Keep the work folders and print where they are.
    #[arg(long)]
    keep: bool,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let flags = Flags::parse();
    let is_chosen = |case: &Case| {
        flags.only.is_empty() || flags.only.iter().any(|pattern| pattern.is_match(&case.name))
    };
    let mut cases = Case::load_all(&flags.cases)?;
    cases.retain(is_chosen);
    let suite =
        Suite { shipper: flags.shipper.canonicalize()?, jobs: flags.jobs, keep: flags.keep };
    let (mut passed, mut failed) = (0, 0);
    let mut out = io::stdout();
    let mut written = Ok(());
    suite.run(cases, |report| {
        let name = &report.name;
        let line = match &report.verdict {
            Verdict::Pass => {
                passed += 1;
                format!("PASS {name}")
            }
            Verdict::Fail(problem) => {
                failed += 1;
                format!("FAIL {name}: {problem}")
            }
            Verdict::Quirk(problem) => format!("QUIRK {name}: {problem}"),
        };
        let kept = report.kept.as_ref().map(|folder| format!(" (kept {})", folder.display()));
        let result = writeln!(out, "{line}{}", kept.unwrap_or_default());
        if written.is_ok() {
            written = result;
        }
    });
    written?;
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(if failed > 0 || passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
