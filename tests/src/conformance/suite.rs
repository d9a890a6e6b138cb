//! Many cases at once, and one verdict each.
//!
//! A verdict depends on the case alone: cases share nothing but the machine.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};

use super::case::{Case, CaseError};
use super::compare::first_difference;
use super::run::Run;

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As Promtail.
    Pass,
    /// Otherwise: the first difference, or why there is no result.
    Fail(String),
    /// Otherwise, in a case where a good shipper may differ.
    Quirk(String),
}

/// One case's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The case's name.
    pub name: String,
    /// How it went.
    pub verdict: Verdict,
    /// The work folder, if it was to be kept.
    pub kept: Option<PathBuf>,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The binary under test, as an absolute path: cases run in folders of their own.
    pub shipper: PathBuf,
    /// Cases that run at the same time.
    pub jobs: usize,
    /// Work folders are left behind.
    pub keep: bool,
}

impl Suite {
    /// Runs all cases; `report` is called on the caller's thread as each one ends.
    pub fn run(&self, mut cases: Vec<Case>, mut report: impl FnMut(&Report)) -> Vec<Report> {
        // Long cases first: alone at the end they would only prolong it.
        cases.sort_by_key(|case| std::cmp::Reverse(case.spec.steps.len()));
        let queue = Mutex::new(VecDeque::from(cases));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let (sender, reports) = mpsc::channel();
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let sender = sender.clone();
                scope.spawn(move || {
                    while let Some(case) = next() {
                        // Nobody listens only when the caller has panicked.
                        let _ = sender.send(self.judge(&case));
                    }
                });
            }
            drop(sender);
            for finished in reports {
                report(&finished);
                all.push(finished);
            }
        });
        all
    }

    fn judge(&self, case: &Case) -> Report {
        let (problem, kept) = match Run::prepare(case, &self.shipper) {
            Err(error) => (Some(chain(&error)), None),
            Ok(mut run) => {
                let problem = match run.run() {
                    Ok(found) => first_difference(&case.expected, &found, case.spec.unordered),
                    Err(error) => Some(chain(&error)),
                };
                (problem, self.keep.then(|| run.keep()))
            }
        };
        let verdict = match problem {
            None => Verdict::Pass,
            Some(problem) if case.spec.quirk.is_some() => Verdict::Quirk(problem),
            Some(problem) => Verdict::Fail(problem),
        };
        Report { name: case.name.clone(), verdict, kept }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Reads a list of known differences: `NAME: REASON` a line, `#` starts a comment line.
///
/// # Errors
///
/// [`CaseError::Read`] when the file cannot be read.
///
/// # Panics
///
/// On a line without a reason: the list is part of the source.
pub fn known_differences(path: &Path) -> Result<BTreeMap<String, String>, CaseError> {
    let text =
        fs::read_to_string(path).map_err(|cause| CaseError::Read { path: path.into(), cause })?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |line: &str| match line.split_once(": ") {
        Some((name, reason)) => (name.to_owned(), reason.to_owned()),
        None => panic!("{}: a line is no `NAME: REASON`: {line}", path.display()),
    };
    Ok(lines.map(pair).collect())
}

/// Compares failures with the known differences, both ways; empty if they agree.
pub fn surprises(reports: &[Report], known: &BTreeMap<String, String>) -> Vec<String> {
    let failed: BTreeMap<_, _> = reports
        .iter()
        .filter_map(|report| match &report.verdict {
            Verdict::Fail(problem) => Some((&report.name, problem)),
            Verdict::Pass | Verdict::Quirk(_) => None,
        })
        .collect();
    let unknown = failed
        .iter()
        .filter(|(name, _)| !known.contains_key(**name))
        .map(|(name, problem)| format!("{name} differs: {problem}"));
    let vanished = known
        .keys()
        .filter(|name| !failed.contains_key(name))
        .map(|name| format!("{name} is listed as a known difference, but does not fail"));
    unknown.chain(vanished).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, verdict: Verdict) -> Report {
        Report { name: name.to_owned(), verdict, kept: None }
    }

    #[test]
    fn only_listed_differences_are_expected_and_all_of_them_are() {
        let reports = [
            report("a", Verdict::Fail("x".to_owned())),
            report("b", Verdict::Pass),
            report("c", Verdict::Quirk("y".to_owned())),
        ];
        let known = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "why".to_owned())).collect()
        };
        assert!(surprises(&reports, &known(&["a"])).is_empty());
        assert_eq!(surprises(&reports, &known(&[])), ["a differs: x"]);
        assert_eq!(
            surprises(&reports, &known(&["a", "b", "gone"])),
            [
                "b is listed as a known difference, but does not fail",
                "gone is listed as a known difference, but does not fail"
            ]
        );
    }

    #[test]
    fn a_binary_that_does_not_start_fails_every_case() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/promtail");
        let case = Case::load(&Path::new(corpus).join("cri-basic")).unwrap();
        let suite = Suite { shipper: "/nonexistent/shipper".into(), jobs: 2, keep: false };
        let reports = suite.run(vec![case.clone(), case], |_| {});
        assert_eq!(reports.len(), 2);
        let Verdict::Fail(problem) = &reports[0].verdict else { panic!("{:?}", reports[0]) };
        assert!(
            problem.starts_with("no process: cannot start /nonexistent/shipper: "),
            "{problem}"
        );
    }

    #[test]
    fn a_binary_that_does_nothing_right_fails() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/promtail");
        let case = Case::load(&Path::new(corpus).join("cri-basic")).unwrap();
        let suite = Suite { shipper: "/bin/true".into(), jobs: 1, keep: false };
        let reports = suite.run(vec![case], |_| {});
        let Verdict::Fail(problem) = &reports[0].verdict else { panic!("{:?}", reports[0]) };
        assert_eq!(problem, "accepted: wanted true, got false");
    }
}
