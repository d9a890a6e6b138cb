//! The recorded behaviour of Promtail 3.4.6, case by case.

use std::path::{Path, PathBuf};

use stack_tests::conformance::case::Case;
use stack_tests::conformance::suite::{Suite, known_differences, surprises};

#[test]
fn every_recorded_case_is_as_in_promtail_but_for_the_listed_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/promtail");
    let known = known_differences(&folder.join("known-differences.txt")).unwrap();
    let cases = Case::load_all(&folder).unwrap();
    assert!(cases.len() > 140);
    let shipper = PathBuf::from(env!("CARGO_BIN_EXE_log-shipper"));
    let suite = Suite { shipper, jobs: 12, keep: false };
    let reports = suite.run(cases, |_| {});
    let surprises = surprises(&reports, &known);
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}
