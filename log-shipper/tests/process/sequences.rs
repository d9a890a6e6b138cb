//! Any sequence of what happens to a log file and to its shipper: every line arrives, and those of
//! a stream arrive in their order.
//!
//! Rotated files and copies have names that the pattern matches, as a shipper needs that is not
//! running while they are made.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use proptest::prelude::*;
use stack_tests::loki::{Fault, State};

use crate::fixture::{Fixture, Writer};

/// 20,000 bytes in lines of 67 and more.
const LINES_OF_A_BATCH: u64 = 300;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many lines, at once.
    Write(usize),
    Rename,
    CopyAndTruncate,
    /// SIGKILL, and a new process.
    Restart,
    /// Loki refuses everything from now on, or takes it again.
    Outage(bool),
    /// A wait until all lines are there, which they are not before the end of an outage.
    CatchUp,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        // More than the queues of an outage hold, or a few.
        3 => prop_oneof![1..20_usize, 1_000..3_000_usize].prop_map(Step::Write),
        2 => Just(Step::Rename),
        2 => Just(Step::CopyAndTruncate),
        1 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Outage),
        1 => Just(Step::CatchUp),
    ];
    prop::collection::vec(step, 8)
}

/// Takes the steps; the world that is left, and how many lines were written.
fn take(steps: &[Step], saves: bool) -> (Fixture, usize) {
    let mut fixture = Fixture::new();
    let mut config = fixture.config("    batchsize: 20000", "").replace("logs/*.log", "logs/app*");
    if !saves {
        config = config.replace("sync_period: 50ms", "sync_period: 1h");
    }
    fixture.start(&config);
    let path = fixture.log("app.log");
    let mut writer = Writer::new(&path, 0);
    let mut is_refused = false;
    for (number, step) in steps.iter().enumerate() {
        let rotated = fixture.log(&format!("app.log.{number}"));
        match step {
            Step::Write(lines) => writer.write(*lines),
            Step::Rename => {
                fs::rename(&path, rotated).unwrap();
                writer.reopen();
            }
            Step::CopyAndTruncate => {
                fs::copy(&path, rotated).unwrap();
                writer.file().set_len(0).unwrap();
            }
            Step::Restart => {
                fixture.kill();
                fixture.start(&config);
            }
            Step::Outage(begins) => {
                is_refused = *begins;
                let fault = if *begins { Fault::Status(503, None) } else { Fault::None };
                fixture.receiver.set_fault(fault);
            }
            Step::CatchUp if is_refused => {}
            Step::CatchUp => fixture.wait_for_all(writer.written),
        }
    }
    fixture.receiver.set_fault(Fault::None);
    (fixture, writer.written)
}

/// The first line that came for the first time behind a later one of its stream.
fn out_of_order(state: &State) -> Option<String> {
    let mut seen = HashSet::new();
    let mut latest: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &state.entries {
        let text = String::from_utf8_lossy(&entry.line);
        let number = text.split_once("seq=").and_then(|(_, rest)| rest.split(' ').next());
        let number: usize = number?.parse().unwrap();
        if !seen.insert(number) {
            continue;
        }
        let stream = entry.labels.to_string();
        match latest.insert(stream.clone(), number) {
            Some(before) if before > number => {
                return Some(format!("{number} came after {before} in {stream}"));
            }
            _ => {}
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // Each try of a failure takes as long as a test is patient, and the steps are few.
        max_shrink_iters: 0,
        ..ProptestConfig::with_cases(6)
    })]

    #[test]
    fn whatever_happens_every_line_arrives_and_in_order(steps in steps(), saves: bool) {
        let (fixture, written) = take(&steps, saves);
        fixture.wait_for_all(written);
        let disorder = fixture.receiver.with(out_of_order);
        prop_assert!(disorder.is_none(), "{disorder:?}\n{}", fixture.shipper_log());
        let count = |wanted: fn(&Step) -> bool| steps.iter().filter(|step| wanted(step)).count();
        let kills = count(|step| matches!(step, Step::Restart)) as u64;
        let renames = count(|step| matches!(step, Step::Rename));
        // A copy that nobody has seen before the kill is a file of its own, and a file that changes
        // its name while no process runs has two until the next save.
        if count(|step| matches!(step, Step::CopyAndTruncate)) == 0 && (renames == 0 || kills < 2) {
            let repeated = fixture.duplicates();
            prop_assert!(repeated <= kills * LINES_OF_A_BATCH, "{repeated} lines for {kills} kills");
        }
    }
}
