//! What the unit tests of stages share: entries as a tailer makes them.

use std::sync::Arc;
use std::time::Instant;

use prometheus_model::label_set::LabelSet;

use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::Value;
use crate::pipeline::labels::Labels;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// 2024-01-02T03:04:05Z
pub(crate) const NOW_NS: i64 = 1_704_164_645_000_000_000;

/// An entry read now from a target with these labels.
pub(crate) fn entry(labels: &[(&str, &str)], line: impl AsRef<[u8]>) -> Entry {
    let base: Arc<LabelSet> = Arc::new(labels.iter().copied().collect());
    let mut entry = Entry {
        timestamp_ns: NOW_NS,
        line: line.as_ref().to_vec(),
        labels: Labels::new(Arc::clone(&base)),
        ..Entry::default()
    };
    entry.extracted.reset(&base);
    entry
}

pub(crate) fn context() -> Context {
    Context::new(NOW_NS, Instant::now())
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

pub(crate) fn extract(entry: &mut Entry, name: &str, value: Value) {
    entry.extracted.set(&Arc::from(name), value);
}

/// `{a="b"}`
pub(crate) fn labels(entry: &Entry) -> String {
    entry.labels.to_label_set().to_string()
}

pub(crate) fn line(entry: &Entry) -> &str {
    std::str::from_utf8(&entry.line).unwrap()
}

pub(crate) fn run(stage: &mut dyn Stage, entry: &mut Entry) -> Verdict {
    stage.process(entry, &mut context())
}
