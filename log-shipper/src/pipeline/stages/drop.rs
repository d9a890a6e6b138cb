//! `drop`: discards lines for which *all* given conditions hold.
//!
//! A source that is present with the value null is present: `drop: {source: x}` drops such a line.
//! A condition that would need null as text keeps the line.

use std::sync::Arc;

use go_compat::regexp::Regexp;

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::Extracted;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};

/// Reason under which drops are counted unless the configuration names another.
pub const DEFAULT_REASON: &str = "drop_stage";

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct DropOptions {
    /// Extracted keys.
    pub source: Option<Vec<String>>,
    /// Stands between the values of several sources; default `;`.
    pub separator: Option<String>,
    /// The joined values must be this text.
    pub value: Option<String>,
    /// The joined values, or without a source the line, must contain a match.
    pub expression: Option<String>,
    /// Nanoseconds: the entry's time must be further back.
    pub older_than_ns: Option<i64>,
    /// Bytes: the line must be longer.
    pub longer_than: Option<u64>,
}

#[derive(Debug)]
enum Wanted {
    Exactly(Vec<u8>),
    Match(Regexp),
}

#[derive(Debug)]
struct Conditions {
    source: Option<Vec<String>>,
    separator: Vec<u8>,
    wanted: Option<Wanted>,
    older_than_ns: Option<i64>,
    longer_than: Option<u64>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct DropStage {
    conditions: Arc<Conditions>,
    dropped: DropCounter,
    /// Reused memory for joined values.
    joined: Vec<u8>,
}

impl DropStage {
    /// A stage with these conditions that counts with `dropped`.
    ///
    /// # Errors
    ///
    /// No condition at all, `value` without `source` or beside `expression`, an expression that
    /// does not compile.
    pub fn new(options: DropOptions, dropped: DropCounter) -> Result<Self, StageError> {
        let DropOptions { source, separator, value, expression, older_than_ns, longer_than } =
            options;
        if value.is_some() && expression.is_some() {
            return Err(StageError::new("drop", "value and expression cannot both be set")
                .key("value")
                .accepted("one of value, expression"));
        }
        if value.is_some() && source.is_none() {
            return Err(StageError::new("drop", "value needs a source to compare it with")
                .key("value")
                .accepted("source beside value, or expression alone"));
        }
        if source.is_none()
            && expression.is_none()
            && older_than_ns.is_none()
            && longer_than.is_none()
        {
            return Err(StageError::new("drop", "no condition is set")
                .accepted("at least one of source, expression, older_than, longer_than"));
        }
        let wanted = match (value, expression) {
            (Some(value), _) => Some(Wanted::Exactly(value.into_bytes())),
            (None, Some(expression)) => {
                Some(Wanted::Match(Regexp::new(&expression).map_err(|cause| {
                    StageError::new("drop", "the regular expression does not compile")
                        .key("expression")
                        .accepted("Go (RE2) syntax")
                        .cause(cause)
                })?))
            }
            (None, None) => None,
        };
        let separator = separator.unwrap_or_else(|| ";".to_owned()).into_bytes();
        let conditions = Conditions { source, separator, wanted, older_than_ns, longer_than };
        Ok(Self { conditions: Arc::new(conditions), dropped, joined: Vec::new() })
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
        let mut options = Options::weak("drop", node)?;
        let decoded = DropOptions {
            source: options.text_or_list("source")?,
            separator: options.text("separator")?,
            value: options.text("value")?,
            expression: options.text("expression")?,
            older_than_ns: options.duration_ns("older_than")?,
            longer_than: options.byte_count("longer_than")?,
        };
        let dropped = options.drop_counter(metrics, DEFAULT_REASON)?;
        options.finish(warnings);
        Self::new(decoded, dropped).map_err(|error| locate(error, node))
    }
}

impl Conditions {
    /// Cheap conditions first.
    fn hold(&self, entry: &Entry, now_ns: i64, joined: &mut Vec<u8>) -> bool {
        if self.longer_than.is_some_and(|limit| entry.line.len() as u64 <= limit) {
            return false;
        }
        if self.older_than_ns.is_some_and(|age| entry.timestamp_ns >= now_ns.saturating_sub(age)) {
            return false;
        }
        match (&self.source, &self.wanted) {
            (None, None) => true,
            (None, Some(wanted)) => wanted.is_met(&entry.line),
            (Some(keys), None) => keys.iter().all(|key| entry.extracted.get(key).is_some()),
            (Some(keys), Some(wanted)) => {
                self.join(keys, &entry.extracted, joined) && wanted.is_met(joined)
            }
        }
    }

    /// Writes the present values into `joined`; `false` where one of them is null.
    fn join(&self, keys: &[String], extracted: &Extracted, joined: &mut Vec<u8>) -> bool {
        joined.clear();
        let mut first = true;
        for value in keys.iter().filter_map(|key| extracted.get(key)) {
            let Some(bytes) = value.to_bytes() else { return false };
            if !first {
                joined.extend_from_slice(&self.separator);
            }
            joined.extend_from_slice(&bytes);
            first = false;
        }
        true
    }
}

impl Wanted {
    fn is_met(&self, text: &[u8]) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == text,
            Self::Match(expression) => expression.is_match(text),
        }
    }
}

impl Stage for DropStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        if !self.conditions.hold(entry, context.now_ns, &mut self.joined) {
            return Verdict::Pass;
        }
        self.dropped.count();
        Verdict::Drop
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
