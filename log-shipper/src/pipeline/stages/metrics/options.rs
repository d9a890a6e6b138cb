//! Options of a `metrics` stage out of the YAML tree: a map from names to metrics.

use std::time::Duration;

use super::definition::MetricOptions;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::stages::error::StageError;
use crate::pipeline::stages::options::{Options, entries};

const STAGE: &str = "metrics";

/// All metrics, in the order of the file.
pub(super) fn decode(
    node: &Node,
    warnings: &mut Vec<Finding>,
) -> Result<Vec<MetricOptions>, StageError> {
    entries(STAGE, node)?
        .into_iter()
        .map(|(name, node)| metric(&name, node, warnings).map_err(|error| within(&name, error)))
        .collect()
}

/// Puts the metric's name before the key.
fn within(name: &str, error: StageError) -> StageError {
    let key = error.key.as_deref().map_or_else(|| name.to_owned(), |key| format!("{name}.{key}"));
    error.key(&key)
}

fn metric(
    name: &str,
    node: &Node,
    warnings: &mut Vec<Finding>,
) -> Result<MetricOptions, StageError> {
    let mut options = Options::strict(STAGE, node)?;
    let max_idle = options
        .duration_ns("max_idle_duration")?
        // Below zero is below the minimum of a second, too.
        .map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(0)));
    let mut metric = MetricOptions {
        name: name.to_owned(),
        kind: options.text("type")?.unwrap_or_default(),
        description: options.text("description")?.unwrap_or_default(),
        source: options.text("source")?,
        prefix: options.text("prefix")?.unwrap_or_default(),
        max_idle,
        ..MetricOptions::default()
    };
    let config = options.node("config");
    options.finish(warnings);
    let Some(config) = config else { return Ok(metric) };
    let mut options = Options::strict(STAGE, config)?;
    metric.value = options.text("value")?;
    metric.buckets = options.floats("buckets")?.unwrap_or_default();
    metric.action = options.text("action")?.unwrap_or_default();
    metric.match_all = options.flag("match_all")?.unwrap_or(false);
    metric.count_entry_bytes = options.flag("count_entry_bytes")?.unwrap_or(false);
    options.finish(warnings);
    Ok(metric)
}
