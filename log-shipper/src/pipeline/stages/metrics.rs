//! `metrics`: counters, gauges and histograms made of log lines.
//!
//! A series carries the labels that the entry has at this point of the pipeline. Values live in
//! [`registry::CustomMetrics`], shared by all forks and jobs; the stage never changes the entry.

pub mod definition;
mod number;
mod options;
pub mod registry;

use std::sync::Arc;

use super::error::StageError;
use super::options::locate;
use crate::config::yaml::Node;
use crate::config::{Finding, FindingName};
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};
use definition::{Definition, MetricOptions, Operation, When};
use number::to_number;
use registry::{Change, CustomMetrics, MetricHandle};

/// See the module.
#[derive(Debug, Clone)]
pub struct MetricsStage {
    metrics: Arc<[(Definition, MetricHandle)]>,
}

impl MetricsStage {
    /// A stage that keeps these metrics in `registry`. Conflicts with metrics that are there
    /// already are added to `warnings`.
    ///
    /// # Errors
    ///
    /// What [`Definition::new`] refuses.
    pub fn new(
        metrics: Vec<MetricOptions>,
        registry: &CustomMetrics,
        warnings: &mut Vec<String>,
    ) -> Result<Self, StageError> {
        let metrics = metrics
            .into_iter()
            .map(|options| {
                let definition = Definition::new(options)?;
                let handle = registry.define(&definition.family, warnings);
                Ok((definition, handle))
            })
            .collect::<Result<_, StageError>>()?;
        Ok(Self { metrics })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(
        node: &Node,
        registry: &CustomMetrics,
        warnings: &mut Vec<Finding>,
    ) -> Result<Self, StageError> {
        let metrics = options::decode(node, warnings)?;
        let mut conflicts = Vec::new();
        let stage = Self::new(metrics, registry, &mut conflicts);
        let found = |text| Finding::new(FindingName::DoubtfulMetric, node, text);
        warnings.extend(conflicts.into_iter().map(found));
        stage.map_err(|error| locate(error, node))
    }
}

impl Definition {
    /// What this entry does to the metric.
    fn change(&self, entry: &Entry) -> Option<Change> {
        let source = match &self.when {
            When::Always => None,
            When::Present { source, value } => {
                let extracted = entry.extracted.get(source)?;
                if let Some(wanted) = value
                    && extracted.to_bytes()? != wanted.as_bytes()
                {
                    return None;
                }
                Some(extracted)
            }
        };
        let number = || to_number(source.unwrap_or(ValueRef::Null));
        Some(match self.operation {
            Operation::Increase => Change::Add(1.0),
            Operation::Decrease => Change::Add(-1.0),
            Operation::Set => Change::Set(number()?),
            Operation::Add => Change::Add(number()?),
            Operation::Subtract => Change::Add(-number()?),
            Operation::Observe => Change::Observe(number()?),
            #[expect(clippy::cast_precision_loss, reason = "lines are far below 2^53 bytes")]
            Operation::AddBytes => Change::Add(entry.line.len() as f64),
        })
    }
}

impl Stage for MetricsStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let mut key = None;
        for (definition, handle) in &*self.metrics {
            if let Some(change) = definition.change(entry) {
                handle.apply(change, &entry.labels, &mut key, context.now);
            }
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
