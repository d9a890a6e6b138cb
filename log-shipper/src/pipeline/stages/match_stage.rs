//! `match`: stages only for lines that a selector selects, or a drop of those lines.
//!
//! Lines keep their order, whether they are selected or not; in Promtail they overtake each other.

pub mod selector;

use std::sync::Arc;

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::{Entry, FileId};
use crate::pipeline::extracted::{Value, ValueRef};
use crate::pipeline::run::Pipeline;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};
use selector::Selector;

/// Reason under which drops are counted unless the configuration names another.
pub const DEFAULT_REASON: &str = "match_stage";

/// Options as in the configuration, without the stages.
#[derive(Debug, Clone, Default)]
pub struct MatchOptions {
    /// See [`Selector`].
    pub selector: Option<String>,
    /// `keep` (default) or `drop`.
    pub action: Option<String>,
    /// Named the nested pipeline's metrics in old versions; only its form is checked.
    pub pipeline_name: Option<String>,
}

#[derive(Debug)]
enum Action {
    Keep(Pipeline),
    Drop(DropCounter),
}

/// See the module.
#[derive(Debug)]
pub struct MatchStage {
    selector: Arc<Selector>,
    action: Action,
}

impl MatchStage {
    /// A stage with these options; `stages` builds the nested ones and is `None` where there are
    /// none.
    ///
    /// # Errors
    ///
    /// A missing or bad selector, an unknown action, `keep` without stages, `drop` with stages, and
    /// what `stages` returns.
    pub fn new(
        options: MatchOptions,
        stages: Option<impl FnOnce() -> Result<Pipeline, StageError>>,
        dropped: DropCounter,
    ) -> Result<Self, StageError> {
        let error = |key, problem| StageError::new("match", problem).key(key);
        if options.pipeline_name.as_deref() == Some("") {
            return Err(error("pipeline_name", "the name is empty".to_owned())
                .accepted("a name, or no pipeline_name at all"));
        }
        let text = options.selector.filter(|text| !text.is_empty()).ok_or_else(|| {
            StageError::new("match", "a selector is required").accepted(selector::ACCEPTED)
        })?;
        let keep = match options.action.as_deref() {
            None | Some("" | "keep") => true,
            Some("drop") => false,
            Some(other) => {
                return Err(
                    error("action", format!("unknown action {other:?}")).accepted("keep, drop")
                );
            }
        };
        let selector = Selector::parse(&text).map_err(|cause| {
            error("selector", format!("invalid selector {text:?}"))
                .accepted(selector::ACCEPTED)
                .cause(cause)
        })?;
        let action = match (keep, stages) {
            (true, Some(build)) => Action::Keep(build()?),
            (false, None) => Action::Drop(dropped),
            (true, None) => {
                return Err(StageError::new("match", "at least one stage is required")
                    .accepted("a list of stages under `stages`, or `action: drop`"));
            }
            (false, Some(_)) => {
                return Err(error(
                    "stages",
                    "lines are dropped, stages would never run".to_owned(),
                )
                .accepted("`action: drop` without stages"));
            }
        };
        Ok(Self { selector: Arc::new(selector), action })
    }

    /// Decodes the options; `build` makes a pipeline of the nested stages.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(
        node: &Node,
        metrics: &StageMetrics,
        warnings: &mut Vec<Finding>,
        build: impl FnOnce(&[Node]) -> Result<Pipeline, StageError>,
    ) -> Result<Self, StageError> {
        let mut options = Options::strict("match", node)?;
        let decoded = MatchOptions {
            selector: options.text("selector")?,
            action: options.text("action")?,
            pipeline_name: options.text("pipeline_name")?,
        };
        let stages = options.list("stages")?.filter(|stages| !stages.is_empty());
        let dropped = options.drop_counter(metrics, DEFAULT_REASON)?;
        options.finish(warnings);
        Self::new(decoded, stages.map(|stages| || build(stages)), dropped)
            .map_err(|error| locate(error, node))
    }
}

impl Stage for MatchStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        if !self.selector.selects(entry) {
            return Verdict::Pass;
        }
        match &mut self.action {
            Action::Keep(pipeline) => {
                cover_with_labels(entry);
                pipeline.process(entry, context)
            }
            Action::Drop(dropped) => {
                dropped.count();
                Verdict::Drop
            }
        }
    }

    fn flush(&mut self, end: bool, context: &mut Context) {
        if let Action::Keep(pipeline) = &mut self.action {
            pipeline.flush(end, context);
        }
    }

    fn held_since(&self, file: FileId) -> Option<u64> {
        match &self.action {
            Action::Keep(pipeline) => pipeline.held_since(file),
            Action::Drop(_) => None,
        }
    }

    fn fork(&self) -> Box<dyn Stage> {
        let action = match &self.action {
            Action::Keep(pipeline) => Action::Keep(pipeline.fork()),
            Action::Drop(dropped) => Action::Drop(dropped.clone()),
        };
        Box::new(Self { selector: Arc::clone(&self.selector), action })
    }
}

/// Same result as [`Extracted::cover_with`], at no cost for labels that are visible already: most
/// lines reach a `match` with the labels they started with.
///
/// [`Extracted::cover_with`]: crate::pipeline::extracted::Extracted::cover_with
fn cover_with_labels(entry: &mut Entry) {
    for (name, value) in entry.labels.iter() {
        if entry.extracted.get(name) != Some(ValueRef::Text(value.as_bytes())) {
            entry.extracted.set(&Arc::from(name), Value::Text(value.as_bytes().to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
