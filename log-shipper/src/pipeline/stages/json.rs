//! `json`: values of a line, or of an extracted text, that is a JSON object.
//!
//! Plain keys and dotted paths, which is nearly all that is ever configured, are found in one pass
//! without building a tree; only other expressions cost one. Either the whole text is JSON or
//! nothing is extracted from it. Nothing is held between lines but reused memory, as large as the
//! longest line.

pub(super) mod cursor;
pub(super) mod paths;
mod search;
pub(super) mod strings;
pub(super) mod values;

use std::sync::Arc;

use self::paths::{Found, Paths};
use self::search::{Document, Expression};
use self::values::set;
use super::error::StageError;
use super::labels::NameMap;
use super::options::{self, Options, locate};
use super::source::Source;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};

/// Reason under which `drop_malformed` counts; Promtail drops uncounted.
pub const DROP_REASON: &str = "json_stage";

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct JsonOptions {
    /// Extracted name and `JMESPath` expression; no expression means the name.
    pub expressions: NameMap,
    /// Extracted value to parse instead of the line.
    pub source: Option<String>,
    /// Drop what is no JSON object, and count it with this; none keeps it.
    pub drop_malformed: Option<DropCounter>,
}

/// What is looked for, shared by all forks.
#[derive(Debug)]
struct Wanted {
    paths: Paths,
    /// Names by the number of their path.
    names: Vec<Arc<str>>,
    expressions: Vec<(Arc<str>, Expression)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct JsonStage {
    wanted: Arc<Wanted>,
    source: Source,
    drop_malformed: Option<DropCounter>,
    found: Found,
}

impl JsonStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No expressions, one that does not compile, an empty source.
    pub fn new(options: JsonOptions) -> Result<Self, StageError> {
        Self::with_warnings(options, |_| {})
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
        let mut options = Options::strict("json", node)?;
        let expressions = match options.node("expressions") {
            Some(node) => options::name_map("json", node)?,
            None => NameMap::new(),
        };
        let decoded = JsonOptions {
            expressions,
            source: options.text("source")?,
            drop_malformed: options
                .flag("drop_malformed")?
                .unwrap_or(false)
                .then(|| metrics.drop_counter(DROP_REASON)),
        };
        let stage = Self::with_warnings(decoded, |warning| options.warn(warning))
            .map_err(|error| locate(error, node))?;
        options.finish(warnings);
        Ok(stage)
    }

    fn with_warnings(options: JsonOptions, mut warn: impl FnMut(&str)) -> Result<Self, StageError> {
        if options.expressions.is_empty() {
            return Err(StageError::new("json", "JMES expression is required")
                .key("expressions")
                .accepted("a map from extracted names to JMESPath expressions"));
        }
        let mut names = Vec::new();
        let mut paths = Vec::new();
        let mut expressions = Vec::new();
        for (name, text) in options.expressions {
            let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| name.clone());
            let expression = Expression::new(&text).map_err(|cause| {
                StageError::new("json", format!("could not compile JMES expression {text:?}"))
                    .key(&format!("expressions.{name}"))
                    .accepted("JMESPath; a key with other characters than A-Z a-z 0-9 _ in quotes")
                    .cause(format!("column {}: {}", cause.column + 1, cause.reason))
            })?;
            for function in expression.unknown_functions() {
                warn(&format!("{text:?} never gives a value: {function} is no JMESPath function"));
            }
            match expression.path() {
                Some(path) => {
                    paths.push(path.into_iter().map(str::to_owned).collect::<Vec<_>>());
                    names.push(Arc::from(name));
                }
                None => expressions.push((Arc::from(name), expression)),
            }
        }
        Ok(Self {
            wanted: Arc::new(Wanted { paths: Paths::new(paths), names, expressions }),
            source: Source::new("json", options.source)?,
            drop_malformed: options.drop_malformed,
            found: Found::default(),
        })
    }
}

impl Stage for JsonStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let Self { wanted, source, drop_malformed, found } = self;
        let Some(text) = source.text(&entry.line, &entry.extracted) else { return Verdict::Pass };
        if wanted.paths.find(text, found).is_err() {
            let Some(dropped) = drop_malformed else { return Verdict::Pass };
            dropped.count();
            return Verdict::Drop;
        }
        for (path, name) in wanted.names.iter().enumerate() {
            set(&mut entry.extracted, name, found.get(path).map(|span| &text[span]));
        }
        if !wanted.expressions.is_empty()
            && let Some(document) = Document::new(text)
        {
            for (name, expression) in &wanted.expressions {
                if let Some(value) = expression.search(&document, text) {
                    entry.extracted.set(name, value);
                }
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
