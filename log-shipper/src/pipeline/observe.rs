//! What each stage did to an entry, for people: behind `explain` and `-inspect`.
//!
//! An observed stage is a stage in a wrapper, put there when the pipeline is built. A pipeline that
//! nobody observes has no wrapper, and so no cost.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::entry::{Entry, FileId};
use super::extracted::{Value, ValueRef};
use super::stage::{Context, Stage, Verdict};
use crate::config::yaml::{Kind, Node};

/// Longest text of a stage's options, in characters.
const MAX_OPTIONS: usize = 160;

/// Which stage it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// `job_name`
    pub job: String,
    /// As in the configuration.
    pub name: String,
    /// Its options in one line, cut where they are long.
    pub options: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Under which reason it counts drops, where the configuration says so.
    pub drop_reason: Option<String>,
}

impl StageInfo {
    pub(super) fn new(job: &str, name: &str, item: &Node, options: &Node) -> Self {
        let reason = options.get("drop_counter_reason").and_then(Node::raw_text);
        Self {
            job: job.to_owned(),
            name: name.to_owned(),
            options: summary(options),
            line: item.line,
            column: item.column,
            drop_reason: reason.filter(|reason| !reason.is_empty()).map(str::to_owned),
        }
    }
}

/// Options in YAML's flow style. Nested stages are steps of their own.
fn summary(node: &Node) -> String {
    let mut text = String::new();
    flow(node, &mut text);
    if text.chars().count() > MAX_OPTIONS {
        text = text.chars().take(MAX_OPTIONS).chain("...".chars()).collect();
    }
    text
}

fn flow(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Null => {}
        Kind::Scalar { text, plain: true } => out.push_str(text),
        Kind::Scalar { text, plain: false } => out.push_str(&format_args!("{text:?}").to_string()),
        Kind::Sequence(items) => list(items.iter(), ('[', ']'), out, flow),
        Kind::Mapping(pairs) => {
            let own = pairs.iter().filter(|(key, _)| key.raw_text() != Some("stages"));
            list(own, ('{', '}'), out, |(key, value), out| {
                flow(key, out);
                out.push_str(": ");
                flow(value, out);
            });
        }
    }
}

fn list<T>(
    items: impl Iterator<Item = T>,
    (open, close): (char, char),
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push(close);
}

/// What became of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went on.
    Passed,
    /// A `match` did not select it, and it went on.
    NotSelected,
    /// It is gone.
    Dropped,
    /// The stage keeps it.
    Held,
    /// No entry came; the stage released what it had kept.
    Flushed,
}

/// One difference between an entry before and after a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nanoseconds since 1970, before and after.
    Timestamp(i64, i64),
    /// The text of the line, before and after.
    Line(Vec<u8>, Vec<u8>),
    /// A label: name, before, after.
    Label(String, Option<String>, Option<String>),
    /// Structured metadata: name, before, after.
    Metadata(String, Option<String>, Option<String>),
    /// An extracted value: name, before, after.
    Extracted(String, Option<Value>, Option<Value>),
}

/// What one stage did with one entry.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which stage.
    pub stage: Arc<StageInfo>,
    /// What became of the entry.
    pub outcome: Outcome,
    /// What is different after it.
    pub changes: Vec<Change>,
    /// Entries that it released, before those went on.
    pub released: Vec<Entry>,
    /// It asks for no further line for a while.
    pub pauses: bool,
    /// What the stages inside a `match` did.
    pub nested: Vec<Step>,
}

type Report = Box<dyn FnMut(Step) + Send>;

/// Hears of the steps of all observed pipelines, those of one thread in order.
#[derive(Clone)]
pub struct Observer(Arc<Mutex<Steps>>);

struct Steps {
    /// Per thread, the steps inside the stages that have not ended yet.
    open: HashMap<ThreadId, Vec<Vec<Step>>>,
    report: Report,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Observer {
    /// Calls `report` for every step of an outermost pipeline.
    pub fn new(report: impl FnMut(Step) + Send + 'static) -> Self {
        let report = Box::new(report);
        Self(Arc::new(Mutex::new(Steps { open: HashMap::new(), report })))
    }

    pub(super) fn watch(&self, inner: Box<dyn Stage>, stage: StageInfo) -> Box<dyn Stage> {
        Box::new(ObservedStage { inner, stage: Arc::new(stage), observer: self.clone() })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Steps) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(&self) {
        self.with(|steps| steps.open.entry(thread::current().id()).or_default().push(Vec::new()));
    }

    /// What happened since the last [`Self::enter`].
    fn leave(&self) -> Vec<Step> {
        self.with(|steps| {
            let thread = thread::current().id();
            let Some(open) = steps.open.get_mut(&thread) else { return Vec::new() };
            let ended = open.pop().unwrap_or_default();
            if open.is_empty() {
                // threads end without a word
                steps.open.remove(&thread);
            }
            ended
        })
    }

    fn record(&self, step: Step) {
        self.with(|steps| {
            let outer =
                steps.open.get_mut(&thread::current().id()).and_then(|open| open.last_mut());
            match outer {
                Some(outer) => outer.push(step),
                None => (steps.report)(step),
            }
        });
    }
}

#[derive(Debug)]
struct ObservedStage {
    inner: Box<dyn Stage>,
    stage: Arc<StageInfo>,
    observer: Observer,
}

impl ObservedStage {
    fn step(&self, outcome: Outcome, released: &[Entry]) -> Step {
        let nested = self.observer.leave();
        // A match hands on what its stages released; they have said so.
        let released = if nested.is_empty() { released.to_vec() } else { Vec::new() };
        let stage = Arc::clone(&self.stage);
        Step { stage, outcome, changes: Vec::new(), released, pauses: false, nested }
    }
}

impl Stage for ObservedStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let before = entry.clone();
        let (mark, paused) = (context.released.len(), context.pause_until);
        self.observer.enter();
        let verdict = self.inner.process(entry, context);
        let outcome = match verdict {
            Verdict::Pass => Outcome::Passed,
            Verdict::Drop => Outcome::Dropped,
            Verdict::Hold => Outcome::Held,
        };
        let mut step = self.step(outcome, &context.released[mark..]);
        if self.stage.name == "match" && outcome == Outcome::Passed && step.nested.is_empty() {
            step.outcome = Outcome::NotSelected;
        }
        step.pauses = context.pause_until != paused;
        if outcome == Outcome::Passed {
            step.changes = changes(&before, entry);
        }
        self.observer.record(step);
        verdict
    }

    fn flush(&mut self, end: bool, context: &mut Context) {
        let mark = context.released.len();
        self.observer.enter();
        self.inner.flush(end, context);
        let step = self.step(Outcome::Flushed, &context.released[mark..]);
        if !step.released.is_empty() || !step.nested.is_empty() {
            self.observer.record(step);
        }
    }

    fn held_since(&self, file: FileId) -> Option<u64> {
        self.inner.held_since(file)
    }

    fn fork(&self) -> Box<dyn Stage> {
        let (stage, observer) = (Arc::clone(&self.stage), self.observer.clone());
        Box::new(Self { inner: self.inner.fork(), stage, observer })
    }
}

/// In a fixed order: time, line, labels, metadata, extracted values, each by name.
fn changes(before: &Entry, after: &Entry) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.timestamp_ns != after.timestamp_ns {
        changes.push(Change::Timestamp(before.timestamp_ns, after.timestamp_ns));
    }
    if before.line != after.line {
        changes.push(Change::Line(before.line.clone(), after.line.clone()));
    }
    let labels = |entry: &Entry| pairs(entry.labels.iter().map(|(n, v)| (n, v.to_owned())));
    compare(&labels(before), &labels(after), Change::Label, &mut changes);
    let metadata = |entry: &Entry| pairs(entry.metadata.iter().map(|(n, v)| (&**n, v.clone())));
    compare(&metadata(before), &metadata(after), Change::Metadata, &mut changes);
    let extracted = |entry: &Entry| pairs(entry.extracted.iter().map(|(n, v)| (n, owned(v))));
    compare(&extracted(before), &extracted(after), Change::Extracted, &mut changes);
    changes
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Text(bytes) => Value::Text(bytes.to_vec()),
        ValueRef::Number(number) => Value::Number(number),
        ValueRef::Bool(flag) => Value::Bool(flag),
        ValueRef::Null => Value::Null,
    }
}

fn pairs<'a, T>(items: impl Iterator<Item = (&'a str, T)>) -> BTreeMap<String, T> {
    items.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn compare<T: Clone + PartialEq>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    change: impl Fn(String, Option<T>, Option<T>) -> Change,
    changes: &mut Vec<Change>,
) {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&String> = after.keys().chain(gone).collect();
    names.sort();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if old != new {
            changes.push(change(name.clone(), old.cloned(), new.cloned()));
        }
    }
}

#[cfg(test)]
mod tests;
