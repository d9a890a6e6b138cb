//! `limit`: at most so many lines per second, for the whole job or per value of a label.
//!
//! The buckets are shared by all forks: a limit means the job, whatever the number of workers.
//! Nothing waits here; without `drop` the stage asks for a pause and lets the line pass.

pub mod token_bucket;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};
use token_bucket::TokenBucket;

/// Reason under which drops are counted.
pub const REASON: &str = "ratelimit_drop_stage";

/// Lowest effective `max_distinct_labels`. With it the buckets of one stage take about 2 MB: two
/// generations of 10,000 values at about 100 bytes.
pub const MIN_DISTINCT_LABELS: usize = 10_000;

/// Longer values share one bucket, and are counted without the value: Loki refuses them by default
/// (`max_label_value_length`).
pub const MAX_VALUE_BYTES: usize = 2048;

/// What stands for them.
const LONG_VALUE: &str = "(longer than 2048 bytes)";

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct LimitOptions {
    /// Lines per second, above 0.
    pub rate: f64,
    /// Lines that may pass at once, above 0.
    pub burst: i64,
    /// Drop what is above the limit, instead of slowing the job down.
    pub drop: bool,
    /// One bucket per value of this label; lines without it pass.
    pub by_label_name: Option<String>,
    /// How many values are remembered; see [`MIN_DISTINCT_LABELS`].
    pub max_distinct_labels: usize,
}

#[derive(Debug, Clone)]
enum Buckets {
    Wait(Arc<Mutex<TokenBucket>>),
    Drop(Arc<Mutex<TokenBucket>>),
    DropByLabel(Arc<Mutex<Generations>>),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct LimitStage {
    buckets: Buckets,
    dropped: DropCounter,
    metrics: StageMetrics,
}

impl LimitStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// Rate or burst that are not positive, a label without `drop`.
    pub fn new(options: LimitOptions, metrics: &StageMetrics) -> Result<Self, StageError> {
        let LimitOptions { rate, burst, drop, by_label_name, max_distinct_labels } = options;
        if rate.is_nan() || rate <= 0.0 {
            return Err(StageError::new("limit", format!("the rate is {rate}"))
                .key("rate")
                .accepted("a number of lines per second above 0"));
        }
        if burst <= 0 {
            return Err(StageError::new("limit", format!("the burst is {burst}"))
                .key("burst")
                .accepted("a number of lines above 0"));
        }
        let bucket = TokenBucket::new(rate, u32::try_from(burst).unwrap_or(u32::MAX));
        let buckets = match (by_label_name.filter(|name| !name.is_empty()), drop) {
            (Some(_), false) => {
                return Err(StageError::new(
                    "limit",
                    "a limit by label cannot wait, drop must be true",
                )
                .key("by_label_name")
                .accepted("drop: true beside by_label_name"));
            }
            (Some(label), true) => Buckets::DropByLabel(Arc::new(Mutex::new(Generations {
                label,
                capacity: max_distinct_labels.max(MIN_DISTINCT_LABELS),
                full_bucket: bucket,
                young: HashMap::default(),
                old: HashMap::default(),
            }))),
            (None, true) => Buckets::Drop(Arc::new(Mutex::new(bucket))),
            (None, false) => Buckets::Wait(Arc::new(Mutex::new(bucket))),
        };
        Ok(Self { buckets, dropped: metrics.drop_counter(REASON), metrics: metrics.clone() })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(
        node: &Node,
        metrics: &StageMetrics,
        warnings: &mut Vec<Finding>,
    ) -> Result<Self, StageError> {
        let mut options = Options::weak("limit", node)?;
        let max_distinct_labels =
            options.int("max_distinct_labels")?.map(|given| usize::try_from(given).unwrap_or(0));
        if max_distinct_labels.is_some_and(|given| given < MIN_DISTINCT_LABELS) {
            options.warn(&format!("max_distinct_labels is raised to {MIN_DISTINCT_LABELS}"));
        }
        let decoded = LimitOptions {
            rate: options.float("rate")?.unwrap_or(0.0),
            burst: options.int("burst")?.unwrap_or(0),
            drop: options.flag("drop")?.unwrap_or(false),
            by_label_name: options.text("by_label_name")?,
            max_distinct_labels: max_distinct_labels.unwrap_or(0),
        };
        options.finish(warnings);
        Self::new(decoded, metrics).map_err(|error| locate(error, node))
    }
}

impl Stage for LimitStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let passes = match &self.buckets {
            Buckets::Wait(bucket) => {
                let pause = lock(bucket).take_debt(context.now);
                context.pause_until = context.pause_until.max(pause);
                true
            }
            Buckets::Drop(bucket) => lock(bucket).allow(context.now),
            Buckets::DropByLabel(generations) => {
                let mut generations = lock(generations);
                let value = entry.labels.get(&generations.label);
                let value = value
                    .map(|value| if value.len() > MAX_VALUE_BYTES { LONG_VALUE } else { value });
                value.is_none_or(|value| {
                    let passes = generations.bucket(value, &self.metrics).allow(context.now);
                    if !passes {
                        self.metrics.count_drop_by_label(&generations.label, value);
                    }
                    passes
                })
            }
        };
        if passes {
            return Verdict::Pass;
        }
        self.dropped.count();
        Verdict::Drop
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// A panic elsewhere leaves a bucket usable: every state of it is valid.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Buckets by label value, bounded: what was not used while `capacity` other values were is
/// forgotten, and its next line finds a full bucket.
#[derive(Debug)]
struct Generations {
    label: String,
    capacity: usize,
    full_bucket: TokenBucket,
    young: HashMap<Box<str>, TokenBucket, foldhash::fast::RandomState>,
    old: HashMap<Box<str>, TokenBucket, foldhash::fast::RandomState>,
}

impl Generations {
    fn bucket(&mut self, value: &str, metrics: &StageMetrics) -> &mut TokenBucket {
        if !self.young.contains_key(value) {
            if self.young.len() >= self.capacity {
                self.old = std::mem::take(&mut self.young);
                // The series would grow with the values just as the buckets would.
                metrics.forget_drops_by_label(&self.label);
            }
            let bucket = self.old.remove(value).unwrap_or_else(|| self.full_bucket.clone());
            self.young.insert(Box::from(value), bucket);
        }
        self.young.get_mut(value).expect("inserted above where it was missing")
    }
}

#[cfg(test)]
mod tests;
