//! What is tried, one module per parser.
//!
//! A check depends on its input alone, and panics where a promise is broken. What it returns tells
//! inputs apart that took different ways: those that show something new are changed further. That is
//! coarser than coverage, and needs no special compiler.

mod config;
mod cri;
mod docker_log;
mod file_records;
mod gcp_push;
mod gelf;
mod heroku;
mod journal;
mod json;
mod logfmt;
mod memory_file;
mod positions;
mod push_json;
mod push_proto;
mod regexp;
mod syslog;
mod syslog_frames;
mod template;
mod time_layout;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use log_shipper::config::yaml::Node;
use log_shipper::pipeline::build::{BuildContext, build};
use log_shipper::pipeline::entry::Entry;
use log_shipper::pipeline::labels::Labels;
use log_shipper::pipeline::run::Pipeline;
use log_shipper::pipeline::stage::Context;
use log_shipper::pipeline::stage_metrics::StageMetrics;
use log_shipper::pipeline::stages::metrics::registry::CustomMetrics;
use prometheus_model::label_set::LabelSet;

/// Runs one input.
pub(crate) type Check = Box<dyn FnMut(&[u8]) -> Shape>;

/// A parser with what is known about its input.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What the format is made of.
    pub(crate) words: &'static [&'static str],
    pub(crate) start: fn() -> Check,
}

pub(crate) const ALL: &[Target] = &[
    cri::TARGET,
    json::TARGET,
    logfmt::TARGET,
    template::TARGET,
    time_layout::TARGET,
    regexp::TARGET,
    positions::TARGET,
    file_records::TARGET,
    config::TARGET,
    syslog_frames::TARGET,
    syslog::TARGET,
    gelf::TARGET,
    push_proto::TARGET,
    push_json::TARGET,
    heroku::TARGET,
    gcp_push::TARGET,
    docker_log::TARGET,
    journal::TARGET,
];

/// The target of this name.
pub(crate) fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// What an input showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape(u64);

impl Shape {
    pub(crate) fn of(parts: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Of a message's first line, without the numbers and the pieces of the input that stand in it.
    pub(crate) fn of_message(message: &str) -> Self {
        let mut is_quoted = false;
        let is_fixed = |char: &char| {
            is_quoted ^= matches!(char, '"' | '`');
            !is_quoted && (char.is_ascii_alphabetic() || *char == ' ')
        };
        Self::of(
            message.lines().next().unwrap_or_default().chars().filter(is_fixed).collect::<String>(),
        )
    }
}

/// 2024-01-02T03:04:05Z
const NOW_NS: i64 = 1_704_164_645_000_000_000;

/// What stages may share.
fn build_context() -> BuildContext {
    let metrics = StageMetrics::new();
    BuildContext::new("fuzz", &metrics, &CustomMetrics::default(), 1)
}

/// The pipeline of a list of stages in YAML, which must be right.
fn pipeline(stages: &str) -> Pipeline {
    let tree = log_shipper::config::yaml::parse(stages).expect("the stages are YAML");
    build(&items(tree), &mut build_context()).expect("the stages are right")
}

fn items(tree: Node) -> Vec<Node> {
    match tree.kind {
        log_shipper::config::yaml::Kind::Sequence(items) => items,
        other => panic!("a list of stages, not {other:?}"),
    }
}

/// A line as it is read from a file.
fn entry(labels: &Arc<LabelSet>, line: &[u8]) -> Entry {
    let mut entry = Entry {
        timestamp_ns: NOW_NS,
        line: line.to_vec(),
        labels: Labels::new(Arc::clone(labels)),
        ..Entry::default()
    };
    entry.extracted.reset(labels);
    entry
}

fn context() -> Context {
    Context::new(NOW_NS, Instant::now())
}

/// Sizes of the pieces in which a stream comes. One and three bytes part everything, the last is as
/// uneven as reads are.
const CUTS: [usize; 3] = [1, 3, 1021];

/// The input in pieces of this size.
fn pieces(input: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    input.chunks(size)
}

/// The first line, as text, and what follows.
fn first_line(input: &[u8]) -> (Cow<'_, str>, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (first, rest) = match end {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    (String::from_utf8_lossy(first), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wrong_with_what_is_known() {
        for target in ALL {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            let mut check = (target.start)();
            let shapes: std::collections::HashSet<_> =
                seeds.iter().map(|seed| check(seed)).collect();
            assert!(shapes.len() > 1, "{}: all seeds look the same", target.name);
        }
    }

    #[test]
    fn messages_differ_by_their_words_alone() {
        let shape = Shape::of_message;
        assert_eq!(shape("line 1: \"a\" is odd"), shape("line 22: \"bc\" is odd"));
        assert_ne!(shape("line 1 is odd"), shape("line 1 is even"));
    }
}
